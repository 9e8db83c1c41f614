"""A person's own pictures, in a folder or a zip file -> an ImageSet and a report of what was read.

Pictures lie flat, or in folders that name classes or a split. They are decoded one at a time and made small at once, so that
the result and one full picture are all that is held. What is decided for a whole set (the paper below transparent pictures, the
range of those of 16 bits) is decided when all were seen: the former are kept with their transparency until then, the latter are
read a second time.
"""

import hashlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from vae_core import file_kinds
from vae_core.archive import File, Files, Skipped, files_of, said, short
from vae_core.data import ImageSet, image_set
from vae_core.errors import BadInput, in_range
from vae_core.layout import Layout, layout
from vae_core.report import Report, faults_of
from vae_core.shrink import Small, shrink

MAX_PICTURES = 20_000
MAX_RESULT = 2**28  # bytes of the small pictures together
TEST_SHARE = 1 / 6  # as in MNIST
FITS = ("crop", "letterbox")
SPLITS = ("seeded", "own")
FORMATS = "PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF"


def read_pictures(
    source: Path | bytes, image_size: int = 32, fit: str = "crop", name: str | None = None, seed: int = 0,
    each: Callable[[int, int], None] = lambda done, of: None, split: str = "seeded", class_level: int | None = None,
    called: str | None = None,
) -> tuple[ImageSet, Report]:
    """The pictures in `source` (a folder, or a zip file as path or bytes) as image_size x image_size, and what was done.

    uint8, three channels, or one where every picture is grey. `fit` is crop (the middle square) or letterbox (all of it, on
    paper); transparent parts become paper, too: white, or black or grey where what is drawn would not be seen. A seeded sixth
    is the test set, or with `split="own"` what lies in the set's own folders called test or the like (val, where there is no
    test); the order is a seeded draw. `class_level` says which of the levels at which folders differ names the classes, counted
    from 1; 0 is none, None the most sensible (see `layout`). `name` is the file's for people, by default the path's, and what a
    refusal calls it unless it is `called` otherwise there. `each(done, of)` is called before each file. Raises BadInput where
    nothing can be read, or where a limit is passed.
    """
    in_range("image size", image_size, 8, 64, whole=True)
    if fit not in FITS:
        raise BadInput(f"There is no fit called {fit!r}; choose crop or letterbox.")
    if split not in SPLITS:
        raise BadInput(f"There is no split called {split!r}; choose seeded or own.")
    in_range("seed of the split", seed, 0, 2**31 - 1, whole=True)
    name = name or (Path(source).absolute().name if isinstance(source, Path) else "pictures.zip")
    called = called or short(name)
    with files_of(source, called) as found:
        return _read(found, image_size, fit, name, said(called), seed, each, split, class_level)


def set_name(name: str) -> str:
    """What the pictures of the folder or zip file called `name` are called as a data set."""
    return f"folder:{short(name[:-4] if name.lower().endswith('.zip') else name)}"


def _read(
    found: Files, size: int, fit: str, name: str, called: str, seed: int, each: Callable[[int, int], None], split: str,
    level: int | None,
) -> tuple[ImageSet, Report]:
    files, tests = _in_order(found, size, called, seed, split)
    small = Small(min(len(files), MAX_PICTURES), size)
    skipped, beside = list(found.skipped), Counter(found.beside)
    counts: Counter[str] = Counter()
    seen: set[bytes] = set()
    for position, file in enumerate(files):
        each(position, len(files))
        raw = b""
        try:
            raw = file.read()
            digest = hashlib.sha256(raw).digest()
            if digest in seen:
                counts["duplicates"] += 1
                continue
            picture = shrink(raw, size, fit, file.name)
        except BadInput as error:
            is_called_one = file_kinds.suffix(file.name) in file_kinds.PICTURE_SUFFIXES
            if raw and not is_called_one and file_kinds.kind_of(raw, file.name) == "text":
                beside["text"] += 1
            else:
                skipped.append(Skipped(short(file.name, 200), str(error)))
            continue
        if len(seen) == MAX_PICTURES:
            raise BadInput(f"{called} holds more than {MAX_PICTURES:,} pictures, the most that is read; take some out.")
        seen.add(digest)
        counts.update(picture.notes)
        small.put(file, picture, position < tests)
    if len(seen) < 3:
        raise BadInput(f"{called} holds {len(seen)} pictures that can be read; at least 3 are needed.{_why(skipped)}")
    depth = small.read_deep(size, fit, each)
    paper = small.lay_on_paper()
    titles = [title for title in small.names if title]
    folders = layout(titles)  # of what is a picture: what is none has no say in them
    level = folders.checked(level)
    classes, class_of = folders.classes(level, titles)
    if split == "own" and not (small.tests and len(titles) - small.tests >= 2):
        raise BadInput(f"{called} has too few pictures on one side of its own split; choose the seeded one.")
    images, labels, sources = small.both_sides(np.array([class_of.get(title, 0) for title in small.names], np.int64))
    faults = faults_of(images)
    if small.grey:
        images = [np.ascontiguousarray(part[:, :1]) for part in images]
    parts = image_set(set_name(name), images[1], labels[1], images[0], labels[0], classes, pixels="0..255")
    kept = Counter(np.concatenate(labels).tolist())
    report = Report(
        len(seen), tuple(sorted(skipped)), *(counts[what] for what in ("duplicates", "transparent", "animated", "turned")),
        {title: kept[label] for label, title in enumerate(classes)}, counts["several"], dict(beside), paper, depth,
        found.alphabet, folders.levels, level, folders.default, folders.asked, tuple(folders.sentences(level)),
        _in_roles(folders) if folders.has_split else {}, folders.tests, split, faults, sources=tuple(sources),
    )
    return parts, report


def _in_order(found: Files, size: int, called: str, seed: int, split: str) -> tuple[list[File], int]:
    """The files in the order of the draw, those to test on first; and how many those are. Raises BadInput."""
    files = found.files
    if not files:
        arrays = ", ".join(sorted(found.beside.keys() & {".npz", ".npy", ".csv"}))
        way = f"bring its {arrays} file by itself, unpacked" if arrays else f"put {FORMATS} files into it"
        raise BadInput(f"{called} holds no pictures; {way}.{_why(found.skipped)}")
    likely = sum(file_kinds.suffix(file.name) in file_kinds.PICTURE_SUFFIXES for file in files)
    if likely > MAX_PICTURES:
        raise BadInput(f"{called} holds {likely:,} pictures; at most {MAX_PICTURES:,} are read. Take some out.")
    if min(len(files), MAX_PICTURES) * 3 * size**2 > MAX_RESULT:
        raise BadInput(f"{len(files):,} pictures of {size} x {size} are more than is kept; choose a smaller size.")
    files = sorted(files, key=lambda file: file.name)  # the same draw wherever they come from
    files = [files[index] for index in np.random.default_rng(seed).permutation(len(files))]
    if split == "seeded":
        return files, max(1, round(TEST_SHARE * len(files)))
    folders = layout([file.name for file in files])
    if not folders.has_split:
        raise BadInput(f"{called} has no split of its own, such as folders called train and test; choose the seeded one.")
    aside = {file.name for file in files if folders.split.get(file.name) in folders.tests}
    return sorted(files, key=lambda file: file.name not in aside), sum(file.name in aside for file in files)


def _in_roles(folders: Layout) -> dict[str, int]:
    """Pictures of each folder of the set's own split: to train on first, to test on last."""
    counts, roles = Counter(folders.split.values()), ("train", "", "val", "test")
    return {name: counts[name] for name in sorted(counts, key=lambda name: (roles.index(folders.roles[name]), name))}


def _why(skipped: list[Skipped]) -> str:
    """Of what was skipped, the commonest reason."""
    if not skipped:
        return ""
    reason, count = Counter(one.reason for one in skipped).most_common(1)[0]
    return f" Of {len(skipped):,} others, {count:,}: {reason}" if len(skipped) > 1 else f" The other: {reason}"
