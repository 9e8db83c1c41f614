"""Arrays of somebody's own, of any type and order -> uint8 (N, C, H, W): as told, or where there is no doubt.

A model that is trained on the wrong range shows no fault: its loss looks better than the right one. So the range of anything
but bytes is said by a person, as is the order of the numbers where pictures lie in rows; a sentence says what was found.
"""

import math
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch

from vae_core.errors import BadInput, shortly

COMMON = ("0..1", "-1..1", "0..255", "0..4095", "0..65535")  # values of black and of white
FAR = 20  # times as wide as what is found: a range that nobody means
MOST_CHANNELS = 4
LAYOUTS = 12  # that are offered, at most
SIDES = (8, 64)  # pixels of a picture that is offered as a layout
SHOWN = 8  # pictures that show what a choice would make of them
AT_ONCE = 2**22  # values that are converted at a time
HUGE = 1e30
NUMBER = r"[-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?"
RANGE = re.compile(rf"\s*({NUMBER})\s*\.\.\s*({NUMBER})\s*")
LAYOUT = re.compile(r"\d{1,5}(?:x\d{1,5}){1,2}")
FORMS = "(N, H, W), (N, C, H, W), (N, H, W, C) or (N, H * W), with 1 or 3 channels"


class Found(NamedTuple):
    """What an array turned out to be."""

    kind: str  # of its values
    low: float
    high: float
    shape: tuple[int, int, int]  # (C, H, W) of a picture
    used: tuple[float, float]  # what became black and white
    ranges: tuple[str, ...]  # that hold its values
    layouts: tuple[str, ...]  # that a row may have; empty where pictures do not lie in rows


class Untold(BadInput):
    """Something of an array that a person has to say: `asked` is pixels or layout. `about` says why, in no words of the file's;
    `note` may hold some."""

    def __init__(
        self, sentence: str, asked: str, choices: Sequence[str], about: str, some: np.ndarray, told: dict, note: str = ""
    ):
        super().__init__(sentence)
        self.asked, self.choices, self.about, self.note = asked, tuple(choices), about, note
        self.some, self.told = some, told  # a few of the pictures as they came, and what was said of them

    @property
    def size(self) -> int:
        """Bytes."""
        return self.some.nbytes

    def by(self, choice: str) -> np.ndarray:
        """The few pictures by one of the choices: uint8 (N, C, H, W)."""
        told = self.told | {self.asked: choice}
        told["pixels"] = told["pixels"] or ranges_of(float(self.some.min()), float(self.some.max()))[0]
        return images_of("these pictures", [self.some], **told)[0][0]


def images_of(
    name: str, parts: Sequence, pixels: str | None = None, layout: str | None = None, kind: str | None = None
) -> tuple[list[np.ndarray], Found]:
    """The arrays or tensors `parts` of the set `name` as uint8 (N, C, H, W), not copied where they are so already, and what
    they are.

    Each is FORMS. `pixels` is LOW..HIGH, the values of black and of white; bytes and booleans need none, unless all bytes are
    0 or 1. `layout` is one picture's shape, as in 3x32x32, 32x32x3 or 28x20; needed where a row holds no square. `kind` is what
    to call the type of the values. Raises Untold where something has to be said, BadInput where it cannot be used.
    """
    ends = None if pixels is None else range_of(pixels)
    arrays = [_numbers(name, part) for part in parts]
    arrays = [array for array in arrays if len(array)]
    if not arrays:
        raise BadInput(f"There are no pictures in {name}; give arrays of {FORMS}.")
    if len({array.shape[1:] for array in arrays}) > 1:
        raise BadInput(f"The arrays of {name} hold pictures of different shapes, {_shapes(arrays)}; make them one size.")
    first, told = arrays[0], {"pixels": pixels, "layout": layout}
    offered = layouts_of(first.shape[1]) if first.ndim == 2 else ()
    sizes = _sizes(name, first, layout, offered)
    if not sizes:
        about = f"A row has {first.shape[1]:,} values, no square"
        sentence = f"{about}, in {name}: say the layout of a picture, as in {_either(offered)}."
        raise Untold(sentence, "layout", offered, about, _some(arrays), told)
    kind, low, high = kind or _kinds(arrays), *_bounds(name, arrays)
    ranges = ranges_of(low, high)
    if ends is None and not _sure(arrays, high):
        about = f"The values are {kind} from {in_short(low)} to {in_short(high)}"
        sentence = (
            f"{about} in {name}, of the shape {_shapes(arrays)}: say with pixels which of them are black and white, as in "
            f"{_either(ranges)}."
        )
        raise Untold(sentence, "pixels", ranges, about, _some(arrays), told)
    ends = ends or ((0, 1) if first.dtype == bool else (0, 255))
    _check_within(name, arrays, ends, ranges)
    shape = _shape(sizes)
    made = iter([_as_bytes(_channels_first(array, sizes), ends) for array in arrays])
    images = [next(made) if len(part) else np.zeros((0, *shape), np.uint8) for part in parts]
    return images, Found(kind, low, high, shape, ends, ranges, offered)


def range_of(pixels: str) -> tuple[float, float]:
    """The two ends of LOW..HIGH. Raises BadInput where it is none."""
    found = RANGE.fullmatch(pixels) if isinstance(pixels, str) else None
    low, high = map(float, found.groups()) if found else (0.0, 0.0)
    if not (1e-30 < high - low < 2 * HUGE):
        raise BadInput(f"Pixels are LOW..HIGH, the values of black and of white, as in 0..1 or -1..1, not {shortly(pixels)}.")
    return low, high


def ranges_of(low: float, high: float) -> tuple[str, ...]:
    """Ranges that hold values from low to high, the narrowest first: the usual ones, and what is found."""
    found = [_outward(low, high)] if high - low > 1e-30 else []
    fits = [text for text in COMMON if _holds(range_of(text), low, high) and _width(text) <= FAR * ((high - low) or math.inf)]
    found = [text for text in found if not any(_width(usual) - _width(text) <= _width(usual) / 100 for usual in fits)]
    spare = max(1.0, abs(low))  # of values that are all alike
    return tuple(sorted([*fits, *found], key=_width)) or (_outward(low - spare, high + spare),)


def layouts_of(values: int) -> tuple[str, ...]:
    """Shapes that so many values in a row may have: colour squares, then what is nearest to a square, grey first."""
    found = []
    for channels in (1, 3):
        pixels = values // channels if values % channels == 0 else 0
        for height in range(SIDES[0], SIDES[1] + 1):
            width = pixels // height
            if pixels == height * width and SIDES[0] <= width <= SIDES[1]:
                shapes = [f"{height}x{width}"] if channels == 1 else [f"3x{height}x{width}", f"{height}x{width}x3"]
                found += [(height != width, channels, abs(height - width), at, text) for at, text in enumerate(shapes)]
    return tuple(text for *_, text in sorted(found)[:LAYOUTS])


def in_short(value: float) -> str:
    """A value for people."""
    return f"{value:.0f}" if value == round(value) and abs(value) < 1e9 else f"{value:.4g}"


def indices(name: str, labels: object, count: int, classes: int) -> np.ndarray:
    """Labels of so many pictures as int64 (count,), zeros where there are none. Raises BadInput where they are no numbers of
    classes."""
    if labels is None:
        return np.zeros(count, np.int64)
    found = _array(name, labels)
    if found.shape not in ((count,), (count, 1)):
        raise BadInput(f"There are {count:,} pictures in {name}, but labels of the shape {found.shape}; give one a picture.")
    if found.dtype.kind not in "biuf":
        raise BadInput(f"The labels of {name} are {found.dtype.name}; give whole numbers, from 0, that say the class.")
    found = found.ravel()
    if found.dtype.kind == "f" and not (np.isfinite(found) & (found == np.rint(found))).all():
        raise BadInput(f"The labels of {name} are no whole numbers; give the number of each picture's class, from 0.")
    low, high = (found.min(), found.max()) if count else (0, 0)
    if classes and (low < 0 or high >= classes):
        raise BadInput(
            f"The labels of {name} go from {in_short(low)} to {in_short(high)}, but there are {classes} classes; give numbers "
            f"from 0 to {classes - 1}."
        )
    return np.ascontiguousarray(found, np.int64)


# What came.


def _array(name: str, part: object) -> np.ndarray:
    if isinstance(part, torch.Tensor):
        part = part.detach().cpu()
        return (part.float() if part.dtype == torch.bfloat16 else part).numpy()
    try:
        return np.asarray(part)
    except ValueError as error:
        raise BadInput(f"The pictures of {name} have different shapes; make them one size.") from error


def _numbers(name: str, part: object) -> np.ndarray:
    array = _array(name, part)
    if array.ndim == 0 or array.dtype.kind not in "biuf":
        what = f"of the type {array.dtype.name}" if array.ndim else "no array"
        raise BadInput(f"The pictures of {name} are {what}; give arrays of real numbers, {FORMS}.")
    return array


def _kinds(arrays: Iterable[np.ndarray]) -> str:
    return " and ".join(sorted({array.dtype.name for array in arrays}))


def _either(choices: Sequence[str]) -> str:
    """The first few of them."""
    *others, last = choices[:3]
    return f"{', '.join(others)} or {last}" if others else last


def _shapes(arrays: Iterable[np.ndarray]) -> str:
    return " and ".join(str(array.shape) for array in arrays)


def _some(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """A few pictures of the largest part, evenly drawn."""
    most = max(arrays, key=len)
    return most[np.linspace(0, len(most) - 1, min(SHOWN, len(most))).astype(int)].copy()


# Order.


def _sizes(name: str, array: np.ndarray, layout: str | None, offered: Sequence[str]) -> tuple[int, ...]:
    """The sizes of a picture in the order in which they lie; empty where a row must be told."""
    values = array.shape[1] if array.ndim == 2 else 0
    side = math.isqrt(values)
    if layout is not None:
        if not isinstance(layout, str) or not LAYOUT.fullmatch(layout):
            raise BadInput(f"The layout is the shape of a picture, as in 28x28, 3x32x32 or 32x32x3, not {shortly(layout)}.")
        sizes = tuple(map(int, layout.split("x")))
        if sizes != array.shape[1:] and (array.ndim != 2 or math.prod(sizes) != values):
            way = f"say {_either(offered)}" if offered else "leave it out"
            raise BadInput(f"The layout {layout} does not fit {name}, an array of the shape {array.shape}; {way}.")
    elif array.ndim == 2:
        if side**2 != values and offered:
            return ()
        if side**2 != values or not values:
            side = math.isqrt(max(0, values - 1))
            way = f"take the labels out from beside {side} x {side} pixels" if side**2 == values - 1 else "say its layout"
            raise BadInput(f"The {values:,} values of a row of {name} are no square picture; {way}.")
        sizes = (side, side)
    else:
        sizes = array.shape[1:]
    if _shape(sizes) is None:
        raise BadInput(f"The pictures of {name} have the shape {array.shape}; give {FORMS}.")
    return sizes


def _shape(sizes: tuple[int, ...]) -> tuple[int, int, int] | None:
    """(C, H, W) of a picture with these sizes; None of what is no picture."""
    if not all(sizes):
        return None
    if len(sizes) == 2:
        return (1, *sizes)
    if len(sizes) != 3:
        return None
    if sizes[0] <= MOST_CHANNELS:  # channels first, as images are kept here
        return sizes
    return (sizes[2], *sizes[:2]) if sizes[2] <= MOST_CHANNELS else None


def _channels_first(array: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
    pictures = array.reshape(len(array), *sizes)
    if len(sizes) == 2:
        return pictures[:, None]
    return pictures if sizes == _shape(sizes) else pictures.transpose(0, 3, 1, 2)


# Range.


def _bounds(name: str, arrays: Sequence[np.ndarray]) -> tuple[float, float]:
    before = 0
    for array in arrays:
        if not np.isfinite([float(array.min()), float(array.max())]).all():
            wrong = ~np.isfinite(array).reshape(len(array), -1).all(1)
            raise BadInput(
                f"{int(wrong.sum()):,} pictures of {name} hold values that are not finite (NaN or infinite), the first of them "
                f"picture {before + int(wrong.argmax()) + 1:,}; leave them out, or give every pixel a number."
            )
        before += len(array)
    low, high = min(array.min().item() for array in arrays), max(array.max().item() for array in arrays)
    if max(-low, high) >= HUGE:
        raise BadInput(f"The values of {name} go from {in_short(low)} to {in_short(high)}, as no pixels do; mend them.")
    return low, high


def _sure(arrays: Sequence[np.ndarray], high: float) -> bool:
    """Whether the range needs no telling."""
    kinds = {array.dtype for array in arrays}
    return len(kinds) == 1 and (kinds == {np.dtype(bool)} or (kinds == {np.dtype(np.uint8)} and high != 1))


def _width(text: str) -> float:
    low, high = range_of(text)
    return high - low


def _holds(ends: tuple[float, float], low: float, high: float) -> bool:
    slack = _slack(ends)
    return ends[0] - slack <= low and high <= ends[1] + slack


def _slack(ends: tuple[float, float]) -> float:
    """How far values may lie outside, half of one of 255 steps: resampling goes a little over."""
    return (ends[1] - ends[0]) / 510


def _outward(low: float, high: float) -> str:
    """A range that holds low and high, in few digits."""
    if low == round(low) and high == round(high) and max(abs(low), abs(high)) < 1e9:
        return f"{low:.0f}..{high:.0f}"
    digits = 3 - math.floor(math.log10(high - low))
    if not 0 <= digits <= 9:
        return f"{float(low)!r}..{float(high)!r}"
    step = 10.0**digits
    return f"{math.floor(low * step) / step:.{digits}f}..{math.ceil(high * step) / step:.{digits}f}"


def _check_within(name: str, arrays: Sequence[np.ndarray], ends: tuple[float, float], ranges: Sequence[str]) -> None:
    before, slack = 0, _slack(ends)
    for array in arrays:
        if not _holds(ends, array.min().item(), array.max().item()):
            axes = tuple(range(1, array.ndim))
            lows, highs = (found.astype(np.float64) for found in (array.min(axes), array.max(axes)))
            at = int(np.argmax((lows < ends[0] - slack) | (highs > ends[1] + slack)))
            value = lows[at] if lows[at] < ends[0] - slack else highs[at]
            raise BadInput(
                f"Picture {before + at + 1:,} of {name} has the value {in_short(value)}, outside of pixels "
                f"{in_short(ends[0])}..{in_short(ends[1])}; say {_either(ranges)}, or mend it."
            )
        before += len(array)


def _as_bytes(images: np.ndarray, ends: tuple[float, float]) -> np.ndarray:
    """(N, C, H, W) of any numbers -> uint8: the first end becomes 0, the second 255."""
    if images.dtype == np.uint8 and ends == (0, 255):
        return np.ascontiguousarray(images)
    made = np.empty(images.shape, np.uint8)
    step = max(1, AT_ONCE // math.prod(images.shape[1:]))
    for at in range(0, len(images), step):
        values = (images[at : at + step].astype(np.float64) - ends[0]) * (255 / (ends[1] - ends[0]))
        made[at : at + step] = np.rint(values).clip(0, 255)
    return made
