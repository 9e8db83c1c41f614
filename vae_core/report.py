"""What became of the files of a person's own pictures, in sentences for people."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from vae_core.archive import Skipped, short
from vae_core.layout import Level

FEW = 200  # pictures below which a model learns them by heart
EVEN = 8  # of 255: a picture whose values differ by no more is blank
DARK, LIGHT = 48, 207  # of 255
ALIKE = 3.0  # of 255: mean deviation of a pixel from picture to picture
LOOKED_AT = 400  # pictures, evenly drawn: quantiles of all would take many times the memory of the set


@dataclass(frozen=True)
class Report:
    """What became of the files."""

    read: int
    skipped: tuple[Skipped, ...]
    duplicates: int  # files with the very bytes of another: left out, or the test set would hold training pictures
    transparent: int  # put on the paper
    animated: int  # of which the first frame was taken
    turned: int  # upright as their EXIF says
    balance: dict[str, int]  # pictures of each class; empty where there are no classes
    several: int = 0  # of several pages or pictures, no animation: the first was taken
    beside: dict[str, int] = field(default_factory=dict)  # files that lie beside pictures, by suffix: not looked at
    paper: str = "white"  # below what is transparent, and around what is letter-boxed
    depth: str = ""  # what was done to pictures of 16 bits, or to the values of an array
    alphabet: str = ""  # in which names were read that do not say it
    levels: tuple[Level, ...] = ()  # of folders that differ
    level: int = 0  # which of them, counted from 1, names the classes; 0 none
    usual: int = 0  # which would, if nobody had said
    asked: bool = False  # whether a person should say which
    named: tuple[str, ...] = ()  # what is to be said of the levels
    own_split: dict[str, int] = field(default_factory=dict)  # pictures in each folder of the set's own split
    own_tests: tuple[str, ...] = ()  # those of its folders that are to test on
    split: str = "seeded"
    faults: tuple[str, ...] = ()  # of the set as a whole, with what to do
    ranges: tuple[str, ...] = ()  # black to white, that an array may mean
    layouts: tuple[str, ...] = ()  # of a picture, that the rows of an array may have
    sources: tuple[str | int, ...] = ()  # of each picture, those to test on first: its file's name, or its place in the array

    def sentences(self) -> list[str]:
        """The report for people, the few-pictures warning last."""
        return [*self.facts(), *self.names(), *self.warnings()]

    def warnings(self) -> list[str]:
        """What is wrong with the set as a whole, and what to expect of few pictures."""
        few = f"Fewer than {FEW} pictures are soon known by heart: expect blurry samples, and bring more if you can."
        return [*self.faults, *([few] if self.read < FEW else [])]

    def facts(self) -> list[str]:
        """What was read, and what was done to it; no word of the files' own is in it."""
        said = [f"{self.read:,} pictures were read."]
        if self.balance:
            least, most = min(self.balance.values()), max(self.balance.values())
            each = f"{least:,}" if least == most else f"{least:,} to {most:,}"
            said.append(f"They are of {len(self.balance)} classes, {each} each.")
        for count, what in (
            (self.duplicates, "left out as exact copies of another"),
            (self.transparent, f"transparent: put on {self.paper}{', where what is drawn is seen' * (self.paper != 'white')}"),
            (self.animated, "animated: the first frame was taken"),
            (self.several, "of several pages or pictures: the first was taken"),
            (self.turned, "turned upright as their EXIF says"), (len(self.skipped), "skipped"),
        ):
            if count:
                said.append(f"{count:,} {what}.")
        if self.depth:
            said.append(self.depth)
        if self.beside:
            most = sorted(self.beside, key=lambda suffix: (-self.beside[suffix], suffix))
            names = ", ".join(most[:4]) + ", ..." * (len(most) > 4)
            said.append(f"{sum(self.beside.values()):,} files beside the pictures ({names}) were not looked at.")
        if self.alphabet:
            said.append(f"The names do not say in which alphabet they are: they were read as {self.alphabet}.")
        return said

    def names(self) -> list[str]:
        """What the folders' names were taken for: somebody's words, to be shown as they are."""
        if not self.own_split:
            return list(self.named)
        if self.split == "own":
            rest = [folder for folder in self.own_split if folder not in self.own_tests]
            split = (
                f"Their own split was kept: {_counted(self.own_split, self.own_tests)} to test on, "
                f"{_counted(self.own_split, rest)} to train on."
            )
        else:
            folders = ", ".join(map(short, self.own_split))
            split = f"Their folders {folders} are a split of their own, no classes; a sixth was drawn to test on instead."
        return [*self.named, split]


def _counted(counts: dict[str, int], folders: Iterable[str]) -> str:
    return " and ".join(f"{counts[folder]:,} of {short(folder)}" for folder in folders)


def faults_of(sides: list[np.ndarray]) -> tuple[str, ...]:
    """What is wrong with a set as a whole, and what to do: all alike, blank, nearly black or nearly white.

    `sides` are uint8 (N, C, H, W) arrays, which are not copied.
    """
    of, (height, width) = sum(map(len, sides)), sides[0].shape[-2:]
    blank = sum(int((np.ptp(side.reshape(len(side), -1), axis=1) <= EVEN).sum()) for side in sides if len(side))
    step = max(1, of // LOOKED_AT)
    some = np.concatenate([side[::step] for side in sides]).reshape(-1, sides[1][0].size)
    different = len({hashlib.sha256(image.tobytes()).digest() for side in sides for image in side})
    low, high = np.quantile(some, [0.01, 0.99])
    said = []
    if high < DARK:
        said.append(
            f"The pictures are nearly black: 99 % of their values are at most {high:.0f} of 255. Brighten all by the same "
            "amount, and bring them again."
        )
    elif low > LIGHT:
        said.append(
            f"The pictures are nearly white: 99 % of their values are at least {low:.0f} of 255. Darken all by the same "
            "amount, or raise their contrast, and bring them again."
        )
    if blank == of:
        said.append("All pictures are blank, one even tone each: look at the files, or save them again without transparency.")
    elif blank > of / 4:
        said.append(
            f"{blank:,} of {of:,} pictures are blank, one even tone each, and a model learns to draw such: look at these "
            "files, or take them out."
        )
    if some.astype(np.float32).std(0).mean() < ALIKE:
        said.append(
            f"The pictures are all alike at {width} x {height}, so that a model has nothing to tell apart: bring pictures that "
            "differ, or cut out where they do."
        )
    elif different <= of / 2:
        said.append(
            f"Of {of:,} pictures only {different:,} differ at {width} x {height}, so that a model is tested on what it was "
            "trained on: take the copies out."
        )
    return tuple(said)
