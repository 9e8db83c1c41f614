"""The restorer: a U-Net that is told where the damage is.

Sources: U-Net: Ronneberger et al. 2015 (arXiv:1505.04597); pixels folded into channels: Shi et al. 2016 (arXiv:1609.05158).
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vae_core import corruption
from vae_core.family import Family, Loss, Preset
from vae_core.limits import check_image_shape, check_weights
from vae_core.networks import Architecture
from vae_core.settings import check, setting
from vae_core.without_prior import FACTS, mean_error, signed, unsigned

UNET = Architecture("Small U-Net that is told the mask", hidden=32, depth=1, lr=3e-3, batch_size=64, clip=50.0)
VIEWS = ((0, 0, 2), (0, 1, 1), (0, -1, 1), (1, 0, 1), (-1, 0, 1))  # pixels down, pixels to the right, weight
MIX = 256  # units of the layer that sees the whole picture


@dataclass(frozen=True)
class RestorerConfig:
    """A U-Net that gets picture and mask. Raises BadInput on values out of range."""

    kind: ClassVar[str] = "restorer"
    loss_name: ClassVar[str] = "squared error / 2, of damaged pixels"
    defaults: ClassVar[Architecture] = UNET
    image_shape: tuple[int, int, int] = (1, 28, 28)  # (C, H, W)
    hidden: int = setting(
        UNET.hidden, "hidden width", "Width", "Channels at half the resolution, twice as many at a quarter.", low=8, high=128,
        unit="channels",
    )
    depth: int = setting(UNET.depth, "depth", "Depth", "Residual blocks at each of its four stages.", low=1, high=4)
    corruption: str = corruption.damage_to_undo("mixed")

    def __post_init__(self):
        object.__setattr__(self, "image_shape", check_image_shape(self.image_shape))
        check(self)
        blocks = 2 * self.depth * 2 * 9 * (self.hidden**2 + (2 * self.hidden) ** 2)
        check_weights(blocks + 2 * MIX * 2 * self.hidden * math.prod(self.folded))

    @property
    def folded(self) -> tuple[int, int]:
        """Height and width at a quarter of the resolution, rounded up."""
        return -(-self.image_shape[1] // 4), -(-self.image_shape[2] // 4)

    def build(self) -> "Restorer":
        """The model, with its first weights drawn from torch's global random state."""
        return Restorer(self)


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(relu(x)))): starts as the identity, and needs no norm."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.relu(self.conv1(F.relu(x))))


class WholePicture(nn.Module):
    """A residual block of two linear layers over all pixels and channels: what convolutions see only from near."""

    def __init__(self, features: int):
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(features, MIX), nn.Linear(MIX, features)
        nn.init.zeros_(self.linear2.weight)
        nn.init.zeros_(self.linear2.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.linear2(F.relu(self.linear1(F.relu(x).flatten(1)))).view_as(x)


class Restorer(nn.Module):
    """A U-Net of two levels that gets the damaged picture and the mask, and says what was there."""

    def __init__(self, config: RestorerConfig):
        super().__init__()
        self.config = config
        channels, width, depth = config.image_shape[0], config.hidden, config.depth
        blocks = lambda size: [ResidualBlock(size) for _ in range(depth)]  # noqa: E731
        self.enter = nn.Conv2d(4 * (channels + 1), width, 3, padding=1)
        self.down1 = nn.Sequential(*blocks(width))
        self.fold = nn.Conv2d(width, 2 * width, 2, stride=2)
        middle = WholePicture(2 * width * math.prod(config.folded))
        self.down2 = nn.Sequential(*blocks(2 * width), middle, *blocks(2 * width))
        self.unfold = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.up1 = nn.Sequential(*blocks(width), nn.ReLU())
        self.leave = nn.Conv2d(width, 4 * channels, 3, padding=1)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Damaged image (B, C, H, W) in [0, 1] with its holes blank, mask bool (B, 1, H, W) -> x_hat (B, C, H, W).

        x_hat is not bounded; `restore` clips it.
        """
        height, width = image.shape[2:]
        x = torch.cat([signed(image), mask.to(image)], 1)
        x = F.pad(x, (0, -width % 4, 0, -height % 4))  # (B, C + 1, H', W'), multiples of 4
        shallow = self.down1(self.enter(_folded(x)))  # (B, width, H'/2, W'/2)
        deep = self.down2(self.fold(shallow))  # (B, 2 width, H'/4, W'/4)
        x_hat = _unfolded(self.leave(self.up1(shallow + self.unfold(deep))))
        return unsigned(x_hat[..., :height, :width])

    def restore(self, image: Tensor, mask: Tensor) -> Tensor:
        """The picture as this model sees it repaired, in [0, 1], (B, C, H, W).

        Seen five times, four of them one pixel aside, and averaged: worth 0.3 dB on dropped and noisy pixels (the
        self-ensemble of Lim et al. 2017, arXiv:1707.02921, with shifts, for digits have no symmetry to turn by).
        """
        height, width = image.shape[2:]
        image, mask = F.pad(image, (1, 1, 1, 1), value=corruption.BLANK), F.pad(mask, (1, 1, 1, 1), value=True)
        total, weights = torch.zeros_like(image), torch.zeros_like(image[:1, :1])
        for down, right, weight in VIEWS:
            window = (..., slice(1 + down, 1 + down + height), slice(1 + right, 1 + right + width))
            total[window] += weight * self(image[window], mask[window]).clamp(0, 1)
            weights[window] += weight
        return (total / weights)[..., 1:-1, 1:-1]

    def draw(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        """What `forward` is called with in training: damaged images and their masks."""
        return tuple(corruption.parse(self.config.corruption)(x, generator))

    def error(self, clean: Tensor, drawn: tuple[Tensor, ...], x_hat: Tensor) -> Tensor:
        """Half the squared error summed over damaged pixels, (B,) nats: the others are known and kept."""
        error = (signed(x_hat.float()) - signed(clean)) * drawn[1]
        return 0.5 * error.square().flatten(1).sum(1)

    def terms(self, clean: Tensor, drawn: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """The error of each image, (B,) nats, from what `draw` returned."""
        return {"loss": self.error(clean, drawn, self(*drawn))}

    def loss(self, clean: Tensor, drawn: tuple[Tensor, ...], x_hat: Tensor, warm: float = 1.0) -> Loss:
        """The objective, from what `draw` and `forward` returned."""
        return mean_error(self.error(clean, drawn, x_hat))


def _folded(x: Tensor) -> Tensor:
    """(B, C, 2h, 2w) -> (B, 4C, h, w), four neighbours as channels. torch's pixel_unshuffle leaves an empty batch as it is, and
    a process that shares a batch with others may get none of it."""
    batch, channels, height, width = x.shape
    parts = x.view(batch, channels, height // 2, 2, width // 2, 2).permute(0, 1, 3, 5, 2, 4)
    return parts.reshape(batch, 4 * channels, height // 2, width // 2)


def _unfolded(x: Tensor) -> Tensor:
    """(B, 4C, h, w) -> (B, C, 2h, 2w): what `_folded` did, undone."""
    batch, channels, height, width = x.shape
    parts = x.view(batch, channels // 4, 2, 2, height, width).permute(0, 1, 4, 2, 5, 3)
    return parts.reshape(batch, channels // 4, 2 * height, 2 * width)


FAMILY = Family(
    name="restorer",
    title="Restorer that is told the mask",
    config=RestorerConfig,
    size="restorer {hidden}",
    network="restorer · {hidden} channels",
    encodes=False,
    decodes=False,
    repairs=True,
    needs_mask=True,
    page="Restore",
    presets=(
        Preset(
            "Restore", "A small U-Net that is told where the damage is: about two minutes an epoch on two cores, and worth it.",
            {"epochs": 3},
        ),
    ),
    **FACTS,
)
