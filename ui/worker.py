"""What runs inside a Dask worker: one training, told as events. Imports no Streamlit.

A training task is a function of its request: it sends progress as it goes, leaves when its interrupt is set, and returns
the whole state, so that a paused run occupies no worker and a lost worker loses no more than the time since its last epoch.
"""

import contextlib
import os
import time
from dataclasses import asdict

import numpy as np
from distributed import Event, get_worker

FRAME_SECONDS = 1.0  # between live pictures, at least
FRAME_SHARE = 0.1  # of the time, at most, goes into them: one of large images takes a second by itself
MOST_SECONDS = 10.0  # between live pictures, at most: they are the sign of life
LOOK_SECONDS = 0.5  # between looks at the interrupt
CURVE_POINTS = 20  # of the training curve, an epoch


def interrupt_name(run_id: str, attempt: int) -> str:
    """The name of the Event that asks attempt number `attempt` of a run to leave."""
    return f"latentscape-interrupt-{run_id}-{attempt}"


def warm_up() -> None:
    """Import torch, read MNIST and train for one batch, before the first person presses Train."""
    from vae_core import data, train
    from vae_core.vae import VAEConfig

    data.load("mnist")
    digits = data.load("digits")
    model = VAEConfig(image_shape=digits.image_shape, latent_dim=1, hidden=8)
    next(train.fit(train.start(model, digits, train.TrainConfig(epochs=1)), digits))


def train_job(
    run_id: str, attempt: int, topic: str, request: dict, state: bytes | None, stop_after: int | None, images=None
) -> dict:
    """Train as `request` says (kind, model, training, data, title, command), from `state` where given, on `images` (an
    ImageSet) or else on the data set of that name.

    Leaves after epoch `stop_after` or at the interrupt. Events go to `topic`; the return value says how it ended:
    outcome "done" or "left" with the state, or "failed" with a reason.
    """
    with contextlib.suppress(AttributeError, OSError):  # Windows has no nice; a container may forbid it
        os.setpriority(os.PRIO_PROCESS, 0, 10)
    worker = get_worker()

    def tell(kind: str, **content) -> None:
        worker.log_event(topic, {"run": run_id, "attempt": attempt, "kind": kind, **content})

    tell("loading", worker=worker.address)
    from vae_core.errors import BadInput
    from vae_core.train import Diverged

    try:
        return _train(tell, Event(interrupt_name(run_id, attempt)), request, state, stop_after, images)
    except (BadInput, Diverged) as error:
        return {"outcome": "failed", "reason": str(error)}
    except MemoryError:
        return {
            "outcome": "failed",
            "reason": "There was not enough memory for this model; choose a smaller width or batch size.",
        }
    except RuntimeError as error:
        if "out of memory" in str(error).lower():
            return {"outcome": "failed", "reason": "The device ran out of memory; choose a smaller width or batch size."}
        raise


def _train(tell, interrupt, request: dict, saved: bytes | None, stop_after: int | None, images) -> dict:
    from vae_core import data as image_sets
    from vae_core import train
    from vae_core.checkpoint import KINDS
    from vae_core.watch import Watch

    data = images or image_sets.load(request["data"])
    if saved is None:
        model = KINDS[request["kind"]](**request["model"], image_shape=data.image_shape)
        state = train.start(model, data, train.TrainConfig(**request["training"]))
    else:
        state = train.from_bytes(saved, data)
    watch = Watch(state.model, data)
    tell("started", epochs=state.config.epochs, originals=pack(watch.originals), labels=watch.labels,
         classes=list(data.classes), batch_size=state.config.batch_size, device=state.config.device,
         precision=state.config.precision, train_images=len(data.train_images), latent_dim=watch.latent_dim)  # fmt: skip
    if saved is None:
        tell("frame", epoch=0, **_packed(watch.frame()))

    curve = Curve(state.batches)
    looked = shown = time.monotonic()
    pause = FRAME_SECONDS
    for record in train.fit(state, data):
        now = time.monotonic()
        if isinstance(record, train.Step):
            curve.add(record)
            if now - shown > pause:
                rate = record.images / record.seconds
                tell("progress", curve=curve.take(), rate=rate, left=_left(state, record.seconds), **_packed(watch.frame()))
                shown = time.monotonic()
                pause = min(max(FRAME_SECONDS, (shown - now) / FRAME_SHARE), MOST_SECONDS)
        else:
            weights = train.finish(state, data, request["title"], request["command"], quick=True)[0]
            tell("epoch", record=asdict(record), curve=curve.take(), rate=record.images_per_second,
                 left=_left(state, record.seconds), epoch=record.epoch, weights=weights,
                 **_packed(watch.frame(is_last=state.finished)))  # fmt: skip
            shown = now
            if stop_after is not None and record.epoch >= stop_after:
                break
        if now - looked > LOOK_SECONDS:
            looked = now
            if interrupt.is_set():
                break
    weights, _ = train.finish(state, data, request["title"], request["command"])
    outcome = "done" if state.finished else "left"
    return {
        "outcome": outcome,
        "state": None if state.finished else state.to_bytes(),
        "weights": weights,
        "epochs": len(state.epochs),
    }


def _left(state, seconds: float) -> float:
    """Training seconds still to go, from the pace so far."""
    total = state.config.epochs * state.batches
    return seconds / max(state.steps, 1) * (total - state.steps)


class Curve:
    """The training losses between two messages, averaged so that an epoch has about CURVE_POINTS points."""

    def __init__(self, batches: int):
        self.every = max(1, batches // CURVE_POINTS)
        self.group: list[tuple[float, float, float]] = []  # position in epochs, recon, kl
        self.points: list[list[float]] = []

    def add(self, step) -> None:
        self.group.append((step.epoch - 1 + step.batch / step.batches, step.recon, step.kl))
        if len(self.group) >= self.every:
            self.points.append(np.mean(self.group, axis=0).tolist())
            self.group = []

    def take(self) -> list[list[float]]:
        points, self.points = self.points, []
        return points


def _packed(frame: dict) -> dict:
    return {name: pack(value) if isinstance(value, np.ndarray) else value for name, value in frame.items()}


def pack(array: np.ndarray) -> dict:
    """An array as {shape, dtype, bytes}: what an event can carry."""
    array = np.ascontiguousarray(array)
    return {"shape": list(array.shape), "dtype": str(array.dtype), "bytes": array.tobytes()}


def unpack(packed: dict) -> np.ndarray:
    """The array that `pack` packed, read-only."""
    return np.frombuffer(packed["bytes"], packed["dtype"]).reshape(packed["shape"])
