"""The generative adversarial network of convolutions (DCGAN): one network paints pictures from noise, the other tells them from
real ones, and each learns from the other.

Sources: the game: Goodfellow et al. 2014 (arXiv:1406.2661); the networks: Radford, Metz & Chintala 2016 (arXiv:1511.06434), as
PyTorch's tutorial and the course "Deep Learning" by LeCun and Canziani (New York University, 2021) have them; least squares:
Mao et al. 2017 (arXiv:1611.04076); WGAN-GP: Gulrajani et al. 2017 (arXiv:1704.00028).
Inside, pixels are in [-1, 1]; whatever is given or returned is in [0, 1].
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vae_core.family import Family, Loss, Preset, Scores, Term
from vae_core.limits import check_image_shape, check_weights
from vae_core.networks import Architecture, BatchNorm2d, Shape, by_batch, halvings, kernel_between, left_alone
from vae_core.settings import check, setting
from vae_core.without_prior import signed, unsigned

DCGAN = Architecture("DCGAN", hidden=64, depth=1, lr=2e-4, batch_size=128, beta1=0.5, fewest=2)
SMALLEST = 4  # pixels a side down to which pictures are halved
WIDEST = 8  # times the maps of the outermost layer
LEAK = 0.2  # of a leaky ReLU
SPREAD = 0.02  # standard deviation of the first weights
PENALTY = 10  # Gulrajani et al.'s lambda
WON = 0.98  # how far D(x) is above D(G(z)) where nothing is left to tell


# What the two minimise, of the discriminator's scores of real and of drawn pictures: (B,) each -> (B,).


def cross_entropy(real: Tensor, made: Tensor) -> Tensor:
    """-log D(x) - log(1 - D(G(z))) with D = sigmoid(score), in nats: 2 ln 2 where D is 1/2 (Goodfellow et al., section 4.1)."""
    return F.softplus(-real) + F.softplus(made)


def not_saturating(made: Tensor) -> Tensor:
    """-log D(G(z)), in nats: its gradient stays where the discriminator is sure (Goodfellow et al., section 3)."""
    return F.softplus(-made)


def least_squares(real: Tensor, made: Tensor) -> Tensor:
    """1/2 (D(x) - 1)^2 + 1/2 D(G(z))^2 with D the score itself: 1/4 where D is 1/2 (Mao et al., eq. 9)."""
    return 0.5 * (real - 1).square() + 0.5 * made.square()


def squared_distance(made: Tensor) -> Tensor:
    """1/2 (D(G(z)) - 1)^2 (Mao et al., eq. 9)."""
    return 0.5 * (made - 1).square()


def difference(real: Tensor, made: Tensor) -> Tensor:
    """D(G(z)) - D(x): minus what the critic thinks the distance is (Gulrajani et al., eq. 3, without its penalty)."""
    return made - real


def steepness(critic: Callable[[Tensor], Tensor], real: Tensor, made: Tensor, mix: Tensor) -> Tensor:
    """(|grad D(y)| - 1)^2 of each image, (B,), at y = mix x + (1 - mix) G(z): real and made (B, C, H, W), mix (B, 1, 1, 1) in
    [0, 1] (Gulrajani et al., eq. 3). Can be differentiated once more."""
    with torch.enable_grad():
        between = (mix * real + (1 - mix) * made).detach().requires_grad_()
        (slopes,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (slopes.flatten(1).norm(dim=1) - 1).square()


class Game(NamedTuple):
    """A pair of losses, and what the discriminator says of a picture by its score."""

    title: str
    told: Callable[[Tensor, Tensor], Tensor]  # the discriminator's
    fooled: Callable[[Tensor], Tensor]  # the generator's
    said: Callable[[Tensor], Tensor]
    balance: float | None = None  # the discriminator's loss where it can tell nothing, if it is 1/2 there


GAMES = {
    "non-saturating": Game("Non-saturating", cross_entropy, not_saturating, torch.sigmoid, 2 * math.log(2)),
    "least-squares": Game("Least squares", least_squares, squared_distance, lambda score: score, 0.25),
    "wgan-gp": Game("WGAN-GP", difference, torch.neg, lambda score: score),
}


@dataclass(frozen=True)
class GANConfig:
    """Both networks and what they play. Raises BadInput on values out of range."""

    kind: ClassVar[str] = "gan"
    defaults: ClassVar[Architecture] = DCGAN
    image_shape: Shape = (1, 28, 28)  # (C, H, W)
    latent_dim: int = setting(
        100, "latent dimension", "Latent size", "Random numbers that a picture is painted from.", low=1, high=256,
        place="first", short="latent",
    )
    hidden: int = setting(
        DCGAN.hidden, "hidden width", "Width (ngf)",
        "Feature maps of the generator's last hidden layer, twice as many at each layer before it.", low=4, high=256,
        unit="maps",
    )
    ndf: int | None = setting(
        None, "discriminator's width", "Discriminator (ndf)",
        "The width of the discriminator, by itself that of the generator. One that is too strong tells everything at once.",
        low=4, high=1024, unit="maps",
    )
    game: str = setting(
        "non-saturating", "game", "Loss", "What the two networks minimise. With WGAN-GP the critic has no batch normalisation.",
        choices={name: game.title for name, game in GAMES.items()}, place="first",
    )

    def __post_init__(self):
        check(self)
        object.__setattr__(self, "image_shape", check_image_shape(self.image_shape))
        object.__setattr__(self, "ndf", self.hidden if self.ndf is None else self.ndf)
        with torch.device("meta"):
            networks = generator(self.image_shape, self.latent_dim, self.hidden), discriminator(self.image_shape, self.ndf)
        check_weights(sum(p.numel() for network in networks for p in network.parameters() if p.ndim > 1))

    @property
    def pixels(self) -> int:
        """C * H * W."""
        return math.prod(self.image_shape)

    @property
    def loss_name(self) -> str:
        """What its loss is called beside others."""
        return f"discriminator's loss, {GAMES[self.game].title}"

    def build(self) -> "GAN":
        """The model, with its first weights drawn from torch's global random state."""
        return GAN(self)


def generator(shape: Shape, latent_dim: int, width: int) -> nn.Sequential:
    """z (B, L) -> pixels in [-1, 1], (B, C*H*W). z is a single pixel that grows to 4 and then is doubled: at 28 to 7, 14, 28.
    At 64 it is the tutorial's network to the last number."""
    sizes, channels = halvings(shape, SMALLEST), _channels(shape, width)
    layers = [nn.Unflatten(1, (latent_dim, 1, 1)), nn.ConvTranspose2d(latent_dim, channels[-1], sizes[-1], bias=False)]
    stages = list(zip(sizes, pairwise(channels), strict=False))  # from the whole image down
    for size, (outer, inner) in reversed(stages):
        layers += [BatchNorm2d(inner), nn.ReLU()]  # (B, inner, half of size)
        layers += [nn.ConvTranspose2d(inner, outer, kernel_between(size), 2, 1, bias=False)]  # (B, outer, *size)
    return nn.Sequential(*layers, nn.Tanh(), nn.Flatten())


def discriminator(shape: Shape, width: int, by_batch: bool = True) -> nn.Sequential:
    """Pictures in [-1, 1], (B, C, H, W) -> scores (B,), the higher the more real. Without `by_batch`, layer normalisation in
    place of that by the batch: a penalty on the slope of each image asks for it (Gulrajani et al., section 4)."""
    sizes, channels, layers = halvings(shape, SMALLEST), _channels(shape, width), []
    for depth, (size, (outer, inner)) in enumerate(zip(sizes, pairwise(channels), strict=False)):
        layers += [nn.Conv2d(outer, inner, kernel_between(size), 2, 1, bias=False)]  # (B, inner, half of size)
        layers += [BatchNorm2d(inner) if by_batch else nn.GroupNorm(1, inner)] if depth else []
        layers += [nn.LeakyReLU(LEAK)]
    return nn.Sequential(*layers, nn.Conv2d(channels[-1], 1, sizes[-1], bias=False), nn.Flatten(0))


def _channels(shape: Shape, width: int) -> list[int]:
    """From the whole image down: C, width, 2 width, 4 width, 8 width and no more."""
    return [shape[0], *(width * min(2**depth, WIDEST) for depth in range(len(halvings(shape, SMALLEST)) - 1))]


def first_weights(layer: nn.Module) -> None:
    """Draw those of a convolution from N(0, SPREAD^2) (Radford et al., section 4), the factors of a batch normalisation from
    N(1, SPREAD^2), as the tutorial does."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0, SPREAD)
    elif isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1, SPREAD)


class GAN(nn.Module):
    """x = G(z), z ~ N(0, I), and a score D(x). In the equations: L = config.latent_dim."""

    def __init__(self, config: GANConfig):
        super().__init__()
        self.config = config
        self.generator = generator(config.image_shape, config.latent_dim, config.hidden)
        self.discriminator = discriminator(config.image_shape, config.ndf, config.game != "wgan-gp")
        self.apply(first_weights)

    @property
    def decoder(self) -> nn.Sequential:
        """The generator, by the name that it has where a picture is coded: z (B, L) -> pixels in [-1, 1], (B, C*H*W)."""
        return self.generator

    def paint(self, z: Tensor) -> Tensor:
        """z (B, L) -> pictures in [-1, 1], (B, C, H, W)."""
        return self.generator(z).view(-1, *self.config.image_shape)

    def decode(self, z: Tensor) -> Tensor:
        """z (B, L) -> pictures in [0, 1], (B, C, H, W)."""
        return unsigned(self.paint(z))

    def draw(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        """What `forward` is called with in training: images (B, C, H, W), z (B, L) ~ N(0, I), and for WGAN-GP where between a
        real and a drawn picture the slope is looked at, (B, 1, 1, 1) in [0, 1]."""
        drawn = x, torch.randn(len(x), self.config.latent_dim, generator=generator).to(x.device)
        if self.config.game == "wgan-gp":
            drawn += (torch.rand(len(x), 1, 1, 1, generator=generator).to(x.device),)
        return drawn

    def forward(self, x: Tensor, z: Tensor, *mix: Tensor, part: str = "discriminator") -> tuple[Tensor, ...]:
        """The scores (B,) that the turn of `part` needs: of drawn pictures for the generator; of real ones, of drawn ones and,
        for WGAN-GP, how steep it is between them, for the discriminator. Of the other part no statistic changes either."""
        if part == "generator":  # to make D(G(z)) larger
            with left_alone(self.discriminator):
                return (self.discriminator(self.paint(z)),)
        with torch.no_grad(), left_alone(self.generator):  # to make D(x) larger and D(G(z)) smaller
            made = self.paint(z)
        real = signed(x)
        steep = [steepness(self.discriminator, real, made, each) for each in mix]
        return self.discriminator(real), self.discriminator(made), *steep

    def terms(self, clean: Tensor, drawn: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Both losses of each image and of the picture drawn beside it, and what the discriminator says of these, (B,) each. As
        when it learns, it sees real and drawn pictures in batches of their own."""
        with by_batch(self.discriminator):
            real, made = self.discriminator(signed(drawn[0])), self.discriminator(self.paint(drawn[1]))
        game = GAMES[self.config.game]
        return {"loss": game.told(real, made), "fooled": game.fooled(made), "real": game.said(real), "drawn": game.said(made)}

    def loss(
        self, clean: Tensor, drawn: tuple[Tensor, ...], outputs: tuple[Tensor, ...], warm: float = 1.0,
        part: str = "discriminator",
    ) -> Loss:
        """The objective of `part`, from what `draw` and `forward` returned; the penalty of WGAN-GP is in it and in no term."""
        game, outputs = GAMES[self.config.game], [output.float() for output in outputs]
        if part == "generator":
            fooled = mean(game.fooled(*outputs))
            return Loss(fooled, {"fooled": fooled})
        real, made, *steep = outputs
        told = mean(game.told(real, made))
        objective = told + PENALTY * sum(map(mean, steep))
        return Loss(objective, {"loss": told, "real": mean(game.said(real)), "drawn": mean(game.said(made))})


def mean(values: Tensor) -> Tensor:
    """Of a batch, (B,) -> a scalar; 0 of a process's empty share."""
    return values.sum() / max(len(values), 1)


def said(model: GAN, x: Tensor) -> Tensor:
    """What the discriminator says of pictures in [0, 1], (B, C, H, W) -> (B,). As when it learns, they are one batch."""
    with by_batch(model.discriminator):
        return GAMES[model.config.game].said(model.discriminator(signed(x)))


def noticed(config: GANConfig, test: Mapping[str, float]) -> str:
    """What is to be said of its terms on the test set; empty where that is nothing."""
    if config.game != "wgan-gp" and test["real"] - test["drawn"] > WON:
        return (
            "**The discriminator wins**: it tells every drawn picture from a real one, and the generator learns little from so "
            "sure a judge. Make it smaller (ndf), or its learning rate."
        )
    return ""


FAMILY = Family(
    name="gan",
    title="GAN (DCGAN)",
    config=GANConfig,
    size="gan {hidden}",
    network="DCGAN · {latent_dim}-D · {hidden} maps",
    encodes=False,
    decodes=True,
    has_prior=True,
    has_posterior=False,
    likelihood="none",
    pixels="signed",
    parts=("discriminator", "generator"),
    noticed=noticed,
    scores=Scores(
        "What the discriminator says", "D", "Of real and of drawn pictures, each kind in a batch of its own. Two heaps far "
        "apart: it tells all of them, and the generator learns little. One heap: it can only guess.",
        said, ("real", "drawn"), real_is_high=True, level="a guess",
        at=lambda config: None if config.game == "wgan-gp" else 0.5,
    ),
    terms=(
        Term(
            "loss", "discriminator", "Test loss of D",
            "What the discriminator minimises. Low: it tells drawn pictures from real ones. At the dashed line, 2 ln 2 = 1.39 "
            "for the loss that does not saturate, it can only guess: that is no failure, it is where the game ends.",
            unit="", digits=2, reference=lambda config: GAMES[config.game].balance,
        ),
        Term(
            "fooled", "generator", "Test loss of G",
            "What the generator minimises. It need not fall for the pictures to get better: its opponent gets better too.",
            unit="", digits=2,
        ),
        Term("real", "D(x)", "Test D(x)", "What it says of real pictures: 1 is real, 1/2 a guess.", unit="", digits=2),
        Term("drawn", "D(G(z))", "Test D(G(z))", "What it says of drawn ones: 0 is drawn, 1/2 a guess.", unit="", digits=2),
    ),
    presets=(
        Preset(
            "GAN in two minutes",
            "Two small networks play against each other: strokes in the first pass, digits of all classes after about five, "
            "some three minutes on two cores. Look at the samples: the losses say little.",
            {"hidden": 32, "ndf": 32, "batch_size": 128, "epochs": 5, "schedule": "constant", "beta2": 0.999},
        ),
    ),
)
