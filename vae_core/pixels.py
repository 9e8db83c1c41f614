"""What models that go pixel by pixel have in common: log p(x) = sum_i log p(x_i | x_1 .. x_{i-1}), exact, in raster order.

Source: the chain rule over pixels as in Larochelle & Murray 2011 and van den Oord et al. 2016 (arXiv:1601.06759); binarisation
anew at each use: Salakhutdinov & Murray 2008. All losses are in nats per image: summed over pixels, averaged over the batch.
Images are (B, 1, H, W), and a pixel has one of K levels, k / (K - 1) for k = 0 .. K - 1: with two, 0 or 1.
"""

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vae_core.errors import BadInput, shortly
from vae_core.family import Loss, Term
from vae_core.limits import check_image_shape

DARKEST = 1 / 512  # half a step of 8-bit pixels: a pixel that is black in all training images may not be in the next one
BATCH = 100  # images that are painted at once
TERMS = (
    Term(
        "loss", "loss (-log p)", "Test loss",
        "How surprised the model is by an image, pixel after pixel: its exact negative log-probability, lower is better.",
    ),
)
FACTS = {  # of a Family
    "encodes": False, "decodes": False, "paints": True, "has_prior": False, "has_posterior": False, "likelihood": "exact",
    "pixels": "logits", "terms": TERMS, "page": "Pixels",
}


class PixelModel(nn.Module):
    """p(x_i | those before it), for every pixel. What is computed for one is never changed by those after it.

    A model has `forward(x)`, the logits of all pixels of a known image at once, (B, 1, H, W) with two levels (of x = 1) and
    (B, K, H, W) with more; and `in_turn(canvas)`, which yields them pixel by pixel, (B, 1) or (B, K), while another fills it.
    """

    config = None  # its settings, image_shape among them

    @property
    def levels(self) -> int:
        """K."""
        return getattr(self.config, "levels", 2)

    def in_turn(self, canvas: Tensor) -> Iterator[Tensor]:
        """The logits of each pixel in raster order, (B, 1) or (B, K), from what canvas (B, 1, H, W) holds before it by then."""
        raise NotImplementedError

    def draw(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor]:
        """What `forward` is called with in training: images in [0, 1] whose pixels have levels, drawn anew."""
        return (in_levels(x.cpu(), self.levels, generator).to(x.device),)

    def nats(self, x: Tensor) -> Tensor:
        """-log p(x_i | those before it) of each pixel of images with levels: (B, 1, H, W) -> the same, in nats."""
        return pixel_nats(self(x).to(x.dtype), x, self.levels)

    def log_likelihood(self, x: Tensor) -> Tensor:
        """log p(x) of images with levels, (B, 1, H, W) -> (B,) nats, exact."""
        return -self.nats(x).flatten(1).sum(1)

    def terms(self, clean: Tensor, drawn: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """-log p of each image, (B,) nats, from what `draw` returned."""
        return {"loss": -self.log_likelihood(drawn[0])}

    def loss(self, clean: Tensor, drawn: tuple[Tensor, ...], logits: Tensor, warm: float = 1.0) -> Loss:
        """The objective, from what `draw` and `forward` returned."""
        mean = pixel_nats(logits.float(), drawn[0], self.levels).sum() / max(len(logits), 1)
        return Loss(mean, {"loss": mean})

    @torch.no_grad()
    def painting(self, uniform: Tensor, image: Tensor | None = None, known: Tensor | None = None) -> Iterator[Tensor]:
        """Images drawn pixel by pixel: yields one canvas (B, 1, H, W) after each pixel, where it is not `known`.

        Each pixel's draw is decided by its number in `uniform`, (B, 1, H, W) in [0, 1). Where known, bool (B, 1, H, W), the
        canvas has the pixels of `image`; a pixel is drawn from those before it in raster order, known or drawn: what is known
        further on is not looked at. Of an image whose upper part is known it is an exact draw of the rest.
        """
        canvas, free = torch.zeros_like(uniform), torch.ones_like(uniform, dtype=torch.bool)
        if known is not None:
            canvas, free = torch.where(known, image, canvas), ~known.expand_as(canvas)
        pixels, free, chances = canvas.flatten(1), free.flatten(1), uniform.flatten(1)  # pixels: a view
        somewhere = free.any(0).tolist()
        last = max((i for i, is_free in enumerate(somewhere) if is_free), default=-1)
        for i, logits in zip(range(last + 1), self.in_turn(canvas), strict=False):
            if somewhere[i]:
                value = drawn_level(logits.float(), chances[:, i], self.levels)
                pixels[:, i] = torch.where(free[:, i], value, pixels[:, i])
                yield canvas

    @torch.no_grad()
    def paint(self, uniform: Tensor, image: Tensor | None = None, known: Tensor | None = None) -> Tensor:
        """The canvas that `painting` ends with, (B, 1, H, W)."""
        canvas = uniform if image is None else image.clone()  # where all is known, nothing is painted
        for canvas in self.painting(uniform, image, known):  # noqa: B007
            pass
        return canvas

    def sample(self, count: int, seed: int = 0) -> Tensor:
        """count seeded draws, (count, 1, H, W), on the CPU. The first of many are those of few."""
        return torch.cat(list(self.samples(count, seed)))

    def samples(self, count: int, seed: int = 0, at_once: int = BATCH) -> Iterator[Tensor]:
        """The same draws, (n, 1, H, W) a part, for whoever tells how far it is."""
        for some in self._uniform(count, seed).split(at_once):
            yield self.paint(some).cpu()

    def complete(self, image: Tensor, known: Tensor, count: int, seed: int = 0) -> Tensor:
        """One image (1, H, W) with levels whose pixels are known where bool (1, H, W) says so, finished `count` times:
        (count, 1, H, W), on the CPU. See `painting` for what is looked at. Raises BadInput where these are of other shapes."""
        shape = tuple(self.config.image_shape)
        if tuple(image.shape) != shape or tuple(known.shape) != shape:
            raise BadInput(f"This model finishes pictures of {shape}, not of {tuple(image.shape)}; give it one of these.")
        uniform = self._uniform(count, seed)
        given = [part.to(uniform.device).expand_as(uniform) for part in (image, known)]
        parts = zip(*(part.split(BATCH) for part in (uniform, *given)), strict=True)
        return torch.cat([self.paint(*some).cpu() for some in parts])

    def _uniform(self, count: int, seed: int) -> Tensor:
        drawn = torch.rand(count, *self.config.image_shape, generator=torch.Generator().manual_seed(seed))
        return drawn.to(next(self.parameters()).device)


def check_grey(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """(1, H, W) as a tuple. Raises BadInput unless it is a shape of grey images."""
    shape = check_image_shape(shape)
    if shape[0] != 1:
        raise BadInput(f"Pixel by pixel goes for pictures of one channel, not of {shortly(shape[0])}; take grey ones.")
    return shape


def in_levels(x: Tensor, levels: int, generator: torch.Generator) -> Tensor:
    """Images in [0, 1] -> the same shape with `levels` levels: each pixel is drawn as one of the two that it lies between, so
    that its mean stays what it was. With two levels this is the usual dynamic binarisation, 1 with probability x."""
    steps = levels - 1
    below = (x * steps).floor().clamp(max=steps - 1)
    return (below + torch.bernoulli((x * steps - below).clamp(0, 1), generator=generator)) / steps


def pixel_nats(logits: Tensor, x: Tensor, levels: int = 2) -> Tensor:
    """-log p of each pixel of x (B, 1, H, W), in nats, the same shape: logits (B, 1, H, W) of two levels, else (B, K, H, W)."""
    if levels == 2:
        return F.binary_cross_entropy_with_logits(logits, x, reduction="none")
    return F.cross_entropy(logits, (x[:, 0] * (levels - 1)).round().long(), reduction="none")[:, None]


def drawn_level(logits: Tensor, chance: Tensor, levels: int) -> Tensor:
    """The level (B,) in [0, 1] that a uniform chance (B,) picks: the last one k with P(x < k) <= chance; logits (B, 1) or
    (B, K)."""
    if levels == 2:
        return (chance >= torch.sigmoid(-logits[:, 0])).to(logits)
    above = torch.softmax(logits, 1).cumsum(1)[:, :-1]
    return (chance[:, None] >= above).sum(1).to(logits) / (levels - 1)


def logits_of_mean(mean: Tensor) -> Tensor:
    """The logits with which independent pixels, (C, H, W) in [0, 1], have this mean; finite where it is 0 or 1."""
    return torch.logit(mean, eps=DARKEST)


def nats_of_guessing(pixels: int, levels: int = 2) -> float:
    """-log p of any image where every level is as likely: H * W * ln K."""
    return pixels * math.log(levels)
