"""The plain autoencoder, under- or over-complete.

Source: the course "Deep Learning" by LeCun and Canziani (New York University, 2021), notebook 10-autoencoder: its network.
Inside, pixels are in [-1, 1]; whatever is given or returned is in [0, 1]. The loss is that of without_prior.py.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from vae_core.family import Family, Loss, Preset
from vae_core.limits import check_image_shape, check_weights
from vae_core.networks import Architecture
from vae_core.settings import check, setting
from vae_core.train_config import AS_TAUGHT
from vae_core.without_prior import FACTS, mean_error, signed, unsigned

DARKEST = 1 / 512  # of a tanh, which never is -1
COURSE = Architecture(
    "Linear, tanh, linear, tanh (the course's)", hidden=30, depth=1, lr=6e-3, batch_size=256, beta2=0.95, peak=0.15
)


def code_size(default: int):
    """The setting of a hidden layer that is the code."""
    about = "Units of the hidden layer: the size of the code."
    return setting(default, "hidden width", "Width", about, low=1, high=4096, unit="units")


@dataclass(frozen=True)
class AutoencoderConfig:
    """An autoencoder of one hidden layer. Raises BadInput on values out of range."""

    kind: ClassVar[str] = "ae"
    loss_name: ClassVar[str] = "squared error / 2"  # beside others: losses of one name compare on the same images
    defaults: ClassVar[Architecture] = COURSE
    image_shape: tuple[int, int, int] = (1, 28, 28)  # (C, H, W)
    hidden: int = code_size(COURSE.hidden)  # 500 is the course's over-complete one

    def __post_init__(self):
        object.__setattr__(self, "image_shape", check_image_shape(self.image_shape))
        check(self)
        check_weights(2 * math.prod(self.image_shape) * self.hidden)

    @property
    def latent_dim(self) -> int:
        """The size of the code, by the name that it has in a VAE."""
        return self.hidden

    @property
    def pixels(self) -> int:
        """C * H * W."""
        return math.prod(self.image_shape)

    def build(self) -> "Autoencoder":
        """The model, with its first weights drawn from torch's global random state."""
        return Autoencoder(self)


class Autoencoder(nn.Module):
    """x_hat = tanh(W2 tanh(W1 x + b1) + b2). In the equations: D = C*H*W pixels, d = config.hidden."""

    def __init__(self, config: AutoencoderConfig):
        super().__init__()
        self.config = config
        pixels = math.prod(config.image_shape)
        self.encoder = nn.Sequential(nn.Linear(pixels, config.hidden), nn.Tanh())
        self.decoder = nn.Sequential(nn.Linear(config.hidden, pixels), nn.Tanh())

    @torch.no_grad()
    def begin_at(self, mean: Tensor) -> None:
        """Let the first picture be about the mean of the training images, (C, H, W) in [0, 1]."""
        self.decoder[0].bias.copy_(torch.atanh(signed(mean).flatten() * (1 - DARKEST)))

    def encode(self, x: Tensor) -> Tensor:
        """Images in [0, 1], (B, C, H, W) -> codes in [-1, 1], (B, d)."""
        return self.encoder(signed(x).flatten(1))

    def decode(self, codes: Tensor) -> Tensor:
        """Codes (B, d) -> x_hat in [0, 1], (B, C, H, W)."""
        return unsigned(self.decoder(codes).view(-1, *self.config.image_shape))

    def codes(self, x: Tensor) -> Tensor:
        """Another name of `encode`, which all models that encode have."""
        return self.encode(x)

    def forward(self, x: Tensor) -> Tensor:
        """Images in [0, 1] -> x_hat in [0, 1], each (B, C, H, W)."""
        return self.decode(self.encode(x))

    def draw(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        """What `forward` is called with in training."""
        return (x,)

    def error(self, clean: Tensor, drawn: tuple[Tensor, ...], x_hat: Tensor) -> Tensor:
        """Half the squared error summed over pixels, (B,) nats."""
        return 0.5 * (signed(x_hat.float()) - signed(clean)).square().flatten(1).sum(1)

    def terms(self, clean: Tensor, drawn: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """The error of each image, (B,) nats, from what `draw` returned."""
        return {"loss": self.error(clean, drawn, self(*drawn))}

    def loss(self, clean: Tensor, drawn: tuple[Tensor, ...], x_hat: Tensor, warm: float = 1.0) -> Loss:
        """The objective, from what `draw` and `forward` returned."""
        return mean_error(self.error(clean, drawn, x_hat))

    def kernels(self) -> Tensor:
        """What each hidden unit looks at: the rows of the first layer as images, (d, C, H, W). Of any size and sign."""
        return self.encoder[0].weight.detach().view(-1, *self.config.image_shape)

    def templates(self) -> Tensor:
        """What each hidden unit paints: the columns of the last layer as images, (d, C, H, W)."""
        return self.decoder[0].weight.detach().T.reshape(-1, *self.config.image_shape)


FAMILY = Family(
    name="ae",
    title="Autoencoder",
    config=AutoencoderConfig,
    size="ae {hidden}",
    network="autoencoder · {hidden} units",
    encodes=True,
    decodes=True,
    presets=(
        Preset(
            "Autoencoder",
            "The course's network without a prior, 784-30-784 with tanh: thirty numbers, and holes between them.",
            {"hidden": 30, **AS_TAUGHT},
        ),
    ),
    **FACTS,
)
