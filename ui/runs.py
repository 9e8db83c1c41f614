"""Training runs as the pages see them: what a run has told so far, and one bounded store of all of them.

A run belongs to its id. Whoever has the id controls it; whoever has its `view_id` may look. Nothing here knows Dask or
Streamlit.
"""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

QUEUED, RUNNING, PAUSED, STOPPED, DONE, FAILED = "Queued", "Running", "Paused", "Stopped", "Done", "Failed"
ACTIVE = (QUEUED, RUNNING)
ENDED = (STOPPED, DONE, FAILED)

KEEP_SECONDS = 30 * 60  # after the last viewer left
MAX_RUNS = 64
MAX_RUN_BYTES = 32 * 2**20  # of one run's frames, weights of the epochs included
MAX_CURVE = 4000  # points of the training curve


@dataclass(frozen=True)
class Frame:
    """What the model looked like at one moment: the map, the reconstructions, the samples; weights at an epoch's end."""

    epoch: float
    points: np.ndarray  # (N, 2) float32
    reconstructions: np.ndarray  # (10, C, H, W) uint8
    samples: np.ndarray  # (21, C, H, W) uint8
    explained: tuple[float, float] | None
    weights: bytes | None = None

    @property
    def size(self) -> int:
        """Bytes."""
        return self.points.nbytes + self.reconstructions.nbytes + self.samples.nbytes + len(self.weights or b"")


@dataclass
class Run:
    """One training. Written by the jobs' threads, read by any page; `changed` counts the writes."""

    request: dict
    owner: str
    id: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    view_id: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    status: str = QUEUED
    reason: str = ""
    wanted: str = ""  # what the person asked for and the worker has not answered yet: "pause" or "stop"
    attempt: int = 0  # a run that was paused goes on as another task
    stop_after: int | None = None
    state: bytes | None = None  # of a paused run: what the next worker starts from
    worker: str | None = None
    pictures: Any = None  # a visitor's own that it trains on, an own.Pictures, until it is over
    about: dict = field(default_factory=dict)  # what the worker said when it started
    curve: list[list[float]] = field(default_factory=list)  # position in epochs, recon, kl: nats per image
    epochs: list[dict] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)  # one an epoch, thinned
    live: Frame | None = None  # the newest picture, between epochs
    rate: float = 0.0  # images per second
    left: float = 0.0  # seconds
    weights: bytes | None = None  # the checkpoint as it stands
    last_seen: float = field(default_factory=time.monotonic)
    last_sign: float = field(default_factory=time.monotonic)
    changed: int = 0

    @property
    def total_epochs(self) -> int:
        return self.request["training"]["epochs"]

    @property
    def progress(self) -> float:
        """Epochs done, with the fraction of the present one."""
        done = float(len(self.epochs))
        return max(done, self.curve[-1][0]) if self.curve else done

    def add_curve(self, points: list[list[float]]) -> None:
        """Append to the training curve; every second point goes when there are too many."""
        self.curve += points
        while len(self.curve) > MAX_CURVE:
            self.curve = self.curve[::2]

    def add_frame(self, frame: Frame) -> None:
        """Keep the frame of an epoch. Where they weigh too much, every second one that has weights and is not the last loses
        them; then every second one between first and last goes."""
        self.frames.append(frame)
        while sum(f.size for f in self.frames) > MAX_RUN_BYTES:
            weighted = [index for index, f in enumerate(self.frames[:-1]) if f.weights]
            if not weighted:
                break
            for index in weighted[::2]:
                self.frames[index] = replace(self.frames[index], weights=None)
        while len(self.frames) > 3 and sum(f.size for f in self.frames) > MAX_RUN_BYTES:
            self.frames = [self.frames[0], *self.frames[1:-1][1::2], self.frames[-1]]
        while len(self.frames) > 1 and sum(f.size for f in self.frames) > MAX_RUN_BYTES:
            del self.frames[-2]


class RunStore:
    """All runs of this server, at most MAX_RUNS. They go KEEP_SECONDS after their last viewer
    left, running ones too; ended ones earlier where room is needed."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self.lock = threading.RLock()
        self._runs: dict[str, Run] = {}
        self._clock = clock

    def add(self, run: Run) -> bool:
        """Take a run in; False where the store is full of runs that are not over."""
        with self.lock:
            ended = sorted((r for r in self._runs.values() if r.status in ENDED), key=lambda r: r.last_seen)
            while len(self._runs) >= MAX_RUNS and ended:
                del self._runs[ended.pop(0).id]
            if len(self._runs) >= MAX_RUNS:
                return False
            run.last_seen = self._clock()
            self._runs[run.id] = run
            return True

    def find(self, token: str | None) -> tuple[Run | None, bool]:
        """The run with this id or view_id, and whether the token may control it. Seeing it keeps it alive."""
        with self.lock:
            run = self._runs.get(token or "")
            controls = run is not None
            if run is None and token:
                run = next((r for r in self._runs.values() if secrets.compare_digest(r.view_id.encode(), token.encode())), None)
            if run is not None:
                run.last_seen = self._clock()
            return run, controls

    def get(self, run_id: str) -> Run | None:
        """The run with exactly this id; does not count as seeing it."""
        return self._runs.get(run_id)

    def all(self) -> list[Run]:
        """Every run, oldest first."""
        with self.lock:
            return list(self._runs.values())

    def forget_unseen(self) -> list[Run]:
        """Remove the runs that nobody looked at for KEEP_SECONDS, and return them."""
        with self.lock:
            unseen = [r for r in self._runs.values() if self._clock() - r.last_seen > KEEP_SECONDS]
            for run in unseen:
                del self._runs[run.id]
            return unseen
