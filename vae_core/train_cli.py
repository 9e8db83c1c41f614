"""The command `python -m vae_core.train`: one run from the shell, alone or under torchrun."""

import argparse
import json
import os
import shlex
import signal
import sys
from dataclasses import fields
from pathlib import Path
from typing import NoReturn

import torch.distributed as dist
from tqdm import tqdm

from vae_core import checkpoint, corruption, data, folder
from vae_core.checkpoint import KINDS, Config
from vae_core.errors import BadInput, shortly
from vae_core.train import (
    DEVICES,
    PRECISIONS,
    SCHEDULES,
    Diverged,
    Epoch,
    Tested,
    TrainConfig,
    TrainState,
    finish,
    fit,
    resume,
    start,
)
from vae_core.vae import ARCHITECTURES
from vae_core.watch import Watch, remove_grids, save_grids

MODEL_OPTIONS = ("architecture", "latent_dim", "hidden", "depth", "beta", "binarize", "reduction", "likelihood", "corruption")
PRINTED = ("epoch", "train_loss", "test_loss", "test_recon", "test_kl", "seconds", "images_per_second")


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one sentence instead of a page of usage."""

    def error(self, message):
        self.exit(2, f"{message[0].upper()}{message[1:]}; see {self.prog} --help.\n")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m vae_core.train", description="Train an autoencoder; losses in nats per image.")
    parser.add_argument(
        "--data", default="mnist", metavar="NAME", help=f"{', '.join(data.NAMES)}, or folder:PATH: a folder or zip file"
    )
    parser.add_argument(
        "--image-size", type=int, default=32, metavar="PIXELS", help="a side of the pictures of a folder: 32, 64"
    )
    parser.add_argument("--fit", default="crop", help=f"of the pictures of a folder: {', '.join(folder.FITS)}")
    parser.add_argument("--split-seed", type=int, default=0, help="of the draw of the test pictures of a folder")
    parser.add_argument(
        "--split", default="seeded", help="of the pictures of a folder: seeded, or own: its folders train, test, ..."
    )
    parser.add_argument(
        "--class-level", type=int, metavar="N",
        help="which level of folders that differ names the classes, from 1; 0: none (default: the first of words)",
    )  # fmt: skip
    parser.add_argument("--kind", default="vae", help=", ".join(KINDS))
    parser.add_argument("--architecture", help=f"vae: {', '.join(ARCHITECTURES)}")
    parser.add_argument("--latent-dim", type=int, metavar="L", help="vae: size of the code")
    parser.add_argument(
        "--hidden", type=int, metavar="UNITS", help="width: hidden layers (ae, dae: the code; restorer: channels)"
    )
    parser.add_argument("--depth", type=int, metavar="N", help="vae, restorer: hidden layers or blocks")
    parser.add_argument("--beta", type=float, help="vae: weight of the KL term")
    parser.add_argument("--corruption", metavar="SPEC", help=f"dae, restorer: {', '.join(corruption.KINDS)}, as in dropout:0.5")
    parser.add_argument("--kl-warmup", type=float, default=0.0, metavar="EPOCHS", help="epochs over which beta grows from 0")
    parser.add_argument("--binarize", action="store_true", help="vae: draw pixels as 0 or 1, for true nats")
    parser.add_argument("--reduction", help="vae: sum, or mean: the famous mistake that makes the posterior collapse")
    parser.add_argument("--likelihood", help="vae: bernoulli, or gaussian with one learned variance")
    parser.add_argument("--flip", action="store_true", help="mirror half of the images left to right, anew in each epoch")
    parser.add_argument("--shift", type=int, default=0, metavar="PIXELS", help="move each image by up to so many pixels")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument(
        "--batch-size", type=int, metavar="N", help="images a step over all devices (default: the architecture's)"
    )
    parser.add_argument("--lr", type=float, help="highest learning rate (default: the architecture's)")
    parser.add_argument("--schedule", default="one-cycle", help=", ".join(SCHEDULES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help=", ".join(DEVICES))
    parser.add_argument("--precision", default="auto", help=", ".join(PRECISIONS))
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where checkpoint and state are written")
    parser.add_argument("--title", help="a name for people (default: the folder's)")
    parser.add_argument(
        "--init", type=Path, metavar="CHECKPOINT", help="begin with the weights of this one, of the same settings"
    )
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out, with its own settings")
    parser.add_argument("--overwrite", action="store_true", help="replace the run in --out")
    parser.add_argument("--json", action="store_true", help="one JSON object a line per epoch on stdout, no progress bar")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit code: 0 done, 2 bad values, 3 diverged, 130 stopped by Ctrl-C (checkpoint kept)."""
    argv = sys.argv[1:] if argv is None else argv
    arguments = _parser().parse_args(argv)
    try:
        _join_processes(arguments.device)
        return _train(arguments, command_line(argv))
    except BadInput as error:
        print(error, file=sys.stderr)
        return 2
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


def _train(arguments: argparse.Namespace, command: str) -> int:
    out: Path = arguments.out
    main_process = not dist.is_initialized() or dist.get_rank() == 0
    images = _images(arguments, main_process)
    state = _prepare(arguments, images)
    watch = Watch(state.model, images) if main_process else None
    stop = []
    before = signal.signal(signal.SIGINT, lambda *_: stop.append(True))  # finish the batch, keep the checkpoint
    code = 0
    bar = tqdm(
        total=state.config.epochs * state.batches, initial=state.steps, unit="batch", disable=arguments.json or not main_process
    )
    try:
        for record in fit(state, images):
            if not isinstance(record, Tested):
                bar.update()
            if isinstance(record, Epoch):
                bar.set_postfix_str(f"epoch {record.epoch}, test {record.test_loss:.2f} nats")
                if main_process:
                    if arguments.json:
                        print(json.dumps({name: getattr(record, name) for name in PRINTED}), flush=True)
                    state.save(out)
                    save_grids(out, record.epoch, watch)
            if stop:
                code = 130
                break
    except Diverged as error:
        print(error, file=sys.stderr)
        code = 3
    finally:
        bar.close()
        signal.signal(signal.SIGINT, before)
    if main_process and code != 3:
        state.save(out)
        weights, recipe = finish(state, images, arguments.title or out.name, command)
        checkpoint.save(out, "checkpoint", weights, recipe)
    return code


def _images(arguments: argparse.Namespace, main_process: bool) -> data.ImageSet:
    """The data set by its name, or the pictures in folder:PATH; what was read of these is said on stderr."""
    if not arguments.data.startswith("folder:"):
        return data.load(arguments.data)
    path = Path(arguments.data.removeprefix("folder:"))
    images, report = folder.read_pictures(
        path, arguments.image_size, arguments.fit, seed=arguments.split_seed, split=arguments.split,
        class_level=arguments.class_level,
    )  # fmt: skip
    if main_process:
        hints = ["--split own keeps their own split."] if report.own_split and report.split == "seeded" else []
        hints += ["--class-level N takes another level, 0 none."] if len(report.levels) > 1 or report.asked else []
        skipped = [f"{name!r}: {reason}" for name, reason in report.skipped[:10]]
        print(*report.sentences(), *hints, *skipped, sep="\n", file=sys.stderr)
    return images


def _prepare(arguments: argparse.Namespace, images: data.ImageSet) -> TrainState:
    """The state to train from: fresh, or resumed. Nothing that is there already is lost without --overwrite."""
    out: Path = arguments.out
    if len(arguments.title or out.name) > 200:
        raise BadInput("A title has at most 200 characters; give a shorter --title.")
    if arguments.resume:
        return resume(out, images)
    model = _model(arguments, images.image_shape)
    config = TrainConfig(
        arguments.epochs, arguments.batch_size, arguments.lr, arguments.schedule, arguments.kl_warmup, arguments.seed,
        arguments.device, arguments.precision, arguments.flip, arguments.shift,
    )  # fmt: skip
    state = start(model, images, config, _weights(arguments.init, model))
    if not arguments.overwrite and any((out / name).exists() for name in ("state.safetensors", "checkpoint.safetensors")):
        raise BadInput(f"{out} already holds a run; give --resume to go on with it or --overwrite to replace it.")
    if arguments.overwrite:
        remove_grids(out)
    return state


def _model(arguments: argparse.Namespace, image_shape: tuple[int, int, int]) -> Config:
    """The settings of the model; an option that its kind does not have is refused."""
    if arguments.kind not in KINDS:
        raise BadInput(f"There is no kind of model called {shortly(arguments.kind)}; choose one of {', '.join(KINDS)}.")
    options = {name: getattr(arguments, name) for name in MODEL_OPTIONS}
    given = {name: value for name, value in options.items() if value is not None and value is not False}
    known = {field.name for field in fields(KINDS[arguments.kind])}
    if strangers := given.keys() - known:
        names = ", ".join("--" + name.replace("_", "-") for name in sorted(strangers))
        raise BadInput(f"A model of the kind {arguments.kind} has no {names}; leave it out.")
    return KINDS[arguments.kind](image_shape=image_shape, **given)


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
        import torch

        dist.init_process_group("nccl" if device in ("auto", "cuda") and torch.cuda.is_available() else "gloo")
