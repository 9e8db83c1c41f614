"""A file of somebody's own arrays (.npz, .npy, or a table as Kaggle has them) -> an ImageSet and a report of what was read.

An .npz holds `images` and, if there are any, `labels`; an .npy is the images; a .csv has a picture a row (pixel_table.py).
Nothing of Python is ever unpickled. Pictures keep their size.
"""

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple
from zipfile import ZipFile, ZipInfo

import numpy as np

from vae_core import archive, arrays, file_kinds
from vae_core.archive import MAX_UNPACKED, said, short
from vae_core.arrays import SIDES, Found, Untold, in_short
from vae_core.data import ImageSet, image_set
from vae_core.errors import BadInput, in_range
from vae_core.folder import MAX_RESULT, TEST_SHARE
from vae_core.layout import MAX_CLASSES
from vae_core.pixel_table import read_table
from vae_core.report import Report, faults_of

SUFFIXES = ("npz", "npy", "csv")
MAX_PICTURES = 200_000
IMAGES, LABELS = "images", "labels"  # what they are called in an .npz
PICKLED = "holds Python objects (pickle), which are never opened here; save plain numbers with np.savez(..., images=images)"


class Raw(NamedTuple):
    """What a file holds, as it came."""

    images: np.ndarray
    labels: np.ndarray | None
    said: tuple[str, ...] = ()  # with somebody's words
    kind: str | None = None  # what to call the type of the values
    outlier: str = ""  # of a table: the first whole number that is no byte, and where


def is_array_file(name: str) -> bool:
    """Whether a file of this name is read here, and not as pictures."""
    return file_kinds.suffix(name) in SUFFIXES


def read_arrays(
    source: Path | bytes, name: str | None = None, seed: int = 0, pixels: str | None = None, layout: str | None = None,
    each: Callable[[int, int], None] = lambda done, of: None, called: str | None = None,
) -> tuple[ImageSet, Report]:
    """The pictures in `source` (a path, or bytes of a file called `name`), and what was done.

    `pixels` and `layout` are those of `arrays.images_of`. A seeded sixth is the test set. `each(done, of)` is told bytes of a
    table. A refusal calls the file by its name, or as it is `called`. Raises Untold where something has to be said first,
    BadInput where nothing can be read or a limit is passed.
    """
    in_range("seed of the split", seed, 0, 2**31 - 1, whole=True)
    name = name or source.name
    called = said(called) if called else short(name)
    raw = _raw(source, name, called, each)
    labels, classes = _classes(raw.labels, len(raw.images) if raw.images.ndim else 0, called)
    images, found = _converted(raw, called, pixels, layout)
    count = len(images)
    order = np.random.default_rng(seed).permutation(count)
    test, training = np.split(order, [max(1, round(TEST_SHARE * count))])
    sides = [images[test], images[training]]
    parts = image_set(
        f"file:{short(name.rsplit('.', 1)[0])}", sides[1], labels[training], sides[0], labels[test], classes, pixels="0..255"
    )
    kept = Counter(labels.tolist())
    report = Report(
        count, (), 0, 0, 0, 0, {title: kept[label] for label, title in enumerate(classes)}, depth=_sentence(found),
        named=raw.said, faults=faults_of(sides), ranges=found.ranges, layouts=found.layouts, sources=tuple(order.tolist()),
    )
    return parts, report


def _converted(raw: Raw, called: str, pixels: str | None, layout: str | None) -> tuple[np.ndarray, Found]:
    """The pictures, within the limits; these are looked at before anybody is asked about the pixels."""
    try:
        (images,), found = arrays.images_of(called, [raw.images], pixels, layout, raw.kind)
    except Untold as untold:
        if untold.asked == "pixels":
            _check_limits((len(raw.images), *untold.by(untold.choices[0]).shape[1:]), called)
        if untold.asked == "layout" or not raw.outlier:
            raise
        way = f"mend it, or say with pixels what is meant, as in {untold.choices[0]}"
        raise Untold(
            f"{raw.outlier}, and pixels of a .csv file are 0..255; {way}.", "pixels", untold.choices, untold.about, untold.some,
            untold.told, f"{raw.outlier}.",
        ) from untold
    _check_limits(images.shape, called)
    return images, found


def _check_limits(shape: tuple[int, ...], called: str) -> None:
    """Raise BadInput where so many pictures of such a size are not read."""
    count, channels, *sides = shape
    least, most = SIDES
    if not all(least <= side <= most for side in sides):
        raise BadInput(
            f"The pictures of {called} are {sides[1]:,} x {sides[0]:,} pixels; {least} to {most} a side are read. Change "
            "their size first, or look whether the first size of the array counts the pictures."
        )
    if channels not in (1, 3):
        raise BadInput(f"The pictures of {called} have {channels} channels; keep 1, or 3 of red, green and blue.")
    if count < 3:
        raise BadInput(f"{called} holds {count} pictures; at least 3 are needed.")
    if count > MAX_PICTURES:
        raise BadInput(f"{called} holds {count:,} pictures; at most {MAX_PICTURES:,} are read. Take some out.")
    if math.prod(shape) > MAX_RESULT:
        raise BadInput(f"{called} holds {math.prod(shape) / 2**20:.0f} MB of pixels, more than is kept; take some out.")


def _sentence(found: Found) -> str:
    low, high, black, white = map(in_short, (found.low, found.high, *found.used))
    return f"Their values are {found.kind} from {low} to {high}, of which {black} is black and {white} white."


def _classes(labels: np.ndarray | None, count: int, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """The class of each picture, int64 (count,), and what the classes are called: whole numbers, or words."""
    if labels is None:
        return np.zeros(count, np.int64), ()
    if labels.ndim == 2 and labels.shape[1] > 1 and len(labels) == count:
        raise BadInput(f"The labels of {name} are {labels.shape[1]} values a picture; give one, such as labels.argmax(1).")
    if labels.shape not in ((count,), (count, 1)):
        raise BadInput(f"{name} holds {count:,} pictures, but labels of the shape {labels.shape}; give one label a picture.")
    labels = labels.ravel()
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels, "utf-8", "replace")
    if labels.dtype.kind == "U":
        labels = _as_numbers(labels)
    if labels.dtype.kind == "f":
        if not (np.isfinite(labels) & (labels == np.rint(labels))).all():
            raise BadInput(f"The labels of {name} are no whole numbers and no words, so they name no classes; leave them out.")
        labels = labels.astype(np.int64)
    if labels.dtype.kind not in "biuU":
        raise BadInput(f"The labels of {name} are {labels.dtype.name}; give whole numbers or words.")
    values, index = np.unique(labels, return_inverse=True)
    if len(values) > MAX_CLASSES:
        raise BadInput(f"The labels of {name} have {len(values):,} values; at most {MAX_CLASSES} classes are kept.")
    if len(values) < 2:
        return np.zeros(count, np.int64), ()
    titles: list[str] = []
    for value in values.tolist():
        title = short(str(value))
        titles.append(next(one for one in (title, *(f"{title} ({n})" for n in range(2, len(values) + 2))) if one not in titles))
    return index.astype(np.int64), tuple(titles)


def _as_numbers(words: np.ndarray) -> np.ndarray:
    """Words that are all whole numbers as such, so that 10 comes after 9; others as they are."""
    try:
        numbers = words.astype(np.float64)
    except ValueError:
        return words
    return numbers if (np.abs(numbers) < 2**53).all() and (numbers == np.rint(numbers)).all() else words


# Files.


def _raw(source: Path | bytes, name: str, called: str, each: Callable[[int, int], None]) -> Raw:
    kind = file_kinds.suffix(name)
    if kind not in SUFFIXES:
        raise BadInput(f"{called} is no .npz, .npy or .csv file; give pictures in a folder or zip file as such.")
    if kind == "npz":
        return _npz(source, called)
    file, size = archive.open_bounded(source, called, f".{kind} file")
    with file:
        if kind == "npy":
            return Raw(_array(file, size, called), None)
        table = read_table(file, called, lambda done: each(done, size), MAX_PICTURES)
    return Raw(table.pixels, table.labels, table.said, table.kind, table.outlier)


def _npz(source: Path | bytes, called: str) -> Raw:
    with archive.open_zip(source, called, ".npz file") as packed:
        entries = {entry.filename.removesuffix(".npy"): entry for entry in packed.infolist()}
        names = ", ".join(short(one) for one in sorted(entries)[:5]) + ", ..." * (len(entries) > 5)
        if IMAGES not in entries:
            holds = f"holds {names}, but no" if entries else "holds no"
            raise BadInput(f"{called} {holds} array called {IMAGES}; save it with np.savez(..., images=..., labels=...).")
        wanted = [entries[one] for one in (IMAGES, LABELS) if one in entries]
        archive.check_unpacked(sum(entry.file_size for entry in wanted), sum(entry.compress_size for entry in wanted), called)
        images, *labels = [_entry(packed, entry, f"{entry.filename} in {called}") for entry in wanted]
    others = [short(one) for one in sorted(entries) if one not in (IMAGES, LABELS)]
    said = f"Other arrays in the file were not looked at: {', '.join(others[:5])}{', ...' * (len(others) > 5)}."
    return Raw(images, labels[0] if labels else None, (said,) if others else ())


def _entry(packed: ZipFile, entry: ZipInfo, name: str) -> np.ndarray:
    if reason := archive.refused(entry, MAX_UNPACKED):
        raise BadInput(f"{name} cannot be read: {reason} Save it again with np.savez.")
    try:
        with packed.open(entry) as file:
            return _array(file, entry.file_size, name)
    except BadInput:
        raise
    except Exception as error:  # zipfile and zlib raise nearly anything on damaged entries
        raise BadInput(f"{name} is damaged; save it again with np.savez.") from error


def _array(file: BinaryIO, size: int, name: str) -> np.ndarray:
    """The array in an .npy file of so many bytes. What its header claims is checked before memory is taken for it."""
    name = said(name)
    try:
        start = file.read(1)
        file.seek(0)
        if start == b"\x80":  # as pickles begin
            raise BadInput(f"{name} {PICKLED}.")
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = header(file)
        if kind.hasobject:
            raise BadInput(f"{name} {PICKLED}.")
        if min(shape, default=0) < 0:
            raise ValueError(shape)
        if math.prod(shape) * kind.itemsize > size - file.tell():
            raise BadInput(f"{name} ends before its {math.prod(shape):,} values do; copy it again.")
        file.seek(0)
        return np.load(file, allow_pickle=False)
    except BadInput:
        raise
    except Exception as error:  # numpy evaluates a header as Python's literals: nearly anything may be raised
        raise BadInput(f"{name} is no intact array; save it again with np.save or np.savez.") from error
