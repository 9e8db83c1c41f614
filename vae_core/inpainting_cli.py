"""The command `python -m vae_core.inpainting`: every method on the same damaged test images, with scores."""

import argparse
import json

from vae_core import data
from vae_core.checkpoint import SHIPPED
from vae_core.commands import Parser, Typed, answered, typed_path
from vae_core.corruption import KINDS, parse
from vae_core.errors import BadInput, in_range, shortly
from vae_core.inpainting import METHODS, asked_for, compare, load_models

EXAMPLES = ("--images 2000 --corruption dropout:0.5 --methods telea,biharmonic,restorer",)


def _parser() -> Parser:
    parser = Parser("vae_core.inpainting", "Repair damaged MNIST test images by every method.", EXAMPLES)
    parser.add_argument("--images", type=int, default=2000, metavar="N", help="the first N test images, at most 10,000")
    parser.add_argument("--corruption", default="dropout:0.5", metavar="SPEC", help=f"{', '.join(KINDS)}, as in dropout:0.5")
    parser.add_argument("--seed", type=int, default=0, help="another one damages other pixels")
    parser.add_argument("--methods", metavar="A,B", help=f"some of {', '.join(METHODS)} (default: all)")
    parser.add_argument(
        "--checkpoints", type=typed_path, default=Typed(SHIPPED, SHIPPED.name), metavar="FOLDER",
        help="where the models lie (default: the shipped ones)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line per method on stdout, no table")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit code: 0 done, 2 bad values, 130 stopped by Ctrl-C."""
    arguments = _parser().parse_args(argv)
    return answered(lambda: _compare(arguments))


def _compare(arguments: argparse.Namespace) -> int:
    images = data.load("mnist").test_images
    in_range("number of images", arguments.images, 1, len(images), whole=True)
    in_range("seed", arguments.seed, 0, 2**31 - 1, whole=True)
    corruption = parse(arguments.corruption)
    methods = _methods(arguments.methods, corruption.holes)
    models = load_models(methods, *arguments.checkpoints)
    for result in compare(images[: arguments.images], corruption, arguments.seed, models, methods):
        line = result.summary()
        if arguments.json:
            print(json.dumps(line), flush=True)
        else:
            hole = "" if line["psnr_hole"] is None else f"{line['psnr_hole']:6.2f} dB in the holes, "
            print(f"{line['method']:14}{hole}{line['psnr_image']:6.2f} dB over the image, SSIM {line['ssim_image']:.3f}, "
                  f"{line['ms_per_image']:.2f} ms an image", flush=True)
    return 0


def _methods(text: str | None, holes: bool) -> list[str]:
    """The methods to ask, those that are asked for by name even where they do not fit: that is then told."""
    possible = asked_for(holes)
    if text is None:
        return possible
    names = [name.strip() for name in text.split(",")]
    if strangers := [name for name in names if name not in possible]:
        raise BadInput(
            f"For this corruption there is no method called {shortly(strangers[0])}; choose from {', '.join(possible)}."
        )
    return names
