"""A person's own pictures, in a folder or a zip file -> an ImageSet and a report of what was read.

Pictures lie flat, or in a folder for each class. Names are never used as paths: a zip file is read entry by entry in memory,
and of a name only the folder's is kept, as a class. Pictures are decoded one at a time and made small at once, so that the
result and one full picture are all that is held. The limits below are the only ones.
"""

import hashlib
import io
import os
import stat
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from vae_core.data import ImageSet, image_set
from vae_core.errors import BadInput, in_range
from vae_core.picture import MAX_FILE, eight_bits, opened

MAX_ARCHIVE = 300 * 2**20  # bytes of a zip file
MAX_UNPACKED = 2**30  # bytes of everything in it
MAX_RATIO = 200  # unpacked to packed, where it unpacks to more than MAX_FILE: pictures hardly shrink
MAX_DIRECTORY = 8 * 2**20  # bytes of a zip file's table of contents
MAX_ENTRIES = 40_000  # files and folders of any kind
MAX_PICTURES = 20_000
MAX_RESULT = 2**28  # bytes of the small pictures together
MAX_CLASSES = 500
MAX_NAME = 60  # letters of a class name
TEST_SHARE = 1 / 6  # as in MNIST
FEW = 200  # pictures below which a model learns them by heart
FITS = ("crop", "letterbox")
NO_FOLDER = "(no folder)"
JUNK = {"__macosx", ".ds_store", "thumbs.db", "desktop.ini"}


class Skipped(NamedTuple):
    """A file that is not among the pictures: its name, made fit to show, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Report:
    """What became of the files."""

    read: int
    skipped: tuple[Skipped, ...]
    duplicates: int  # files with the very bytes of another: left out, or the test set would hold training pictures
    transparent: int  # put on white
    animated: int  # of which the first frame was taken
    turned: int  # upright as their EXIF says
    balance: dict[str, int]  # pictures of each class; empty where there are no classes

    def sentences(self) -> list[str]:
        """The report for people, the few-pictures warning last."""
        return [*self.facts(), *([self.warning] if self.warning else [])]

    @property
    def warning(self) -> str:
        """What to expect of few pictures; empty of enough."""
        if self.read >= FEW:
            return ""
        return f"Fewer than {FEW} pictures are soon known by heart: expect blurry samples, and bring more if you can."

    def facts(self) -> list[str]:
        """What was read, and what was done to it."""
        said = [f"{self.read:,} pictures were read."]
        if self.balance:
            said.append(
                f"They are of {len(self.balance)} classes, {min(self.balance.values())} to {max(self.balance.values())} each."
            )
        for count, what in (
            (self.duplicates, "left out as exact copies of another"), (self.transparent, "transparent: put on white"),
            (self.animated, "animated: the first frame was taken"), (self.turned, "turned upright as their EXIF says"),
            (len(self.skipped), "skipped"),
        ):  # fmt: skip
            if count:
                said.append(f"{count:,} {what}.")
        return said


class _File(NamedTuple):
    name: str
    read: Callable[[], bytes]  # raises BadInput


def read_pictures(
    source: Path | bytes, image_size: int = 32, fit: str = "crop", name: str | None = None, seed: int = 0,
    each: Callable[[int, int], None] = lambda done, of: None,
) -> tuple[ImageSet, Report]:  # fmt: skip
    """The pictures in `source` (a folder, or a zip file as path or bytes) as image_size x image_size, and what was done.

    uint8, three channels, or one where every picture is grey. `fit` is crop (the middle square) or letterbox (all of it, on
    white); transparent parts become white. A seeded sixth is the test set; the order is a seeded draw too. `name` is the
    file's for people, by default the path's. `each(done, of)` is called before each file. Raises BadInput where nothing can be
    read, or where a limit of this file is passed.
    """
    in_range("image size", image_size, 8, 64, whole=True)
    if fit not in FITS:
        raise BadInput(f"There is no fit called {fit!r}; choose crop or letterbox.")
    in_range("seed of the split", seed, 0, 2**31 - 1, whole=True)
    name = name or (Path(os.path.abspath(source)).name if isinstance(source, Path) else "pictures.zip")
    if isinstance(source, Path) and source.is_dir():
        return _read(_in_folder(source), [], image_size, fit, name, seed, each)
    with _open_zip(source, name) as archive:
        files, skipped = _in_zip(archive, name)
        return _read(files, skipped, image_size, fit, name, seed, each)


def set_name(name: str) -> str:
    """What the pictures of the folder or zip file called `name` are called as a data set."""
    return f"folder:{_short(name[:-4] if name.lower().endswith('.zip') else name)}"


def _read(
    files: list[_File], skipped: list[Skipped], size: int, fit: str, name: str, seed: int, each: Callable[[int, int], None]
) -> tuple[ImageSet, Report]:
    if not files:
        raise BadInput(f"{_short(name)} holds no pictures; put PNG, JPEG, WebP, GIF or BMP files into it.")
    if len(files) > MAX_PICTURES:
        raise BadInput(f"{_short(name)} holds {len(files):,} files; at most {MAX_PICTURES:,} are read. Take some out.")
    if len(files) * 3 * size**2 > MAX_RESULT:
        raise BadInput(f"{len(files):,} pictures of {size} x {size} are more than is kept; choose a smaller size.")
    files = sorted(files, key=lambda file: file.name)  # the same draw wherever they come from
    files = [files[index] for index in np.random.default_rng(seed).permutation(len(files))]
    images = np.empty((len(files), 3, size, size), np.uint8)  # test pictures from the front, training pictures from the back
    names = [""] * len(files)
    tests, train_from, to_test = 0, len(files), max(1, round(TEST_SHARE * len(files)))
    seen: set[bytes] = set()
    counts: Counter[str] = Counter()
    grey = True
    for position, file in enumerate(files):
        each(position, len(files))
        try:
            raw = file.read()
            digest = hashlib.sha256(raw).digest()
            if digest in seen:
                counts["duplicates"] += 1
                continue
            small, notes = _small(raw, size, fit)
        except BadInput as error:
            skipped.append(Skipped(_short(file.name, 200), str(error)))
            continue
        seen.add(digest)
        counts.update(notes)
        if position < to_test:
            slot, tests = tests, tests + 1
        else:
            slot = train_from = train_from - 1
        images[slot], names[slot] = small.transpose(2, 0, 1), file.name
        grey = grey and bool((small == small[..., :1]).all())
    if len(files) - train_from + tests < 3:
        raise BadInput(f"{_short(name)} holds {len(seen)} pictures that can be read; at least 3 are needed.{_first(skipped)}")
    classes, class_of = _classes([name for name in names if name])  # what is no picture has no say in them
    labels = np.array([class_of.get(name, 0) for name in names], np.int64)
    images, labels = _both_sides(images, labels, tests, train_from)
    if grey:
        images = [np.ascontiguousarray(part[:, :1]) for part in images]
    parts = image_set(set_name(name), images[1], labels[1], images[0], labels[0], classes)
    kept = Counter(np.concatenate(labels).tolist())
    balance = {title: kept[label] for label, title in enumerate(classes)}
    return parts, Report(len(seen), tuple(sorted(skipped)), *(counts[what] for what in ("duplicates", *NOTES)), balance)


def _both_sides(images: np.ndarray, labels: np.ndarray, tests: int, train_from: int) -> tuple[list, list]:
    """[test, train] as views; where one side is empty because its files could not be read, it gets a picture of the other."""
    if tests == 0:
        cut = slice(train_from, train_from + 1), slice(train_from + 1, None)
    elif len(images) - train_from < 2:  # nothing lies between: move the borrowed ones up to the others
        short = 2 - (len(images) - train_from)
        tests -= short
        images[train_from - short : train_from] = images[tests : tests + short].copy()
        labels[train_from - short : train_from] = labels[tests : tests + short].copy()
        cut = slice(0, tests), slice(train_from - short, None)
    else:
        cut = slice(0, tests), slice(train_from, None)
    return [images[part] for part in cut], [labels[part] for part in cut]


NOTES = ("transparent", "animated", "turned")


def _small(raw: bytes, size: int, fit: str) -> tuple[np.ndarray, list[str]]:
    """A picture file -> uint8 RGB (size, size, 3), and which of NOTES apply. Raises BadInput."""
    with opened(raw, least=2 * size) as image:
        notes = [note for note, holds in zip(NOTES, (
            image.has_transparency_data, getattr(image, "is_animated", False),
            image.getexif().get(0x0112, 1) in range(2, 9),  # the tag Orientation; 1 is upright
        ), strict=True) if holds]  # fmt: skip
        if image.mode.startswith("I"):
            image = eight_bits(image)
        elif image.has_transparency_data:
            image = image.convert("RGBA")
        elif image.mode not in ("L", "RGB", "CMYK"):
            image = image.convert("RGB")
        width, height = image.size
        side = min(width, height)
        if fit == "crop":
            box = ((width - side) / 2, (height - side) / 2, (width + side) / 2, (height + side) / 2)
            inner = size, size
        else:
            box, longest = (0, 0, width, height), max(width, height)
            inner = max(1, round(width * size / longest)), max(1, round(height * size / longest))
        small = image.resize(inner, Image.Resampling.BILINEAR, box, reducing_gap=3.0)
        small = ImageOps.exif_transpose(small)  # after resizing, because it copies
        small = (small.convert("RGB") if small.mode == "CMYK" else small).convert("RGBA")
        paper = Image.new("RGBA", (size, size), "white")
        paper.alpha_composite(small, ((size - small.width) // 2, (size - small.height) // 2))
        return np.asarray(paper.convert("RGB")), notes


# Where files come from.


def _in_folder(folder: Path) -> list[_File]:
    """Regular files below `folder`; links are not followed."""
    found, entries = [], 0
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _junk(name))
        entries += len(folders) + len(names)
        if entries > MAX_ENTRIES:
            raise BadInput(f"{_short(folder.name)} holds more than {MAX_ENTRIES:,} files; at most so many are looked at.")
        for name in sorted(names):
            path = Path(here, name)
            if not _junk(name):
                found.append(_File(path.relative_to(folder).as_posix(), lambda path=path: _file(path)))
    return found


def _file(path: Path) -> bytes:
    try:
        about = path.lstat()
        if not stat.S_ISREG(about.st_mode):  # a pipe would wait for ever
            raise BadInput("It is a link or no ordinary file.")
        if about.st_size > MAX_FILE:
            raise BadInput(TOO_LARGE)
        with path.open("rb") as file:
            return file.read(MAX_FILE + 1)
    except OSError as error:
        raise BadInput(f"It cannot be read ({error.strerror}).") from error


TOO_LARGE = f"It is larger than {MAX_FILE // 2**20} MB."


def _open_zip(source: Path | bytes, name: str) -> zipfile.ZipFile:
    """A zip file whose table of contents is small enough to read. Raises BadInput."""
    try:
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        if size > MAX_ARCHIVE:
            raise BadInput(
                f"{_short(name)} has {size / 2**20:.0f} MB; zip files of at most {MAX_ARCHIVE // 2**20} MB are read."
            )
        file = io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")
        try:
            _check_directory(file, size, name)
            return zipfile.ZipFile(file)
        except BaseException:
            file.close()
            raise
    except OSError as error:
        raise BadInput(f"{_short(name)} cannot be read ({error.strerror}); give a folder or a zip file.") from error
    except BadInput:
        raise
    except Exception as error:  # zipfile raises nearly anything on damaged files
        raise BadInput(f"{_short(name)} is no intact zip file; make it again.") from error


def _check_directory(file, size: int, name: str) -> None:
    """zipfile makes an object of each entry when it opens a file, so the table's length is looked at first: bytes 12 to 15 of
    the end record (PKWARE APPNOTE 4.3.16), found as zipfile finds it. Files that need the larger zip64 record are refused."""
    file.seek(max(0, size - 22 - 65_535 - 20))
    tail = file.read()
    at = len(tail) - 22 if tail[-22:-18] == b"PK\5\6" and tail[-2:] == b"\0\0" else tail.rfind(b"PK\5\6")
    length = int.from_bytes(tail[at + 12 : at + 16], "little")
    if at < 0 or len(tail) < at + 22:
        raise BadInput(f"{_short(name)} is no intact zip file; make it again.")
    if length > MAX_DIRECTORY or tail[max(0, at - 20) : at].startswith(b"PK\6\7"):
        raise BadInput(f"{_short(name)} lists more files than are read (at most {MAX_ENTRIES:,}); take some out.")
    file.seek(0)


def _in_zip(archive: zipfile.ZipFile, name: str) -> tuple[list[_File], list[Skipped]]:
    """Files to read, and those that are not. Raises BadInput where the whole looks like a bomb."""
    entries = archive.infolist()
    total, packed = sum(e.file_size for e in entries), sum(e.compress_size for e in entries)
    if len(entries) > MAX_ENTRIES:
        raise BadInput(f"{_short(name)} lists {len(entries):,} files; at most {MAX_ENTRIES:,} are read. Take some out.")
    if total > MAX_UNPACKED:
        raise BadInput(
            f"{_short(name)} unpacks to more than {MAX_UNPACKED // 2**20:,} MB, the most that is read; take some out."
        )
    if total > max(MAX_FILE, MAX_RATIO * packed):
        raise BadInput(f"{_short(name)} unpacks to more than {MAX_RATIO} times its size, as pictures never do; make it again.")
    files, skipped, budget = [], [], [MAX_UNPACKED]
    for entry in entries:
        if entry.is_dir() or any(_junk(part) for part in _parts(entry.filename)):
            continue
        if reason := _refused(entry):
            skipped.append(Skipped(_short(entry.filename, 200), reason))
        else:
            files.append(_File(entry.filename, lambda entry=entry: _entry(archive, entry, budget)))
    return files, skipped


def _refused(entry: zipfile.ZipInfo) -> str | None:
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "It is a link."
    if entry.flag_bits & 0x1:
        return "It is encrypted."
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "It is compressed in a way that is not read here."
    return TOO_LARGE if entry.file_size > MAX_FILE else None


def _entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, budget: list[int]) -> bytes:
    """The bytes of one entry, counted against what the whole may unpack to, whatever sizes are declared."""
    try:
        with archive.open(entry) as file:
            raw = file.read(min(MAX_FILE, budget[0]) + 1)
    except Exception as error:  # zipfile and zlib raise nearly anything on damaged entries
        raise BadInput("It is damaged.") from error
    budget[0] -= len(raw)
    if len(raw) > MAX_FILE or budget[0] < 0:
        raise BadInput(TOO_LARGE)
    if raw.startswith(b"PK\3\4"):
        raise BadInput("It is an archive within the archive.")
    return raw


# What names say.


def _parts(name: str) -> list[str]:
    """The parts of a name that are names: no roots, no drives, no dots."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return [part for part in parts if part not in ("/", "//", "..") and not (len(part) == 2 and part[1] == ":")]


def _junk(part: str) -> bool:
    """What systems leave in folders without being asked; a name that starts with a dot is hidden."""
    return part.lower() in JUNK or part.startswith(".")


def _classes(names: list[str]) -> tuple[tuple[str, ...], dict[str, int]]:
    """Class names, and the class of each file: the first folder in which they differ. No folders, or only one: no classes."""
    folders = {name: tuple(_parts(name)[:-1]) for name in names}
    common = len(list(takewhile(lambda level: len(set(level)) == 1, zip(*folders.values(), strict=False))))
    found = {name: (folder[common:] or ("",))[0] for name, folder in folders.items()}
    raw = sorted(set(found.values()))
    if len(raw) < 2:
        return (), dict.fromkeys(names, 0)
    if len(raw) > MAX_CLASSES:
        raise BadInput(f"There are {len(raw):,} folders of pictures; at most {MAX_CLASSES} classes are kept.")
    titles: list[str] = []
    for folder in raw:
        title = _short(folder) if folder else NO_FOLDER
        titles.append(next(one for one in (title, *(f"{title} ({n})" for n in range(2, len(raw) + 2))) if one not in titles))
    index = {folder: label for label, folder in enumerate(raw)}
    return tuple(titles), {name: index[folder] for name, folder in found.items()}


def _short(name: str, longest: int = MAX_NAME) -> str:
    """Any text as a name that a page can show: printable, of bounded length, never empty."""
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name[: longest + 1]).strip()
    return (shown if len(name) <= longest else f"{shown[:longest]}…") or "?"


def _first(skipped: list[Skipped]) -> str:
    return f" The first of {len(skipped)} others: {skipped[0].reason}" if skipped else ""
