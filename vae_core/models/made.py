"""MADE: an autoencoder whose weights are masked until it can only predict.

Source: Germain, Gregor, Murray & Larochelle 2015 (arXiv:1502.03509): one mask, raster order, with direct connections between
pixels and outputs. The loss is that of pixels.py.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vae_core.family import Family, Preset
from vae_core.limits import check_weights
from vae_core.models.fvsbn import Regressions
from vae_core.networks import Architecture
from vae_core.pixels import FACTS, PixelModel, check_grey, logits_of_mean
from vae_core.settings import check, setting

MASKED = Architecture("Masked autoencoder", hidden=1000, depth=1, lr=3e-3, batch_size=128)


@dataclass(frozen=True)
class MADEConfig:
    """A masked MLP. Raises BadInput on values out of range."""

    kind: ClassVar[str] = "made"
    loss_name: ClassVar[str] = "-log p, black and white"
    defaults: ClassVar[Architecture] = MASKED
    image_shape: tuple[int, int, int] = (1, 28, 28)  # (1, H, W)
    hidden: int = setting(
        MASKED.hidden, "hidden width", "Width", "Units of a hidden layer.", low=8, high=8192, unit="units", place="first"
    )
    depth: int = setting(MASKED.depth, "depth", "Depth", "Hidden layers.", low=1, high=4)

    def __post_init__(self):
        check(self)
        object.__setattr__(self, "image_shape", check_grey(self.image_shape))
        check_weights(self.pixels * (2 * self.hidden + self.pixels) + (self.depth - 1) * self.hidden**2)

    def build(self) -> "MADE":
        """The model, with its first weights drawn from torch's global random state."""
        return MADE(self)

    @property
    def pixels(self) -> int:
        """H * W."""
        return math.prod(self.image_shape)


class Masked(nn.Linear):
    """Linear; an output sees the inputs whose degree is at most its own: a degree says how many of the first pixels count."""

    def __init__(self, into: tuple[int, ...], out: tuple[int, ...]):
        super().__init__(len(into), len(out))
        self.into, self.out = into, out

    @property
    def used(self) -> Tensor:
        """The weights that the mask leaves, the others 0: (outputs, inputs)."""
        into, out = (torch.tensor(degrees, device=self.weight.device) for degrees in (self.into, self.out))
        return self.weight * (out[:, None] >= into)

    def forward(self, x: Tensor) -> Tensor:  # (B, inputs) -> (B, outputs)
        return F.linear(x, self.used, self.bias)


class MADE(PixelModel):
    """Hidden layers of ReLUs over D = H * W pixels. Pixel i, counted from 0, has degree i + 1 as an input and i as an output;
    units have 1 to D - 1, evenly, in every layer alike. To the outputs come logistic regressions on the pixels themselves."""

    def __init__(self, config: MADEConfig):
        super().__init__()
        self.config = config
        pixels, units = config.pixels, config.hidden
        inner = tuple(1 + unit * max(pixels - 1, 1) // units for unit in range(units))
        degrees = [tuple(range(1, pixels + 1)), *[inner] * config.depth, tuple(range(pixels))]
        self.layers = nn.ModuleList(Masked(into, out) for into, out in pairwise(degrees))
        self.direct = Regressions(pixels)  # its bias is the outputs'

    def forward(self, x: Tensor) -> Tensor:
        """Black and white images (B, 1, H, W) -> the logits of their pixels, the same shape."""
        h = x.flatten(1)
        logits = self.direct(h)
        for layer in self.layers[:-1]:
            h = F.relu(layer(h))
        return (logits + self.layers[-1](h)).view_as(x)

    def in_turn(self, canvas: Tensor) -> Iterator[Tensor]:
        """The logits of each pixel in raster order, (B, 1). Sums grow by a pixel at a time; a unit is computed when the last
        pixel that it sees is there, and added to what sees it: each once."""
        pixels = canvas.flatten(1)  # a view
        direct, *weights = (layer.used.T.contiguous() for layer in (self.direct, *self.layers))  # (from, to)
        biases = [layer.bias for layer in self.layers[:-1]]
        sums = [bias.repeat(len(canvas), 1) for bias in biases]  # (B, units) of each hidden layer
        logits = (self.direct.bias + self.layers[-1].bias).repeat(len(canvas), 1)
        units = self.layers[0].out
        done = 0
        for i in range(self.config.pixels):
            yield logits[:, i : i + 1]
            x = pixels[:, i : i + 1]
            logits = torch.addcmul(logits, x, direct[i])
            sums[0] = torch.addcmul(sums[0], x, weights[0][i])
            ready = slice(done, bisect_right(units, i + 1))  # units of degree i + 1
            done = ready.stop
            for layer, above in enumerate([*range(1, len(sums)), None]):
                added = F.relu(sums[layer][:, ready]) @ weights[layer + 1][ready]
                if above is None:
                    logits = logits + added
                else:
                    sums[above] = sums[above] + added

    def sums(self) -> dict[str, Tensor]:
        """What `in_turn` adds up, by name, weights as (from, to): direct (D, D), bias (D,), of hidden layer i weight<i> and
        bias<i>, the last weights those of the outputs; and the degrees of a layer's units, int32 (units,)."""
        tensors = {"direct": self.direct.used.T, "bias": self.direct.bias + self.layers[-1].bias}
        tensors |= {f"weight{i}": layer.used.T for i, layer in enumerate(self.layers)}
        tensors |= {f"bias{i}": layer.bias for i, layer in enumerate(self.layers[:-1])}
        return tensors | {"degrees": torch.tensor(self.layers[0].out, dtype=torch.int32)}

    @torch.no_grad()
    def begin_at(self, mean: Tensor) -> None:
        """Let each pixel be about as bright as in the mean training image, (1, H, W) in [0, 1]."""
        self.direct.bias.copy_(logits_of_mean(mean).flatten())


FAMILY = Family(
    name="made",
    title="Masked autoencoder (MADE)",
    config=MADEConfig,
    size="made {hidden}",
    network="masked · {hidden} units",
    presets=(
        Preset(
            "Masked autoencoder", "All pixels at once in training, one after the other in drawing: one hidden layer.",
            {"epochs": 15},
        ),
    ),
    **FACTS,
)
