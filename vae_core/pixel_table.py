"""Pictures in a table of text, a row each, as Kaggle has them: `label,pixel0,pixel1,...`, with or without names at the top.

The label stands in the column that is called so; where there are no names, in the first, if the others are a square of pixels.
Whole numbers from 0 to 255 are bytes. Rows are counted as an editor counts them.
"""

import csv
import io
import math
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

import numpy as np

from vae_core.archive import MAX_UNPACKED, short
from vae_core.errors import BadInput, shortly

LABEL = ("label", "labels", "class", "classes", "target", "y")
COUNTING = ("", "id", "index", "unnamed: 0")  # columns that only count the rows
MAX_LINE = 2**19  # bytes of a row: 64 x 64 pixels in colour, in full precision
ROWS = 1000  # that are read at a time


class Table(NamedTuple):
    """What a table holds."""

    pixels: np.ndarray  # uint8 where all are whole numbers from 0 to 255, else float32
    labels: np.ndarray | None  # words
    said: tuple[str, ...]  # of its columns, which are somebody's words
    kind: str  # of the numbers
    outlier: str  # the first whole number that is no byte, where all are whole


class _Columns(NamedTuple):
    names: list[str]
    separator: str
    label: int | None
    pixels: list[int]
    said: tuple[str, ...]


def read_table(file: BinaryIO, name: str, told: Callable[[int], None], most: int) -> Table:
    """The table in a file; `told(bytes)` is called now and then. Raises BadInput where it is none, or has more rows."""
    lines = _lines(file, name)
    first = next(lines, None)
    if first is None:
        raise BadInput(f"{name} is empty; put a picture into each row.")
    columns, has_names = _columns(first[1], name)
    blocks, labels, rows, whole, outlier = [], [], 0, True, ""
    for block in _blocks(lines, [] if has_names else [first]):
        told(file.tell())
        rows += len(block)
        if rows > most or rows * len(columns.pixels) * 4 > MAX_UNPACKED:
            raise BadInput(f"{name} has more than {rows - len(block):,} rows, the most that is read; take some out.")
        values, words = _values(block, columns, name)
        labels += words
        whole = whole and bool((values == np.rint(values)).all())
        strange = (values < 0) | (values > 255)
        if whole and strange.any() and not outlier:
            row, column = np.argwhere(strange)[0]
            where = short(columns.names[columns.pixels[column]])
            outlier = f"Row {block[row][0]:,} of {name} has {values[row, column]:.0f} in the column {where}"
        with np.errstate(over="ignore"):  # infinite then, and refused as such
            blocks.append(values.astype(np.uint8 if whole and not strange.any() else np.float32))
    if not blocks:
        raise BadInput(f"{name} holds no pictures, only names of columns; put a picture into each row.")
    kind = "whole numbers" if whole else "numbers with fractions"
    words = None if columns.label is None else np.array(labels)
    return Table(np.concatenate(blocks), words, columns.said, kind, outlier if whole else "")


def _lines(file: BinaryIO, name: str) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, and their numbers."""
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise BadInput(f"Row {number:,} of {name} is longer than any picture that is read; give a picture a row, as text.")
        text = line.decode("utf-8-sig" if number == 1 else "utf-8", "replace").strip("\r\n")
        if text.strip():
            yield number, text


def _blocks(lines: Iterator[tuple[int, str]], block: list[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    for line in lines:
        block.append(line)
        if len(block) == ROWS:
            yield block
            block = []
    if block:
        yield block


def _columns(first: str, name: str) -> tuple[_Columns, bool]:
    """What the columns are, by the first line; and whether that holds their names."""
    separator = max(",;\t", key=first.count)
    fields = _split(first, separator, f"The first row of {name}")
    has_names = not all(_is_number(field) for field in fields)
    names = fields if has_names else [f"{number}" for number in range(1, len(fields) + 1)]
    lower = [field.strip().lower() for field in fields]
    counting = [at for at, field in enumerate(lower) if has_names and field in COUNTING]
    found = [at for word in LABEL for at, field in enumerate(lower) if has_names and field == word]
    if not has_names and not _fits(len(fields)) and _fits(len(fields) - 1):
        found = [0]
    label = found[0] if found else None
    pixels = [at for at in range(len(fields)) if at != label and at not in counting]
    if not pixels:
        raise BadInput(f"{name} has no columns of pixels; give rows such as label,pixel0,pixel1, and so on.")
    if label is None and not _fits(len(pixels)) and _fits(len(pixels) - 1):
        raise BadInput(
            f"{name} has {len(pixels):,} columns, one more than a square of pixels, and none is called label; name the one "
            "with the labels so."
        )
    said = [f"The column {names[at].strip() or 'without a name'} only counts the rows: it was left out." for at in counting]
    if label is not None:
        said.append(f"The {f'column {names[label].strip()}' if has_names else 'first column'} names the classes.")
    return _Columns(names, separator, label, pixels, tuple(said)), has_names


def _fits(values: int) -> bool:
    """Whether so many values are a square picture, grey or in colour."""
    return values > 0 and any(channels * math.isqrt(values // channels) ** 2 == values for channels in (1, 3))


def _split(text: str, separator: str, what: str) -> list[str]:
    try:
        return next(csv.reader([text], delimiter=separator))
    except csv.Error as error:
        raise BadInput(f"{what} is no row of a table; save it again as .csv.") from error


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _values(block: list[tuple[int, str]], columns: _Columns, name: str) -> tuple[np.ndarray, list[str]]:
    """The pixels of some rows, float64 (rows, columns), and their labels."""
    import pandas as pd

    count, separator = len(columns.names), columns.separator
    for number, text in block:
        fields = text.count(separator) + 1
        if fields != count and (fields := len(_split(text, separator, f"Row {number:,} of {name}"))) != count:
            raise BadInput(f"Row {number:,} of {name} has {fields:,} values, but the first has {count:,}; make them even.")
        if text.count('"') % 2:
            raise BadInput(f"Row {number:,} of {name} has a quotation mark that is not closed; take it out.")
    text = io.StringIO("\n".join(text for _, text in block))
    kinds = {} if columns.label is None else {columns.label: str}
    try:
        table = pd.read_csv(text, header=None, sep=separator, dtype=kinds, keep_default_na=False, low_memory=False)
        pixels = table.iloc[:, columns.pixels]
        values = pixels.apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
        if len(table) != len(block):
            raise ValueError(len(table))
    except (ValueError, OverflowError) as error:  # pandas' own errors are ValueErrors
        raise BadInput(f"{name} is no table of numbers from row {block[0][0]:,} on; save it again as .csv.") from error
    wrong = ~np.isfinite(values)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        where, what = short(columns.names[columns.pixels[column]]), shortly(str(pixels.iat[row, column]))
        raise BadInput(f"Row {block[row][0]:,} of {name} has {what} in the column {where}, which is no number; mend it.")
    if columns.label is None:
        return values, []
    words = [word.strip() for word in table[columns.label]]
    if "" in words:
        raise BadInput(f"Row {block[words.index('')][0]:,} of {name} has no label; give it one, or leave the row out.")
    return values, words
