"""Who trains next: visitors take turns, so that nobody waits for the whole run of a stranger. Knows neither Dask nor Streamlit.

A turn lasts TURN_SECONDS where another visitor waits, the first one of a run until its map has been seen; next is whoever had
the last turn longest ago. A visitor with several runs is one visitor: the first run comes to its end before the second begins.
Where nobody else waits nobody gives way. All methods are called with the lock of the runs held.
"""

import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from latentscape.work.runs import RUNNING, Run

TURN_SECONDS = 8.0  # a switch takes about 0.2 s of it
FIRST_SECONDS = 1.5  # what a first turn takes, about
NEAR_SECONDS = 2.0  # who is this near to the end may come to it
MAX_REMEMBERED = 1000  # visitors


class Place(NamedTuple):
    """Where a waiting run stands."""

    position: int  # from 1
    waiting: int  # runs
    seconds: float | None  # until its turn, about; None while nobody can tell


class Turns:
    """The runs that wait, and those that have their turn."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self.waiting: list[Run] = []
        self.slots = 0  # runs that can have a turn at once
        self._clock = clock
        self._turns: dict[str, _Turn] = {}  # by the run's id
        self._served: dict[str, float] = {}  # visitor -> when a turn of theirs ended

    def add(self, run: Run) -> None:
        """The run waits from now on."""
        self.waiting.append(run)

    def remove(self, run: Run) -> bool:
        """The run does not wait any more; whether it did."""
        if run not in self.waiting:
            return False
        self.waiting.remove(run)
        return True

    def begin(self, run: Run) -> None:
        """The run has its turn from now on."""
        self.remove(run)
        self._turns[run.id] = _Turn(run, self._clock(), first=not _has_map(run))

    def end(self, run: Run) -> None:
        """Its turn is over, however it went."""
        if self._turns.pop(run.id, None) is None:
            return
        self._served.pop(run.owner, None)
        self._served[run.owner] = self._clock()
        while len(self._served) > MAX_REMEMBERED:
            del self._served[next(iter(self._served))]

    def order(self) -> list[Run]:
        """Those who wait, the next one first: every visitor once, then those who have several runs again, and so on."""
        busy = Counter(turn.run.owner for turn in self._turns.values())
        own: dict[str, list[Run]] = {}
        for run in sorted(self.waiting, key=lambda run: not _has_begun(run)):
            own.setdefault(run.owner, []).append(run)
        ranked = [
            (busy[owner] + round, self._served.get(owner, 0.0), number, run)
            for number, (owner, runs) in enumerate(own.items())
            for round, run in enumerate(runs)
        ]
        return [run for *_, run in sorted(ranked, key=lambda entry: entry[:3])]

    def to_give_way(self) -> list[Run]:
        """The runs whose turn is over now, because a visitor waits who has none; each is named once."""
        busy = Counter(turn.run.owner for turn in self._turns.values())
        kept_waiting = {run.owner for run in self.waiting} - busy.keys()
        leaving = sum(turn.asked for turn in self._turns.values())
        need = len(kept_waiting) - max(0, self.slots - len(self._turns)) - leaving
        over = [turn for turn in self._turns.values() if not turn.asked and self._left_of(turn) <= 0]
        over = sorted(over, key=lambda turn: (-busy[turn.run.owner], turn.began))[: max(0, need)]
        for turn in over:
            turn.asked = True
        return [turn.run for turn in over]

    def place(self, run: Run) -> Place | None:
        """Where a waiting run stands; None of one that does not wait."""
        if run not in self.waiting:
            return None
        order = self.order()
        position = order.index(run)
        seconds = None
        if self.slots:
            present = [max(0.0, self._left_of(turn)) for turn in self._turns.values()]
            seconds = (sum(present) + sum(_length(other) for other in order[:position])) / self.slots
        return Place(position + 1, len(order), seconds)

    def _left_of(self, turn: "_Turn") -> float:
        """Seconds of a turn that are left while others wait; 0 or less where it is over."""
        run, age = turn.run, self._clock() - turn.began
        if run.status != RUNNING:
            return FIRST_SECONDS  # it is being prepared
        if turn.first:
            return 0.0 if _has_map(run) else max(FIRST_SECONDS - age, 0.1)
        if len(run.epochs) >= run.total_epochs:
            return 0.1  # nothing is left but the last look at its model
        if run.rate and run.left < NEAR_SECONDS and age < TURN_SECONDS + NEAR_SECONDS:
            return max(run.left, 0.1)
        return TURN_SECONDS - age


class _Turn:
    """One run's turn."""

    def __init__(self, run: Run, began: float, first: bool):
        self.run, self.began, self.first, self.asked = run, began, first, False


def _has_begun(run: Run) -> bool:
    return run.live is not None


def _has_map(run: Run) -> bool:
    """Whether anything was seen of it that it has learned."""
    return run.live is not None and run.live.epoch > 0


def _length(run: Run) -> float:
    """Seconds that its next turn will take, about."""
    if not _has_map(run):
        return FIRST_SECONDS
    return min(TURN_SECONDS, run.left) if run.rate else TURN_SECONDS
