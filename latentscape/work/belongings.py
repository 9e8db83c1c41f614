"""What a visitor brings and makes here, for their eyes alone: uploads, pictures, models; and how much of it there may be.

Uploads and pictures live as long as a tab of the visitor's is open, or a run trains on them; models stay half an hour longer.
"""

import os
import threading
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from dask.utils import parse_bytes
from distributed.system import MEMORY_LIMIT

from latentscape.work.store import KEEP_SECONDS, Held
from vae_core.arrays import Untold
from vae_core.data import ImageSet, own_name
from vae_core.errors import BadInput
from vae_core.folder import Report

SHARE = 4  # of the machine's memory (the container's, where it is in one), a quarter
reading = threading.Semaphore(1)  # one visitor's upload is read at a time: what that takes comes on top of what is kept


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
