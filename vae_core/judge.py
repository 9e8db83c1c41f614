"""A judge: a small classifier whose features the draws of all models are measured by; and `python -m vae_core.judge`.

It is trained on a data set's labelled training images, and never on what a model drew: else that model would be judged by its
own idea of the data. Distances of its features (draws.py) compare where the judge is the same one; say "our classifier".
"""

import argparse
import hashlib
import json
import math
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vae_core import checkpoint, companion
from vae_core.augment import flip_and_shift
from vae_core.checkpoint import DataRecipe
from vae_core.commands import Parser, add_out, add_reading, answered, check_out, read_images, told_of
from vae_core.data import ImageSet, to_float
from vae_core.errors import BadInput, in_range
from vae_core.limits import check_image_shape
from vae_core.networks import BatchNorm2d, halvings
from vae_core.train import learning_rate
from vae_core.train_config import TrainConfig

KIND = "judge"
SHIPPED = checkpoint.SHIPPED / "judges"
FEATURES = 64  # numbers before the last layer
BATCH = 500  # images that are judged at once
EVEN = 0.1  # of an even share of the draws: a class that has less of them is not found

EXAMPLES = ("--data mnist --out judges/mnist.safetensors",)
NOTES = """Beside FILE.safetensors its recipe is written, FILE.json, with the data set's name and
digest and the share of test images that it names right. Distances by two judges do not
compare: keep one for all models of a data set."""


@dataclass(frozen=True)
class JudgeConfig:
    """A classifier's size. Raises BadInput on values out of range."""

    image_shape: tuple[int, int, int] = (1, 28, 28)  # (C, H, W)
    classes: int = 10
    hidden: int = 32  # channels at the whole size, twice as many below

    def __post_init__(self):
        object.__setattr__(self, "image_shape", check_image_shape(self.image_shape))
        in_range("number of classes of a judge", self.classes, 2, 1000, whole=True)
        in_range("hidden width", self.hidden, 4, 128, whole=True)

    def build(self) -> "Judge":
        """The classifier, with its first weights drawn from torch's global random state."""
        return Judge(self)


class Judge(nn.Module):
    """3 x 3 convolutions, each followed by a maximum over 2 x 2, batch normalisation and ReLU, down to at most 8 pixels a side;
    then 64 features, and logits of the classes."""

    def __init__(self, config: JudgeConfig):
        super().__init__()
        self.config = config
        sizes, channels = halvings(config.image_shape), config.image_shape[0]
        layers: list[nn.Module] = []
        for index in range(len(sizes) - 1):
            width = config.hidden * (2 if index else 1)
            layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.MaxPool2d(2, ceil_mode=True)]
            layers += [BatchNorm2d(width), nn.ReLU()]  # after the maximum: a quarter of the work
            channels = width
        self.body = nn.Sequential(*layers, nn.Flatten())
        self.last = nn.Linear(channels * sizes[-1][0] * sizes[-1][1], FEATURES)
        self.named = nn.Linear(FEATURES, config.classes)

    def features(self, x: Tensor) -> Tensor:
        """Images in [0, 1], (B, C, H, W) -> (B, 64): silu, for of 64 units with a ReLU twenty were soon 0 for every image."""
        return F.silu(self.last(self.body(x)))

    def forward(self, x: Tensor) -> Tensor:
        """Images in [0, 1], (B, C, H, W) -> logits of the classes, (B, K)."""
        return self.named(self.features(x))


class Judged(NamedTuple):
    """What a judge says of images: features float32 (N, 64), logits (N, K)."""

    features: Tensor
    logits: Tensor


class Opened(NamedTuple):
    """A judge from a file. `digest` is the SHA-256 of its weights file: use it as a cache key."""

    network: Judge
    recipe: companion.Recipe
    digest: str


class Found(NamedTuple):
    """Of draws, class by class, (K,): how many the judge takes for each, and whether it counts as found."""

    counts: Tensor
    found: Tensor


def train(data: ImageSet, epochs: int = 2, seed: int = 0, lr: float = 5e-3, batch_size: int = 128) -> Iterator[Judge]:
    """Train a judge of a data set's training images, yielding it after each batch, in training mode; the last one is trained.

    Cross-entropy, AdamW, one cycle; each image is moved by up to a pixel. Same seed, same machine: same judge. Raises BadInput
    where the images have no classes.
    """
    if len(data.classes) < 2:
        raise BadInput(f"The pictures of {data.name} have no classes, and a judge learns to tell classes; take a labelled set.")
    config = TrainConfig(epochs=epochs, lr=lr, peak=0.3, seed=seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        judge = JudgeConfig(data.image_shape, len(data.classes)).build()
    optimizer = torch.optim.AdamW(judge.parameters(), lr, weight_decay=0.01)
    generator = torch.Generator().manual_seed(seed)
    total, step = epochs * -(-len(data.train_images) // batch_size), 0
    for _ in range(epochs):
        for chosen in torch.randperm(len(data.train_images), generator=generator).split(batch_size):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, total, config)
            x = flip_and_shift(to_float(data.train_images[chosen]), False, 1, generator)
            loss = F.cross_entropy(judge.train()(x), data.train_labels[chosen], label_smoothing=0.05)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            step += 1
            yield judge


@torch.no_grad()
def judged(judge: Judge, images: Tensor) -> Judged:
    """Features and logits of uint8 images (N, C, H, W). Raises BadInput where it was trained on images of another shape."""
    if tuple(images.shape[1:]) != judge.config.image_shape:
        theirs, its = (" x ".join(map(str, shape)) for shape in (images.shape[1:], judge.config.image_shape))
        raise BadInput(
            f"These pictures are {theirs}, and this judge knows {its} (channels, height, width); take their own judge."
        )
    judge.eval()
    features = torch.cat([judge.features(to_float(some)) for some in images.split(BATCH)])
    return Judged(features, judge.named(features))


def accuracy(judge: Judge, images: Tensor, labels: Tensor) -> float:
    """Share of uint8 images (N, C, H, W) whose class, (N,), it names, 0 to 1."""
    return (judged(judge, images).logits.argmax(1) == labels).double().mean().item()


def classes_found(logits: Tensor, share: float = EVEN) -> Found:
    """Which classes are among the draws with these logits, (N, K): those with at least `share` of an even part, and one draw.

    A judge has a class for anything, noise too: that a class is found says that it was not left out, and not that its draws are
    good. A single draw may be its mistake, which is why it does not count among many.
    """
    counts = torch.bincount(logits.argmax(1), minlength=logits.shape[1])
    return Found(counts, counts >= fewest(len(logits), logits.shape[1], share))


def fewest(draws: int, classes: int, share: float = EVEN) -> int:
    """How many of so many draws a class has at least where it counts as found."""
    return max(1, math.ceil(share * draws / classes))


# Its file.


def to_bytes(judge: Judge, data: ImageSet, training: dict, command: str = "") -> tuple[bytes, companion.Recipe]:
    """The weights file of a judge that was trained on `data`, and its recipe, with its accuracy on the test images."""
    known = DataRecipe(name=data.name, digest=data.digest, classes=list(data.classes))
    metrics = {"test_accuracy": accuracy(judge, data.test_images, data.test_labels)}
    recipe = companion.make_recipe(KIND, judge.config, known, training, metrics, command)
    return companion.to_bytes(judge, recipe), recipe


def open_bytes(weights: bytes, name: str) -> Opened:
    """A judge from the bytes of its weights file. Raises BadInput on any fault."""
    return Opened(*companion.open_bytes(weights, name, KIND, lambda config: JudgeConfig(**config).build()))


def shipped(data: ImageSet) -> Opened | None:
    """The judge of this data set that ships; None where there is none."""
    path = SHIPPED / f"{data.name}.safetensors"
    opened = open_file(path) if path.exists() else None
    return opened if opened and opened.recipe.data.digest == data.digest else None


def open_file(path: Path, called: str | None = None) -> Opened:
    """The judge at PATH.safetensors (the suffix may be left out). Raises BadInput, which names the file, or what it is
    `called`."""
    return open_bytes(companion.read_file(path, called), called or path.name)


# Its command.


def _parser() -> Parser:
    parser = Parser("vae_core.judge", "Train a judge of a labelled data set, for features of draws.", EXAMPLES, NOTES)
    add_reading(parser)
    parser.add_argument("--epochs", type=int, default=2, metavar="N", help="passes over the training images")
    parser.add_argument("--seed", type=int, default=0, help="another one begins with other weights")
    add_out(parser, "a .safetensors, see below")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout: what it was measured to be")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit code: 0 done, 2 bad values, 130 stopped by Ctrl-C."""
    words = sys.argv[1:] if argv is None else argv
    parser = _parser()
    arguments = parser.parse_args(words)
    return answered(lambda: _train(arguments, parser.said(words), shlex.join(["python", "-m", "vae_core.judge", *words])))


def _train(arguments: argparse.Namespace, said: dict, command: str) -> int:
    in_range("number of epochs", arguments.epochs, 1, 100, whole=True)
    in_range("seed", arguments.seed, 0, 2**31 - 1, whole=True)
    check_out(arguments, (".safetensors",))
    data, report = read_images(arguments, said)
    if report:
        print(*told_of(report), sep="\n", file=sys.stderr)
    for network in train(data, arguments.epochs, arguments.seed):
        judge = network
    weights, recipe = to_bytes(judge, data, {"epochs": arguments.epochs, "seed": arguments.seed}, command)
    right = recipe.metrics["test_accuracy"]
    if out := arguments.out:
        companion.save(out.path, weights, recipe)
        print(f"{out.text}: {right:.2%} of {len(data.test_images):,} test images named right.", file=sys.stderr)
    if arguments.json:
        print(json.dumps({"test_accuracy": right, "digest": hashlib.sha256(weights).hexdigest()}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
