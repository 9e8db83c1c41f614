"""A picture file -> a small picture; and what is decided for all of a set together: their range and their paper."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from vae_core.archive import File
from vae_core.depth import Range, bounds, deep, range_of
from vae_core.picture import ORIENTATION, eight_bits, opened

PAPERS = {255: "white", 0: "black", 128: "grey"}  # the first on which nearly all are seen
SEEN = 64  # root mean square of the difference from the paper, of 255, at which a drawing is seen well
NEARLY_ALL = 0.9


class Picture(NamedTuple):
    """One picture made small, before it is laid on paper."""

    colours: np.ndarray  # uint8 (size, size, 3), each times its alpha
    alpha: np.ndarray  # uint8 (size, size)
    notes: tuple[str, ...]  # of transparent, animated, several, turned
    bounds: tuple[int, int] | None  # least and greatest value where it has 16 bits


def shrink(raw: bytes, size: int, fit: str, name: str = "", used: Range | None = None) -> Picture:
    """A picture file made small; one of 16 bits by the range that is `used`, or its own. Raises BadInput."""
    with opened(raw, 2 * size, name) as image:
        values = deep(image, raw)
        ends = None if values is None else bounds(values)
        turned = image.getexif().get(ORIENTATION, 1) in range(2, 9)
        frames = getattr(image, "n_frames", 1) if image.format == "PNG" else 1 + bool(getattr(image, "is_animated", False))
        moving = image.format in ("GIF", "WEBP", "PNG")
        frames -= bool(image.format == "PNG" and getattr(image, "default_image", False))
        image = eight_bits(image, values, used)
        clear = image.has_transparency_data
        if clear:
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
        clear = clear and small.getextrema()[3][0] < 255
        sheet = Image.new("RGBA", (size, size), (0, 0, 0, 0))
        sheet.paste(small, ((size - small.width) // 2, (size - small.height) // 2))
        pixels = np.asarray(sheet)
        alpha = pixels[..., 3]
        colours = pixels[..., :3]
        if alpha.min() < 255:
            colours = np.round(colours * (alpha[..., None] / np.float32(255))).astype(np.uint8)
    told = {"transparent": clear, "animated": frames > 1 and moving, "several": frames > 1 and not moving, "turned": turned}
    return Picture(colours, alpha, tuple(note for note, holds in told.items() if holds), ends)


class Small:
    """The small pictures: those to test on from the front, those to train on from the back."""

    def __init__(self, room: int, size: int):
        self.images = np.empty((room, 3, size, size), np.uint8)
        self.names = [""] * room
        self.tests, self.train_from = 0, room
        self.grey = True
        self._alphas: dict[int, np.ndarray] = {}
        self._clear: set[int] = set()
        self._deep: dict[int, tuple[File, tuple[int, int]]] = {}

    def put(self, file: File, picture: Picture, to_test: bool) -> None:
        if to_test:
            slot, self.tests = self.tests, self.tests + 1
        else:
            slot = self.train_from = self.train_from - 1
        self.names[slot] = file.name
        if picture.bounds:
            self._deep[slot] = file, picture.bounds
        else:
            self._write(slot, picture)

    def read_deep(self, size: int, fit: str, each: Callable[[int, int], None]) -> str:
        """Read those of 16 bits again, by the range that they use together; what is to be said of it."""
        if not self._deep:
            return ""
        used = range_of([ends for _, ends in self._deep.values()])
        for done, (slot, (file, _)) in enumerate(self._deep.items()):
            each(done, len(self._deep))
            self._write(slot, shrink(file.read(), size, fit, file.name, used))
        return used.sentence(len(self._deep))

    def lay_on_paper(self) -> str:
        """Choose one paper for the whole set and lay all on it; its name."""
        paper = _paper([self._seen(slot) for slot in self._clear])
        for slot, alpha in self._alphas.items():
            below = np.round((255 - alpha) * np.float32(paper / 255)).astype(np.uint8)
            self.images[slot] = np.minimum(self.images[slot].astype(np.uint16) + below, 255)
        return PAPERS[paper]

    def both_sides(self, labels: np.ndarray) -> tuple[list, list, list[str]]:
        """[test, train] as views of pictures and of labels, and the names of all files in that order; a side that is empty
        because its files could not be read gets a picture of the other."""
        images, names, tests, train_from = self.images, self.names, self.tests, self.train_from
        if tests == 0:
            cut = slice(train_from, train_from + 1), slice(train_from + 1, None)
        elif len(images) - train_from < 2:  # move the borrowed ones up to the others
            short_by = 2 - (len(images) - train_from)
            tests -= short_by
            images[train_from - short_by : train_from] = images[tests : tests + short_by].copy()
            labels[train_from - short_by : train_from] = labels[tests : tests + short_by].copy()
            names[train_from - short_by : train_from] = names[tests : tests + short_by]
            cut = slice(0, tests), slice(train_from - short_by, None)
        else:
            cut = slice(0, tests), slice(train_from, None)
        return [images[part] for part in cut], [labels[part] for part in cut], names[cut[0]] + names[cut[1]]

    def _write(self, slot: int, picture: Picture) -> None:
        self.images[slot] = picture.colours.transpose(2, 0, 1)
        self.grey = self.grey and bool((picture.colours == picture.colours[..., :1]).all())
        if picture.alpha.min() < 255:
            self._alphas[slot] = picture.alpha
        if "transparent" in picture.notes:
            self._clear.add(slot)

    def _seen(self, slot: int) -> list[float]:
        """How well a transparent picture is seen on each of PAPERS: root mean square over its ink."""
        weight = self._alphas[slot].astype(np.float32) / 255
        inked = weight > 0.02
        if not inked.any():
            return [255.0] * len(PAPERS)  # nothing is drawn: no paper is better
        colours, weight = self.images[slot][:, inked].astype(np.float32) / weight[inked], weight[inked]
        return [float(np.sqrt(np.average(((colours - paper) ** 2).mean(0), weights=weight))) for paper in PAPERS]


def _paper(seen: list[list[float]]) -> int:
    """The first of PAPERS on which nearly all are seen well, or the one on which the worst are seen best."""
    if not seen:
        return 255
    worst = np.quantile(np.array(seen), 1 - NEARLY_ALL, axis=0)
    good = [paper for paper, least in zip(PAPERS, worst, strict=True) if least >= SEEN]
    return good[0] if good else list(PAPERS)[int(worst.argmax())]
