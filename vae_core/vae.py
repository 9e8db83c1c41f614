"""The variational autoencoder: settings, model, loss and the importance-weighted bound.

Sources: Kingma & Welling 2014 (arXiv:1312.6114); beta: Higgins et al. 2017; importance weighting: Burda, Grosse &
Salakhutdinov 2016 (arXiv:1509.00519); residual blocks before-activation: He et al. 2016 (arXiv:1603.05027).
All losses are in nats per image: summed over pixels and channels, averaged over the batch.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vae_core.errors import BadInput, in_range, shortly


@dataclass(frozen=True)
class Architecture:
    """What a person chooses from, and the settings that were found to train it well."""

    title: str
    hidden: int
    depth: int
    lr: float
    batch_size: int
    clip: float | None = None  # gradient norm above which a step is shortened


ARCHITECTURES = {
    # The tutorial network is left exactly as it is taught: no clipping. Usual norms of the other are 20 to 100.
    "mlp": Architecture("MLP (textbook)", hidden=400, depth=1, lr=1e-3, batch_size=128),
    "residual": Architecture("Residual MLP (best)", hidden=384, depth=1, lr=3e-3, batch_size=128, clip=200.0),
}
REDUCTIONS = ("sum", "mean")
MAX_WEIGHTS = 16_000_000  # in float32 just below the 64 MB that a checkpoint may have


def check_image_shape(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """(C, H, W) as a tuple. Raises BadInput unless it is three sizes in range."""
    if not isinstance(shape, tuple | list) or len(shape) != 3:
        raise BadInput(f"An image shape has three sizes (C, H, W), not {shortly(shape)}.")
    for size, name, top in zip(shape, ("channels", "height", "width"), (4, 128, 128), strict=True):
        in_range(f"image {name}", size, 1, top, whole=True)
    return tuple(shape)


def check_weights(weights: int) -> None:
    """Raise BadInput where a model has more numbers in its matrices than a checkpoint may hold."""
    if weights > MAX_WEIGHTS:
        raise BadInput(
            f"A model of this width and depth has {weights / 1e6:.0f} million weights; at most "
            f"{MAX_WEIGHTS / 1e6:.0f} million are kept. Choose a smaller width or depth."
        )


@dataclass(frozen=True)
class VAEConfig:
    """Everything that fixes the model and its objective. Raises BadInput on values out of range."""

    kind: ClassVar[str] = "vae"
    architecture: str = "mlp"
    image_shape: tuple[int, int, int] = (1, 28, 28)  # (C, H, W)
    latent_dim: int = 20  # 1 to 256
    hidden: int | None = None  # units of a hidden layer, 8 to 4096; None: the architecture's own
    depth: int | None = None  # mlp: hidden layers each way; residual: blocks each way; 1 to 12
    beta: float = 1.0  # weight of the KL term, 0 to 1000
    binarize: bool = False  # draw each pixel as 0 or 1 anew whenever it is used: then the loss is a true likelihood
    reduction: str = "sum"  # "mean" averages the reconstruction over pixels, the famous mistake: collapse

    def __post_init__(self):
        if self.architecture not in ARCHITECTURES:
            raise BadInput(
                f"There is no architecture called {shortly(self.architecture)}; choose one of {', '.join(ARCHITECTURES)}."
            )
        if self.reduction not in REDUCTIONS:
            raise BadInput(f"There is no reduction called {shortly(self.reduction)}; choose sum or mean.")
        defaults = ARCHITECTURES[self.architecture]
        object.__setattr__(self, "hidden", defaults.hidden if self.hidden is None else self.hidden)
        object.__setattr__(self, "depth", defaults.depth if self.depth is None else self.depth)
        object.__setattr__(self, "image_shape", check_image_shape(self.image_shape))
        if not isinstance(self.binarize, bool):
            raise BadInput(f"Binarise is either true or false, not {shortly(self.binarize)}.")
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
        inner = (self.depth - 1 if self.architecture == "mlp" else 2 * self.depth) * self.hidden**2
        return 2 * inner + self.hidden * (2 * self.pixels + 3 * self.latent_dim)


class ResidualBlock(nn.Module):
    """x + W2 silu(W1 silu(norm(x))): starts as the identity, so that depth costs nothing at first."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.linear1 = nn.Linear(width, width)
        self.linear2 = nn.Linear(width, width)
        nn.init.zeros_(self.linear2.weight)
        nn.init.zeros_(self.linear2.bias)

    def forward(self, x: Tensor) -> Tensor:  # (B, width) -> (B, width)
        return x + self.linear2(F.silu(self.linear1(F.silu(self.norm(x)))))


def _mlp(sizes: list[int]) -> nn.Sequential:
    """Linear layers with a ReLU between them, none at the end."""
    layers = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _residual(inputs: int, width: int, depth: int, outputs: int) -> nn.Sequential:
    blocks = [ResidualBlock(width) for _ in range(depth)]
    return nn.Sequential(nn.Linear(inputs, width), *blocks, nn.LayerNorm(width), nn.SiLU(), nn.Linear(width, outputs))


BUILDERS: dict[str, Callable] = {  # (inputs, hidden, depth, outputs) -> network; the decoder is the same, reversed
    "mlp": lambda inputs, hidden, depth, outputs: _mlp([inputs, *[hidden] * depth, outputs]),
    "residual": _residual,
}


class VAE(nn.Module):
    """q(z|x) = N(mu, diag exp(logvar)) and p(x|z) = Bernoulli(sigmoid(decoder(z))), pixels independent.

    In the equations: D = C*H*W pixels, L = config.latent_dim. With `mlp` this is the tutorial network
    784-400-(L, L) and L-400-784 with ReLU.
    """

    def __init__(self, config: VAEConfig):
        super().__init__()
        self.config = config
        build = BUILDERS[config.architecture]
        self.encoder = build(config.pixels, config.hidden, config.depth, 2 * config.latent_dim)
        self.decoder = build(config.latent_dim, config.hidden, config.depth, config.pixels)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images in [0, 1], (B, C, H, W) -> mu, logvar, each (B, L). No random draw."""
        mu, logvar = self.encoder(x.flatten(1)).chunk(2, dim=1)
        return mu, logvar

    def decode_logits(self, z: Tensor) -> Tensor:
        """z (B, L) -> logits of the pixel probabilities, (B, C, H, W)."""
        return self.decoder(z).view(-1, *self.config.image_shape)

    def decode(self, z: Tensor) -> Tensor:
        """z (B, L) -> x_hat in [0, 1], (B, C, H, W): the mean of p(x|z)."""
        return torch.sigmoid(self.decode_logits(z))

    def forward(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (B, C, H, W), noise (B, L) ~ N(0, I) -> logits, mu, logvar."""
        mu, logvar = self.encode(x)
        return self.decode_logits(reparameterize(mu, logvar, noise)), mu, logvar

    def draw(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """What `forward` is called with in training: images (B, C, H, W), binarised where the settings say so, and noise."""
        if self.config.binarize:
            x = torch.bernoulli(x.cpu(), generator=generator).to(x.device)
        return x, torch.randn(len(x), self.config.latent_dim, generator=generator).to(x.device)

    def loss(self, clean: Tensor, drawn: tuple[Tensor, ...], outputs: tuple[Tensor, ...], warm: float = 1.0) -> "Loss":
        """The objective, from what `draw` and `forward` returned; beta is multiplied by `warm`."""
        logits, mu, logvar = (output.float() for output in outputs)
        return vae_loss(logits, drawn[0], mu, logvar, self.config.beta * warm, self.config.reduction)


def reparameterize(mu: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
    """z = mu + sigma * noise: a draw from q(z|x) through which gradients flow (Kingma & Welling, section 2.4)."""
    return mu + torch.exp(0.5 * logvar) * noise


class Loss(NamedTuple):
    """Scalars in nats per image, averaged over the batch; `loss` is what is minimised, recon + kl is -ELBO."""

    loss: Tensor
    recon: Tensor
    kl: Tensor


def recon_per_image(logits: Tensor, x: Tensor) -> Tensor:
    """-log p(x|z) = cross-entropy summed over pixels, (B, C, H, W) twice -> (B,) nats.

    A likelihood only where x is 0 or 1; with grey pixels this is the "grey BCE" that tutorials report.
    """
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)


def kl_per_image(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(q(z|x) || N(0, I)) of each dimension, (B, L) nats (Kingma & Welling, appendix B)."""
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar)


def vae_loss(logits: Tensor, x: Tensor, mu: Tensor, logvar: Tensor, beta: float = 1.0, reduction: str = "sum") -> Loss:
    """recon + beta * kl over a batch: logits and x (B, C, H, W), mu and logvar (B, L).

    With reduction="mean" the reconstruction inside `loss` is averaged over pixels while the KL stays summed: the KL
    then outweighs it several hundred times and the posterior collapses. The terms `recon` and `kl` stay in nats.
    """
    batch = max(len(x), 1)
    recon = F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / batch  # faster than a mean of (B,) sums
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
        log_weights.append(log_ratio - recon_per_image(model.decode_logits(z), x))
    return torch.logsumexp(torch.stack(log_weights), dim=0) - math.log(samples)
