"""Pictures of 16 bits a pixel, of which scanners and cameras use 8, 10, 12 or 14, or a narrow band: the range that they really
use becomes black to white, one range for all pictures of a set."""

import math
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from vae_core.errors import BadInput

BITS_PER_SAMPLE = 258  # the tag of TIFF
STRAY = 0.02  # share of pictures that may lie far outside of what the others use
NARROW = 1 / 4  # of the range of the bits in use: a band below that is spread


class Range(NamedTuple):
    """Values that become black and white."""

    black: int = 0
    white: int = 65_535

    @property
    def table(self) -> np.ndarray:
        """uint8 (65536,): what each value becomes."""
        values = (np.arange(65_536) - float(self.black)) * (255 / (self.white - self.black))
        return np.clip(np.round(values), 0, 255).astype(np.uint8)

    def sentence(self, pictures: int) -> str:
        """What was done to so many pictures, for people."""
        those = f"{pictures:,} {'picture has' if pictures == 1 else 'pictures have'} 16 bits"
        if self.black:
            return f"{those}, of which only values from {self.black:,} to {self.white:,} are used: these became black to white."
        bits = (self.white + 1).bit_length() - 1
        return f"{those}, of which {'all' if bits == 16 else bits} are used: {self.white:,} became white."


def deep(image: Image.Image, raw: bytes) -> np.ndarray | None:
    """The values of an opened and loaded picture of 16 bits, uint16 (H, W) or (H, W, 3 or 4: RGB, alpha last); None of 8 bits.

    Raises BadInput where they cannot be read.
    """
    if image.mode.startswith("I"):
        return np.clip(np.asarray(image), 0, 65_535).astype(np.uint16)
    deep_png = image.format == "PNG" and raw[24:25] == b"\x10"  # the bit depth in its header
    if not deep_png and not (image.format == "TIFF" and min(image.tag_v2.get(BITS_PER_SAMPLE, (1,))) == 16):
        return None
    values = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_UNCHANGED)  # Pillow keeps the upper eight bits alone
    if values is None or values.dtype != np.uint16 or values.shape[:2] != (image.height, image.width):
        raise BadInput("It has 16 bits a colour in a form that is not read; save it as PNG.")
    return values if values.ndim == 2 else values[..., [2, 1, 0, 3][: values.shape[2]]]


def bounds(values: np.ndarray) -> tuple[int, int]:
    """Least and greatest of one picture's colours, its alpha left out."""
    colours = values[..., :3] if values.ndim == 3 else values
    return int(colours.min()), int(colours.max())


def range_of(found: list[tuple[int, int]]) -> Range:
    """What pictures with these bounds really use: the bits that hold them, or the band where that is narrow.

    At most STRAY of the pictures may be far outside: one with a burnt-in mark does not make all others black.
    """
    few = math.floor(STRAY * len(found))
    low = sorted(low for low, _ in found)[few]
    highs = sorted(high for _, high in found)
    usual = highs[len(highs) - 1 - few]
    high = highs[-1] if highs[-1] <= 2 * usual else usual
    white = 2 ** max(8, high.bit_length()) - 1
    if low and 0 < high - low < NARROW * white:
        return Range(low, high)
    return Range(0, white)
