"""The command `python -m vae_core.encode`: the codes of a data set, or of a person's own pictures."""

import argparse
import json
import sys
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from vae_core import checkpoint, evaluate
from vae_core.commands import (
    Parser,
    add_out,
    add_reading,
    answered,
    check_out,
    is_picture,
    packed,
    read_images,
    told_of,
    write,
)
from vae_core.data import ImageSet, own_name
from vae_core.errors import BadInput, in_range, shortly
from vae_core.models import Model, family_of
from vae_core.picture import luminance
from vae_core.report import Report
from vae_core.sheet import picture_of

IN_PICTURE, ACROSS = 50, 10  # pictures in a .png unless told, and in a row of it, where reconstructions count too
EXAMPLES = (
    "mnist-2d --data mnist --out codes.npz", "mnist-20d --data mnist --count 25 --out pairs.png",
    "runs/mine/checkpoint --data folder:pictures --json",
)
NOTES = """An .npz holds a row a picture: `codes`, float32 (N, L), of a VAE the means of the
posteriors, and `logvar` of the same shape, the logarithms of their variances; `labels`,
int64 (N,), and `classes`, the names that they number, where there are classes; `is_test`,
bool (N,): whether it belongs to the test set. The test images of a data set come first, then
the training images. Pictures of a folder are in the order of their names, which are in
`names`; those of an array in its own. A .png shows the first pictures, each with what the
decoder makes of its code beside it."""


class Pictures(NamedTuple):
    """What is encoded, in the order in which it is told."""

    images: Tensor  # uint8 (N, C, H, W)
    labels: Tensor  # int64 (N,)
    classes: tuple[str, ...]
    is_test: np.ndarray  # bool (N,)
    names: list[str] | None  # of files


def _parser() -> Parser:
    parser = Parser("vae_core.encode", "Encode pictures with a model.", EXAMPLES, NOTES)
    parser.add_argument("model", metavar="MODEL", help="a shipped model by its name, as mnist-2d, or a path")
    add_reading(parser, for_model=True)
    parser.add_argument(
        "--count", type=int, metavar="N", help=f"the first N pictures only (default: all, in a .png {IN_PICTURE})"
    )
    add_out(parser, "an .npz or a .png, see below")
    parser.add_argument(
        "--json", action="store_true", help="one JSON object a line per picture on stdout, no progress bar: its code, and whose"
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit code: 0 done, 2 bad values, 130 stopped by Ctrl-C."""
    argv = sys.argv[1:] if argv is None else argv
    parser = _parser()
    arguments = parser.parse_args(argv)
    return answered(lambda: _encode(arguments, parser.said(argv)))


def _encode(arguments: argparse.Namespace, said: dict) -> int:
    out, count = arguments.out, arguments.count
    if count is None:
        count = IN_PICTURE if is_picture(out) else sys.maxsize
    in_range("number of pictures", count, 1, sys.maxsize, whole=True)
    check_out(arguments)
    opened = checkpoint.find(arguments.model)
    arguments.data = arguments.data or _usual(opened.recipe.data.name)
    model = opened.model
    pictures = _first(_pictures(model, arguments, said), count)
    codes, logvar = encode(model, pictures.images, quiet=arguments.json)
    if is_picture(out):
        write(out, picture_of(_pairs(model, pictures.images, codes), ACROSS))
    elif out:
        write(out, packed(**_arrays(pictures, codes, logvar)))
    if out:
        print(f"{out.text}: {len(codes):,} pictures, {codes.shape[1]} numbers each.", file=sys.stderr)
    if arguments.json:
        for line in _lines(pictures, codes, logvar):
            print(json.dumps(line))
    return 0


def _usual(trained_on: str) -> str:
    """The data set that is encoded where none is named."""
    if own_name(trained_on) is not None:
        raise BadInput(f"This model was trained on somebody's own pictures ({shortly(trained_on)}); give --data folder:PATH.")
    return trained_on


@torch.no_grad()
def encode(model: Model, images: Tensor, quiet: bool = True) -> tuple[Tensor, Tensor | None]:
    """The codes of uint8 images (N, C, H, W), (N, L), of a VAE the means of its posteriors, and their logvar (N, L), None
    without posteriors. Nothing is drawn. Unless `quiet`, a bar grows on stderr. Raises BadInput where they are no finite
    numbers."""
    codes, logvars = [], []
    with tqdm(total=len(images), unit="picture", disable=quiet) as bar:
        for some in images.split(evaluate.BATCH):
            mu, logvar = evaluate.encode(model, some)
            codes.append(mu)
            logvars.append(logvar)
            bar.update(len(some))
    found, spread = torch.cat(codes), None if logvars[0] is None else torch.cat(logvars)
    if not (found.isfinite().all() and (spread is None or spread.isfinite().all())):
        raise BadInput("Some pictures have codes that are no finite numbers: the model's training has diverged; take another.")
    return found, spread


def _pictures(model: Model, arguments: argparse.Namespace, said: dict) -> Pictures:
    """What the model is to encode, in its channels. Raises BadInput where that cannot be."""
    family = family_of(model)
    if not family.encodes:
        instead = "repair with python -m vae_core.inpainting" if family.repairs else "draw with python -m vae_core.sample"
        raise BadInput(f"A model of the kind {family.name} has no code for a picture; take another, or {instead}.")
    channels, height, width = model.config.image_shape
    if arguments.data.startswith("folder:") and height != width:
        raise BadInput(f"This model reads pictures of {width} x {height}, and those of a folder become square; give file:PATH.")
    images, report = read_images(arguments, said, size=height)
    if report:
        print(*told_of(report), sep="\n", file=sys.stderr)
    found = _in_order(images, report)
    if arguments.data.startswith("folder:"):
        found = found._replace(images=_in_channels(found.images, channels))
    if tuple(found.images.shape[1:]) != model.config.image_shape:
        theirs, its = (" x ".join(map(str, shape)) for shape in (found.images.shape[1:], model.config.image_shape))
        raise BadInput(f"The pictures of {arguments.data} are {theirs}, and this model reads {its} (channels, height, width).")
    return found


def _in_order(images: ImageSet, report: Report | None) -> Pictures:
    """All pictures of a set, test images first; those of somebody's own by their files' names, or as they lie in an array."""
    found = Pictures(
        torch.cat([images.test_images, images.train_images]), torch.cat([images.test_labels, images.train_labels]),
        images.classes, np.arange(len(images.test_images) + len(images.train_images)) < len(images.test_images), None,
    )
    if report is None:
        return found
    order = sorted(range(len(report.sources)), key=report.sources.__getitem__)
    names = [report.sources[index] for index in order]
    return Pictures(
        found.images[order], found.labels[order], found.classes, found.is_test[order],
        names if isinstance(names[0], str) else None,
    )


def _first(pictures: Pictures, count: int) -> Pictures:
    images, labels, classes, is_test, names = pictures
    return Pictures(images[:count], labels[:count], classes, is_test[:count], names and names[:count])


def _in_channels(images: Tensor, channels: int) -> Tensor:
    """uint8 (N, C, H, W) -> (N, channels, H, W): grey pictures in colour look the same, those in colour are made grey."""
    if channels == 1 and images.shape[1] == 3:
        return torch.from_numpy(luminance(images.permute(0, 2, 3, 1).numpy()) * 255).round().byte()[:, None]
    return images.expand(-1, channels, -1, -1) if images.shape[1] == 1 else images


@torch.no_grad()
def _pairs(model: Model, images: Tensor, codes: Tensor) -> np.ndarray:
    """Each picture and what the decoder makes of its code, in turns: uint8 (2 N, C, H, W)."""
    painted = model.decode(codes).mul(255).round().byte()
    return torch.stack([images, painted], 1).flatten(0, 1).numpy()


def _arrays(pictures: Pictures, codes: Tensor, logvar: Tensor | None) -> dict[str, np.ndarray]:
    arrays = {"codes": codes.numpy(), "is_test": pictures.is_test}
    if logvar is not None:
        arrays["logvar"] = logvar.numpy()
    if pictures.classes:
        arrays |= {"labels": pictures.labels.numpy(), "classes": np.array(pictures.classes)}
    if pictures.names:
        arrays["names"] = np.array(pictures.names)
    return arrays


def _lines(pictures: Pictures, codes: Tensor, logvar: Tensor | None) -> Iterator[dict]:
    for index, code in enumerate(codes.tolist()):
        line: dict = {"picture": pictures.names[index] if pictures.names else index}
        if pictures.classes:
            line["class"] = pictures.classes[pictures.labels[index]]
        line |= {"is_test": bool(pictures.is_test[index]), "code": code}
        yield line if logvar is None else line | {"logvar": logvar[index].tolist()}


if __name__ == "__main__":
    raise SystemExit(main())
