"""Training as a generator: whoever iterates owns time.

    state = start(config, data, TrainConfig(epochs=10))
    for record in fit(state, data):       # a Step after every batch, an Epoch after every pass, Tested on the way to it
        ...                               # pausing is not asking for the next; stopping is leaving the loop

What a model is to this loop: `draw(x, generator)` makes everything random of a batch, on the CPU; `forward(*drawn)` computes;
`loss(x, drawn, outputs, warm)` names the terms; `config` says its kind, how it is built and its usual settings.
`state` can be saved between any two records and the run goes on from there with the same trajectory. The same loop runs
on several devices under torchrun (DistributedDataParallel). Command line: `python -m vae_core.train --help`.
"""

import copy
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import safetensors
import safetensors.torch
import torch
import torch.distributed as dist
from torch import Tensor

from vae_core import checkpoint, disentanglement, evaluate
from vae_core.augment import flip_and_shift
from vae_core.data import ImageSet, to_float
from vae_core.errors import BadInput, shortly
from vae_core.models import FAMILIES, Config, Model, family_of
from vae_core.settings import check, listed, setting

DEVICES = {"auto": "the best one here", "cpu": "CPU", "cuda": "CUDA", "mps": "Metal"}


def _check_device(device: object) -> None:
    if not isinstance(device, str) or (device not in DEVICES and device.partition(":")[0] != "cuda"):  # cuda:1
        raise BadInput(f"There is no device called {shortly(device)}; choose {listed(DEVICES)}.")


@dataclass(frozen=True)
class TrainConfig:
    """How to train. Raises BadInput on values out of range; None means the architecture's own default."""

    epochs: int = setting(
        10, "number of epochs", "Epochs", "Passes over the training images.", low=1, high=1000, place="first"
    )
    batch_size: int | None = setting(
        None, "batch size", "Batch size", "Images a step of the optimiser, over all devices together.", low=1, high=16_384,
        unit="images",
    )
    lr: float | None = setting(
        None, "learning rate", "Learning rate", "The highest rate of the schedule.", low=1e-8, high=1, step=1e-3
    )
    schedule: str = setting(
        "one-cycle", "schedule", "Schedule", "One cycle warms up, then cools down; constant is what tutorials use.",
        choices={"one-cycle": "one-cycle", "constant": "constant"},
    )
    flip: bool = setting(False, "flip", "Flip", "Half of the images are mirrored left to right, anew each time.")
    shift: int = setting(
        0, "shift", "Shift (pixels)", "Each image is moved by up to so many pixels, anew each time.", low=0, high=8,
        unit="pixels",
    )
    kl_warmup: float = setting(
        0.0, "KL warm-up", "KL warm-up (epochs)", "Epochs over which beta grows from 0.", low=0, high=1000, step=1.0,
        unit="epochs", needs="beta",
    )
    seed: int = setting(
        0, "seed", "Seed", "Same seed, same machine: same losses.", low=0, high=2**31 - 1, place="first"
    )
    device: str = setting(
        "auto", "device", "Device", "Where it computes.", choices=DEVICES, parse=_check_device, place="command"
    )
    precision: str = setting(
        "auto", "precision", "Precision", "bf16 where the hardware multiplies in it.",
        choices={"auto": "auto", "fp32": "float32", "bf16": "bfloat16"}, place="command",
    )

    def __post_init__(self):
        check(self)


@dataclass(frozen=True)
class Step:
    """One batch. Losses in nats per image; `loss` is the objective (beta, warm-up and reduction applied).

    Of an autoencoder without a prior, recon is what without_prior.py says, and kl is 0."""

    epoch: int  # from 1
    batch: int  # from 1
    batches: int  # in an epoch
    loss: float
    recon: float
    kl: float
    images: int  # seen so far in this run
    seconds: float  # of training so far


@dataclass(frozen=True)
class Epoch:
    """One pass over the training images. train_* are means over the pass, test_* over the whole test set, in nats per
    image, beta left out: loss = recon + kl = -ELBO. `seconds` counts training alone, evaluation excluded."""

    epoch: int
    train_loss: float
    train_recon: float
    train_kl: float
    test_loss: float
    test_recon: float
    test_kl: float
    seconds: float
    images_per_second: float


@dataclass(frozen=True)
class Tested:
    """A part of the test images was judged, after the last batch of an epoch; its Epoch follows the last part."""

    epoch: int
    judged: int  # images so far
    images: int  # of the test set


class Diverged(ArithmeticError):
    """The loss stopped being a finite number; the message says when and what to try."""


@dataclass
class TrainState:
    """Everything a run needs to go on: save() between two records, resume() later, same losses."""

    model: Model
    config: TrainConfig  # with batch_size, lr, device and precision settled
    data_digest: str
    optimizer: torch.optim.Optimizer
    noise: torch.Generator  # every random draw of the training except the order of the images, which epoch and seed give
    steps: int = 0  # batches done; with config this fixes the schedule's position
    batches: int = 0  # in an epoch
    sums: Tensor = field(default_factory=lambda: torch.zeros(2))  # recon, kl summed over this epoch's images
    tested: Tensor = field(default_factory=lambda: torch.zeros(2, 0))  # recon, kl of the test images judged in this epoch
    seconds: float = 0.0
    epochs: list[Epoch] = field(default_factory=list)
    data_name: str = ""

    @property
    def finished(self) -> bool:
        return len(self.epochs) >= self.config.epochs

    def to_bytes(self) -> bytes:
        """The whole state as one safetensors file: weights, Adam moments, random state; the rest as JSON metadata."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in moments.items()}
        tensors |= {"noise": self.noise.get_state(), "sums": self.sums}
        if self.tested.numel():
            tensors["tested"] = self.tested
        content = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        return safetensors.torch.save(content, metadata={"state": json.dumps(self.about())})

    def about(self) -> dict:
        """What is not a tensor: settings, position in the schedule, the records so far."""
        return {
            "kind": self.model.config.kind, "model": asdict(self.model.config), "training": asdict(self.config),
            "data": self.data_digest, "data_name": self.data_name, "steps": self.steps, "seconds": self.seconds,
            "epochs": [asdict(epoch) for epoch in self.epochs],
        }  # fmt: skip

    def save(self, folder: Path) -> None:
        """Write state.safetensors, and state.json for people, into `folder`, atomically."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            checkpoint.write_aside(folder / "state.safetensors", self.to_bytes())
            os.replace(folder / "state.safetensors.new", folder / "state.safetensors")
            (folder / "state.json").write_text(json.dumps(self.about(), indent=1) + "\n")  # never read back
        except OSError as error:
            raise BadInput(
                f"The run could not be saved ({error.strerror}); free some space or choose another folder."
            ) from error


def start(model_config: Config, data: ImageSet, config: TrainConfig, weights: dict[str, Tensor] | None = None) -> TrainState:
    """A fresh run on the chosen device, with seeded weights or a copy of `weights`, the state_dict of such a model.

    Raises BadInput where data and settings do not fit together.
    """
    defaults = model_config.defaults
    if len(data.train_images) < 2 or len(data.test_images) < 1:
        raise BadInput(
            f"The data set {data.name} has {len(data.train_images)} training images; at least 2 are needed, and 1 to test."
        )
    config = replace(
        config,
        batch_size=min(defaults.batch_size, len(data.train_images)) if config.batch_size is None else config.batch_size,
        lr=defaults.lr if config.lr is None else config.lr,
        device=choose_device(config.device),
    )
    config = replace(config, precision=choose_precision(config.precision, config.device))
    if config.batch_size > len(data.train_images):
        raise BadInput(
            f"The batch size {config.batch_size:,} is larger than the data set ({len(data.train_images):,} images); "
            "choose a smaller one."
        )
    if config.kl_warmup and not FAMILIES[model_config.kind].has("beta"):
        raise BadInput(f"A model of the kind {model_config.kind} has no KL to warm up; leave the warm-up out.")
    if model_config.image_shape != data.image_shape:
        raise BadInput(
            f"The model expects images of {model_config.image_shape}, but those of {data.name} are {data.image_shape}."
        )
    with torch.random.fork_rng(devices=[]):  # modules draw their first weights from the global state: leave it as it was
        torch.manual_seed(config.seed)
        model = model_config.build().to(config.device)
    if weights is not None:
        model.load_state_dict(weights)
    noise = torch.Generator().manual_seed(config.seed)  # on the CPU: the same draws on every device
    batches = math.ceil(len(data.train_images) / config.batch_size)
    return TrainState(model, config, data.digest, _optimizer(model, config), noise, batches=batches, data_name=data.name)


def resume(folder: Path, data: ImageSet) -> TrainState:
    """The run that `TrainState.save` left in `folder`, at the batch where it stood. Raises BadInput where it cannot be."""
    try:
        raw = (folder / "state.safetensors").read_bytes()
    except OSError as error:
        raise BadInput(
            f"There is no run to resume in {folder.name} (state.safetensors is missing); leave out --resume."
        ) from error
    return from_bytes(raw, data)


def extend(state: TrainState, epochs: int) -> None:
    """Let a run go on to more epochs than it was begun with. Raises BadInput where they are not more.

    A constant learning rate stays what it was: the run is the one that was begun with so many epochs. One cycle is stretched:
    the rate is, from here on, that of a cycle over all of them, so the run is none that was begun with them.
    """
    if epochs <= state.config.epochs:
        raise BadInput(f"The run has {state.config.epochs} epochs; it can be given more, not {epochs}.")
    state.config = replace(state.config, epochs=epochs)


def from_bytes(raw: bytes, data: ImageSet) -> TrainState:
    """The state that `TrainState.to_bytes` wrote, on this machine's device. Raises BadInput where it is damaged."""
    try:
        about = json.loads(checkpoint.read_header(raw, "The saved run")["__metadata__"]["state"])
        if about["data"] != data.digest:
            known = about.get("data_name", "")
            raise BadInput(
                f"The saved run was trained on other images{f' ({shortly(known)})' * bool(known)} than {data.name} holds now; "
                "give the data that it was begun with, or start a new one."
            )
        tensors = safetensors.torch.load(raw)
        training = TrainConfig(**about["training"])
        if not has_device(training.device):
            training = replace(training, device="auto")
        state = start(FAMILIES[about["kind"]].config(**about["model"]), data, training)
        state.model.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
        moments: dict[int, dict[str, Tensor]] = {}
        for key, tensor in tensors.items():
            if key.startswith("optimizer."):
                _, index, name = key.split(".")
                moments.setdefault(int(index), {})[name] = tensor
        state.optimizer.load_state_dict({"state": moments, "param_groups": state.optimizer.state_dict()["param_groups"]})
        state.noise.set_state(tensors["noise"])
        state.sums, state.steps, state.seconds = tensors["sums"], about["steps"], about["seconds"]
        state.epochs = [Epoch(**epoch) for epoch in about["epochs"]]
        state.tested = tensors.get("tested", state.tested)
        if state.tested.ndim != 2 or len(state.tested) != 2 or state.tested.shape[1] >= len(data.test_images):
            raise ValueError("tested")
    except BadInput:
        raise
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise BadInput("The saved run is damaged and cannot be resumed; start it again.") from error
    return state


def fit(state: TrainState, data: ImageSet) -> Iterator[Step | Tested | Epoch]:
    """Train until state.config.epochs are done, yielding a Step after each batch and an Epoch after each pass; between the last
    batch and the Epoch, Tested where the test images are judged in several parts.

    Under torchrun every process runs the same loop on its share of each batch and sees the same records.
    Raises Diverged, before the weights are touched, when the loss is no finite number.
    """
    config, model, device = state.config, state.model, torch.device(state.config.device)
    wrapped = torch.nn.parallel.DistributedDataParallel(model) if _world() > 1 else model
    images = data.train_images.to(device)
    total = config.epochs * state.batches
    while not state.finished:
        epoch = len(state.epochs) + 1
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(config.seed * 1_000_003 + epoch)).to(device)
        for batch in range(state.steps - len(state.epochs) * state.batches, state.batches):
            began = time.perf_counter()
            chosen = order[batch * config.batch_size : (batch + 1) * config.batch_size]
            recon, kl, loss = _step(state, wrapped, to_float(images[chosen]), total)
            state.sums += torch.tensor([recon, kl], dtype=state.sums.dtype) * len(chosen)
            state.steps += 1
            state.seconds += time.perf_counter() - began
            seen = (epoch - 1) * len(images) + min((batch + 1) * config.batch_size, len(images))
            if batch + 1 < state.batches:  # the last batch is told by its Epoch, so that no state is saved in between
                yield Step(epoch, batch + 1, state.batches, loss, recon, kl, seen, state.seconds)
        train_recon, train_kl = (state.sums / len(images)).tolist()
        for part in evaluate.parts(model, data.test_images, config.seed, state.tested.shape[1]):
            state.tested = torch.cat([state.tested, torch.stack(part)], 1)
            if (judged := state.tested.shape[1]) < len(data.test_images):
                yield Tested(epoch, judged, len(data.test_images))
        test_recon, test_kl = (term.mean().item() for term in state.tested)
        before = state.epochs[-1].seconds if state.epochs else 0.0
        record = Epoch(
            epoch, train_recon + train_kl, train_recon, train_kl, test_recon + test_kl, test_recon, test_kl,
            state.seconds, len(images) / max(state.seconds - before, 1e-9),
        )  # fmt: skip
        if not math.isfinite(record.test_loss):
            raise Diverged(
                f"The test loss stopped being a finite number in epoch {epoch} (learning rate {config.lr:g}); "
                "try a smaller learning rate."
            )
        state.epochs.append(record)
        state.sums, state.tested = torch.zeros(2), torch.zeros(2, 0)
        yield record


def _step(state: TrainState, wrapped: torch.nn.Module, x: Tensor, total: int) -> tuple[float, float, float]:
    """One batch: forward, check, backward, step. Returns recon, kl, loss of the whole batch over all processes."""
    config = state.config
    state.model.train()  # whoever looked at it between two batches left it in evaluation mode
    x = flip_and_shift(x, config.flip, config.shift, state.noise)
    drawn = state.model.draw(x, state.noise)  # for the whole batch: the same draws however many processes share it
    share = slice(len(x) * _rank() // _world(), len(x) * (_rank() + 1) // _world())
    drawn = tuple(part[share] for part in drawn)
    weight = _world() * (share.stop - share.start) / len(x)  # DDP averages over processes; shares may differ by one image
    warm = min(1.0, (state.steps + 1) / (config.kl_warmup * state.batches)) if config.kl_warmup else 1.0

    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(state.steps, total, config)
    state.optimizer.zero_grad(set_to_none=True)
    with torch.autocast(x.device.type, torch.bfloat16, enabled=config.precision == "bf16"):
        outputs = wrapped(*drawn)
    terms = state.model.loss(x[share], drawn, outputs, warm)
    values = torch.stack([terms.recon, terms.kl, terms.loss]).detach() * weight
    if _world() > 1:
        dist.all_reduce(values)
        values /= _world()
    recon, kl, loss = values.tolist()
    if not math.isfinite(loss):
        raise Diverged(
            f"The loss stopped being a finite number at batch {state.steps + 1} (learning rate {config.lr:g}); "
            "try a smaller learning rate."
        )
    (terms.loss * weight).backward()
    if clip := state.model.config.defaults.clip:
        torch.nn.utils.clip_grad_norm_(state.model.parameters(), clip)
    state.optimizer.step()
    return recon, kl, loss


def learning_rate(step: int, total: int, config: TrainConfig) -> float:
    """The rate for batch `step` (from 0) of `total`: constant, or one cycle with cosine legs.

    From lr/25 up to lr over the first 30 %, then down to lr/250,000 (Smith & Topin 2019, arXiv:1708.07120), as in
    torch.optim.lr_scheduler.OneCycleLR, but a function of the position alone, so that resuming needs no more state.
    """
    if config.schedule == "constant" or total < 2:
        return config.lr
    peak = max(0.3 * total - 1, 1e-9)
    if step <= peak:
        low, high, share = config.lr / 25, config.lr, step / peak
    else:
        low, high, share = config.lr, config.lr / 25e4, (step - peak) / (total - 1 - peak)
    return high + (low - high) * (1 + math.cos(math.pi * min(share, 1.0))) / 2


def has_device(device: str) -> bool:
    """Whether this machine has such a device; a number behind a colon is not looked at."""
    kind = device.partition(":")[0]
    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return here.get(kind, False)


def choose_device(device: str) -> str:
    """`auto` -> the best device here. Raises BadInput where the one asked for is missing."""
    if device == "auto":
        device = next(kind for kind in ("cuda", "mps", "cpu") if has_device(kind))
    if not has_device(device):
        raise BadInput(f"There is no {device.partition(':')[0]} device on this machine; choose cpu or auto.")
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if device.startswith("cuda") else device


def choose_precision(precision: str, device: str) -> str:
    """`auto` -> bf16 where the hardware multiplies in it, else fp32 (emulated bf16 is slower than fp32)."""
    if precision != "auto":
        return precision
    if device.startswith("cuda"):
        return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp32"
    native = device == "cpu" and any(torch.cpu.get_capabilities().get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return "bf16" if native else "fp32"


def finish(
    state: TrainState,
    data: ImageSet,
    title: str,
    command: str,
    quick: bool = False,
    stopped: Callable[[], bool] = lambda: False,
) -> tuple[bytes, checkpoint.Recipe]:
    """The model as it stands, as a checkpoint: float16 where that moves the test loss by less than 0.05 nats.

    With `quick`, or once `stopped()` says so (it is asked all along), nothing more is evaluated: float16, and the test losses
    are among the metrics only where the last epoch judged these very weights.
    """
    half = all(tensor.abs().max() < 65_504 for tensor in checkpoint.numbers(state.model).values())
    measured = None if quick else _measured(state, data, stopped)
    if measured is not None:
        metrics, shift = measured
        half = half and abs(shift) < 0.05  # False for NaN
    else:
        metrics = _known(state)
    epochs, metrics = [asdict(epoch) for epoch in state.epochs], {"seconds": state.seconds} | metrics
    recipe = checkpoint.make_recipe(state.model, title, data, asdict(state.config), command, epochs, metrics)
    return checkpoint.to_bytes(state.model, recipe, half), recipe


def _known(state: TrainState) -> dict[str, float]:
    """The test losses of the last epoch, if no batch has changed the weights since."""
    if not state.epochs or state.steps > len(state.epochs) * state.batches:
        return {}
    return {name: value for name, value in asdict(state.epochs[-1]).items() if name.startswith("test_")}


def _measured(state: TrainState, data: ImageSet, stopped: Callable[[], bool]) -> tuple[dict[str, float], float] | None:
    """All that is said of a finished model, and by how much float16 moves its test loss; None where it was stopped."""
    model, images, seed = state.model, data.test_images, state.config.seed
    halved = copy.deepcopy(model)
    halved.load_state_dict(
        {name: tensor.half().float() for name, tensor in checkpoint.numbers(model).items()}, strict=False
    )
    known, means = _known(state), []
    for judged in (halved,) if known else (model, halved):
        parts = []
        for part in evaluate.parts(judged, images, seed):
            if stopped():
                return None
            parts.append(torch.stack(part))
        means.append([term.mean().item() for term in torch.cat(parts, 1)])
    recon, kl = (known["test_recon"], known["test_kl"]) if known else means[0]
    metrics, shift = {"test_loss": recon + kl, "test_recon": recon, "test_kl": kl}, sum(means[-1]) - (recon + kl)
    if not family_of(model).has_posterior:
        return metrics, shift
    codes = []
    for some in images.split(evaluate.at_once(model)):
        if stopped():
            return None
        codes.append(evaluate.encode(model, some)[0])
    mu = torch.cat(codes)
    metrics["active_units"] = evaluate.active_units(mu)
    if data.test_factors is not None and mu.isfinite().all():
        shares = disentanglement.shared_information(mu.numpy(), data.test_factors.numpy())
        metrics["mutual_information_gap"] = disentanglement.mutual_information_gap(shares)
    if model.log_sigma is not None:
        metrics["bits_per_dimension"] = evaluate.bits_per_dimension(metrics["test_loss"], model.config.pixels)
        metrics["sigma"] = model.log_sigma.exp().item()
    return metrics, shift


def _optimizer(model: Model, config: TrainConfig) -> torch.optim.Optimizer:
    """Adam (Kingma & Ba 2015) in one fused kernel a step."""
    return torch.optim.Adam(model.parameters(), lr=config.lr, fused=True)


def _world() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def _rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


if __name__ == "__main__":
    from vae_core.train_cli import leave, main

    leave(main())
