"""One store and one budget of bytes for all that visitors leave on a server. Knows no Streamlit.

What is a visitor's own (pictures, models) belongs to the visitor's secret and leaves with the visitor; what can be made again
(codes, maps, opened models, packed parcels) is remembered as long as there is room; trainings keep their own store and are
counted here. When room is needed the first to go is what nobody looks at and can be made again, then what nobody looks at, of
those who have most; what somebody looks at goes last, only to one who has less, and its owner is told.
"""

import contextlib
import ctypes
import secrets
import sys
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar

import numpy as np
import torch

from vae_core.errors import BadInput

AWAY_SECONDS = 120  # without a connection: the tab was closed
KEEP_SECONDS = 30 * 60  # that models and trainings stay longer
IDLE_SECONDS = 30 * 60  # without a look, though a tab is open
TICK_SECONDS = 5
MOST_NOTICES = 5  # of one visitor
EVERYBODY = ""  # the owner of what is nobody's own

# Who goes first.
CACHE, AWAY, IDLE, HISTORY, SEEN_CACHE, SEEN = range(6)

T = TypeVar("T")


@dataclass(eq=False, kw_only=True)
class Held:
    """Something in the store. Its sessions keep it, and the runs that use it."""

    most: ClassVar[int] = 1000  # of one visitor; then the oldest goes that no run uses
    away: ClassVar[float] = AWAY_SECONDS  # seconds that it stays when its sessions are gone
    owner: str  # a visitor's secret, or EVERYBODY
    name: str  # for its owner: somebody's words
    id: str = field(default_factory=lambda: secrets.token_urlsafe(9))
    sessions: dict[str, float] = field(default_factory=dict)  # Streamlit session -> when it was last connected
    runs: set[str] = field(default_factory=set)
    looked: float = 0.0
    link: str = ""  # whoever comes with it may use it too; empty: nobody
    guests: set[str] = field(default_factory=set)  # visitors who have come with it

    @property
    def size(self) -> int:
        """Bytes."""
        raise NotImplementedError


@dataclass(eq=False, kw_only=True)
class Remembered(Held):
    """Something that can be made again, under its key."""

    key: Hashable
    value: Any

    @property
    def size(self) -> int:
        """Bytes; of a value that says its own, as it is now."""
        return weight(self.value)


class Candidate(NamedTuple):
    """Something that may go: how soon (CACHE first), when it was last looked at, its bytes, its owner, and how it goes."""

    rank: int
    looked: float
    size: int
    owner: str
    go: Callable[[], None]


class Source(Protocol):
    """Another store whose bytes count here. Both are called with the lock of this one held."""

    def sizes(self) -> Iterable[tuple[str, int]]:
        """Owner and bytes of each thing in it."""

    def candidates(self) -> Iterable[Candidate]:
        """What of it may go."""


class Store:
    """See the module. Safe from any thread."""

    def __init__(
        self, connected: Callable[[str], bool] = lambda session: False, clock: Callable[[], float] = time.monotonic,
        most: int = 2**30,
    ):
        """`connected` says of a Streamlit session whether its tab is open; `most` bytes."""
        self.lock = threading.RLock()
        self.connected, self.clock = connected, clock
        self.most, self.most_each = most, most // 2
        self._held: dict[str, Held] = {}  # oldest first
        self._known: dict[tuple[str, Hashable], Remembered] = {}
        self._making: dict[tuple[str, Hashable], threading.Lock] = {}
        self._sources: list[Source] = []
        self._notices: dict[str, list[tuple[float, str]]] = {}  # owner -> when, and what they have to be told
        self._watch: threading.Thread | None = None

    def join(self, source: Source) -> None:
        """Count what another store holds. It takes this one's lock for all that it does."""
        with self.lock:
            self._sources.append(source)

    # A visitor's own.

    def add(self, held: Held, session: str) -> None:
        """Take it in. The visitor's oldest of this kind goes where they have too many. Raises BadInput where there is no room;
        then nothing has gone."""
        with self.lock:
            self.forget()
            held.sessions[session] = held.looked = self.clock()
            same = [other for other in self._of(held.owner) if type(other) is type(held) and not other.runs]
            gone = self._room_of_its_owner(held, same[: max(0, len(same) + 1 - held.most)])
            if not self.room(held.size - sum(other.size for other in gone), held.owner, gone):
                raise BadInput(
                    f"The server keeps as much of its visitors' as it can, and {_shown(held.name)} does not fit beside it; "
                    "try again later, or bring less."
                )
            for other in gone:
                self._let_go(other)
            self._held[held.id] = held
            self._watch_over()

    def of(self, owner: str, session: str, kind: type[T]) -> list[T]:
        """The visitor's own things of a kind, oldest first. Looking keeps them."""
        with self.lock:
            found = [held for held in self._of(owner) if isinstance(held, kind)]
            for held in found:
                held.sessions[session] = held.looked = self.clock()
            return found

    # A visitor's own, lent to whoever has its link.

    def lend(self, held: Held) -> None:
        """Its owner lets others use it by its link, which is another one each time."""
        with self.lock:
            held.link = secrets.token_urlsafe(18)

    def take_back(self, held: Held) -> None:
        """Nobody may use it any more but its owner."""
        with self.lock:
            held.link = ""
            held.guests.clear()

    def borrow(self, link: str, visitor: str) -> Held | None:
        """What has this link, which the visitor finds among `lent` from now on; None where nothing has it."""
        with self.lock:
            lent = (held for held in self._held.values() if held.link)
            found = next((held for held in lent if secrets.compare_digest(held.link.encode(), link.encode())), None)
            if found is not None and found.owner != visitor:
                found.guests.add(visitor)
            return found

    def lent(self, visitor: str, session: str) -> list[Held]:
        """What the visitor has borrowed and was not taken back, oldest first. Looking keeps it, as its owner's looking does."""
        with self.lock:
            found = [held for held in self._held.values() if visitor in held.guests]
            for held in found:
                held.sessions[session] = held.looked = self.clock()
            return found

    def remove(self, held: Held) -> None:
        """It is not needed any more."""
        with self.lock:
            self._let_go(held)

    def drop(self, owner: str, *kinds: type[Held]) -> None:
        """The visitor wants nothing of these kinds to stay, nor anything that was made of theirs, or that only they have looked
        at: a parcel for a pad does not say what it was made of."""
        with self.lock:
            owned = self._of(owner)
            sessions = {session for held in owned for session in held.sessions}
            for held in owned:
                if isinstance(held, (*kinds, Remembered)):
                    self._let_go(held)
            self.forget_for(*sessions)

    # What can be made again.

    def remembered(self, key: Hashable, make: Callable[[], T], owner: str = EVERYBODY, session: str | None = None) -> T:
        """What make() returns, made once for all who ask by this key, or once for this owner alone. Never change it.

        Nothing that raises is remembered.
        """
        place = owner, key
        with self.lock:
            turn = self._making.setdefault(place, threading.Lock())
        try:
            with turn:  # whoever asks meanwhile waits, and no one else
                with self.lock:
                    known = self._known.get(place)
                if known is None:
                    known = Remembered(owner=owner, name=str(key), key=key, value=make())
                with self.lock:
                    known.looked = self.clock()
                    if session:
                        known.sessions[session] = known.looked
                    if place not in self._known and self.room(known.size, owner):  # else it is used this once
                        self._held[known.id] = self._known[place] = known
                        self._watch_over()
        finally:
            with self.lock:
                self._making.pop(place, None)
        return known.value

    def forget_remembered(self) -> None:
        """Let go of all that can be made again."""
        with self.lock:
            for held in list(self._known.values()):
                self._let_go(held)

    def forget_for(self, *sessions: str) -> None:
        """Let go of what can be made again and nobody has looked at but these sessions."""
        with self.lock:
            for held in list(self._known.values()):
                if held.sessions and held.sessions.keys() <= set(sessions):
                    self._let_go(held)

    # Time and room.

    def forget(self) -> bool:
        """Let go of what belongs to closed tabs and to no run; whether anything went."""
        with self.lock:
            now, before = self.clock(), len(self._held)
            for held in list(self._held.values()):
                self._look_for_sessions(held)
                if held.owner != EVERYBODY and not held.sessions and not held.runs:
                    self._let_go(held)
            for owner, told in list(self._notices.items()):
                if now - told[-1][0] > KEEP_SECONDS:  # they do not come back
                    del self._notices[owner]
            return len(self._held) < before

    def size(self, owner: str | None = None) -> int:
        """Bytes of all, or of one owner."""
        with self.lock:
            return sum(size for of, size in self._sizes() if owner in (None, of))

    def room(self, need: int, owner: str, gone: Sequence[Held] = ()) -> bool:
        """Make room for `need` more bytes of this owner, beside what is gone anyway; where that cannot be, nothing goes and it
        is False. With need 0, after something has grown, as much goes as may.
        """
        with self.lock:
            over = self.size() + need - self.most
            if over <= 0:
                return True
            had = self.owners()
            share = self.most / max(1, len({*had, owner} - {EVERYBODY}))
            fits = had.get(owner, 0) + need <= share or not need
            greedy = {of for of, size in had.items() if of != EVERYBODY and size > share}
            found = [c for c in self._candidates(gone) if c.rank < SEEN or (fits and c.owner in greedy)]
            found.sort(key=lambda c: (c.rank, c.owner not in greedy, c.looked))
            if need and sum(c.size for c in found) < over:
                return False
            for candidate in found:
                if over <= 0:
                    break
                candidate.go()
                over -= candidate.size
            return over <= 0

    def owners(self) -> dict[str, int]:
        """Owner -> bytes."""
        with self.lock:
            total: dict[str, int] = {}
            for owner, size in self._sizes():
                total[owner] = total.get(owner, 0) + size
            return total

    def notices(self, owner: str) -> list[str]:
        """What the owner has to be told, once."""
        with self.lock:
            return [sentence for _, sentence in self._notices.pop(owner, [])]

    def tell(self, owner: str, sentence: str) -> None:
        """Tell the owner on the next page."""
        with self.lock:
            if owner != EVERYBODY:
                self._notices[owner] = [*self._notices.get(owner, []), (self.clock(), sentence)][-MOST_NOTICES:]

    def is_watched(self, sessions: dict[str, float]) -> bool:
        """Whether one of these sessions is connected."""
        return any(map(self.connected, sessions))

    def _of(self, owner: str) -> list[Held]:
        return [held for held in self._held.values() if held.owner == owner]

    def _sizes(self) -> Iterable[tuple[str, int]]:
        yield from ((held.owner, held.size) for held in self._held.values())
        for source in self._sources:
            yield from source.sizes()

    def _candidates(self, gone: Sequence[Held]) -> Iterable[Candidate]:
        for held in self._held.values():
            if not held.runs and held not in gone:
                rank = self._rank(held)
                go = self._let_go if rank < IDLE or isinstance(held, Remembered) else self._take_away
                yield Candidate(rank, held.looked, held.size, held.owner, lambda go=go, held=held: go(held))
        for source in self._sources:
            yield from source.candidates()

    def _rank(self, held: Held) -> int:
        watched = self.is_watched(held.sessions)
        idle = self.clock() - held.looked > IDLE_SECONDS
        if isinstance(held, Remembered):
            return SEEN_CACHE if watched and not idle else CACHE
        return AWAY if not watched else IDLE if idle else SEEN

    def _room_of_its_owner(self, held: Held, gone: list[Held]) -> list[Held]:
        """What must go so that one visitor has half of everything at most: beside what is gone anyway first what was made of
        theirs, then the oldest of what they brought. Raises BadInput where that is not enough."""
        owned = [other for other in self._of(held.owner) if not other.runs and other not in gone]
        owned.sort(key=lambda other: (not isinstance(other, Remembered), type(other) is type(held)))
        over = self.size(held.owner) - sum(other.size for other in gone) + held.size - self.most_each
        if over > sum(other.size for other in owned):
            raise BadInput(
                f"{_shown(held.name)} is more than fits beside what you train on (at most {self.most_each // 2**20:,} MB "
                "a visitor); bring less of it, or choose a smaller image size."
            )
        for other in owned:
            if over > 0:
                gone = [*gone, other]
                over -= other.size
        return gone

    def _take_away(self, held: Held) -> None:
        """Let go of what its owner may still want."""
        self._let_go(held)
        self.tell(held.owner, f"{_shown(held.name)} had to make room for what others brought; bring it again to go on with it.")

    def _let_go(self, held: Held) -> None:
        if self._held.pop(held.id, None) is not None and isinstance(held, Remembered):
            del self._known[held.owner, held.key]

    def _look_for_sessions(self, held: Held) -> None:
        now = self.clock()
        for session, seen in list(held.sessions.items()):
            if self.connected(session):
                held.sessions[session] = now
            elif now - seen > held.away:
                del held.sessions[session]

    def _watch_over(self) -> None:
        if self._watch is None:
            self._watch = threading.Thread(target=self._tick, name="latentscape-store", daemon=True)
            self._watch.start()

    def _tick(self) -> None:
        owed = False  # memory that was let go of and not given back
        while True:
            time.sleep(TICK_SECONDS)
            if self.forget():
                owed = True
            elif owed:  # a tick later: what else used it has let go as well
                give_back()
                owed = False
            with self.lock:
                if not self._held and not owed:
                    self._watch = None
                    return


def give_back() -> None:
    """Return freed memory to the system; glibc otherwise keeps it for the thread that used it."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL("libc.so.6").malloc_trim(0)


def weight(value: Any) -> int:
    """Bytes of the arrays, tensors and byte strings in a value: as it says itself, or of its fields, items and members."""
    if isinstance(value, bytes | bytearray):
        return len(value)
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, torch.Tensor):
        return value.nbytes
    if isinstance(value, torch.nn.Module):
        return sum(map(weight, value.state_dict().values()))
    if isinstance(getattr(value, "size", None), int):
        return value.size
    if is_dataclass(value) and not isinstance(value, type):
        return sum(weight(getattr(value, part.name)) for part in fields(value))
    if isinstance(value, dict):
        return sum(map(weight, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(weight, value))
    return 0


def _shown(name: str) -> str:
    return name if len(name) <= 80 else f"{name[:80]}…"
