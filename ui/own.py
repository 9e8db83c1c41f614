"""Visitors' own pictures: what was uploaded and what was read of it, in one bounded store, each for its visitor alone.

A visitor is a browser tab (shell.tab). Their pictures live as long as their session, or a run that trains on them; then they
leave, and the memory is given back. Where room is needed, the oldest go first that nobody uses.
"""

import contextlib
import ctypes
import secrets
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import psutil
from streamlit import runtime

from ui.shell import session, tab
from vae_core.data import ImageSet
from vae_core.errors import BadInput
from vae_core.folder import Report

MAX_BYTES = min(2**30, psutil.virtual_memory().total // 4)  # of everything here
MAX_VISITOR = MAX_BYTES // 2  # of one visitor
MAX_SETS = 3  # of one visitor
MAX_UPLOADS = 2  # of one visitor: the one before is kept until the next is known to be good
AWAY_SECONDS = 120  # without a connection: the tab was closed
IDLE_SECONDS = 30 * 60  # without a look: goes where another visitor needs the room
TICK_SECONDS = 5


class Settings(NamedTuple):
    """How pictures are read: pixels a side, crop or letterbox, the seed of the split."""

    size: int = 32
    fit: str = "crop"
    seed: int = 0


@dataclass(eq=False, kw_only=True)
class Held:
    """What is in the store of one visitor. Its sessions keep it, and the runs that use it."""

    owner: str
    name: str  # of the file that was uploaded: somebody's words
    id: str = field(default_factory=lambda: secrets.token_urlsafe(9))
    sessions: dict[str, float] = field(default_factory=dict)  # Streamlit session -> when it was last connected
    runs: set[str] = field(default_factory=set)
    looked: float = 0.0


@dataclass(eq=False, kw_only=True)
class Upload(Held):
    """A zip file, so that it can be read in other ways; the first to go where room is needed."""

    raw: bytes

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.raw)


@dataclass(eq=False, kw_only=True)
class Pictures(Held):
    """What was read of an upload. The tensors are shared with runs: never write into them."""

    upload: str  # its id
    settings: Settings
    images: ImageSet
    report: Report

    @property
    def size(self) -> int:
        """Bytes."""
        return self.images.size

    @property
    def title(self) -> str:
        """For the Train page: what was uploaded and how it was read."""
        size, fit, seed = self.settings
        extra = ", letter-boxed" * (fit == "letterbox") + f", split {seed}" * (seed != 0)
        return f"Yours: {self.images.name.removeprefix('folder:')}, {size} x {size}{extra}"


@lru_cache(maxsize=1)
def store() -> "OwnStore":
    """The one store of this server."""
    return OwnStore()


def mine() -> list[Pictures]:
    """The picture sets of whoever this page is drawn for, oldest first."""
    return store().pictures(tab(), session())


class OwnStore:
    """See the module. Safe from any thread."""

    def __init__(
        self, connected: Callable[[str], bool] | None = None, clock: Callable[[], float] = time.monotonic,
        most: int = MAX_BYTES, most_each: int = MAX_VISITOR,
    ):  # fmt: skip
        """`connected` says of a Streamlit session whether its tab is open."""
        self.reading = threading.Semaphore(1)  # one reads at a time: what that takes comes on top of what is kept
        self._connected, self._clock, self._most, self._most_each = connected or _is_connected, clock, most, most_each
        self._lock = threading.RLock()
        self._held: dict[str, Held] = {}  # oldest first
        self._watch: threading.Thread | None = None

    def add(self, held: Held, session: str) -> None:
        """Take it in. The visitor's oldest zip file and pictures go where they have too many. Raises BadInput where there is no
        room."""
        with self._lock:
            self.forget()
            held.sessions[session] = held.looked = self._clock()
            mine = [other for other in self._held.values() if other.owner == held.owner]
            uploads = [other for other in mine if isinstance(other, Upload)]
            sets = [other for other in mine if isinstance(other, Pictures) and not other.runs]
            same, most = (uploads, MAX_UPLOADS) if isinstance(held, Upload) else (sets, MAX_SETS)
            gone = same[: max(0, len(same) + 1 - most)]
            spare = uploads if isinstance(held, Upload) else [*uploads, *sets]
            if not _fits(held, mine, gone, spare, self._most_each):
                raise BadInput(
                    f"{_shown(held.name)} is more than fits beside what you train on (at most {self._most_each // 2**20:,} MB "
                    "a visitor); take pictures out, or choose a smaller image size."
                )
            if not _fits(held, list(self._held.values()), gone, self._spare(held.owner), self._most):
                raise BadInput(
                    f"The server keeps as many visitors' pictures as it can, and {_shown(held.name)} does not fit beside them; "
                    "try again later, or bring fewer pictures."
                )
            for other in gone:
                del self._held[other.id]
            self._held[held.id] = held
            if self._watch is None:
                self._watch = threading.Thread(target=self._tick, name="latentscape-own", daemon=True)
                self._watch.start()

    def uploads(self, owner: str, session: str) -> list[Upload]:
        """The visitor's zip files, oldest first."""
        return [held for held in self._of(owner, session) if isinstance(held, Upload)]

    def pictures(self, owner: str, session: str) -> list[Pictures]:
        """The visitor's picture sets, oldest first. Looking keeps them."""
        return [held for held in self._of(owner, session) if isinstance(held, Pictures)]

    def remove(self, upload: Upload) -> None:
        """It is not needed any more."""
        with self._lock:
            self._held.pop(upload.id, None)

    def drop(self, owner: str) -> None:
        """The visitor wants nothing of theirs to stay; a run keeps what it trains on until it is over."""
        with self._lock:
            for held in [held for held in self._held.values() if held.owner == owner]:
                held.owner = ""
                held.sessions.clear()
            self.forget()

    def forget(self) -> bool:
        """Let go of what belongs to closed tabs and to no run; whether anything went."""
        with self._lock:
            now, before = self._clock(), len(self._held)
            for held in list(self._held.values()):
                for session, seen in list(held.sessions.items()):
                    if self._connected(session):
                        held.sessions[session] = now
                    elif now - seen > AWAY_SECONDS:
                        del held.sessions[session]
                if not held.sessions and not held.runs:
                    del self._held[held.id]
            return len(self._held) < before

    def size(self) -> int:
        """Bytes in the store."""
        with self._lock:
            return sum(held.size for held in self._held.values())

    def _of(self, owner: str, session: str) -> list[Held]:
        with self._lock:
            mine = [held for held in self._held.values() if held.owner == owner]
            for held in mine:
                held.sessions[session] = held.looked = self._clock()
            return mine

    def _spare(self, owner: str) -> list[Held]:
        """What may go for another visitor: of closed tabs first, then zip files, then what nobody looked at for long."""
        others = [held for held in self._held.values() if held.owner != owner and not held.runs]
        away = [held for held in others if not any(map(self._connected, held.sessions))]
        uploads = [held for held in others if isinstance(held, Upload)]
        idle = [held for held in others if self._clock() - held.looked > IDLE_SECONDS]
        return list(dict.fromkeys([*away, *uploads, *idle]))

    def _tick(self) -> None:
        owed = False  # memory that was let go of and not given back
        while True:
            time.sleep(TICK_SECONDS)
            if self.forget():
                owed = True
            elif owed:  # a tick later: what else used it has let go as well
                give_back()
                owed = False
            with self._lock:
                if not self._held and not owed:
                    self._watch = None
                    return


def _fits(wanted: Held, present: list[Held], gone: list[Held], spare: list[Held], most: int) -> bool:
    """Whether `wanted` fits into `most` bytes beside what is present and stays; puts into `gone` what of `spare` must go."""
    need = sum(held.size for held in present if held not in gone) + wanted.size - most
    for held in spare:
        if need > 0 and held not in gone:
            gone.append(held)
            need -= held.size
    return need <= 0


def give_back() -> None:
    """Return freed memory to the system; glibc otherwise keeps it for the thread that used it."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL("libc.so.6").malloc_trim(0)


def _is_connected(session: str) -> bool:
    return runtime.exists() and runtime.get_instance().is_active_session(session)


def _shown(name: str) -> str:
    return name if len(name) <= 80 else f"{name[:80]}…"
