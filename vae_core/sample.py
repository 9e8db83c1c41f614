"""The command `python -m vae_core.sample`: pictures that a model draws, from codes of its prior or pixel by pixel."""

import argparse
import json
import math
import sys

import numpy as np
import torch

from vae_core import checkpoint
from vae_core.commands import Parser, add_out, answered, check_out, is_picture, packed, write
from vae_core.errors import BadInput, in_range
from vae_core.evaluate import BATCH
from vae_core.latent import prior_draws
from vae_core.models import FAMILIES, Model, family_of
from vae_core.sheet import picture_of

MOST = 10_000  # draws
EXAMPLES = ("mnist-2d --out samples.png", "mnist-20d --count 1000 --seed 1 --out samples.npz")
NOTES = """An .npz holds `images`, uint8 (N, C, H, W), and of a model with a prior `z`, float32 (N, L): what
was drawn, in the same order. Read it with np.load, or train on it with --data file:samples.npz. The same
seed draws the same codes for every model of as many dimensions."""


def _parser() -> Parser:
    parser = Parser("vae_core.sample", "Draw pictures: codes of a model's prior, decoded, or pixel by pixel.", EXAMPLES, NOTES)
    parser.add_argument("model", metavar="MODEL", help="a shipped model by its name, as mnist-2d, or a path")
    parser.add_argument("--count", type=int, default=64, metavar="N", help=f"how many, at most {MOST:,}")
    parser.add_argument("--seed", type=int, default=0, help="another one draws other codes")
    add_out(parser, "a .png, the pictures in a grid, or an .npz, see below")
    parser.add_argument("--json", action="store_true", help="one JSON object a line per draw on stdout: its z")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit code: 0 done, 2 bad values, 130 stopped by Ctrl-C."""
    arguments = _parser().parse_args(argv)
    return answered(lambda: _sample(arguments))


def _sample(arguments: argparse.Namespace) -> int:
    in_range("number of draws", arguments.count, 1, MOST, whole=True)
    in_range("seed", arguments.seed, 0, 2**31 - 1, whole=True)
    check_out(arguments)
    out = arguments.out
    z, images = sample(checkpoint.load(arguments.model), arguments.count, arguments.seed)
    if out:
        square = math.ceil(math.sqrt(len(images)))
        write(out, picture_of(images, square) if is_picture(out) else packed(images=images, **({} if z is None else {"z": z})))
        how = "pixel by pixel" if z is None else "of the prior, decoded"
        print(f"{out.text}: {len(images):,} draws {how}.", file=sys.stderr)
    if arguments.json:
        codes = [{}] * len(images) if z is None else [{"z": code} for code in z.tolist()]
        for index, code in enumerate(codes):
            print(json.dumps({"draw": index} | code))
    return 0


@torch.no_grad()
def sample(model: Model, count: int, seed: int = 0) -> tuple[np.ndarray | None, np.ndarray]:
    """`count` seeded draws z ~ N(0, I), float32 (count, L), and what they are decoded to, uint8 (count, C, H, W): of a VAE the
    means of p(x|z). Of a model that paints pixel by pixel there is no z: None, and its pictures.

    Raises BadInput where the model draws nothing.
    """
    family = family_of(model)
    if family.paints:
        return None, model.sample(count, seed).mul(255).round().byte().numpy()
    if not family.has_prior:
        others = [name for name, each in FAMILIES.items() if each.draws]
        raise BadInput(
            f"A model of the kind {family.name} has no prior to draw from; take one of the kind {' or '.join(others)}."
        )
    z = prior_draws(count, model.config.latent_dim, seed)
    images = torch.cat([model.decode(some) for some in z.split(BATCH)])
    return z.numpy(), images.mul(255).round().byte().numpy()


if __name__ == "__main__":
    raise SystemExit(main())
