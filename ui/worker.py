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

SHOWN = 10  # test images whose reconstruction is watched
MAPPED = 2000  # test images on the live map
DRAWS = 21  # fixed prior draws whose decoding is watched
FRAME_SECONDS = 1.0  # between live pictures
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

    data = images or image_sets.load(request["data"])
    if saved is None:
        model = KINDS[request["kind"]](**request["model"], image_shape=data.image_shape)
        state = train.start(model, data, train.TrainConfig(**request["training"]))
    else:
        state = train.from_bytes(saved, data)
    watch = Watch(state.model, data)
    tell("started", epochs=state.config.epochs, originals=watch.originals, labels=watch.labels, classes=list(data.classes),
         batch_size=state.config.batch_size, device=state.config.device, precision=state.config.precision,
         train_images=len(data.train_images), latent_dim=watch.latent_dim)  # fmt: skip
    if saved is None:
        tell("frame", epoch=0, **watch.frame())

    curve = Curve(state.batches)
    looked = shown = time.monotonic()
    for record in train.fit(state, data):
        now = time.monotonic()
        if isinstance(record, train.Step):
            curve.add(record)
            if now - shown > FRAME_SECONDS:
                rate = record.images / record.seconds
                tell("progress", curve=curve.take(), rate=rate, left=_left(state, record.seconds), **watch.frame())
                shown = now
        else:
            weights = train.finish(state, data, request["title"], request["command"], quick=True)[0]
            tell("epoch", record=asdict(record), curve=curve.take(), rate=record.images_per_second,
                 left=_left(state, record.seconds), epoch=record.epoch, weights=weights, **watch.frame())  # fmt: skip
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


class Watch:
    """The same test images and the same prior draws, looked at again and again as the model learns.

    A denoiser or restorer is shown the images damaged. What a model does not have is empty: a restorer has no codes to map,
    and only a VAE has a prior to draw from.
    """

    def __init__(self, model, data):
        from vae_core.corruption import parse
        from vae_core.data import to_float
        from vae_core.latent import prior_draws
        from vae_core.projection import Plane

        self.model, self.kind, self.plane_class, self.plane = model, model.config.kind, Plane, None
        self.latent_dim = model.config.latent_dim if self.kind == "vae" else model.config.hidden
        first = [int((data.test_labels == c).nonzero()[0]) for c in range(len(data.classes)) if (data.test_labels == c).any()]
        some = [index % len(data.test_images) for index in range(SHOWN)]
        self.shown, self.mask = to_float(data.test_images[(first + some)[:SHOWN]]), None
        if self.kind in ("dae", "restorer"):
            self.shown, self.mask = parse(model.config.corruption)(self.shown, 0)
        self.mapped = data.test_images[:MAPPED]
        self.originals = pack(_bytes(self.shown))
        self.labels = data.test_labels[:MAPPED].tolist()
        self.prior = prior_draws(DRAWS if self.kind == "vae" else 0, self.latent_dim, seed=1)

    def frame(self) -> dict:
        """Points of the map (float32), reconstructions and samples (uint8), as bytes with their shapes."""
        import torch

        self.model.eval()  # the next batch trains again
        with torch.no_grad():
            codes = self._codes()
            recon, samples = self._painted()
        self.plane = self.plane_class(codes, like=self.plane) if len(codes) else None
        points = self.plane(codes) if len(codes) else codes
        return {
            "points": pack(points.astype(np.float32)), "explained": self.plane and self.plane.explained,
            "reconstructions": pack(_bytes(recon)), "samples": pack(_bytes(samples)),
        }  # fmt: skip

    def _codes(self) -> np.ndarray:
        """(N, L) for the map; none of a restorer."""
        from vae_core import evaluate
        from vae_core.data import to_float

        if self.kind == "vae":
            return evaluate.encode(self.model, self.mapped)[0].numpy()
        if self.kind == "restorer":
            return np.zeros((0, 2))
        return self.model.encode(to_float(self.mapped).to(self._device)).cpu().numpy()

    def _painted(self):
        """What the model makes of the shown images, (N, C, H, W) in [0, 1], and its samples."""
        x = self.shown.to(self._device)
        if self.kind == "vae":
            return self.model.decode(self.model.encode(x)[0]), self.model.decode(self.prior.to(x.device))
        painted = self.model.restore(x, None if self.mask is None else self.mask.to(x.device))
        return painted, painted[:0]

    @property
    def _device(self):
        return next(self.model.parameters()).device


def _bytes(images):
    """Float images in [0, 1] -> uint8."""
    return images.mul(255).round().clamp(0, 255).byte()


def pack(array) -> dict:
    """An array or tensor as {shape, dtype, bytes}: what an event can carry."""
    array = np.ascontiguousarray(array.cpu().numpy() if hasattr(array, "cpu") else array)
    return {"shape": list(array.shape), "dtype": str(array.dtype), "bytes": array.tobytes()}


def unpack(packed: dict) -> np.ndarray:
    """The array that `pack` packed, read-only."""
    return np.frombuffer(packed["bytes"], packed["dtype"]).reshape(packed["shape"])
