"""The command `python -m vae_core.train`: one run from the shell, alone or under torchrun."""

import argparse
import json
import os
import shlex
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

import torch
import torch.distributed as dist
from tqdm import tqdm

from vae_core import checkpoint, data
from vae_core.commands import Parser, Typed, add_reading, answered, options, read_images, told_of, typed_path
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
from vae_core.train_config import epochs_for
from vae_core.watch import Watch, remove_grids, save_grids

EXAMPLES = (
    "--data mnist --latent-dim 2 --out runs/mine",
    "--data folder:pictures --architecture conv --latent-dim 32 --out runs/pictures",
)
NOTES = """Ctrl-C (exit code 130) and SIGTERM (143) end a run after the present batch, with its
state and a checkpoint of what it has learned. --resume goes on from there with the same
trajectory and the run's own settings; with a larger --epochs it goes on to so many in all.
A constant learning rate then stays what it was. One cycle is stretched: the rate becomes
that of a cycle over all of the epochs, so the losses are not those of a run that was begun
with so many."""
STOPPING = (signal.SIGINT, signal.SIGTERM)
LONGEST = 4000  # letters of the command that a recipe keeps
EPOCHS = "(default: 10; of pictures of your own as many as suit their number, 10 to 300)"
OWN_VALUE = "the architecture's own"


def _parser() -> Parser:
    parser = Parser("vae_core.train", "Train an autoencoder; losses in nats per image.", EXAMPLES, NOTES)
    add_reading(parser)
    parser.add_argument("--kind", default="vae", help=", ".join(FAMILIES))
    for owners in _model_settings().values():
        _add(parser, next(iter(owners.values())), f"{_who_has(owners)} {_defaults(owners)}", None)
    for each in settings_of(TrainConfig).values():
        by_itself = EPOCHS if each.field == "epochs" else f"(default: {OWN_VALUE})" if each.default is None else ""
        _add(parser, each, f"{each.about} {by_itself}".strip(), None if each.field == "epochs" else each.default)
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


def _defaults(owners: dict[str, Setting]) -> str:
    """What families have where nothing is said of a setting, in words."""
    kinds: dict[str, list[str]] = {}
    for kind, each in owners.items():
        value = OWN_VALUE if each.default is None else each.spell(each.default)
        kinds.setdefault(value, []).append(kind)
    told = [f"{', '.join(names)}: {value}" for value, names in kinds.items()]
    return f"(default: {next(iter(kinds)) if len(kinds) == 1 else '; '.join(told)})"


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
    if words := each.choices or each.suggested:
        what, marker, by_itself = about.partition(" (default")
        about = f"{what} ({', '.join(words)}){marker}{by_itself}"
    parser.add_argument(
        option, type=each.kind, default=default, metavar=(each.unit or each.field.rsplit("_")[-1]).upper(), help=about
    )


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit code: 0 done, 2 bad values, 3 diverged, 130 stopped by Ctrl-C and 143 by SIGTERM (state
    and checkpoint kept)."""
    argv = sys.argv[1:] if argv is None else argv
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        return answered(lambda: _joined(arguments, parser.said(argv), command_line(argv)))
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _joined(arguments: argparse.Namespace, said: dict, command: str) -> int:
    _join_processes(arguments.device)
    return _train(arguments, said, command)


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


def _train(arguments: argparse.Namespace, said: dict, command: str) -> int:
    out = arguments.out.path
    if len(arguments.title or out.name) > 200:
        raise BadInput("A title has at most 200 characters; give a shorter --title.")
    main_process = not dist.is_initialized() or dist.get_rank() == 0
    images = _images(arguments, said, main_process)
    before = _recipe(out) if arguments.resume else None
    begin = _resumed if arguments.resume else _fresh
    state = begin(arguments, said, images, main_process)
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
                bar.set_postfix_str(f"epoch {record.epoch}, test {record.test[first.name]:.2f} {first.unit}".rstrip())
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
    """The pictures to train on; what was read of somebody's own is said on stderr."""
    images, report = read_images(arguments, said)
    if report and main_process:
        print(*told_of(report), sep="\n", file=sys.stderr)
    return images


def _fresh(arguments: argparse.Namespace, said: dict, images: data.ImageSet, main_process: bool) -> TrainState:
    """A run from its beginning. Nothing that is there already is lost without --overwrite."""
    out = arguments.out.path
    model = _model(arguments, images.image_shape)
    training = {name: getattr(arguments, name) for name in settings_of(TrainConfig)}
    config = TrainConfig(**training | {"epochs": _epochs(arguments, images, main_process)})
    state = start(model, images, config, _weights(arguments.init, model))
    if not arguments.overwrite and any((out / name).exists() for name in ("state.safetensors", "checkpoint.safetensors")):
        held = arguments.out.text
        raise BadInput(f"{held} already holds a run; give --resume to go on with it or --overwrite to replace it.")
    if arguments.overwrite:
        remove_grids(out)
    return state


def _epochs(arguments: argparse.Namespace, images: data.ImageSet, main_process: bool) -> int:
    """How many were asked for; else the usual number, of somebody's own pictures as many as suit theirs, which is said."""
    if arguments.epochs is not None:
        return arguments.epochs
    if data.own_name(images.name) is None:
        return TrainConfig.epochs
    count = len(images.train_images)
    epochs = epochs_for(count)
    if main_process:
        print(f"{epochs} epochs suit {count:,} training pictures; --epochs N asks for others.", file=sys.stderr)
    return epochs


def _resumed(arguments: argparse.Namespace, said: dict, images: data.ImageSet, main_process: bool) -> TrainState:
    """The run in --out where it stood, with more epochs where more are asked for: what happens then is said on stderr.

    Raises BadInput where another option says otherwise than the run's own settings.
    """
    if beginning := [name for name in ("init", "overwrite") if name in said]:
        raise BadInput(f"{options(beginning)} begins a run, and --resume goes on with one; give one of the two.")
    out: Typed = arguments.out
    state = resume(out.path, images, out.text)
    own = {"kind": state.model.config.kind} | asdict(state.model.config) | asdict(state.config)
    differ = [_difference(name, own.get(name), value) for name, value in said.items() if _differs(name, own.get(name), value)]
    if differ:
        raise BadInput(f"The run in {out.text} has {', '.join(differ)}; leave that out, or begin another run in another --out.")
    before, asked = len(state.epochs), said.get("epochs", state.config.epochs)
    told = ""
    if asked > state.config.epochs:
        extend(state, asked)
        told = f"The run in {out.text} goes on from {before} to {asked} epochs. "
        told += (
            "Its learning rate stays constant." if state.config.schedule == "constant" else
            f"Its cycle is stretched: the learning rate is now that of one cycle over {asked} epochs, and the losses are not "
            f"those of a run that was begun with {asked}."
        )
    elif state.finished:
        told = f"The run in {out.text} has done its {before} epochs; give a larger --epochs to go on."
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
    option = options([name])
    return f"no {option}" if own is None or own is False else f"{option} {own}, not {value}"


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
        raise BadInput(f"A model of the kind {arguments.kind} has no {options(strangers)}; leave it out.")
    return family.config(image_shape=image_shape, **given)


def _weights(init: Typed | None, model: Config) -> dict | None:
    """The weights to begin with; those of another model are refused."""
    if init is None:
        return None
    opened = checkpoint.open_file(init.path, init.text)
    if opened.model.config != model:
        raise BadInput(f"The checkpoint {init.text} has other settings than this model; give the same, or leave out --init.")
    return opened.model.state_dict()


def _join_processes(device: str) -> None:
    """Under torchrun (WORLD_SIZE is set), meet the other processes: NCCL on CUDA, gloo elsewhere."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        dist.init_process_group("nccl" if device in ("auto", "cuda") and torch.cuda.is_available() else "gloo")
