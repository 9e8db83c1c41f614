"""Training as a generator: whoever iterates owns time.

    state = start(config, data, TrainConfig(epochs=10))
    for record in fit(state, data):       # a Step after every batch, an Epoch after every pass, Tested on the way to it
        ...                               # pausing is not asking for the next; stopping is leaving the loop

What a model is to this loop: `draw(x, generator)` makes everything random of a batch, on the CPU; `forward(*drawn)` computes;
`loss(x, drawn, outputs, warm)` is the objective and the family's terms; `config` says its kind, how it is built and its usual
settings. family.py says what is different where parts of a model take turns.
`state` can be saved between any two records and the run goes on from there with the same trajectory. The same loop runs
on several devices under torchrun (DistributedDataParallel). Command line: `python -m vae_core.train --help`.
"""

import math
import time
from collections.abc import Iterator

import torch
import torch.distributed as dist
from torch import Tensor

from vae_core import evaluate
from vae_core.augment import flip_and_shift
from vae_core.data import ImageSet, to_float
from vae_core.finish import finish
from vae_core.records import Diverged, Epoch, Step, Tested
from vae_core.train_config import TrainConfig
from vae_core.train_state import TrainState, extend, from_bytes, resume, start

__all__ = [
    "Diverged", "Epoch", "Step", "Tested", "TrainConfig", "TrainState", "extend", "finish", "fit", "from_bytes",
    "learning_rate", "resume", "start",
]


def fit(state: TrainState, data: ImageSet) -> Iterator[Step | Tested | Epoch]:
    """Train until state.config.epochs are done, yielding a Step after each batch and an Epoch after each pass; between the last
    batch and the Epoch, Tested where the test images are judged in several parts.

    Under torchrun every process runs the same loop on its share of each batch and sees the same records.
    Raises Diverged, before the weights are touched, when the loss is no finite number.
    """
    config, model, device = state.config, state.model, torch.device(state.config.device)
    wrapped = model
    if _world() > 1:
        wrapped = torch.nn.parallel.DistributedDataParallel(model, find_unused_parameters=bool(state.family.parts))
    images = data.train_images.to(device)
    total, told = config.epochs * state.batches, state.family.told
    while not state.finished:
        epoch = len(state.epochs) + 1
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(config.seed * 1_000_003 + epoch)).to(device)
        for batch in range(state.steps - len(state.epochs) * state.batches, state.batches):
            began = time.perf_counter()
            chosen = order[batch * config.batch_size : (batch + 1) * config.batch_size]
            loss, terms = _step(state, wrapped, to_float(images[chosen]), total)
            state.sums += torch.tensor(terms, dtype=state.sums.dtype) * len(chosen)
            state.steps += 1
            state.seconds += time.perf_counter() - began
            seen = (epoch - 1) * len(images) + min((batch + 1) * config.batch_size, len(images))
            if batch + 1 < state.batches:  # the last batch is told by its Epoch, so that no state is saved in between
                yield Step(epoch, batch + 1, state.batches, loss, told(terms), seen, state.seconds)
        for part in evaluate.parts(model, data.test_images, config.seed, state.tested.shape[1]):
            state.tested = torch.cat([state.tested, torch.stack([part[name] for name in state.family.measured])], 1)
            if (judged := state.tested.shape[1]) < len(data.test_images):
                yield Tested(epoch, judged, len(data.test_images))
        before = state.epochs[-1].seconds if state.epochs else 0.0
        record = Epoch(
            epoch, told((state.sums / len(images)).tolist()), told(state.tested.mean(1).tolist()), state.seconds,
            len(images) / max(state.seconds - before, 1e-9),
        )
        if not all(map(math.isfinite, record.test.values())):
            raise Diverged(
                f"The test loss stopped being a finite number in epoch {epoch} (learning rate {config.lr:g}); "
                "try a smaller learning rate."
            )
        state.epochs.append(record)
        state.begin_epoch()
        yield record


def _step(state: TrainState, wrapped: torch.nn.Module, x: Tensor, total: int) -> tuple[float, list[float]]:
    """One batch; the parts of a model that has some take turns. Returns what was minimised, all turns together, and the
    measured terms of the whole batch over all processes."""
    config, family = state.config, state.family
    state.model.train()  # whoever looked at it between two batches left it in evaluation mode
    x = flip_and_shift(x, config.flip, config.shift, state.noise)
    drawn = state.model.draw(x, state.noise)  # for the whole batch: the same draws however many processes share it
    share = slice(len(x) * _rank() // _world(), len(x) * (_rank() + 1) // _world())
    x, drawn, whole = x[share], tuple(part[share] for part in drawn), len(x)
    weight = _world() * len(x) / whole  # DDP averages over processes; shares may differ by one image
    warm = min(1.0, (state.steps + 1) / (config.kl_warmup * state.batches)) if config.kl_warmup else 1.0
    minimised, measured = 0.0, {}
    for part, optimizer in state.optimizers.items():
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(state.steps, total, config)
        optimizer.zero_grad(set_to_none=True)
        turn = {"part": part} if family.parts else {}
        with torch.autocast(x.device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            outputs = wrapped(*drawn, **turn)
        objective, terms = state.model.loss(x, drawn, outputs, warm, **turn)
        loss, *values = _over_all([objective, *terms.values()], weight)
        if not math.isfinite(loss):
            raise Diverged(
                f"The loss stopped being a finite number at batch {state.steps + 1} (learning rate {config.lr:g}); "
                "try a smaller learning rate."
            )
        (objective * weight).backward()
        if clip := state.model.config.defaults.clip:
            torch.nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], clip)
        optimizer.step()
        minimised += loss
        measured |= zip(terms, values, strict=True)
    return minimised, [measured[name] for name in family.measured]


def _over_all(values: list[Tensor], weight: float) -> list[float]:
    """Scalars, averaged over all processes."""
    stacked = torch.stack(values).detach() * weight
    if _world() > 1:
        dist.all_reduce(stacked)
        stacked /= _world()
    return stacked.tolist()


def learning_rate(step: int, total: int, config: TrainConfig) -> float:
    """The rate for batch `step` (from 0) of `total`: constant, or one cycle with cosine legs.

    From lr/25 up to lr over the first share `peak`, then down to lr/250,000 (Smith & Topin 2019, arXiv:1708.07120), as in
    torch.optim.lr_scheduler.OneCycleLR, but a function of the position alone, so that resuming needs no more state.
    """
    if config.schedule == "constant" or total < 2:
        return config.lr
    peak = max(config.peak * total - 1, 1e-9)
    if step <= peak:
        low, high, share = config.lr / 25, config.lr, step / peak
    else:
        low, high, share = config.lr, config.lr / 25e4, (step - peak) / (total - 1 - peak)
    return high + (low - high) * (1 + math.cos(math.pi * min(share, 1.0))) / 2


def _world() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def _rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


if __name__ == "__main__":
    from vae_core.train_cli import leave, main

    leave(main())
