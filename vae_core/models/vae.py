"""The variational autoencoder: settings, model, loss and the importance-weighted bound.

Sources: Kingma & Welling 2014 (arXiv:1312.6114); beta: Higgins et al. 2017; importance weighting: Burda, Grosse &
Salakhutdinov 2016 (arXiv:1509.00519); a Gaussian whose one variance is learned: Rybkin, Daniilidis & Levine 2021, sigma-VAE
(arXiv:2006.13202). The networks are in networks.py.
All losses are in nats per image: summed over pixels and channels, averaged over the batch.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vae_core import networks
from vae_core.errors import BadInput, in_range, shortly
from vae_core.family import Family, Loss, Term
from vae_core.limits import check_image_shape, check_weights
from vae_core.networks import ARCHITECTURES, Architecture

REDUCTIONS = ("sum", "mean")
LIKELIHOODS = ("bernoulli", "gaussian")
LOWEST_LOG_SIGMA = -6.0  # half a step of 8-bit pixels: constant images would drive it to minus infinity
FIRST_LOG_SIGMA = -1.5  # about the spread of pixels in natural pictures


@dataclass(frozen=True)
class VAEConfig:
    """Everything that fixes the model and its objective. Raises BadInput on values out of range."""

    kind: ClassVar[str] = "vae"
    architecture: str = "mlp"
    image_shape: tuple[int, int, int] = (1, 28, 28)  # (C, H, W)
    latent_dim: int = 20  # 1 to 256
    hidden: int | None = None  # units of a hidden layer, or channels, 8 to 4096; None: the architecture's own
    depth: int | None = None  # mlp: hidden layers each way; residual, conv: blocks each way; 1 to 12
    beta: float = 1.0  # weight of the KL term, 0 to 1000
    binarize: bool = False  # draw each pixel as 0 or 1 anew whenever it is used: then the loss is a true likelihood
    reduction: str = "sum"  # "mean" averages the reconstruction over pixels, the famous mistake: collapse
    likelihood: str = "bernoulli"  # of a pixel given z; or "gaussian", around the same mean, with one learned variance for all

    def __post_init__(self):
        if self.architecture not in ARCHITECTURES:
            raise BadInput(
                f"There is no architecture called {shortly(self.architecture)}; choose one of {', '.join(ARCHITECTURES)}."
            )
        if self.reduction not in REDUCTIONS:
            raise BadInput(f"There is no reduction called {shortly(self.reduction)}; choose sum or mean.")
        if self.likelihood not in LIKELIHOODS:
            raise BadInput(f"There is no likelihood called {shortly(self.likelihood)}; choose bernoulli or gaussian.")
        defaults = ARCHITECTURES[self.architecture]
        object.__setattr__(self, "hidden", defaults.hidden if self.hidden is None else self.hidden)
        object.__setattr__(self, "depth", defaults.depth if self.depth is None else self.depth)
        object.__setattr__(self, "image_shape", check_image_shape(self.image_shape))
        if not isinstance(self.binarize, bool):
            raise BadInput(f"Binarise is either true or false, not {shortly(self.binarize)}.")
        if self.binarize and self.likelihood != "bernoulli":
            raise BadInput("Black and white pixels have a Bernoulli likelihood, not a Gaussian one; choose one of the two.")
        in_range("latent dimension", self.latent_dim, 1, 256, whole=True)
        in_range("hidden width", self.hidden, 8, 4096, whole=True)
        in_range("depth", self.depth, 1, 12, whole=True)
        in_range("beta", self.beta, 0, 1000)
        check_weights(self.weights)

    def build(self) -> "VAE":
        """The model, with its first weights drawn from torch's global random state."""
        return VAE(self)

    @property
    def defaults(self) -> Architecture:
        """How it is trained where nothing else is asked for."""
        return ARCHITECTURES[self.architecture]

    @property
    def pixels(self) -> int:
        """C * H * W."""
        return math.prod(self.image_shape)

    @property
    def weights(self) -> int:
        """Numbers in the matrices of encoder and decoder; biases and norms are a thousandth more."""
        return networks.weights(self.architecture, self.image_shape, self.latent_dim, self.hidden, self.depth)


class VAE(nn.Module):
    """q(z|x) = N(mu, diag exp(logvar)); p(x|z) has independent pixels with mean x_hat = sigmoid(decoder(z)): Bernoulli, or
    N(x_hat, sigma^2) with one sigma for all of them.

    In the equations: D = C*H*W pixels, L = config.latent_dim. With `mlp` this is the tutorial network
    784-400-(L, L) and L-400-784 with ReLU.
    """

    def __init__(self, config: VAEConfig):
        super().__init__()
        self.config = config
        build = networks.BUILDERS[config.architecture]
        self.encoder, self.decoder = build(config.image_shape, config.latent_dim, config.hidden, config.depth)
        if config.likelihood == "gaussian":
            self.scale = nn.Parameter(torch.zeros(1))

    @property
    def log_sigma(self) -> Tensor | None:
        """log sigma of a Gaussian pixel, (1,), above LOWEST_LOG_SIGMA by a softplus; None of a Bernoulli one.

        The weight behind it counts tenths, because Adam's steps are of one size and sigma has a long way to go.
        """
        if self.config.likelihood != "gaussian":
            return None
        return LOWEST_LOG_SIGMA + F.softplus(FIRST_LOG_SIGMA + 10 * self.scale.float() - LOWEST_LOG_SIGMA)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images in [0, 1], (B, C, H, W) -> mu, logvar, each (B, L). No random draw."""
        mu, logvar = self.encoder(x.flatten(1)).chunk(2, dim=1)
        return mu, logvar

    def decode_logits(self, z: Tensor) -> Tensor:
        """z (B, L) -> logits of the pixels' means, (B, C, H, W)."""
        return self.decoder(z).view(-1, *self.config.image_shape)

    def decode(self, z: Tensor) -> Tensor:
        """z (B, L) -> x_hat in [0, 1], (B, C, H, W): the mean of p(x|z)."""
        return torch.sigmoid(self.decode_logits(z))

    def forward(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (B, C, H, W), noise (B, L) ~ N(0, I) -> logits, mu, logvar."""
        mu, logvar = self.encode(x)
        return self.decode_logits(reparameterize(mu, logvar, noise)), mu, logvar

    def codes(self, x: Tensor) -> Tensor:
        """Images in [0, 1], (B, C, H, W) -> the means of their posteriors, (B, L): nothing is drawn."""
        return self.encode(x)[0]

    def draw(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """What `forward` is called with in training: images (B, C, H, W), binarised where the settings say so, and noise."""
        if self.config.binarize:
            x = torch.bernoulli(x.cpu(), generator=generator).to(x.device)
        return x, torch.randn(len(x), self.config.latent_dim, generator=generator).to(x.device)

    def terms(self, clean: Tensor, drawn: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Reconstruction and KL of each image, (B,) nats twice, from what `draw` returned."""
        logits, mu, logvar = self(*drawn)
        return recon_per_image(logits, drawn[0], self.log_sigma), kl_per_image(mu, logvar).sum(1)

    def loss(self, clean: Tensor, drawn: tuple[Tensor, ...], outputs: tuple[Tensor, ...], warm: float = 1.0) -> Loss:
        """The objective, from what `draw` and `forward` returned; beta is multiplied by `warm`."""
        logits, mu, logvar = (output.float() for output in outputs)
        return vae_loss(logits, drawn[0], mu, logvar, self.config.beta * warm, self.config.reduction, self.log_sigma)


def reparameterize(mu: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
    """z = mu + sigma * noise: a draw from q(z|x) through which gradients flow (Kingma & Welling, section 2.4)."""
    return mu + torch.exp(0.5 * logvar) * noise


def pixel_nats(logits: Tensor, x: Tensor, log_sigma: Tensor | None = None) -> Tensor:
    """-log p(x|z) of each pixel, in nats: logits and x of one shape, which is kept.

    Without log_sigma the cross-entropy: a likelihood only where x is 0 or 1; with grey pixels the "grey BCE" that tutorials
    report. With it the density of N(sigmoid(logits), sigma^2): may be below zero (sigma-VAE, section 3).
    """
    if log_sigma is None:
        return F.binary_cross_entropy_with_logits(logits, x, reduction="none")
    error = (x - torch.sigmoid(logits)) * torch.exp(-log_sigma)
    return 0.5 * error.square() + log_sigma + 0.5 * math.log(2 * math.pi)


def recon_per_image(logits: Tensor, x: Tensor, log_sigma: Tensor | None = None) -> Tensor:
    """-log p(x|z) summed over pixels, (B, C, H, W) twice -> (B,) nats; see `pixel_nats`."""
    return pixel_nats(logits, x, log_sigma).flatten(1).sum(1)


def kl_per_image(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(q(z|x) || N(0, I)) of each dimension, (B, L) nats (Kingma & Welling, appendix B)."""
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar)


def vae_loss(
    logits: Tensor, x: Tensor, mu: Tensor, logvar: Tensor, beta: float = 1.0, reduction: str = "sum",
    log_sigma: Tensor | None = None,
) -> Loss:  # fmt: skip
    """recon + beta * kl over a batch: logits and x (B, C, H, W), mu and logvar (B, L); Gaussian pixels with log_sigma.

    With reduction="mean" the reconstruction inside `loss` is averaged over pixels while the KL stays summed: the KL
    then outweighs it several hundred times and the posterior collapses. The terms `recon` and `kl` stay in nats.
    """
    batch = max(len(x), 1)
    if log_sigma is None:
        recon = F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / batch  # faster than a mean of (B,) sums
    else:
        recon = pixel_nats(logits, x, log_sigma).sum() / batch
    kl = kl_per_image(mu, logvar).sum() / batch
    pixels = x.shape[1:].numel()
    return Loss(recon / (pixels if reduction == "mean" else 1) + beta * kl, recon, kl)


def iwae_bound(model: VAE, x: Tensor, samples: int, generator: torch.Generator | None = None) -> Tensor:
    """Importance-weighted lower bound on log p(x), (B,) nats, from `samples` draws of z an image.

    log 1/k sum_k p(x|z_k) p(z_k) / q(z_k|x); k = 1 is the ELBO, and it tightens as k grows (Burda et al., eq. 8).
    """
    mu, logvar = model.encode(x)
    log_weights = []
    for _ in range(samples):
        noise = torch.randn(mu.shape, generator=generator, device=generator.device if generator else None).to(mu)
        z = reparameterize(mu, logvar, noise)
        # log p(z) - log q(z|x); the 2 pi of the two normals cancels
        log_ratio = 0.5 * (noise.square() + logvar - z.square()).sum(1)
        log_weights.append(log_ratio - recon_per_image(model.decode_logits(z), x, model.log_sigma))
    return torch.logsumexp(torch.stack(log_weights), dim=0) - math.log(samples)


FAMILY = Family(
    name="vae",
    title="Variational autoencoder",
    config=VAEConfig,
    size="{architecture} {latent_dim}-D",
    network="{architecture} · {latent_dim}-D",
    encodes=True,
    decodes=True,
    has_prior=True,
    has_posterior=True,
    likelihood="bound",
    pixels="logits",
    terms=(
        Term("loss", "loss (-ELBO)"),
        Term("recon", "recon", "Missing of the image after the code: -log p(x|z), one z drawn."),
        Term("kl", "KL", "What the code tells about the image beyond the prior."),
    ),
)
