"""One logistic regression a pixel, on the pixels before it: the fully visible sigmoid belief network.

Source: Neal 1992, "Connectionist learning of belief networks"; Frey, Hinton & Dayan 1996. The loss is that of pixels.py.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vae_core.family import Family, Preset
from vae_core.limits import check_weights
from vae_core.networks import Architecture
from vae_core.pixels import FACTS, PixelModel, check_grey, logits_of_mean
from vae_core.settings import check

REGRESSIONS = Architecture("Logistic regressions, one a pixel", hidden=0, depth=0, lr=1e-2, batch_size=128, beta2=0.99)


@dataclass(frozen=True)
class FVSBNConfig:
    """Only the images' shape. Raises BadInput on values out of range."""

    kind: ClassVar[str] = "fvsbn"
    loss_name: ClassVar[str] = "-log p, black and white"
    defaults: ClassVar[Architecture] = REGRESSIONS
    image_shape: tuple[int, int, int] = (1, 28, 28)  # (1, H, W)

    def __post_init__(self):
        check(self)
        object.__setattr__(self, "image_shape", check_grey(self.image_shape))
        check_weights(self.pixels**2)

    def build(self) -> "FVSBN":
        """The model: it begins with pixels that do not depend on each other, and nothing is drawn."""
        return FVSBN(self)

    @property
    def pixels(self) -> int:
        """H * W."""
        return math.prod(self.image_shape)


class Regressions(nn.Linear):
    """y_i = b_i + sum_{j < i} W_ij x_j over D pixels: half of W is not used."""

    def __init__(self, pixels: int):
        super().__init__(pixels, pixels)
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)

    @property
    def used(self) -> Tensor:
        """W without what is not used, (D, D): below the diagonal."""
        return self.weight.tril(-1)

    def forward(self, x: Tensor) -> Tensor:  # (B, D) -> (B, D)
        return F.linear(x, self.used, self.bias)


class FVSBN(PixelModel):
    """Logits b + W x with W strictly below the diagonal: D = H * W regressions of 0 to D - 1 pixels."""

    def __init__(self, config: FVSBNConfig):
        super().__init__()
        self.config = config
        self.regressions = Regressions(config.pixels)

    def forward(self, x: Tensor) -> Tensor:
        """Black and white images (B, 1, H, W) -> the logits of their pixels, the same shape."""
        return self.regressions(x.flatten(1)).view_as(x)

    def in_turn(self, canvas: Tensor) -> Iterator[Tensor]:
        """The logits of each pixel in raster order, (B, 1): a sum that grows by one product a pixel."""
        pixels, weight = canvas.flatten(1), self.regressions.used.T.contiguous()  # a view of the canvas; (from, to)
        logits = self.regressions.bias.repeat(len(canvas), 1)
        for i in range(self.config.pixels):
            yield logits[:, i : i + 1]
            logits = torch.addcmul(logits, pixels[:, i : i + 1], weight[i])

    def sums(self) -> dict[str, Tensor]:
        """What `in_turn` adds up, by name: direct (from, to), (D, D), and bias (D,)."""
        return {"direct": self.regressions.used.T, "bias": self.regressions.bias}

    def templates(self) -> Tensor:
        """What each pixel looks at, (D, 1, H, W)."""
        return self.regressions.used.detach().view(-1, *self.config.image_shape)

    @torch.no_grad()
    def begin_at(self, mean: Tensor) -> None:
        """Let each pixel be about as bright as in the mean training image, (1, H, W) in [0, 1]."""
        self.regressions.bias.copy_(logits_of_mean(mean).flatten())


FAMILY = Family(
    name="fvsbn",
    title="Logistic regressions, one a pixel",
    config=FVSBNConfig,
    size="fvsbn",
    network="logistic regressions",
    presets=(
        Preset(
            "Logistic regressions only", "Every pixel by a logistic regression on those before it: no hidden unit at all.",
            {"epochs": 10},
        ),
    ),
    **FACTS,
)
