"""What the commands of vae_core have in common: how they read what was typed, which pictures they are given, and how they say
what is wrong."""

import argparse
import io
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vae_core import array_file, checkpoint, data, folder
from vae_core.arrays import COMMON, Untold
from vae_core.errors import BadInput, shortly
from vae_core.report import Report

UNSAID = object()
MINUS = re.compile(r"-[\d.][^=]*\.\..*")
READING_OPTIONS = {  # of people's own pictures
    "folder:": ("image_size", "fit", "split_seed", "split", "class_level"), "file:": ("split_seed", "pixels", "layout"),
}


class Help(argparse.RawDescriptionHelpFormatter):
    """Says the default of every option that has one, and leaves the lines of an example as they are."""

    def _get_help_string(self, action: argparse.Action) -> str:
        is_flag = action.nargs == 0 and not isinstance(action, argparse.BooleanOptionalAction)
        if is_flag or action.default is None or action.default is argparse.SUPPRESS or "(default" in action.help:
            return action.help
        return f"{action.help} (default: %(default)s)"


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one sentence instead of a page of usage; a value may be -1..1.

    `examples` are commands that do something as they stand; below them `notes` are wrapped.
    """

    def __init__(self, command: str, description: str, examples: tuple[str, ...], notes: str = ""):
        lines = [f"  python -m {command} {words}" for words in examples]
        epilog = "\n".join([f"example{'s' * (len(lines) > 1)}:", *lines, *(["", notes] if notes else [])])
        super().__init__(prog=f"python -m {command}", description=description, epilog=epilog, formatter_class=Help)
        self.examples = examples

    def parse_known_args(self, args=None, namespace=None):
        words: list[str] = []
        for word in sys.argv[1:] if args is None else args:
            if MINUS.fullmatch(word) and words and words[-1].startswith("--"):
                words[-1] += f"={word}"  # by itself it would be an option
            else:
                words.append(word)
        return super().parse_known_args(words, namespace)

    def error(self, message):
        self.exit(2, f"{message[0].upper()}{message[1:]}; see {self.prog} --help.\n")

    def said(self, argv: list[str]) -> dict:
        """The options that were given, without those that have their defaults."""
        unsaid = argparse.Namespace(**{action.dest: UNSAID for action in self._actions if action.dest != "help"})
        return {name: value for name, value in vars(self.parse_args(argv, unsaid)).items() if value is not UNSAID}


class Typed(NamedTuple):
    """A path among the words of a command: where it leads, and how it was written, which is what a sentence calls it."""

    path: Path
    text: str


def typed_path(text: str) -> Typed:
    """For argparse."""
    try:
        return Typed(data.path_of(text), text)
    except BadInput as error:
        raise argparse.ArgumentTypeError(str(error).removesuffix(".")) from error


def options(names: list[str]) -> str:
    """Fields of the arguments as they are typed."""
    return ", ".join("--" + name.replace("_", "-") for name in names)


def answered(command: Callable[[], int]) -> int:
    """The exit code of a command: its own, 2 for bad values, which are told in a sentence, 130 for Ctrl-C."""
    try:
        return command()
    except BadInput as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


# Pictures.


def add_reading(parser: argparse.ArgumentParser, for_model: bool = False) -> None:
    """The options that say which pictures are read and how; `for_model` where a model says their size, and what is usual."""
    kinds = f"{', '.join(data.NAMES)}, folder:PATH: a folder or zip file, or file:PATH: an array in .npz, .npy or .csv"
    usual = " (default: what the model was trained on)" * for_model
    parser.add_argument("--data", default=None if for_model else "mnist", metavar="NAME", help=kinds + usual)
    if not for_model:
        parser.add_argument(
            "--image-size", type=int, default=32, metavar="PIXELS", help="a side of the pictures of a folder: 32, 64"
        )
    parser.add_argument("--fit", default="crop", help=f"of the pictures of a folder: {', '.join(folder.FITS)}")
    parser.add_argument("--split-seed", type=int, default=0, help="of the draw of the test pictures of a folder or file")
    parser.add_argument(
        "--split", default="seeded", help="of the pictures of a folder: seeded, or own: its folders train, test, ..."
    )
    parser.add_argument(
        "--class-level", type=int, metavar="N",
        help="which level of folders that differ names the classes, from 1; 0: none (default: the first of words)",
    )
    parser.add_argument(
        "--pixels", metavar="LOW..HIGH",
        help=f"of arrays in a file: the values of black and white, as in {', '.join(COMMON)} (default: 0..255 of bytes)",
    )
    parser.add_argument(
        "--layout", metavar="SHAPE",
        help="of a picture in a row of a file's array, as in 28x20, 3x32x32 or 32x32x3 (default: that of a square)",
    )


def read_images(arguments: argparse.Namespace, said: dict, size: int | None = None) -> tuple[data.ImageSet, Report | None]:
    """The data set by its name, without a report, or the pictures in folder:PATH or file:PATH, those of a folder with `size`
    pixels a side, by default what the arguments say. Raises BadInput."""
    kind = next((kind for kind in READING_OPTIONS if arguments.data.startswith(kind)), "")
    allowed = READING_OPTIONS.get(kind, ())
    for other, names in READING_OPTIONS.items():
        if strangers := [name for name in names if name in said and name not in allowed]:
            raise BadInput(
                f"{options(strangers)} is for pictures from {other}PATH, not for {shortly(arguments.data)}; leave it out."
            )
    if not kind:
        return data.load(arguments.data), None
    text = arguments.data.removeprefix(kind)
    source = Typed(data.path_of(text), text)
    if kind == "file:":
        return _from_file(source, arguments)
    if array_file.is_array_file(source.path.name) and not source.path.is_dir():
        raise BadInput(f"{source.text} holds an array and no pictures; give it as file:PATH.")
    return folder.read_pictures(
        source.path, size or arguments.image_size, arguments.fit, seed=arguments.split_seed, split=arguments.split,
        class_level=arguments.class_level, called=source.text,
    )


def _from_file(source: Typed, arguments: argparse.Namespace) -> tuple[data.ImageSet, Report]:
    try:
        return array_file.read_arrays(
            source.path, seed=arguments.split_seed, pixels=arguments.pixels, layout=arguments.layout, called=source.text
        )
    except Untold as untold:
        raise BadInput(f"{str(untold).removesuffix('.')} (--{untold.asked} {untold.choices[0]}).") from untold


def told_of(report: Report) -> Iterator[str]:
    """What was read of somebody's own pictures, a sentence a line, with the options that would read them otherwise."""
    yield from report.sentences()
    if report.own_split and report.split == "seeded":
        yield "--split own keeps their own split."
    if len(report.levels) > 1 or report.asked:
        yield "--class-level N takes another level, 0 none."
    for name, reason in report.skipped[:10]:
        yield f"{name!r}: {reason}"


# What is written.


def add_out(parser: argparse.ArgumentParser, kinds: str) -> None:
    """The options of a command that writes one file."""
    parser.add_argument("--out", type=typed_path, metavar="FILE", help=kinds)
    parser.add_argument("--overwrite", action="store_true", help="replace the file in --out")


def check_out(arguments: argparse.Namespace, suffixes: tuple[str, ...] = (".npz", ".png")) -> None:
    """Raise BadInput, before anything is computed, where nothing would be kept, or in a file of no known kind, or in the place
    of another file unasked."""
    out, either = arguments.out, " or ".join(f"--out FILE{suffix}" for suffix in suffixes)
    if out is None and not arguments.json:
        raise BadInput(f"Nothing would be kept; give {either}, or --json.")
    if out is None:
        return
    if out.path.suffix.lower() not in suffixes:
        raise BadInput(f"What is written is chosen by the suffix of --out; give {either}, not {shortly(out.text)}.")
    if not arguments.overwrite and os.path.lexists(out.path):
        raise BadInput(f"{out.text} is there already; give --overwrite to replace it, or another --out.")


def is_picture(out: Typed | None) -> bool:
    """Whether a picture is to be written, and no arrays."""
    return out is not None and out.path.suffix.lower() == ".png"


def packed(**arrays: np.ndarray) -> bytes:
    """Arrays as an .npz file."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def write(out: Typed, content: bytes) -> None:
    """Write a file whole, or not at all. Raises BadInput where it cannot be written."""
    try:
        out.path.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.write_aside(out.path, content)
        os.replace(f"{out.path}.new", out.path)
    except OSError as error:
        raise BadInput(
            f"{out.text} could not be written ({error.strerror}); free some space or choose another --out."
        ) from error
