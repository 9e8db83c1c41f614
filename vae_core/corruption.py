"""Damage to pictures, seeded: what denoisers are trained on and restorers are judged by. And two pictures merged into one.

Images are float (N, C, H, W) in [0, 1] and are never changed. Each function returns a new image and a mask, bool
(N, 1, H, W), True where a pixel is damaged. Holes hold BLANK. Draws are made on the CPU, so that a seed damages the same
pixels on every device.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from vae_core.errors import BadInput, in_range, shortly
from vae_core.settings import setting

BLANK = 0.5  # what a hole holds: mid-grey, the zero of pixels in [-1, 1]


class Damaged(NamedTuple):
    """A damaged picture and where: image (N, C, H, W), mask bool (N, 1, H, W), True = damaged."""

    image: Tensor
    mask: Tensor


def blank(images: Tensor, mask: Tensor) -> Tensor:
    """Images (N, C, H, W) with BLANK where mask (N, 1, H, W) is True."""
    return torch.where(mask, BLANK, images)


def dropout(images: Tensor, rate: float | Tensor, generator: torch.Generator, rescale: bool = False) -> Damaged:
    """Drop each pixel with probability `rate`, 0 to 1, a number or one an image (N, 1, 1, 1); kept pixels keep their value.

    With `rescale`, kept pixels are moved away from mid-grey by 1 / (1 - rate), as torch's nn.Dropout does to pixels in
    [-1, 1]: the expected value of each pixel stays what it was, and values leave [0, 1].
    """
    mask = _uniform(images, generator) < torch.as_tensor(rate, device=images.device)
    kept = BLANK + (images - BLANK) / (1 - rate) if rescale and rate < 1 else images
    return Damaged(blank(kept, mask), mask)


def gaussian(images: Tensor, sigma: float | Tensor, generator: torch.Generator) -> Damaged:
    """Add normal noise of standard deviation `sigma` (black to white is 1), clipped to [0, 1]: every pixel is damaged."""
    sigma = torch.as_tensor(sigma, device=images.device)
    noise = torch.randn(images.shape, generator=generator).to(images)
    mask = (sigma > 0).expand(len(images), 1, *images.shape[2:])
    return Damaged((images + sigma * noise).clamp(0, 1), mask.clone())


def salt_and_pepper(images: Tensor, rate: float, generator: torch.Generator) -> Damaged:
    """Make each pixel black or white, half of them each, with probability `rate`, 0 to 1."""
    draw = _uniform(images, generator)
    mask = draw < rate
    return Damaged(torch.where(mask, (draw < rate / 2).to(images), images), mask)


def block(images: Tensor, size: int, generator: torch.Generator | None = None) -> Damaged:
    """Blank a square of `size` pixels a side in the centre; no larger than the picture, nothing is drawn at random."""
    height, width = images.shape[2:]
    tall, wide = min(size, height), min(size, width)
    mask = torch.zeros(len(images), 1, height, width, dtype=torch.bool, device=images.device)
    top, left = (height - tall) // 2, (width - wide) // 2
    mask[..., top : top + tall, left : left + wide] = True
    return Damaged(blank(images, mask), mask)


def half(images: Tensor, amount: None = None, generator: torch.Generator | None = None) -> Damaged:
    """Blank the lower half; nothing is drawn at random."""
    mask = torch.zeros(len(images), 1, *images.shape[2:], dtype=torch.bool, device=images.device)
    mask[..., images.shape[2] // 2 :, :] = True
    return Damaged(blank(images, mask), mask)


def strokes(images: Tensor, count: int, generator: torch.Generator) -> Damaged:
    """Blank `count` brush strokes: quadratic Bezier curves through the picture, a ninth of its height wide."""
    number, _, height, width = images.shape
    size = torch.tensor([height, width])
    corners = torch.rand(number, count, 3, 2, generator=generator) * size  # start, control point, end
    along = torch.linspace(0, 1, 2 * max(height, width))[:, None]
    weights = torch.cat([(1 - along) ** 2, 2 * along * (1 - along), along**2], 1)  # (points, 3)
    points = (weights @ corners).flatten(1, 2)  # (N, count * points, 2)
    rows = torch.arange(height).view(1, height, 1) + 0.5
    columns = torch.arange(width).view(1, 1, width) + 0.5
    mask = torch.zeros(number, height, width, dtype=torch.bool)
    for y, x in points.permute(1, 2, 0):
        mask |= (rows - y.view(-1, 1, 1)) ** 2 + (columns - x.view(-1, 1, 1)) ** 2 <= (height / 18) ** 2
    mask = mask[:, None].to(images.device)
    return Damaged(blank(images, mask), mask)


def mixed(images: Tensor, amount: None, generator: torch.Generator) -> Damaged:
    """Another damage for each image: pixels dropped at any rate, blocks of any size and place, strokes, halves, noise."""
    image, mask = images.clone(), torch.zeros(len(images), 1, *images.shape[2:], dtype=torch.bool, device=images.device)
    shares = torch.tensor([0.45, 0.4, 0.07, 0.03, 0.05])
    kinds = torch.multinomial(shares, len(images), replacement=True, generator=generator) if len(images) else shares.long()[:0]
    for kind, damage in enumerate((_any_dropout, _any_block, _any_strokes, _any_half, _any_gaussian)):
        chosen = (kinds == kind).nonzero()[:, 0].to(images.device)
        if len(chosen):
            image[chosen], mask[chosen] = damage(images[chosen], generator)
    return Damaged(image, mask)


def _any_dropout(images: Tensor, generator: torch.Generator) -> Damaged:
    rate = 0.1 + 0.8 * torch.rand(len(images), 1, 1, 1, generator=generator)
    return dropout(images, rate.to(images), generator)


def _any_block(images: Tensor, generator: torch.Generator) -> Damaged:
    """A rectangle, each side a seventh to a half of the picture's, half of them in the centre and half anywhere."""
    draw = torch.rand(5, len(images), 1, 1, 1, generator=generator)
    centred = draw[4] < 0.5
    inside = True
    for axis, size in enumerate(images.shape[2:]):
        low, high = max(size // 7, 1), max(size // 2, 1)
        length = low + (draw[axis] * (high - low + 1)).floor()
        start = torch.where(centred, (size - length) // 2, (draw[2 + axis] * (size - length + 1)).floor())
        place = torch.arange(size).view((1, 1, size, 1) if axis == 0 else (1, 1, 1, size))
        inside = inside & (place >= start) & (place < start + length)
    mask = inside.to(images.device)
    return Damaged(blank(images, mask), mask)


def _any_strokes(images: Tensor, generator: torch.Generator) -> Damaged:
    return strokes(images, int(torch.randint(1, 6, (), generator=generator)), generator)


def _any_half(images: Tensor, generator: torch.Generator) -> Damaged:
    """The upper, lower, left or right half, the same for all."""
    side = int(torch.randint(4, (), generator=generator))
    mask = torch.zeros(len(images), 1, *images.shape[2:], dtype=torch.bool, device=images.device)
    along = mask.movedim(2 + side // 2, 0)
    middle = len(along) // 2
    along[slice(middle, None) if side % 2 else slice(0, middle)] = True
    return Damaged(blank(images, mask), mask)


def _any_gaussian(images: Tensor, generator: torch.Generator) -> Damaged:
    sigma = 0.05 + 0.55 * torch.rand(len(images), 1, 1, 1, generator=generator)
    return gaussian(images, sigma.to(images), generator)


def _uniform(images: Tensor, generator: torch.Generator) -> Tensor:
    """One uniform draw a pixel, (N, 1, H, W)."""
    return torch.rand(len(images), 1, *images.shape[2:], generator=generator).to(images)


class Kind(NamedTuple):
    """A kind of damage: how a person calls it, what does it, its amount where it has one (default, range, whole)."""

    title: str
    damage: Callable[..., Damaged]
    holes: bool  # whether the undamaged pixels are as they were, and the place of the others is known
    amount: str | None = None
    default: float | None = None
    low: float = 0
    high: float = 1


def _dropout_rescaled(images: Tensor, rate: float, generator: torch.Generator) -> Damaged:
    return dropout(images, rate, generator, rescale=True)


KINDS = {
    "dropout": Kind("Dropped pixels", dropout, True, "dropout rate", 0.5),
    "dropout-rescaled": Kind("Dropped pixels, the others rescaled", _dropout_rescaled, False, "dropout rate", 0.5),
    "salt-pepper": Kind("Salt and pepper", salt_and_pepper, True, "share of grains", 0.1),
    "gaussian": Kind("Gaussian noise", gaussian, False, "noise level", 0.3),
    "block": Kind("Square hole", block, True, "block size", 10, 1, 128),
    "stroke": Kind("Brush strokes", strokes, True, "number of strokes", 3, 1, 20),
    "half": Kind("Lower half missing", half, True),
    "mixed": Kind("A mixture of all", mixed, False),
}


@dataclass(frozen=True)
class Corruption:
    """A kind of damage and how much of it. `str()` gives what `parse` reads. Raises BadInput on values out of range."""

    kind: str
    amount: float | None = None  # None: the kind's own

    def __post_init__(self):
        if self.kind not in KINDS:
            raise BadInput(f"There is no corruption called {shortly(self.kind)}; choose one of {', '.join(KINDS)}.")
        kind = KINDS[self.kind]
        if kind.amount is None and self.amount is not None:
            raise BadInput(f"The corruption {self.kind} has no amount; leave it out.")
        if self.amount is None:
            object.__setattr__(self, "amount", kind.default)
        elif kind.amount:
            in_range(kind.amount, self.amount, kind.low, kind.high, whole=isinstance(kind.default, int))

    def __call__(self, images: Tensor, seed: int | torch.Generator = 0) -> Damaged:
        """Damage float images (N, C, H, W) in [0, 1]; the same seed, the same damage."""
        generator = torch.Generator().manual_seed(seed) if isinstance(seed, int) else seed
        return KINDS[self.kind].damage(images, self.amount, generator)

    @property
    def holes(self) -> bool:
        """Whether there is a hole to fill: the other pixels are as they were."""
        return KINDS[self.kind].holes

    def __str__(self) -> str:
        return self.kind if self.amount is None else f"{self.kind}:{self.amount:g}"


def parse(text: str) -> Corruption:
    """`dropout:0.5`, `block:10`, `half` ... -> Corruption. Raises BadInput on anything else."""
    if not isinstance(text, str):
        raise BadInput(f"A corruption is written like dropout:0.5, not {shortly(text)}.")
    kind, colon, amount = text.strip().partition(":")
    if not colon:
        return Corruption(kind)
    try:
        return Corruption(kind, int(amount) if amount.strip().lstrip("+-").isdecimal() else float(amount))
    except ValueError as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"A corruption is written like dropout:0.5, not {shortly(text)}.") from error


def damage_to_undo(default: str):
    """The setting of a model that learns to undo a damage, as `parse` reads it."""
    return setting(
        default, "corruption", "Damage to undo",
        "Every training image is damaged anew whenever it is used. Others can be typed, as in dropout:0.9.", parse=parse,
        suggested=("dropout:0.5", "dropout:0.25", "salt-pepper:0.1", "gaussian:0.3", "block:10", "stroke", "half", "mixed"),
        place="first",
    )


def merge(one: Tensor, other: Tensor, share: float | None = 0.5) -> Tensor:
    """Two pictures in one, each (N, C, H, W) -> the same: (1 - share) * one + share * other; None: the lighter of both.

    Two digits merged lie off the manifold of digits: what a model makes of them shows what it has learned. Raises
    BadInput where the shapes differ or share is not from 0 to 1.
    """
    if one.shape != other.shape:
        raise BadInput(f"Pictures of {tuple(one.shape)} and {tuple(other.shape)} cannot be merged; give them one size.")
    if share is None:
        return torch.maximum(one, other)
    in_range("share of the second picture", share, 0, 1)
    return torch.lerp(one, other, float(share))
