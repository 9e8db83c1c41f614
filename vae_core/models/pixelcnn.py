"""PixelCNN: convolutions that look at the pixels above and to the left alone.

Sources: masked convolutions: van den Oord, Kalchbrenner & Kavukcuoglu 2016 (arXiv:1601.06759); gates, and two stacks that leave
no blind spot: van den Oord et al. 2016 (arXiv:1606.05328). Kernels have only the rows that they may look at, so that only the
last row of a square one needs a mask. The loss is that of pixels.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vae_core.family import Family, Preset
from vae_core.limits import check_weights
from vae_core.networks import Architecture
from vae_core.pixels import FACTS, PixelModel, check_grey, logits_of_mean
from vae_core.settings import check, setting

CONVOLUTIONS = Architecture("Masked convolutions", hidden=64, depth=6, lr=3e-3, batch_size=64, clip=50.0)
FIRST, NEXT = 7, 3  # pixels a side of the first kernel, of the others


@dataclass(frozen=True)
class PixelCNNConfig:
    """A masked residual network, or a gated one. Raises BadInput on values out of range."""

    kind: ClassVar[str] = "pixelcnn"
    defaults: ClassVar[Architecture] = CONVOLUTIONS
    image_shape: tuple[int, int, int] = (1, 28, 28)  # (1, H, W)
    hidden: int = setting(
        CONVOLUTIONS.hidden, "hidden width", "Width", "Channels of each layer.", low=8, high=256, unit="channels", place="first"
    )
    depth: int = setting(CONVOLUTIONS.depth, "depth", "Depth", "Blocks after the first layer.", low=1, high=20, place="first")
    gated: bool = setting(
        False, "gated", "Two gated stacks",
        "One looks at the rows above, one along its own: no pixel stays unseen. Square kernels have a blind spot above right.",
        place="first",
    )
    levels: int = setting(
        2, "number of grey levels", "Grey levels", "2 is black and white. A pixel between two levels is drawn as either.",
        low=2, high=8, unit="levels",
    )

    def __post_init__(self):
        check(self)
        object.__setattr__(self, "image_shape", check_grey(self.image_shape))
        with torch.device("meta"):
            check_weights(sum(part.numel() for part in self.build().parameters() if part.ndim > 1))

    def build(self) -> "PixelCNN":
        """The model, with its first weights drawn from torch's global random state."""
        return PixelCNN(self)

    @property
    def loss_name(self) -> str:
        """What its loss is called beside others: losses of one name are of one likelihood, and compare on the same images."""
        return f"-log p, {'black and white' if self.levels == 2 else f'{self.levels} grey levels'}"


@dataclass
class Place:
    """What is being computed, `count` columns of a row, and what was computed before: by layer, what it was given so far,
    (B, C, H', W'), and its kernel."""

    row: int
    column: int
    count: int
    shape: tuple[int, int]  # (H, W)
    given: dict["Causal", Tensor] = field(default_factory=dict)
    weights: dict["Causal", Tensor] = field(default_factory=dict)
    sides: list[Tensor] = field(default_factory=list)  # of a gated model: what the vertical stack says of this row

    @property
    def whole_row(self) -> "Place":
        """The row that this is in."""
        return replace(self, column=0, count=self.shape[1])


class Causal(nn.Conv2d):
    """A convolution whose kernel begins `up` pixels above and `left` pixels to the left of the pixel that it is for, and ends
    with it (`itself`) or before it: so many of the last columns of its last row are `blind`. The first layer of a model is one
    that ends before, and is given the picture; all others are given features, which know nothing of their own pixel."""

    def __init__(self, inputs: int, outputs: int, size: tuple[int, int], up: int, left: int, itself: bool, blind: int = 0):
        super().__init__(inputs, outputs, size)
        self.up, self.left, self.itself, self.blind = up, left, itself, blind

    @property
    def used(self) -> Tensor:
        """The kernel, 0 where it is blind: (outputs, inputs, height, width)."""
        if not self.blind:
            return self.weight
        mask = torch.ones(self.kernel_size, device=self.weight.device)
        mask[-1, -self.blind :] = 0
        return self.weight * mask

    def forward(self, x: Tensor, place: Place | None = None) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H, W). Or for one place (B, inputs, 1, count) -> (B, outputs, 1, count); the first
        layer is given the picture whole in either case, and looks at what is before the place.

        Zeros are around x, such that the kernel, put at any pixel's place, looks at what that pixel may see; where it ends
        before the pixel, the last row or column is cut off.
        """
        height, width = self.kernel_size
        if place is None:
            padded = F.pad(x, (self.left, width - 1 - self.left, self.up, height - 1 - self.up))
            return F.conv2d(padded, self.used, self.bias)
        around = self._around(x, place)
        patch = around[..., place.row : place.row + height, place.column : place.column + place.count + width - 1]
        if self not in place.weights:
            place.weights[self] = self.used
        kernel = place.weights[self]
        if place.count > 1:
            return F.conv2d(patch, kernel, self.bias)
        return F.linear(patch.flatten(1), kernel.flatten(1), self.bias)[..., None, None]  # faster

    def _around(self, x: Tensor, place: Place) -> Tensor:
        """All that the layer was given so far, x with it, with zeros around."""
        width = self.kernel_size[1]
        if not self.itself:
            return F.pad(x, (self.left, width, self.up, 1))
        if self not in place.given:
            shape = place.shape[0] + self.up, place.shape[1] + width - 1
            place.given[self] = x.new_zeros(*x.shape[:2], *shape)
        first = self.left + place.column
        place.given[self][..., self.up + place.row, first : first + place.count] = x[..., 0, :]
        return place.given[self]


def _square(inputs: int, outputs: int, side: int, itself: bool) -> Causal:
    """The rows above and the pixels to the left, and the place itself or not: masks B and A."""
    half = side // 2
    return Causal(inputs, outputs, (half + 1, side), half, half, itself, blind=half if itself else half + 1)


def _above(inputs: int, outputs: int, side: int, itself: bool) -> Causal:
    """Rows above, and the row itself or not."""
    half = side // 2
    return Causal(inputs, outputs, (half + itself, side), half, half, itself)


def _along(inputs: int, outputs: int, side: int, itself: bool) -> Causal:
    """Pixels to the left, and the place itself or not."""
    half = side // 2
    return Causal(inputs, outputs, (1, half + itself), 0, half, itself)


class ResidualBlock(nn.Module):
    """x + 1 x 1 (relu (3 x 3 (relu x))): starts as the identity. Never around the first layer: x would carry the pixel."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = _square(channels, channels, NEXT, itself=True)
        self.mix = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.mix.weight)
        nn.init.zeros_(self.mix.bias)

    def forward(self, x: Tensor, place: Place | None = None) -> Tensor:
        return x + self.mix(F.relu(self.conv(F.relu(x), place)))


class Masked(nn.Module):
    """One stack of square kernels: to the right of the rows above there is a blind spot, which no depth takes away."""

    def __init__(self, channels: int, depth: int):
        super().__init__()
        self.enter = _square(1, channels, FIRST, itself=False)
        self.blocks = nn.ModuleList(ResidualBlock(channels) for _ in range(depth))

    def forward(self, canvas: Tensor, place: Place | None = None) -> Tensor:
        x = self.enter(canvas, place)
        for block in self.blocks:
            x = block(x, place)
        return x


class GatedBlock(nn.Module):
    """tanh(a) sigmoid(b) in both stacks; the horizontal one is given what the vertical one sees, and adds to its input (as in
    figure 2 of the paper on gates), but in the first block, whose input has the pixel itself."""

    def __init__(self, inputs: int, channels: int, side: int, itself: bool):
        super().__init__()
        self.itself = itself
        self.above = _above(inputs, 2 * channels, side, itself)
        self.along = _along(inputs, 2 * channels, side, itself)
        self.down = nn.Conv2d(2 * channels, 2 * channels, 1)
        self.mix = nn.Conv2d(channels, channels, 1)

    def vertical(self, x: Tensor, place: Place | None) -> tuple[Tensor, Tensor]:
        """The vertical stack's next features, (B, channels, H, W), and what it tells the horizontal one, twice as many."""
        features = self.above(x, place)
        return _gate(features), self.down(features)

    def horizontal(self, x: Tensor, side: Tensor, place: Place | None) -> Tensor:
        """The horizontal stack's next features, (B, channels, H, W)."""
        mixed = self.mix(_gate(self.along(x, place) + side))
        return x + mixed if self.itself else mixed


def _gate(x: Tensor) -> Tensor:  # (B, 2 C, H, W) -> (B, C, H, W)
    a, b = x.chunk(2, dim=1)
    return torch.tanh(a) * torch.sigmoid(b)


class Gated(nn.Module):
    """A vertical stack that sees the rows above, to both sides, and nothing of the pixel's own row, and a horizontal one along
    that row: together no blind spot."""

    def __init__(self, channels: int, depth: int):
        super().__init__()
        later = [GatedBlock(channels, channels, NEXT, itself=True) for _ in range(depth)]
        self.blocks = nn.ModuleList([GatedBlock(1, channels, FIRST, itself=False), *later])

    def forward(self, canvas: Tensor, place: Place | None = None) -> Tensor:
        sides = self._sides(canvas, None) if place is None else self._sides_at(canvas, place)
        x = canvas
        for block, side in zip(self.blocks, sides, strict=True):
            x = block.horizontal(x, side, place)
        return x

    def _sides(self, x: Tensor, place: Place | None) -> list[Tensor]:
        """What the vertical stack tells each block of the horizontal one."""
        sides = []
        for block in self.blocks:
            x, side = block.vertical(x, place)
            sides.append(side)
        return sides

    def _sides_at(self, canvas: Tensor, place: Place) -> list[Tensor]:
        """The same at one place. A row's are computed with its first pixel, all at once: they look to the right, too."""
        if place.column == 0:
            place.sides[:] = self._sides(canvas, place.whole_row)
        return [side[..., place.column : place.column + 1] for side in place.sides]


class PixelCNN(PixelModel):
    """Masked convolutions of one size, then two of 1 x 1. In the equations: K = config.levels."""

    def __init__(self, config: PixelCNNConfig):
        super().__init__()
        self.config = config
        self.body = (Gated if config.gated else Masked)(config.hidden, config.depth)
        self.inner = nn.Conv2d(config.hidden, config.hidden, 1)
        self.last = nn.Conv2d(config.hidden, 1 if config.levels == 2 else config.levels, 1)

    def forward(self, x: Tensor, place: Place | None = None) -> Tensor:
        """Images with levels (B, 1, H, W) -> logits, (B, 1, H, W) of two levels, else (B, K, H, W); or those of one place,
        (B, 1, 1, 1) or (B, K, 1, 1), for which all places before it must have been asked for, in their order."""
        features = self.body(2 * x - 1, place)
        return self.last(F.relu(self.inner(F.relu(features))))

    def in_turn(self, canvas: Tensor) -> Iterator[Tensor]:
        """The logits of each pixel in raster order, (B, 1) or (B, K): every layer is computed at one place a pixel, and what it
        gave before is kept."""
        place = Place(0, 0, 1, tuple(canvas.shape[2:]))
        for row, column in product(*map(range, place.shape)):
            place.row, place.column = row, column
            yield self(canvas, place)[..., 0, 0]

    @torch.no_grad()
    def begin_at(self, mean: Tensor) -> None:
        """Let pixels be as bright as those of the mean training image, (1, H, W) in [0, 1], on average; of two levels."""
        if self.levels == 2:
            self.last.bias.copy_(logits_of_mean(mean.mean()[None]))


FAMILY = Family(
    name="pixelcnn",
    title="Pixel by pixel (PixelCNN)",
    config=PixelCNNConfig,
    size="pixelcnn {hidden}x{depth}",
    network="masked convolutions · {hidden} channels",
    presets=(
        Preset(
            "Pixel by pixel", "Masked convolutions, 32 channels: strokes after a minute on two cores, digits after a few.",
            {"hidden": 32, "depth": 4, "epochs": 2},
        ),
    ),
    **FACTS,
)
