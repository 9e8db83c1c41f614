"""The encoders and decoders that a VAE is made of, by the name of their architecture.

Sources: residual blocks before-activation: He et al. 2016 (arXiv:1603.05027); strided and transposed convolutions with batch
normalisation: Radford, Metz & Chintala 2016 (arXiv:1511.06434), as the course's notebook on a colour VAE has them.
Every encoder maps flat images (B, C*H*W) to (B, 2 L), every decoder maps z (B, L) to flat logits (B, C*H*W), so that the
browser's runtime reads any of them layer by layer (latent_pad/decoder_plan.py).
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Shape = tuple[int, int, int]  # (C, H, W)
SMALLEST = 8  # pixels a side down to which convolutions halve an image


@dataclass(frozen=True)
class Architecture:
    """What a person chooses from, and the settings that were found to train it well."""

    title: str
    hidden: int
    depth: int
    lr: float
    batch_size: int
    clip: float | None = None  # gradient norm above which a step is shortened
    beta1: float = 0.9  # Adam's
    beta2: float = 0.999
    peak: float = 0.3  # of one cycle
    fewest: int = 1  # images that a batch must have: batch normalisation learns nothing of one


ARCHITECTURES = {
    # The tutorial network is not clipped, as it is taught. Usual norms of the residual one are 20 to 100.
    "mlp": Architecture("MLP (textbook)", hidden=400, depth=1, lr=1e-2, batch_size=256, beta2=0.95, peak=0.15),
    "residual": Architecture("Residual MLP (best)", hidden=384, depth=1, lr=3e-3, batch_size=128, clip=200.0, peak=0.15),
    "conv": Architecture(
        "Convolutional (colour, own pictures)", hidden=16, depth=1, lr=2e-3, batch_size=128, clip=200.0, beta2=0.95
    ),
    "conv-course": Architecture("Convolutional (the course's)", hidden=200, depth=1, lr=1e-3, batch_size=128, beta2=0.95),
}


class ResidualBlock(nn.Module):
    """x + W2 silu(W1 silu(norm(x))): starts as the identity, so that depth costs nothing at first."""

    added = ("norm", "silu", "linear1", "silu", "linear2")  # what the browser adds to x: parts by name, and functions

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


def _mlps(shape: Shape, latent_dim: int, hidden: int, depth: int) -> tuple[nn.Sequential, nn.Sequential]:
    pixels, inner = math.prod(shape), [hidden] * depth
    return _mlp([pixels, *inner, 2 * latent_dim]), _mlp([latent_dim, *inner, pixels])


def _residual(inputs: int, width: int, depth: int, outputs: int) -> nn.Sequential:
    blocks = [ResidualBlock(width) for _ in range(depth)]
    return nn.Sequential(nn.Linear(inputs, width), *blocks, nn.LayerNorm(width), nn.SiLU(), nn.Linear(width, outputs))


def _residuals(shape: Shape, latent_dim: int, hidden: int, depth: int) -> tuple[nn.Sequential, nn.Sequential]:
    pixels = math.prod(shape)
    return _residual(pixels, hidden, depth, 2 * latent_dim), _residual(latent_dim, hidden, depth, pixels)


def halvings(shape: Shape, smallest: int = SMALLEST) -> list[tuple[int, int]]:
    """Height and width from the whole image down to at most `smallest` a side, halved and rounded up: 28, 14, 7."""
    sizes = [shape[1:], (-(-shape[1] // 2), -(-shape[2] // 2))]
    while max(sizes[-1]) > smallest:
        sizes.append(tuple(-(-side // 2) for side in sizes[-1]))
    return sizes


def kernel_between(larger: tuple[int, int]) -> tuple[int, int]:
    """With stride 2 and padding 1, a kernel of 4 goes between n and n/2 where n is even, one of 3 where it is odd."""
    return 4 - larger[0] % 2, 4 - larger[1] % 2


def _convs(shape: Shape, latent_dim: int, hidden: int, depth: int) -> tuple[nn.Sequential, nn.Sequential]:
    """Strided convolutions around residual blocks that see the whole picture: `hidden` channels at half the size, twice as
    many below, 16 `hidden` units in the blocks, `depth` of these each way."""
    sizes = halvings(shape)
    channels = [shape[0], hidden, *[2 * hidden] * (len(sizes) - 2)]
    small = (channels[-1], *sizes[-1])
    stages = list(zip(sizes, pairwise(channels), strict=False))  # from the whole image down
    down, up = [], []
    for size, (outer, inner) in stages:
        down += [nn.Conv2d(outer, inner, kernel_between(size), 2, 1), nn.ReLU()]
        up = [nn.ReLU(), nn.ConvTranspose2d(inner, outer, kernel_between(size), 2, 1), *up]
    encoder = nn.Sequential(
        nn.Unflatten(1, shape), *down, nn.Flatten(), *_residual(math.prod(small), 16 * hidden, depth, 2 * latent_dim)
    )
    decoder = nn.Sequential(
        *_residual(latent_dim, 16 * hidden, depth, math.prod(small)), nn.Unflatten(1, small), *up, nn.Flatten()
    )
    return encoder, decoder


class BatchNorm1d(nn.BatchNorm1d):
    """torch's, but for a batch that has less than two values a channel (one image, or a process's empty share), which has no
    spread to divide by: it is normalised by the running statistics, as in evaluation, and leaves them alone."""

    def forward(self, x: Tensor) -> Tensor:  # (B, C) -> (B, C)
        return _by_what_ran(self, x) if self.training and x.numel() < 2 * self.num_features else super().forward(x)


class BatchNorm2d(nn.BatchNorm2d):
    """The same of feature maps: one image has less than two values a channel where it is one pixel there."""

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, C, H, W)
        return _by_what_ran(self, x) if self.training and x.numel() < 2 * self.num_features else super().forward(x)


def _by_what_ran(norm: nn.BatchNorm1d | nn.BatchNorm2d, x: Tensor) -> Tensor:
    return F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, norm.eps)


@contextmanager
def left_alone(network: nn.Module) -> Iterator[None]:
    """Within this, batch normalisation in `network` goes by each batch as ever, its running statistics stay what they were, and
    no gradients are asked for its weights: in the half-step of another player of a game nothing of this one changes."""
    norms, weights = _batch_norms(network), [weight for weight in network.parameters() if weight.requires_grad]
    for norm in norms:
        norm.track_running_stats = False
    for weight in weights:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
        for weight in weights:
            weight.requires_grad_(True)


@contextmanager
def by_batch(network: nn.Module) -> Iterator[None]:
    """Within this, batch normalisation in `network` goes by each batch although it is evaluated, and nothing in it changes: the
    running statistics of one that is trained on two kinds of batches fit neither."""
    modes = [(norm, norm.training) for norm in _batch_norms(network)]
    with left_alone(network):
        for norm, _ in modes:
            norm.train()
        try:
            yield
        finally:
            for norm, mode in modes:
                norm.train(mode)


def _batch_norms(network: nn.Module) -> list[nn.Module]:
    return [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)]


def _course_convs(shape: Shape, latent_dim: int, hidden: int, depth: int) -> tuple[nn.Sequential, nn.Sequential]:
    """3-6-12-24 convolutions down, 200-120-60 transposed ones up from z as a single pixel, batch normalisation between, where
    `hidden` is the 200; `depth` is not used. On several devices each normalises its own share of a batch: other losses than on
    one."""
    sizes = [shape[1:]]
    while len(sizes) < 4:
        sizes.append(tuple(-(-side // 2) for side in sizes[-1]))
    narrow = [shape[0], *(max(1, round(share * hidden)) for share in (0.03, 0.06, 0.12))]
    wide = [shape[0], *(max(1, round(share * hidden)) for share in (0.3, 0.6, 1))]
    down, up = [], []
    for size, (outer, inner), (painted, painting) in zip(sizes, pairwise(narrow), pairwise(wide), strict=False):
        down += [nn.Conv2d(outer, inner, kernel_between(size), 2, 1, bias=False), BatchNorm2d(inner), nn.ReLU()]
        last = size == sizes[0] and not up
        widened = nn.ConvTranspose2d(painting, painted, kernel_between(size), 2, 1, bias=last)
        up = [BatchNorm2d(painting), nn.ReLU(), widened, *up]
    encoder = nn.Sequential(
        nn.Unflatten(1, shape), *down, nn.Flatten(), nn.Linear(narrow[-1] * math.prod(sizes[-1]), 2 * latent_dim)
    )
    first = nn.ConvTranspose2d(latent_dim, wide[-1], sizes[-1], bias=False)
    return encoder, nn.Sequential(nn.Unflatten(1, (latent_dim, 1, 1)), first, *up, nn.Flatten())


# (image shape, latent dimension, hidden, depth) -> encoder, decoder
BUILDERS: dict[str, Callable[[Shape, int, int, int], tuple[nn.Sequential, nn.Sequential]]] = {
    "mlp": _mlps, "residual": _residuals, "conv": _convs, "conv-course": _course_convs,
}


def weights(architecture: str, shape: Shape, latent_dim: int, hidden: int, depth: int) -> int:
    """Numbers in the matrices and kernels of encoder and decoder; biases and norms are left out. Allocates nothing."""
    with torch.device("meta"):
        built = BUILDERS[architecture](shape, latent_dim, hidden, depth)
    return sum(p.numel() for network in built for p in network.parameters() if p.ndim > 1)
