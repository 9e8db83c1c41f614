"""The energy-based GAN: its discriminator is an autoencoder, and what it does not rebuild well it takes for drawn.

Source: Zhao, Mathieu & LeCun 2017, "Energy-based generative adversarial network" (arXiv:1609.03126); the course "Deep Learning"
by LeCun and Canziani (New York University, 2021).
Inside, pixels are in [-1, 1]; whatever is given or returned is in [0, 1].
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from vae_core.family import Family, Loss, Preset, Scores, Term
from vae_core.limits import check_image_shape, check_weights
from vae_core.models import gan
from vae_core.models.gan import GAN, LEAK, mean
from vae_core.networks import Architecture, BatchNorm1d, Shape, halvings, kernel_between, left_alone
from vae_core.settings import check, setting
from vae_core.without_prior import signed

HALVED = 3  # times at most that the convolutional discriminator halves a picture


def energy(rebuilt: Tensor, x: Tensor) -> Tensor:
    """The squared error summed over pixels, as they are in [0, 1], of pictures in [-1, 1], (B, C, H, W) twice -> (B,): how
    little a picture is like those that were learned (Zhao et al., section 2.3). Gradients flow through both."""
    return (0.5 * (rebuilt - x)).square().flatten(1).sum(1)


def hinge(energies: Tensor, margin: float) -> Tensor:
    """What each energy lacks of the margin m: max(0, m - E), (B,) -> (B,), each by itself (Zhao et al., eq. 1)."""
    return (margin - energies).clamp(min=0)


def pull_away(codes: Tensor) -> Tensor:
    """The squared cosine of two pictures' codes (B, S), averaged over all pairs of a batch: a scalar, 0 of codes that stand
    upright on each other, 1 of codes on one line; 0 of one picture (Zhao et al., section 2.4)."""
    count = len(codes)
    directions = nn.functional.normalize(codes.float(), dim=1)
    squared = (directions @ directions.T).square()
    return (squared.sum() - squared.diagonal().sum()) / max(count * (count - 1), 1)


class Layers(NamedTuple):
    """One way to build both, and the settings that were found to train it well."""

    usual: Architecture  # `hidden` is the generator's width
    ndf: int
    generator: Callable[[Shape, int, int], nn.Sequential]  # of shape, latent dimension, width
    encoder: Callable[[Shape, int], nn.Sequential]  # of shape, width: of the discriminator
    decoder: Callable[[Shape, int], nn.Sequential]


def _linear_generator(shape: Shape, latent_dim: int, width: int) -> nn.Sequential:
    """z (B, L) -> pixels in [-1, 1], (B, C*H*W), by `width` and twice as many units: the paper's for MNIST are 400 and 800."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise((latent_dim, width, 2 * width)):
        layers += [nn.Linear(inputs, outputs), BatchNorm1d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(2 * width, math.prod(shape)), nn.Tanh())


def _linear_encoder(shape: Shape, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), width), nn.ReLU())


def _linear_decoder(shape: Shape, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, math.prod(shape)), nn.Unflatten(1, shape))


def _stages(shape: Shape, width: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """(height and width, channels outside and inside) of each halving, from the whole picture down."""
    sizes = halvings(shape)[:HALVED]
    return list(zip(sizes, pairwise([shape[0], *(width * 2**depth for depth in range(len(sizes)))]), strict=False))


def _conv_encoder(shape: Shape, width: int) -> nn.Sequential:
    """Strided convolutions, as in the paper's appendix for larger pictures; nothing normalises by the batch."""
    layers: list[nn.Module] = []
    for size, (outer, inner) in _stages(shape, width):
        layers += [nn.Conv2d(outer, inner, kernel_between(size), 2, 1), nn.LeakyReLU(LEAK)]  # (B, inner, half of size)
    return nn.Sequential(*layers)


def _conv_decoder(shape: Shape, width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for size, (outer, inner) in reversed(_stages(shape, width)):
        layers += [nn.ConvTranspose2d(inner, outer, kernel_between(size), 2, 1), nn.LeakyReLU(LEAK)]  # (B, outer, *size)
    return nn.Sequential(*layers[:-1])


NETWORKS = {
    "linear": Layers(
        Architecture("Fully connected (the paper's)", hidden=400, depth=1, lr=1e-3, batch_size=128, fewest=2), 256,
        _linear_generator, _linear_encoder, _linear_decoder,
    ),
    "conv": Layers(
        Architecture("Convolutional", hidden=32, depth=1, lr=1e-3, batch_size=128, beta1=0.5, fewest=2), 32,
        gan.generator, _conv_encoder, _conv_decoder,
    ),
}


@dataclass(frozen=True)
class EBGANConfig:
    """Both networks and what they play. Raises BadInput on values out of range."""

    kind: ClassVar[str] = "ebgan"
    loss_name: ClassVar[str] = "discriminator's loss, energies"  # beside others
    image_shape: Shape = (1, 28, 28)  # (C, H, W)
    latent_dim: int = setting(
        100, "latent dimension", "Latent size", "Random numbers that a picture is painted from.", low=1, high=256,
        place="first", short="latent",
    )
    network: str = setting(
        "linear", "network", "Network", "How generator and discriminator are built.", place="first",
        choices={name: built.usual.title for name, built in NETWORKS.items()},
    )
    hidden: int | None = setting(
        None, "hidden width", "Width (ngf)", "Units of the generator's first layer, or feature maps of its last.", low=4,
        high=1024, unit="units",
    )
    ndf: int | None = setting(
        None, "discriminator's width", "Discriminator (ndf)",
        "Units of the discriminator's code, or its outermost feature maps.", low=4, high=1024, unit="units",
    )
    margin: float = setting(
        10.0, "margin", "Margin", "The energy that drawn pictures are pushed up to; above it the discriminator lets them be.",
        low=0.01, high=10_000, step=5.0, place="first",
    )
    pull_away: float = setting(
        0.1, "weight of the pull-away term", "Pull-away",
        "How much the generator's pictures of a batch are told to differ.", low=0, high=100, step=0.1, place="first",
    )

    def __post_init__(self):
        check(self)
        built = NETWORKS[self.network]
        object.__setattr__(self, "image_shape", check_image_shape(self.image_shape))
        object.__setattr__(self, "hidden", built.usual.hidden if self.hidden is None else self.hidden)
        object.__setattr__(self, "ndf", built.ndf if self.ndf is None else self.ndf)
        with torch.device("meta"):
            parts = (
                built.generator(self.image_shape, self.latent_dim, self.hidden),
                built.encoder(self.image_shape, self.ndf), built.decoder(self.image_shape, self.ndf),
            )
        check_weights(sum(p.numel() for part in parts for p in part.parameters() if p.ndim > 1))

    @property
    def defaults(self) -> Architecture:
        """How it is trained where nothing else is asked for."""
        return NETWORKS[self.network].usual

    @property
    def pixels(self) -> int:
        """C * H * W."""
        return math.prod(self.image_shape)

    def build(self) -> "EBGAN":
        """The model, with its first weights drawn from torch's global random state."""
        return EBGAN(self)


class Discriminator(nn.Module):
    """An autoencoder. Nothing in it normalises by the batch: the energy of a picture is its own."""

    def __init__(self, config: EBGANConfig):
        super().__init__()
        built = NETWORKS[config.network]
        self.encoder = built.encoder(config.image_shape, config.ndf)
        self.decoder = built.decoder(config.image_shape, config.ndf)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures in [-1, 1], (B, C, H, W) -> their energies (B,) and their codes (B, S)."""
        code = self.encoder(x)
        return energy(self.decoder(code).float(), x.float()), code.flatten(1)


class EBGAN(GAN):
    """x = G(z), z ~ N(0, I), and an energy D(x) = |decode(encode(x)) - x|^2. In the equations: m = config.margin. It is to be
    larger than the error with which real pictures come to be rebuilt: MNIST's by the plain network about 6."""

    def __init__(self, config: EBGANConfig):
        nn.Module.__init__(self)
        self.config = config
        self.generator = NETWORKS[config.network].generator(config.image_shape, config.latent_dim, config.hidden)
        self.discriminator = Discriminator(config)
        if config.network == "conv":
            self.generator.apply(gan.first_weights)

    def draw(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        """What `forward` is called with in training: images (B, C, H, W), and z (B, L) ~ N(0, I)."""
        return x, torch.randn(len(x), self.config.latent_dim, generator=generator).to(x.device)

    def forward(self, x: Tensor, z: Tensor, part: str = "discriminator") -> tuple[Tensor, ...]:
        """What the turn of `part` needs: energies (B,) and codes (B, S) of drawn pictures for the generator, energies of real
        and of drawn ones for the discriminator. Nothing of the other part changes."""
        if part == "generator":  # to draw what has a low energy
            return self.discriminator(self.paint(z))
        with torch.no_grad(), left_alone(self.generator):  # to have low energies where real pictures are, and there alone
            made = self.paint(z)
        return self.discriminator(signed(x))[0], self.discriminator(made)[0]

    def terms(self, clean: Tensor, drawn: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """The energies of each image and of the picture drawn beside it, and what this lacks of the margin, (B,) each."""
        real, made = self.discriminator(signed(drawn[0]))[0], self.discriminator(self.paint(drawn[1]))[0]
        return {"real": real, "lacks": hinge(made, self.config.margin), "drawn": made}

    def loss(
        self, clean: Tensor, drawn: tuple[Tensor, ...], outputs: tuple[Tensor, ...], warm: float = 1.0,
        part: str = "discriminator",
    ) -> Loss:
        """The objective of `part`, from what `draw` and `forward` returned (Zhao et al., eq. 1 and 2). The pull-away term, of a
        whole batch and of no image, is in the generator's and in no term."""
        if part == "generator":
            energies, codes = outputs
            drawn_energy = mean(energies.float())
            return Loss(drawn_energy + self.config.pull_away * pull_away(codes), {"drawn": drawn_energy})
        real, made = (output.float() for output in outputs)
        told = {"real": mean(real), "lacks": mean(hinge(made, self.config.margin))}
        return Loss(told["real"] + told["lacks"], told)


FAMILY = Family(
    name="ebgan",
    title="Energy-based GAN",
    config=EBGANConfig,
    size="ebgan {network} {hidden}",
    network="EBGAN {network} · {latent_dim}-D · {hidden} units",
    encodes=False,
    decodes=True,
    has_prior=True,
    has_posterior=False,
    likelihood="none",
    pixels="signed",
    parts=("discriminator", "generator"),
    scores=Scores(
        "Energies of single pictures", "energy", "How badly the discriminator rebuilds real pictures, drawn ones, and "
        "**merged** ones: two test images in one, half and half, which nobody would write. Where the game ends all have one "
        "energy, the margin: a converged energy is flat, and tells no digit from junk.",
        lambda model, x: model.discriminator(signed(x))[0], ("real", "drawn", "merged"), real_is_high=False, is_log=True,
        level="the margin", at=lambda config: config.margin,
    ),
    terms=(
        Term(
            "loss", "discriminator", "Test loss of D",
            "What the discriminator minimises: the energy of real pictures, and what drawn ones lack of the margin. At the "
            "dashed line, the margin, the game is over: real and drawn pictures have one energy, which tells nothing.",
            of=("real", "lacks"), unit="", reference=lambda config: config.margin,
        ),
        Term(
            "real", "energy of real", "Test energy",
            "The squared error, summed over pixels, with which it rebuilds real pictures.", unit="",
        ),
        Term("lacks", "lacks of the margin", "Test hinge", "By how much drawn pictures stay below the margin.", unit=""),
        Term(
            "drawn", "energy of drawn", "Test energy of drawn",
            "What the generator minimises: the error with which its pictures are rebuilt. Above the dashed line, the margin, "
            "the discriminator lets them be.",
            unit="", reference=lambda config: config.margin,
        ),
    ),
    presets=(
        Preset(
            "EBGAN and its margin",
            "The discriminator is an autoencoder: real pictures get a low energy, drawn ones are pushed up to the margin. See "
            "both come together until the energy tells nothing.",
            {"epochs": 12, "batch_size": 128, "schedule": "constant", "beta2": 0.999},
        ),
    ),
)
