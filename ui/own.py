"""What a visitor brings and makes here, for their eyes alone: uploads, pictures, models. It belongs to their secret.

Uploads and pictures live as long as a tab of the visitor's is open, or a run trains on them; models stay half an hour longer.
"""

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, TypeVar

import streamlit as st
from dask.utils import parse_bytes
from distributed.system import MEMORY_LIMIT

from latent_pad.memory import keep_with
from ui.once import once
from ui.store import EVERYBODY, KEEP_SECONDS, Held, Store
from ui.streamlit_private import is_connected
from ui.visitor import session, visitor
from vae_core.arrays import Untold
from vae_core.data import ImageSet, own_name
from vae_core.errors import BadInput
from vae_core.folder import Report

log = logging.getLogger(__name__)
SHARE = 4  # of the machine's memory (the container's, where it is in one), a quarter
reading = threading.Semaphore(1)  # one visitor's upload is read at a time: what that takes comes on top of what is kept
T = TypeVar("T")


class Settings(NamedTuple):
    """How pictures are read: pixels a side, crop or letterbox, the seed of the split, the split itself (seeded or own), and the
    level of folders that names the classes (None: the most sensible). Of an array the seed, and what was told of its pixels and
    of the layout of its rows (None: nothing)."""

    size: int = 32
    fit: str = "crop"
    seed: int = 0
    split: str = "seeded"
    level: int | None = None
    pixels: str | None = None
    layout: str | None = None


@dataclass(eq=False, kw_only=True)
class Upload(Held):
    """A file of pictures, so that it can be read in other ways."""

    most: ClassVar[int] = 2  # the one before is kept until the next is known to be good
    raw: bytes

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.raw)


@dataclass(eq=False, kw_only=True)
class Question(Held):
    """What of an upload must be told before it can be read."""

    most: ClassVar[int] = 1
    upload: str  # its id
    settings: Settings
    untold: Untold

    @property
    def size(self) -> int:
        """Bytes."""
        return self.untold.size


@dataclass(eq=False, kw_only=True)
class Pictures(Held):
    """What was read of an upload. The tensors are shared with runs: never write into them."""

    most: ClassVar[int] = 3
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
        _, fit, seed, split, level, pixels, layout = self.settings
        _, height, width = self.images.image_shape
        extra = ", letter-boxed" * (fit == "letterbox") + f", split {seed}" * (seed != 0) + ", own split" * (split == "own")
        extra += "" if level is None else f", classes by level {level}" if level else ", no classes"
        extra += f", pixels {pixels}" * (pixels is not None) + f", layout {layout}" * (layout is not None)
        return f"Yours: {own_name(self.images.name)}, {width} x {height}{extra}"


@dataclass(eq=False, kw_only=True)
class Model(Held):
    """A checkpoint that the visitor opened or kept."""

    most: ClassVar[int] = 12
    away: ClassVar[float] = KEEP_SECONDS
    weights: bytes

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.weights)


def budget() -> int:
    """Bytes that visitors may leave: LATENTSCAPE_MEMORY ("500MB", "2GiB"), by default a quarter of the memory there is.

    Raises BadInput where the variable is no amount of memory.
    """
    asked = os.environ.get("LATENTSCAPE_MEMORY")
    if not asked:
        return MEMORY_LIMIT // SHARE
    try:
        found = parse_bytes(asked)
    except (ValueError, OverflowError):
        found = 0
    if found <= 0:
        raise BadInput(f"LATENTSCAPE_MEMORY is {asked!r:.40}, which is no amount of memory; write it as 500MB or 2GiB.")
    return found


@once
def store() -> Store:
    """The one store of this server."""
    try:
        most = budget()
    except BadInput as problem:  # it is for whoever runs the server, not for a visitor
        most = MEMORY_LIMIT // SHARE
        log.error("%s Until then it is a quarter of the memory.", problem)
    return Store(is_connected, most=most)


def mine() -> list[Pictures]:
    """The picture sets of whoever this page is drawn for, oldest first."""
    return store().of(visitor(), session(), Pictures)


def models() -> list[Model]:
    """The visitor's own checkpoints, oldest first; each has another name."""
    return store().of(visitor(), session(), Model)


def add_model(name: str, weights: bytes) -> None:
    """Put a checkpoint among the visitor's own, in the place of one with this name. Raises BadInput where there is no room."""
    same = [model for model in models() if model.name == name]
    store().add(Model(owner=visitor(), name=name, weights=weights), session())
    for model in same:
        store().remove(model)


def remembered(key: Hashable, make: Callable[[], T], spinner: str | None = None, own: bool = False) -> T:
    """What make() returns, made once for all visitors, or once for this one where it is made of what is theirs; while it is
    being made, the page shows the words `spinner`. Shared: never change it."""

    def making() -> T:
        with st.spinner(spinner) if spinner else contextlib.nullcontext():
            return make()

    return store().remembered(key, making, visitor() if own else EVERYBODY, session())


def _forget_packed() -> None:
    store().forget_for(session())


keep_with(lambda key, make: remembered(("pad", *key), make), _forget_packed)
