"""The variational autoencoder: settings, model, loss and the importance-weighted bound.

Sources: Kingma & Welling 2014 (arXiv:1312.6114); beta: Higgins et al. 2017; importance weighting: Burda, Grosse &
Salakhutdinov 2016 (arXiv:1509.00519); a Gaussian whose one variance is learned: Rybkin, Daniilidis & Levine 2021, sigma-VAE
(arXiv:2006.13202). The networks are in networks.py.
All losses are in nats per image: summed over pixels and channels, averaged over the batch.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vae_core import networks
from vae_core.errors import BadInput
from vae_core.family import Family, Loss, Preset, Term
from vae_core.limits import check_image_shape, check_weights
from vae_core.networks import ARCHITECTURES, Architecture
from vae_core.settings import check, setting
from vae_core.train_config import AS_TAUGHT

LOWEST_LOG_SIGMA = -6.0  # half a step of 8-bit pixels: constant images would drive it to minus infinity
FIRST_LOG_SIGMA = -1.5  # about the spread of pixels in natural pictures
DARKEST = 1 / 512  # half a step of 8-bit pixels: a pixel that is black in all training images may not be in the next one

LOSSES = {"bernoulli": "grey BCE", "gaussian": "Gaussian density"}  # of grey pixels


@dataclass(frozen=True)
class VAEConfig:
    """Everything that fixes the model and its objective. Raises BadInput on values out of range."""

    kind: ClassVar[str] = "vae"
    architecture: str = setting(
        "mlp", "architecture", "Architecture", "How the encoder and the decoder are built.", place="first",
        choices={name: built.title for name, built in ARCHITECTURES.items()},
    )
    image_shape: tuple[int, int, int] = (1, 28, 28)  # (C, H, W)
    latent_dim: int = setting(
        20, "latent dimension", "Latent size",
        "Numbers that the encoder may keep of an image. With 2, the map is the space itself.", low=1, high=256, place="first",
        short="latent",
    )
    hidden: int | None = setting(
        None, "hidden width", "Width", "Units of a hidden layer, or channels.", low=8, high=4096, unit="units"
    )
    depth: int | None = setting(None, "depth", "Depth", "Hidden layers, or residual blocks, each way.", low=1, high=12)
    beta: float = setting(
        1.0, "beta", "Beta", "Weight of the KL term. 1 is the ELBO; more orders the space and blurs the pictures.", low=0,
        high=1000, step=0.5, place="first",
    )
    reduction: str = setting(
        "sum", "reduction", "Reconstruction term", "Averaging over pixels makes the KL outweigh it several hundred times.",
        choices={"sum": "Sum over pixels (right)", "mean": "Mean over pixels (the famous mistake)"},
    )
    likelihood: str = setting(
        "bernoulli", "likelihood", "Likelihood",
        "Gaussian gives a density in nats and bits per dimension; grey cross-entropy is none.",
        choices={"bernoulli": "Bernoulli (grey BCE)", "gaussian": "Gaussian, its variance learned"},
    )
    binarize: bool = setting(
        False, "binarise", "Black and white pixels",
        "Draw each pixel as 0 or 1: then the loss is a true likelihood, in true nats.",
    )

    def __post_init__(self):
        check(self)
        defaults = ARCHITECTURES[self.architecture]
        object.__setattr__(self, "hidden", defaults.hidden if self.hidden is None else self.hidden)
        object.__setattr__(self, "depth", defaults.depth if self.depth is None else self.depth)
        object.__setattr__(self, "image_shape", check_image_shape(self.image_shape))
        if self.binarize and self.likelihood != "bernoulli":
            raise BadInput("Black and white pixels have a Bernoulli likelihood, not a Gaussian one; choose one of the two.")
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
    def loss_name(self) -> str:
        """What its loss is called beside others: losses of one name are of one likelihood, and compare on the same images."""
        return f"-ELBO, {'black and white' if self.binarize else LOSSES[self.likelihood]}"

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

    @torch.no_grad()
    def begin_at(self, mean: Tensor) -> None:
        """Let the first picture be about the mean of the training images, (C, H, W) in [0, 1]: the last layer's bias is its
        logit, where that has one number a channel that of the channel's mean."""
        bias = next(layer.bias for layer in reversed(self.decoder) if hasattr(layer, "bias"))
        each = mean if bias.numel() == mean.numel() else mean.mean((1, 2))
        bias.copy_(torch.logit(each.flatten(), eps=DARKEST))

    def codes(self, x: Tensor) -> Tensor:
        """Images in [0, 1], (B, C, H, W) -> the means of their posteriors, (B, L): nothing is drawn."""
        return self.encode(x)[0]

    def draw(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """What `forward` is called with in training: images (B, C, H, W), binarised where the settings say so, and noise."""
        if self.config.binarize:
            x = torch.bernoulli(x.cpu(), generator=generator).to(x.device)
        return x, torch.randn(len(x), self.config.latent_dim, generator=generator).to(x.device)

    def terms(self, clean: Tensor, drawn: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Reconstruction and KL of each image, (B,) nats each, from what `draw` returned."""
        logits, mu, logvar = self(*drawn)
        return {"recon": recon_per_image(logits, drawn[0], self.log_sigma), "kl": kl_per_image(mu, logvar).sum(1)}

    def loss(self, clean: Tensor, drawn: tuple[Tensor, ...], outputs: tuple[Tensor, ...], warm: float = 1.0) -> Loss:
        """The objective, from what `draw` and `forward` returned; beta is multiplied by `warm`."""
        logits, mu, logvar = (output.float() for output in outputs)
        beta = self.config.beta * warm
        loss, recon, kl = vae_loss(logits, drawn[0], mu, logvar, beta, self.config.reduction, self.log_sigma)
        return Loss(loss, {"recon": recon, "kl": kl})


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


class VAELoss(NamedTuple):
    """Scalars in nats per image, averaged over the batch; `loss` is what is minimised, recon + kl is -ELBO."""

    loss: Tensor
    recon: Tensor
    kl: Tensor


def vae_loss(
    logits: Tensor, x: Tensor, mu: Tensor, logvar: Tensor, beta: float = 1.0, reduction: str = "sum",
    log_sigma: Tensor | None = None,
) -> VAELoss:
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
    return VAELoss(recon / (pixels if reduction == "mean" else 1) + beta * kl, recon, kl)


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
        Term(
            "loss", "loss (-ELBO)", "Test loss",
            "-ELBO = reconstruction + KL, lower is better. The ELBO, the evidence lower bound, is at most the log-probability "
            "that the model gives an image.", of=("recon", "kl"),
        ),
        Term("recon", "recon", "Reconstruction", "What painting the image again from its code costs."),
        Term("kl", "KL", "KL", "What the code tells about the image; near 0 it tells nothing."),
    ),
    presets=(
        Preset(
            "Watch a map form", "Two latent dimensions, one to three minutes on two cores: the plane itself is the map.", {}
        ),
        Preset(
            "First map in ten seconds",
            "For a class that shares a server: a small network and two passes. The digits part, if less finely.",
            {"hidden": 128, "epochs": 2, "batch_size": 256, "lr": 2e-2, "beta2": 0.95}, suits="a class",
        ),
        Preset(
            "Textbook", "The network of the tutorials: 784-400-20, Adam at 0.001, ten epochs.",
            {"architecture": "mlp", "latent_dim": 20, "batch_size": 128, **AS_TAUGHT},
        ),
        Preset(
            "Sharp", "Twenty dimensions and the residual network: much lower loss in the same time.",
            {"latent_dim": 20, "epochs": 18, "peak": 0.3, "mean_start": False},  # in 2-D that ends higher
        ),
        Preset(
            "Best 2-D", "The network of the shipped mnist-2d, as many epochs: about ten minutes on two cores.",
            {"depth": 2, "lr": 2e-3, "epochs": 50},
        ),
        Preset(
            "Colour",
            "Drawn shapes whose six factors are known, a convolutional network, and a beta that keeps the factors apart.",
            {"data": "shapes", "architecture": "conv", "latent_dim": 6, "beta": 4.0},
        ),
        Preset(
            "Own pictures", "The pictures that you brought (MNIST, if you did not), convolutions, and 32 dimensions.",
            {"architecture": "conv", "latent_dim": 32}, suits="own pictures",
        ),
        Preset(
            "Watch it collapse", "The famous mistake: the reconstruction averaged over pixels, the KL summed. See the KL die.",
            {"architecture": "mlp", "epochs": 3, "reduction": "mean"},
        ),
    ),
)
