"""What runs inside a Dask worker: one training, told as events. Imports no Streamlit.

A training task is a function of its request: it sends progress as it goes, leaves when it is asked to, and returns the whole
state, so that a run that is paused or waits for its next turn occupies no worker, and a lost worker loses no more than the time
since its last epoch.
"""

import contextlib
import math
import os
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
from distributed import Event, get_worker

MOMENTS = 20  # of the first epoch that are kept: nearly everything happens there, most of it at its beginning
MOMENTS_SHARE = 0.25  # of the first epoch's time, at most, goes into their pictures
FRAME_SECONDS = 1.0  # between live pictures, at least
FRAME_SHARE = 0.1  # of the time, at most, goes into them: one of large images takes a second by itself
ALIVE_SECONDS = 2.0  # between signs of life
LOOK_SECONDS = 0.2  # between looks at what was asked for
CURVE_POINTS = 20  # of the training curve, an epoch


def event_name(run_id: str, attempt: int, wish: str) -> str:
    """The name of the Event that asks attempt number `attempt` of a run to "leave", or to "give way" to others."""
    return f"latentscape-{wish}-{run_id}-{attempt}"


class Wishes:
    """What was asked of this attempt; each is looked at LOOK_SECONDS after the last look, and remembered."""

    def __init__(self, run_id: str, attempt: int):
        self._events = {wish: Event(event_name(run_id, attempt, wish)) for wish in ("leave", "give way")}
        self._looked = dict.fromkeys(self._events, 0.0)
        self._known: set[str] = set()

    def leave(self) -> bool:
        """Whether somebody paused or stopped the run."""
        return self._is("leave")

    def any(self) -> bool:
        """Whether the run is to leave, for whichever reason."""
        return self.leave() or self._is("give way")

    def _is(self, wish: str) -> bool:
        now = time.monotonic()
        if wish not in self._known and now - self._looked[wish] > LOOK_SECONDS:
            self._looked[wish] = now
            if self._events[wish].is_set():
                self._known.add(wish)
        return wish in self._known


@contextlib.contextmanager
def signs_of_life(tell: Callable[..., None]) -> Iterator[Callable[[], None]]:
    """Tell "alive" every ALIVE_SECONDS, also in the middle of a batch that takes minutes, and how many steps were done: the
    function that is returned counts one."""
    done, steps = threading.Event(), 0

    def count() -> None:
        nonlocal steps
        steps += 1

    def beat() -> None:
        while not done.wait(ALIVE_SECONDS):
            tell("alive", steps=steps)

    thread = threading.Thread(target=beat, name="latentscape-alive", daemon=True)
    thread.start()
    try:
        yield count
    finally:
        done.set()
        thread.join()


def warm_up() -> None:
    """Import torch, read MNIST and train for one batch, before the first person presses Train."""
    from vae_core import data, train
    from vae_core.models.vae import VAEConfig

    data.load("mnist")
    digits = data.load("digits")
    model = VAEConfig(image_shape=digits.image_shape, latent_dim=1, hidden=8)
    next(train.fit(train.start(model, digits, train.TrainConfig(epochs=1)), digits))


def train_job(
    run_id: str, attempt: int, topic: str, request: dict, state: bytes | None, stop_after: int | None, images, directions
) -> dict:
    """Train as `request` says (kind, model, training, data, title, command), from `state` where given, on `images` (an
    ImageSet) or else on the data set of that name.

    Leaves after epoch `stop_after` or when it is asked to. Events go to `topic`; the return value says how it ended: outcome
    "done" or "left" with the state and the map's `directions`, or "failed" with a reason.
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
        with signs_of_life(tell) as count:
            return _train(tell, count, Wishes(run_id, attempt), request, state, stop_after, images, directions)
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


def _train(
    tell, count, wishes: Wishes, request: dict, saved: bytes | None, stop_after: int | None, images, directions
) -> dict:
    from vae_core import data as image_sets
    from vae_core import train
    from vae_core.models import FAMILIES
    from vae_core.watch import Watch

    data = images or image_sets.load(request["data"])
    if saved is None:
        model = FAMILIES[request["kind"]].config(**request["model"], image_shape=data.image_shape)
        state = train.start(model, data, train.TrainConfig(**request["training"]))
    else:
        state = train.from_bytes(saved, data)
    watch = Watch(state.model, data, directions)
    tell("started", epochs=state.config.epochs, originals=pack(watch.originals), labels=watch.labels,
         classes=list(data.classes), batch_size=state.config.batch_size, device=state.config.device,
         precision=state.config.precision, train_images=len(data.train_images), latent_dim=watch.latent_dim)

    def show(kind: str, is_last: bool = False, **content) -> None:
        """Tell the content with a picture; without one where it would keep somebody waiting."""
        began = time.monotonic()
        stopped = lambda: time.monotonic() - began > FRAME_SECONDS and wishes.any()  # noqa: E731
        frame = watch.frame(is_last, stopped, is_judged=kind in ("frame", "epoch"))
        tell(kind, **content, **_packed(frame or {}))

    if saved is None:
        show("frame", epoch=0)
    curve = Curve(state.batches, state.family.measured)
    shown, pause = time.monotonic(), FRAME_SECONDS
    moments, spent = 0, 0.0  # those of the first epoch that are over, and the seconds that their pictures took
    for record in train.fit(state, data):
        count()
        now = time.monotonic()
        if isinstance(record, train.Step):
            curve.add(record)
            before, moments = moments, _moments(record)
            is_moment = moments > before and record.epoch == 1 and spent <= MOMENTS_SHARE * record.seconds
            if is_moment or now - shown > pause:
                rate = record.images / record.seconds
                show("moment" if is_moment else "progress", epoch=_epochs(record), curve=curve.take(), rate=rate,
                     left=_left(state, record.seconds))
                shown = time.monotonic()
                spent += is_moment * (shown - now)
                pause = max(FRAME_SECONDS, (shown - now) / FRAME_SHARE)
        elif isinstance(record, train.Epoch):
            weights = train.finish(state, data, request["title"], request["command"], quick=True)[0]
            show("epoch", state.finished, record=record.flat(), curve=curve.take(), rate=record.images_per_second,
                 left=_left(state, record.seconds), epoch=record.epoch, weights=weights)
            shown = now
            if stop_after is not None and record.epoch >= stop_after:
                break
        if wishes.any():
            break
    done = state.finished
    weights, _ = train.finish(state, data, request["title"], request["command"], quick=not done, stopped=wishes.leave)
    return {
        "outcome": "done" if done else "left",
        "state": None if done else state.to_bytes(),
        "directions": None if done else watch.directions,
        "weights": weights,
        "curve": curve.take(),
        "epochs": len(state.epochs),
    }


def _epochs(step) -> float:
    """Trained until this step, with the fraction of the present one."""
    return step.epoch - 1 + step.batch / step.batches


def _moments(step) -> int:
    """How many of the MOMENTS of the first epoch are over at this step: they are the closer the earlier they are."""
    return int(MOMENTS * math.sqrt(min(_epochs(step), 1.0)))


def _left(state, seconds: float) -> float:
    """Training seconds still to go, from the pace so far."""
    total = state.config.epochs * state.batches
    return seconds / max(state.steps, 1) * (total - state.steps)


class Curve:
    """The training losses between two messages, averaged so that an epoch has about CURVE_POINTS points."""

    def __init__(self, batches: int, names: tuple[str, ...]):
        self.every, self.names = max(1, batches // CURVE_POINTS), names
        self.group: list[tuple[float, ...]] = []  # position in epochs, the objective, the measured terms
        self.points: list[list[float]] = []

    def add(self, step) -> None:
        self.group.append((_epochs(step), step.loss, *(step.terms[name] for name in self.names)))
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
