"""The command `python -m vae_core.train`: one run from the shell, alone or under torchrun."""

import argparse
import json
import os
import re
import shlex
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

import torch
import torch.distributed as dist
from tqdm import tqdm

from vae_core import array_file, checkpoint, data, folder
from vae_core.arrays import COMMON, Untold
from vae_core.errors import BadInput, shortly
from vae_core.models import FAMILIES, Config
from vae_core.settings import Setting, settings_of
from vae_core.train import (
    Diverged,
    Epoch,
    Tested,
    TrainConfig,
    TrainState,
    extend,
    finish,
    fit,
    resume,
    start,
)
from vae_core.watch import Watch, remove_grids, save_grids

EPILOG = """Ctrl-C (exit code 130) and SIGTERM (143) end a run after the present batch, with its state and a checkpoint of
what it has learned. --resume goes on from there with the same trajectory and the run's own settings; with a larger --epochs it
goes on to so many in all. A constant learning rate then stays what it was. One cycle is stretched: the rate becomes that of a
cycle over all of the epochs, so the losses are not those of a run that was begun with so many."""
UNSAID = object()
MINUS = re.compile(r"-[\d.][^=]*\.\..*")
STOPPING = (signal.SIGINT, signal.SIGTERM)
LONGEST = 4000  # letters of the command that a recipe keeps
READING_OPTIONS = {  # of people's own pictures
    "folder:": ("image_size", "fit", "split_seed", "split", "class_level"), "file:": ("split_seed", "pixels", "layout"),
}


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one sentence instead of a page of usage; a value may be -1..1."""

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


def typed_path(text: str) -> Path:
    """A path among the words of a command, for argparse."""
    try:
        return data.path_of(text)
    except BadInput as error:
        raise argparse.ArgumentTypeError(str(error).removesuffix(".")) from error


def _parser() -> argparse.ArgumentParser:
    description = "Train an autoencoder; losses in nats per image."
    parser = Parser(prog="python -m vae_core.train", description=description, epilog=EPILOG)
    parser.add_argument(
        "--data", default="mnist", metavar="NAME",
        help=f"{', '.join(data.NAMES)}, folder:PATH: a folder or zip file, or file:PATH: an array in .npz, .npy or .csv",
    )
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
        "--pixels", metavar="LOW..HIGH", help=f"of arrays in a file: the values of black and white, as in {', '.join(COMMON)}"
    )
    parser.add_argument(
        "--layout", metavar="SHAPE", help="of a picture in a row of a file's array, as in 28x20, 3x32x32 or 32x32x3"
    )
    parser.add_argument("--kind", default="vae", help=", ".join(FAMILIES))
    for owners in _model_settings().values():
        _add(parser, next(iter(owners.values())), _who_has(owners), None)
    for each in settings_of(TrainConfig).values():
        _add(parser, each, each.about, each.default)
    parser.add_argument(
        "--out", type=typed_path, required=True, metavar="FOLDER", help="where checkpoint and state are written"
    )
    parser.add_argument("--title", help="a name for people (default: the folder's)")
    parser.add_argument(
        "--init", type=typed_path, metavar="CHECKPOINT", help="begin with the weights of this one, of the same settings"
    )
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out, with its own settings; see below")
    parser.add_argument("--overwrite", action="store_true", help="replace the run in --out")
    parser.add_argument("--json", action="store_true", help="one JSON object a line per epoch on stdout, no progress bar")
    return parser


def _model_settings() -> dict[str, dict[str, Setting]]:
    """Every setting that a family's models have: its field -> the families that have it, and how."""
    known: dict[str, dict[str, Setting]] = {}
    for family in FAMILIES.values():
        for name, each in settings_of(family.config).items():
            known.setdefault(name, {})[family.name] = each
    return known


def _who_has(owners: dict[str, Setting]) -> str:
    """What a setting means to the families that have it, in words."""
    meant: dict[str, list[str]] = {}
    for kind, each in owners.items():
        meant.setdefault(each.about, []).append(kind)
    return " ".join(f"{', '.join(kinds)}: {about}" for about, kinds in meant.items())


def _add(parser: argparse.ArgumentParser, each: Setting, about: str, default: object) -> None:
    """The option of one setting. Its bounds are looked at where the config is made, which says them in a sentence."""
    option = "--" + each.field.replace("_", "-")
    if each.kind is bool:
        parser.add_argument(option, action=argparse.BooleanOptionalAction, default=default, help=about)
        return
    words = each.choices or each.suggested
    parser.add_argument(
        option, type=each.kind, default=default, metavar=(each.unit or each.field.rsplit("_")[-1]).upper(),
        help=f"{about} ({', '.join(words)})" if words else about,
    )


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit code: 0 done, 2 bad values, 3 diverged, 130 stopped by Ctrl-C and 143 by SIGTERM (state
    and checkpoint kept)."""
    argv = sys.argv[1:] if argv is None else argv
    arguments = _parser().parse_args(argv)
    try:
        _join_processes(arguments.device)
        return _train(arguments, _said(argv), command_line(argv))
    except BadInput as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # before there was anything to keep
        return 128 + signal.SIGINT
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def leave(code: int) -> NoReturn:
    """End this process with the exit code; one of several processes ends at once.

    DistributedDataParallel keeps its process group's threads alive after the group was destroyed (torch 2.15), and one that
    drops a tensor while the interpreter shuts down aborts the process, now and then (github.com/pytorch/pytorch/issues/190489).
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    raise SystemExit(code)


def command_line(arguments: list[str]) -> str:
    """The shell command that runs this training."""
    return shlex.join(["python", "-m", "vae_core.train", *arguments])


def _said(argv: list[str]) -> dict:
    """The options that were given, without those that have their defaults."""
    parser = _parser()
    unsaid = argparse.Namespace(**{action.dest: UNSAID for action in parser._actions if action.dest != "help"})
    return {name: value for name, value in vars(parser.parse_args(argv, unsaid)).items() if value is not UNSAID}


def _train(arguments: argparse.Namespace, said: dict, command: str) -> int:
    out: Path = arguments.out
    if len(arguments.title or out.name) > 200:
        raise BadInput("A title has at most 200 characters; give a shorter --title.")
    main_process = not dist.is_initialized() or dist.get_rank() == 0
    images = _images(arguments, said, main_process)
    before = _recipe(out) if arguments.resume else None
    state = _resumed(out, said, images, main_process) if arguments.resume else _fresh(arguments, images)
    title = arguments.title or (before.title if before else out.name)
    if before:  # the run is what began it, and what lengthened it
        command = before.command if state.config.epochs == before.training.get("epochs") else f"{before.command} && {command}"
    watch = Watch(state.model, images) if main_process else None
    first = state.family.terms[0]  # of the others only what they are on the test set is told
    printed = {"epoch", f"train_{first.name}", "seconds", "images_per_second"}
    printed |= {f"test_{term.name}" for term in state.family.terms}
    stop: list[int] = []  # signals: finish the batch, keep everything
    handlers = {number: signal.signal(number, lambda number, _: stop.append(number)) for number in STOPPING}
    bar = tqdm(
        total=state.config.epochs * state.batches, initial=state.steps, unit="batch", disable=arguments.json or not main_process
    )
    try:
        for record in fit(state, images):
            if not isinstance(record, Tested):
                bar.update()
            if isinstance(record, Epoch):
                bar.set_postfix_str(f"epoch {record.epoch}, test {record.test[first.name]:.2f} {first.unit}")
                if main_process:
                    if arguments.json:
                        print(json.dumps({name: value for name, value in record.flat().items() if name in printed}), flush=True)
                    state.save(out)
                    save_grids(out, record.epoch, watch)
            if _agreed(stop, state.config.device):
                break
        bar.close()
        if main_process:
            state.save(out)
            weights, recipe = finish(state, images, title, command[:LONGEST], bool(stop), lambda: bool(stop))
            checkpoint.save(out, "checkpoint", weights, recipe)
    except Diverged as error:
        bar.close()
        print(error, file=sys.stderr)
        return 3
    finally:
        bar.close()
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return 128 + stop[0] if stop else 0


def _agreed(stop: list[int], device: str) -> bool:
    """Whether to stop. Of several processes one may hear of a signal a batch before the others; left alone, they would wait for
    ever."""
    if dist.is_initialized():
        heard = torch.tensor(stop[0] if stop else 0, device=device)
        dist.all_reduce(heard, dist.ReduceOp.MAX)
        if heard and not stop:
            stop.append(int(heard))
    return bool(stop)


def _images(arguments: argparse.Namespace, said: dict, main_process: bool) -> data.ImageSet:
    """The data set by its name, or the pictures in folder:PATH or file:PATH; what was read of these is said on stderr."""
    kind = next((kind for kind in READING_OPTIONS if arguments.data.startswith(kind)), "")
    allowed = READING_OPTIONS.get(kind, ())
    for other, options in READING_OPTIONS.items():
        if strangers := [name for name in options if name in said and name not in allowed]:
            raise BadInput(
                f"{_options(strangers)} is for pictures from {other}PATH, not for {shortly(arguments.data)}; leave it out."
            )
    if not kind:
        return data.load(arguments.data)
    path = data.path_of(arguments.data.removeprefix(kind))
    if kind == "folder:" and array_file.is_array_file(path.name) and not path.is_dir():
        raise BadInput(f"{path.name} holds an array and no pictures; give it as file:PATH.")
    images, said_of_them = (_from_folder if kind == "folder:" else _from_file)(path, arguments)
    if main_process:
        print(*said_of_them, sep="\n", file=sys.stderr)
    return images


def _from_folder(path: Path, arguments: argparse.Namespace) -> tuple[data.ImageSet, list[str]]:
    images, report = folder.read_pictures(
        path, arguments.image_size, arguments.fit, seed=arguments.split_seed, split=arguments.split,
        class_level=arguments.class_level,
    )
    hints = ["--split own keeps their own split."] if report.own_split and report.split == "seeded" else []
    hints += ["--class-level N takes another level, 0 none."] if len(report.levels) > 1 or report.asked else []
    return images, [*report.sentences(), *hints, *(f"{name!r}: {reason}" for name, reason in report.skipped[:10])]


def _from_file(path: Path, arguments: argparse.Namespace) -> tuple[data.ImageSet, list[str]]:
    try:
        images, report = array_file.read_arrays(
            path, seed=arguments.split_seed, pixels=arguments.pixels, layout=arguments.layout
        )
    except Untold as untold:
        raise BadInput(f"{str(untold).removesuffix('.')} (--{untold.asked} {untold.choices[0]}).") from untold
    return images, report.sentences()


def _fresh(arguments: argparse.Namespace, images: data.ImageSet) -> TrainState:
    """A run from its beginning. Nothing that is there already is lost without --overwrite."""
    out: Path = arguments.out
    model = _model(arguments, images.image_shape)
    config = TrainConfig(**{name: getattr(arguments, name) for name in settings_of(TrainConfig)})
    state = start(model, images, config, _weights(arguments.init, model))
    if not arguments.overwrite and any((out / name).exists() for name in ("state.safetensors", "checkpoint.safetensors")):
        raise BadInput(f"{out} already holds a run; give --resume to go on with it or --overwrite to replace it.")
    if arguments.overwrite:
        remove_grids(out)
    return state


def _resumed(out: Path, said: dict, images: data.ImageSet, main_process: bool) -> TrainState:
    """The run in --out where it stood, with more epochs where more are asked for: what happens then is said on stderr.

    Raises BadInput where another option says otherwise than the run's own settings.
    """
    if beginning := [name for name in ("init", "overwrite") if name in said]:
        raise BadInput(f"{_options(beginning)} begins a run, and --resume goes on with one; give one of the two.")
    state = resume(out, images)
    own = {"kind": state.model.config.kind} | asdict(state.model.config) | asdict(state.config)
    differ = [_difference(name, own.get(name), value) for name, value in said.items() if _differs(name, own.get(name), value)]
    if differ:
        raise BadInput(f"The run in {out.name} has {', '.join(differ)}; leave that out, or begin another run in another --out.")
    before, asked = len(state.epochs), said.get("epochs", state.config.epochs)
    told = ""
    if asked > state.config.epochs:
        extend(state, asked)
        told = f"The run in {out.name} goes on from {before} to {asked} epochs. "
        told += (
            "Its learning rate stays constant." if state.config.schedule == "constant" else
            f"Its cycle is stretched: the learning rate is now that of one cycle over {asked} epochs, and the losses are not "
            f"those of a run that was begun with {asked}."
        )
    elif state.finished:
        told = f"The run in {out.name} has done its {before} epochs; give a larger --epochs to go on."
    if told and main_process:
        print(told, file=sys.stderr)
    return state


def _differs(name: str, own: object, value: object) -> bool:
    """Whether an option says otherwise than the run that is resumed. More epochs are no difference."""
    if name == "epochs":
        return value < own
    if name not in ("kind", *_model_settings(), *settings_of(TrainConfig)) or value == "auto":
        return False
    return own.partition(":")[0] != value.partition(":")[0] if name == "device" else own != value


def _difference(name: str, own: object, value: object) -> str:
    option = _options([name])
    return f"no {option}" if own is None or own is False else f"{option} {own}, not {value}"


def _options(names: list[str]) -> str:
    return ", ".join("--" + name.replace("_", "-") for name in names)


def _recipe(out: Path) -> checkpoint.Recipe | None:
    """Of the checkpoint that a run has left; None where it left none that can be read."""
    try:
        return checkpoint.embedded_recipe((out / "checkpoint.safetensors").read_bytes(), "checkpoint.safetensors")
    except (OSError, BadInput):
        return None


def _model(arguments: argparse.Namespace, image_shape: tuple[int, int, int]) -> Config:
    """The settings of the model; an option that its kind does not have is refused."""
    if arguments.kind not in FAMILIES:
        raise BadInput(f"There is no kind of model called {shortly(arguments.kind)}; choose one of {', '.join(FAMILIES)}.")
    family = FAMILIES[arguments.kind]
    given = {name: value for name in _model_settings() if (value := getattr(arguments, name)) is not None}
    if strangers := [name for name in sorted(given) if not family.has(name)]:
        raise BadInput(f"A model of the kind {arguments.kind} has no {_options(strangers)}; leave it out.")
    return family.config(image_shape=image_shape, **given)


def _weights(path: Path | None, model: Config) -> dict | None:
    """The weights to begin with; those of another model are refused."""
    if path is None:
        return None
    opened = checkpoint.open_file(path)
    if opened.model.config != model:
        raise BadInput(f"The checkpoint {path.name} has other settings than this model; give the same, or leave out --init.")
    return opened.model.state_dict()


def _join_processes(device: str) -> None:
    """Under torchrun (WORLD_SIZE is set), meet the other processes: NCCL on CUDA, gloo elsewhere."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        dist.init_process_group("nccl" if device in ("auto", "cuda") and torch.cuda.is_available() else "gloo")
