"""Training runs as the pages see them: what a run has told so far, and one bounded store of all of them.

A run has three names. Its `id` is for the server and its workers, and shown to nobody. Whoever has its `view_id` may look, and
whoever has its `control_id` may also pause and stop it; neither says who somebody is, nor gives what is the owner's. The owner
is a visitor's secret. Nothing here knows Dask or Streamlit.
"""

import secrets
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from latentscape.work.drawings import Drawings
from latentscape.work.store import AWAY, HISTORY, IDLE, KEEP_SECONDS, SEEN_CACHE, Candidate, Store, weight

QUEUED, RUNNING, PAUSED, STOPPED, DONE, FAILED = "Queued", "Running", "Paused", "Stopped", "Done", "Failed"
ACTIVE = (QUEUED, RUNNING)
ENDED = (STOPPED, DONE, FAILED)

MAX_RUNS = 64
MAX_RUN_BYTES = 32 * 2**20  # of one run's frames, weights of the epochs included
MAX_CURVE = 4000  # points of the training curve


@dataclass(frozen=True, eq=False)
class Frame:
    """What the model looked like at one moment: the map, the reconstructions, the samples, its scores of single pictures; at an
    epoch's end weights, and the classes of its draws."""

    epoch: float
    points: np.ndarray  # (N, 2) float32
    reconstructions: np.ndarray  # (10, C, H, W) uint8
    samples: np.ndarray  # (21, C, H, W) uint8
    explained: tuple[float, float] | None
    weights: bytes | None = None
    scores: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))  # (kinds, N): Watch.scores
    found: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))  # draws of each class, (K,): Watch.classes

    @cached_property
    def reach(self) -> float:
        """How far out nearly all points lie."""
        return float(np.percentile(np.abs(self.points), 99.5)) if self.points.size and np.isfinite(self.points).all() else 0.0

    @property
    def size(self) -> int:
        """Bytes."""
        arrays = self.points, self.reconstructions, self.samples, self.scores, self.found
        return sum(array.nbytes for array in arrays) + len(self.weights or b"")


@dataclass
class Run:
    """One training. Written by the jobs' threads, read by any page; `changed` counts the writes."""

    request: dict
    owner: str  # a visitor's secret
    purpose: str = ""  # an owner has one run at a time for each: the Train page's own, or a sweep
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    control_id: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    view_id: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    controllers: set[str] = field(default_factory=set)  # visitors who opened the address that controls it
    sessions: dict[str, float] = field(default_factory=dict)  # of who looks at it -> when they were last connected
    status: str = QUEUED
    reason: str = ""
    wanted: str = ""  # what the person asked for and the worker has not answered yet: "pause" or "stop"
    attempt: int = 0  # each turn is another task
    stop_after: int | None = None
    state: bytes | None = None  # of a run that left its worker: what the next one starts from
    directions: np.ndarray | None = None  # and those of its map, (2, L)
    worker: str | None = None
    pictures: Any = None  # a visitor's own that it trains on, a belongings.Pictures, until it is over
    about: dict = field(default_factory=dict)  # what the worker said when it started
    curve: list[list[float]] = field(default_factory=list)  # position in epochs, objective, the measured terms
    epochs: list[dict] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)  # one an epoch and some of the first one, thinned
    live: Frame | None = None  # the newest picture, between epochs
    rate: float = 0.0  # images per second
    left: float = 0.0  # seconds
    weights: bytes | None = None  # the checkpoint as it stands
    last_seen: float = 0.0  # by the store's clock
    last_sign: float = field(default_factory=time.monotonic)
    changed: int = 0

    def __post_init__(self):
        self.drawings = Drawings()
        self.is_of_pictures = self.pictures is not None  # also when it is over: its frames show some of them

    @property
    def total_epochs(self) -> int:
        return self.request["training"]["epochs"]

    @property
    def progress(self) -> float:
        """Epochs done, with the fraction of the present one."""
        done = float(len(self.epochs))
        return max(done, self.curve[-1][0]) if self.curve else done

    @property
    def size(self) -> int:
        """Bytes, its pictures left out: they are counted where they are held."""
        frames = [*self.frames, *([self.live] if self.live and self.live not in self.frames[-1:] else [])]
        # Cheap: this is counted at each event of a run.
        told = weight([self.state, self.weights, self.about.get("originals")]) + 24 * len(self.curve)
        return sum(f.size for f in frames) + told + self.drawings.size

    def is_controlled_by(self, visitor: str) -> bool:
        """Whether this visitor may pause and stop it."""
        return visitor in {self.owner, *self.controllers} - {""}

    def let_go_of_pictures(self) -> None:
        """It trains on them no more."""
        if self.pictures is not None:
            self.pictures.runs.discard(self.id)
            self.pictures = None

    def lighten(self) -> None:
        """Let go of what only the replay needs: weights of former epochs, then every second picture."""
        if any(f.weights for f in self.frames[:-1]):
            self.frames = [*(replace(f, weights=None) for f in self.frames[:-1]), *self.frames[-1:]]
        else:
            self.frames = [*self.frames[:1], *self.frames[1:-1][1::2], *self.frames[1:][-1:]]
        self.changed += 1

    @property
    def reach(self) -> float:
        """How far out nearly all points of all of its maps lie, so that these can be drawn to one scale."""
        return max((frame.reach for frame in [*self.frames, *([self.live] if self.live else [])]), default=0.0)

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
    """All runs of this server, at most MAX_RUNS, their bytes counted in the store of what visitors leave. They go KEEP_SECONDS
    after their last viewer left, running ones too; ended ones earlier where room is needed."""

    def __init__(self, within: Store | None = None):
        """`within` is the store whose budget, clock and lock this one shares."""
        self._within = within or Store()
        self.lock = self._within.lock
        self._runs: dict[str, Run] = {}
        self._within.join(self)

    def add(self, run: Run) -> bool:
        """Take a run in; False where the store is full of runs that are not over."""
        return self.add_all([run])

    def add_all(self, runs: list[Run]) -> bool:
        """Take them all in or, where the store is full of runs that are not over, none."""
        with self.lock:
            ended = [run for run in self._runs.values() if run.status in ENDED]
            ended.sort(key=lambda run: (self._is_watched(run), run.last_seen))
            over = len(self._runs) + len(runs) - MAX_RUNS
            if over > len(ended):
                return False
            for run in ended[: max(0, over)]:
                self._take_away(run)
            for run in runs:
                run.last_seen = self._within.clock()
                self._runs[run.id] = run
            return True

    def find(self, token: str | None, visitor: str = "", session: str = "") -> tuple[Run | None, bool]:
        """The run with this control_id or view_id, and whether this visitor may control it: its owner may, and whoever has come
        with its control_id. Seeing it keeps it alive."""
        with self.lock:
            for run in self._runs.values() if token else ():
                if _same(run.control_id, token):
                    run.controllers |= {visitor} - {""}
                    self.seen(run, session)
                    return run, True
                if _same(run.view_id, token):
                    self.seen(run, session)
                    return run, run.is_controlled_by(visitor)
            return None, False

    def current(self, owner: str, session: str = "") -> Run | None:
        """The owner's run for the Train page that is not over. Seeing it keeps it alive."""
        with self.lock:
            run = next((r for r in self._runs.values() if r.owner == owner and not r.purpose and r.status not in ENDED), None)
            if run is not None:
                self.seen(run, session)
            return run

    def listed(self, owner: str) -> list[Run]:
        """The owner's runs for the Train page, oldest first. None of them goes of itself while they are listed."""
        with self.lock:
            found = [run for run in self._runs.values() if run.owner == owner and not run.purpose]
            for run in found:
                run.last_seen = self._within.clock()
            return found

    def seen(self, run: Run, session: str = "") -> None:
        """Somebody looks at it."""
        with self.lock:
            run.last_seen = self._within.clock()
            if session:
                run.sessions[session] = run.last_seen

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
            now = self._within.clock()
            for run in self._runs.values():
                run.sessions = {session: now for session in run.sessions if self._within.connected(session)}
                if run.sessions:
                    run.last_seen = now
            unseen = [r for r in self._runs.values() if now - r.last_seen > KEEP_SECONDS]
            for run in unseen:
                del self._runs[run.id]
            return unseen

    def forget(self, run: Run) -> None:
        """Remove it."""
        with self.lock:
            self._runs.pop(run.id, None)

    def grown(self, run: Run) -> None:
        """Call when a run has got heavier: others, or its own past, make room."""
        self._within.room(0, run.owner)

    # What the budget asks.

    def sizes(self) -> Iterable[tuple[str, int]]:
        """Owner and bytes of each run."""
        return [(run.owner, run.size) for run in self._runs.values()]

    def candidates(self) -> Iterable[Candidate]:
        """Runs that are over or paused and not looked at; and the past of the others, which a replay would show."""
        for run in self._runs.values():
            watched, past = self._is_watched(run), sum(f.size for f in run.frames[:-1])
            if run.status in (*ENDED, PAUSED) and not watched:
                rank = AWAY if run.status in ENDED else IDLE
                yield Candidate(rank, run.last_seen, run.size, run.owner, lambda run=run: self._take_away(run))
            elif past:
                weights = sum(len(f.weights or b"") for f in run.frames[:-1])
                yield Candidate(SEEN_CACHE if watched else HISTORY, run.last_seen, weights or past // 2, run.owner, run.lighten)

    def _take_away(self, run: Run) -> None:
        del self._runs[run.id]
        run.let_go_of_pictures()
        self._within.tell(run.owner, f"The training {run.request.get('title', '')} had to make room for those of others.")

    def _is_watched(self, run: Run) -> bool:
        return self._within.is_watched(run.sessions)


def _same(one: str, other: str) -> bool:
    return secrets.compare_digest(one.encode(), other.encode())
