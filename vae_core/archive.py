"""Where pictures come from: the files below a folder or in a zip file, by their names, none of them read yet.

Names are never used as paths: a zip file is read entry by entry in memory. What a hostile file can claim is looked at before
anything is made of it. These limits, `picture.py`'s of one picture and `folder.py`'s of the result are the only ones.
"""

import io
import os
import stat
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from vae_core import file_kinds, zip_names
from vae_core.errors import BadInput
from vae_core.picture import MAX_FILE

MAX_ARCHIVE = 300 * 2**20  # bytes of a zip file
MAX_UNPACKED = 2**30  # bytes of everything in it that may be read
MAX_RATIO = 200  # unpacked to packed, where it unpacks to more than MAX_FILE: pictures hardly shrink
MAX_DIRECTORY = 24 * 2**20  # bytes of a zip file's table of contents
MAX_ENTRIES = 100_000  # files and folders of any kind: pictures, what lies beside each, and what a Mac adds to both
MAX_NAME = 60  # letters of a class name
MAX_CALLED = 200  # of what a folder or file is called in a sentence
JUNK = {"__macosx", ".ds_store", "thumbs.db", "desktop.ini", "ehthumbs.db", "@eadir"}
TOO_LARGE = f"It is larger than {MAX_FILE // 2**20} MB."


class Skipped(NamedTuple):
    """A file that is not among the pictures: its name, made fit to show, and why."""

    name: str
    reason: str


class File(NamedTuple):
    """A file that may be a picture."""

    name: str
    read: Callable[[], bytes]  # raises BadInput


@dataclass
class Files:
    """What a folder or zip file holds."""

    files: list[File] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    beside: Counter[str] = field(default_factory=Counter)  # by suffix: files that lie beside pictures, not looked at
    alphabet: str = ""  # of names that do not say it themselves

    def put(self, name: str, read: Callable[[], bytes]) -> None:
        """A file, or what lies beside pictures."""
        if file_kinds.suffix(name) in file_kinds.BESIDE_SUFFIXES:
            self.beside[f".{file_kinds.suffix(name)}"] += 1
        else:
            self.files.append(File(name, read))


@contextmanager
def files_of(source: Path | bytes, name: str) -> Iterator[Files]:
    """The files in `source` (a folder, or a zip file as path or bytes), which is called `name`, for the length of a `with`.

    Raises BadInput where it cannot be opened, or passes a limit of this file.
    """
    if isinstance(source, Path) and source.is_dir():
        yield _in_folder(source, name)
        return
    with open_zip(source, name) as archive:
        yield _in_zip(archive, name)


def short(name: str, longest: int = MAX_NAME) -> str:
    """Any text as a name that a page can show: printable, of bounded length, never empty."""
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name[: longest + 1]).strip()
    return (shown if len(name) <= longest else f"{shown[:longest]}…") or "?"


def said(name: str) -> str:
    """What a folder or a file is called in a sentence, by its name or as its path was typed."""
    return short(name, MAX_CALLED)


def parts(name: str) -> list[str]:
    """The parts of a name that are names: no roots, no drives, no dots."""
    found = PurePosixPath(name.replace("\\", "/")).parts
    return [part for part in found if part not in ("/", "//", "..") and not (len(part) == 2 and part[1] == ":")]


def is_junk(part: str) -> bool:
    """What systems leave in folders without being asked; a name that starts with a dot is hidden."""
    return part.lower() in JUNK or part.startswith(".")


def _in_folder(folder: Path, called: str) -> Files:
    """Regular files below `folder`; links are not followed."""
    paths, entries = [], 0
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_junk(name))
        entries += len(folders) + len(names)
        if entries > MAX_ENTRIES:
            raise BadInput(f"{said(called)} holds more than {MAX_ENTRIES:,} files; at most so many are looked at.")
        paths += [Path(here, name) for name in sorted(names) if not is_junk(name)]
    names = {path: path.relative_to(folder).as_posix() for path in paths}
    strange = {path: os.fsencode(name) for path, name in names.items() if not _is_unicode(name)}
    read, alphabet = zip_names.decoded(set(strange.values()))
    found = Files(alphabet=alphabet)
    for path, name in names.items():
        plain = read[strange[path]] if path in strange else name
        found.put(unicodedata.normalize("NFC", plain), lambda path=path: _file(path))
    return found


def _is_unicode(name: str) -> bool:
    """False of names that Python could not read in the file system's encoding, and kept as single surrogates."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


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


class _Watched:
    """A zip file as zipfile reads it.

    zipfile makes an object of each entry when it opens a file. So the table of contents is looked at while it is read: where
    and as long as zipfile believes it to be, whose rules for zip64 records differ between versions of Python.
    """

    def __init__(self, file, name: str):
        self.seek, self.tell, self.close, self._read, self._name = file.seek, file.tell, file.close, file.read, name

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._read(size) if size <= MAX_DIRECTORY else None
        if data is None or data.count(b"PK\1\2") > MAX_ENTRIES:  # each entry of the table begins so
            raise BadInput(f"{said(self._name)} lists more files than are read (at most {MAX_ENTRIES:,}); take some out.")
        return data


def open_bounded(source: Path | bytes, name: str, kind: str) -> tuple[BinaryIO, int]:
    """A file of this kind, opened, and its size in bytes. Raises BadInput where it is not there, or too large."""
    try:
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        if size > MAX_ARCHIVE:
            raise BadInput(f"{said(name)} has {size / 2**20:.0f} MB; {kind}s of at most {MAX_ARCHIVE // 2**20} MB are read.")
        return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb"), size
    except OSError as error:
        way = "a folder or a zip file" if kind == "zip file" else f"a {kind}"
        raise BadInput(f"{said(name)} cannot be read ({error.strerror}); give {way}.") from error


def open_zip(source: Path | bytes, name: str, kind: str = "zip file") -> zipfile.ZipFile:
    """A zip file whose table of contents is small enough to read. Raises BadInput, in which it is called a `kind`."""
    file, _ = open_bounded(source, name, kind)
    try:
        return zipfile.ZipFile(_Watched(file, name))
    except BaseException as error:
        file.close()
        if isinstance(error, BadInput) or not isinstance(error, Exception):
            raise
        raise BadInput(f"{said(name)} is no intact {kind}; make it again.") from error  # zipfile raises nearly anything


def _in_zip(archive: zipfile.ZipFile, name: str) -> Files:
    """Files to read, and those that are not. Raises BadInput where the whole looks like a bomb."""
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        raise BadInput(f"{said(name)} lists {len(entries):,} files; at most {MAX_ENTRIES:,} are read. Take some out.")
    names, alphabet = zip_names.names_in(entries)
    found, left, total, packed = Files(alphabet=alphabet), _Left(MAX_UNPACKED), 0, 0
    for entry, title in zip(entries, names, strict=True):
        if _is_folder(entry, title) or any(is_junk(part) for part in parts(title)):
            continue
        beside = file_kinds.suffix(title) in file_kinds.BESIDE_SUFFIXES
        if not beside:
            total, packed = total + entry.file_size, packed + entry.compress_size
        if not beside and (reason := refused(entry)):
            found.skipped.append(Skipped(short(title, 200), reason))
        else:
            found.put(title, lambda entry=entry: _entry(archive, entry, left))
    check_unpacked(total, packed, name)
    return found


def check_unpacked(total: int, packed: int, name: str) -> None:
    """Raise BadInput where so many bytes that are packed into so few, by what an archive declares, look like a bomb."""
    if total > MAX_UNPACKED:
        raise BadInput(
            f"{said(name)} unpacks to more than {MAX_UNPACKED // 2**20:,} MB, the most that is read; take some out."
        )
    if total > max(MAX_FILE, MAX_RATIO * packed):
        raise BadInput(f"{said(name)} unpacks to more than {MAX_RATIO} times its size, as pictures never do; make it again.")


def _is_folder(entry: zipfile.ZipInfo, title: str) -> bool:
    """By the slash of either kind at the end of its name, or by what DOS or Unix said of it."""
    marked = entry.external_attr & 0x10 or stat.S_ISDIR(entry.external_attr >> 16)
    return title.endswith(("/", "\\")) or not parts(title) or bool(marked and not entry.file_size)


def refused(entry: zipfile.ZipInfo, most: int = MAX_FILE) -> str | None:
    """Why an entry is not read; None where it is."""
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "It is a link."
    if entry.flag_bits & 0x1:
        return "It is encrypted."
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "It is compressed in a way that is not read here."
    if entry.file_size == 0:
        return file_kinds.refusal("empty")
    return TOO_LARGE if entry.file_size > most else None


@dataclass
class _Left:
    """Bytes that may still be unpacked of an archive; an entry that is read twice counts once."""

    bytes: int
    counted: set[int] = field(default_factory=set)


def _entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, left: _Left) -> bytes:
    """The bytes of one entry, counted against what the whole may unpack to, whatever sizes are declared."""
    try:
        with archive.open(entry) as file:
            raw = file.read((MAX_FILE if id(entry) in left.counted else max(0, min(MAX_FILE, left.bytes))) + 1)
    except Exception as error:  # zipfile and zlib raise nearly anything on damaged entries
        raise BadInput("It is damaged.") from error
    if id(entry) not in left.counted:
        left.counted.add(id(entry))
        left.bytes -= len(raw)
    if len(raw) > MAX_FILE or left.bytes < 0:
        raise BadInput(TOO_LARGE)
    return raw
