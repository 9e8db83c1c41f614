"""A person's own picture -> an image like those that a model was trained on.

MNIST's recipe (LeCun, Bottou, Bengio & Haffner 1998, section III.A): white ink on black, fitted with smooth edges into
20 x 20 pixels, then moved so that the centre of mass lies in the middle of 28 x 28.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from PIL import Image, ImageOps, features
from torch import Tensor

from vae_core import file_kinds
from vae_core.depth import Range, bounds, deep, range_of
from vae_core.errors import BadInput

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", *(["AVIF"] if features.check("avif") else []))
SUFFIXES = sorted(file_kinds.PICTURE_SUFFIXES)
MAX_FILE = 10 * 2**20  # bytes
MAX_PIXELS = 24_000_000  # what a telephone's camera takes; checked in the header, before anything is unpacked
LONGEST = 1024  # pixels of a side that go on: more than any model reads, and light on memory
MNIST_BOX, MNIST_SIDE = 20, 28
ORIENTATION = 0x0112  # the tag of EXIF; 1 is upright
MNIST_CENTRE = 14.5  # pixels from the edge: every published image has its centre of mass between 14 and 15
FAINT = 0.1  # ink below this share of the strongest is paper or noise
BLANK = "Nothing is drawn in this picture: it is blank, or too faint to tell ink from paper."


def open_picture(raw: bytes) -> np.ndarray:
    """A picture file -> uint8 RGB (H, W, 3), turned as its EXIF says, the first frame of several, no side above LONGEST.

    Transparent parts become white paper, or black where what is drawn is bright. Raises BadInput as `opened` does.
    """
    with opened(raw) as image:
        return _rgb(ImageOps.exif_transpose(eight_bits(image, deep(image, raw))))


@contextmanager
def opened(raw: bytes, least: int | None = None, name: str = "") -> Iterator[Image.Image]:
    """The picture in a file, its first frame decoded, for the length of a `with`.

    With `least`, a JPEG is decoded at a fraction of its size, not below so many pixels a side. Raises BadInput on anything
    else than an intact picture in one of FORMATS of at most 10 MB and 24 million pixels, also where it proves damaged later;
    the sentence says what the file is instead, by its content and then by its `name`.
    """
    if len(raw) > MAX_FILE:
        raise BadInput(f"The picture has {len(raw) / 2**20:.0f} MB; at most {MAX_FILE // 2**20} MB are read.")
    if file_kinds.kind_of(raw[:4096], name) == file_kinds.RAW:  # Pillow would read the stamp-sized picture within it
        raise BadInput(file_kinds.refusal(file_kinds.RAW))
    try:
        with Image.open(io.BytesIO(raw), formats=FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise BadInput(
                    f"The picture has {width:,} x {height:,} pixels; at most {MAX_PIXELS // 10**6} million are read. "
                    "Make it smaller first."
                )
            if image.format == "TIFF":
                _check_tiff(image)
            if least:
                image.draft(None, (least, least))
            image.load()
            yield image
    except BadInput:
        raise
    except Image.DecompressionBombError as error:
        raise BadInput(
            f"The picture has too many pixels; at most {MAX_PIXELS // 10**6} million are read. Make it smaller first."
        ) from error
    except Exception as error:  # Pillow's readers raise nearly anything on damaged files
        raise BadInput(file_kinds.complaint(raw, name)) from error


def eight_bits(image: Image.Image, values: np.ndarray | None, used: Range | None = None) -> Image.Image:
    """An opened picture with 8 bits a channel: itself, or where it has deep `values` these by the `used` range, by default what
    it uses itself."""
    if values is None:
        return image
    used = used or range_of([bounds(values)])
    pixels = used.table[values]
    if values.shape[-1] == 4 and values.ndim == 3 and values[..., 3].max() > used.white:
        pixels[..., 3] = Range().table[values[..., 3]]  # opaque is all of the 16 bits, however few the colours have
    flat, exif = Image.fromarray(pixels), Image.Exif()
    exif[ORIENTATION] = image.getexif().get(ORIENTATION, 1)
    flat.info["exif"] = exif.tobytes()
    return flat


def _check_tiff(image: Image.Image) -> None:
    """Refuse what is no picture of 8 or 16 bits, and tiles that would unpack to more than any picture."""
    tags = image.tag_v2
    if 50706 in tags:  # DNGVersion
        raise BadInput(file_kinds.refusal(file_kinds.RAW))
    formats, bits = tags.get(339, (1,)), tags.get(258, (1,))
    if max(formats) == 3:
        raise BadInput("It is a TIFF of floating-point numbers; save it with 8 or 16 bits a pixel.")
    if max(formats) != 1 or max(bits) > 16:
        raise BadInput("It is a TIFF of signed numbers or more than 16 bits; save it with 8 or 16 bits a pixel.")
    if int(tags.get(322, 1)) * int(tags.get(323, 1)) > MAX_PIXELS:  # TileWidth, TileLength
        raise BadInput(f"It is a TIFF in tiles of more than {MAX_PIXELS // 10**6} million pixels; save it in strips.")


def drawn_on_black(images: Tensor) -> bool:
    """Whether uint8 images (N, C, H, W) are drawings on black, as digits and clothes are: one channel, dark corners."""
    corners = images[:, 0, [0, 0, -1, -1], [0, -1, 0, -1]]
    return images.shape[1] == 1 and bool(corners.float().median() < 32)


def like_mnist(picture: np.ndarray) -> Tensor:
    """uint8 RGB (H, W, 3) -> uint8 (1, 28, 28) by MNIST's recipe. Raises BadInput where nothing is drawn."""
    ink = _ink(picture)
    scale = MNIST_BOX / max(ink.shape)
    small = _resized(ink, [max(1, round(length * scale)) for length in ink.shape])
    small /= small.max()  # a thin pen fades when it is made small
    image = np.zeros((MNIST_SIDE, MNIST_SIDE), np.float32)
    top, left = (
        int(np.clip(round(MNIST_CENTRE - centre), 0, MNIST_SIDE - length))
        for centre, length in zip(_centre_of_mass(small), small.shape, strict=True)
    )
    image[top : top + small.shape[0], left : left + small.shape[1]] = small
    return _bytes(image)[None]


def fitted(picture: np.ndarray, image_shape: tuple[int, int, int], on_black: bool) -> Tensor:
    """uint8 RGB (H, W, 3) -> uint8 (C, H', W') of image_shape, its sides kept in proportion, margins on both sides.

    With on_black it becomes a drawing, white on black, and is cut to what is drawn first; else the margins are black.
    C is 1 or 3. Raises BadInput on other shapes, and on a drawing where nothing is drawn.
    """
    channels, height, width = image_shape
    if channels not in (1, 3):
        raise BadInput(f"A picture cannot become an image of {channels} channels.")
    grey = _ink(picture) if on_black else luminance(picture)
    planes = [grey] if channels == 1 else [picture[..., channel] / np.float32(255) for channel in range(3)]
    rows, columns = planes[0].shape
    scale = min(height / rows, width / columns)
    size = (max(1, min(height, round(rows * scale))), max(1, min(width, round(columns * scale))))
    image = np.zeros(image_shape, np.float32)
    top, left = (height - size[0]) // 2, (width - size[1]) // 2
    for index, plane in enumerate(planes):
        image[index, top : top + size[0], left : left + size[1]] = _resized(plane, size)
    return _bytes(image)


def _rgb(image: Image.Image) -> np.ndarray:
    image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    image.thumbnail((LONGEST, LONGEST))
    if image.mode == "RGB":
        return np.asarray(image)
    rgba = np.asarray(image).astype(np.float32)
    alpha = rgba[..., 3:] / 255
    drawn = float((rgba[..., :3].mean(2, keepdims=True) * alpha).sum() / max(1.0, float(alpha.sum())))
    paper = 255 if drawn < 128 else 0
    return (rgba[..., :3] * alpha + paper * (1 - alpha)).round().astype(np.uint8)


def luminance(picture: np.ndarray) -> np.ndarray:
    """uint8 RGB (..., H, W, 3) -> luminance in [0, 1] (ITU-R BT.601), (..., H, W)."""
    return picture.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32) / 255


def _ink(picture: np.ndarray) -> np.ndarray:
    """What is drawn, 0 paper to 1 strongest ink, cut to its bounding box: the paper is what the picture's edge shows."""
    grey = luminance(picture)
    paper = float(np.median(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])))
    if paper > 0.5:
        grey, paper = 1 - grey, 1 - paper
    strongest = float(grey.max())
    if strongest - paper < FAINT:
        raise BadInput(BLANK)
    ink = np.clip(((grey - paper) / (strongest - paper) - FAINT) / (1 - FAINT), 0, 1)
    rows, columns = np.flatnonzero(ink.max(1)), np.flatnonzero(ink.max(0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _resized(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Pillow's bilinear filter averages over all pixels that become one."""
    image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    return np.clip(np.asarray(image.resize((size[1], size[0]), Image.Resampling.BILINEAR)), 0, 1)


def _centre_of_mass(ink: np.ndarray) -> tuple[float, float]:
    """(down, across) in pixels from the top left corner; the middle of the first pixel is at 0.5."""
    total = ink.sum()
    return tuple(float(((np.arange(len(sums)) + 0.5) * sums).sum() / total) for sums in (ink.sum(1), ink.sum(0)))


def _bytes(image: np.ndarray) -> Tensor:
    return torch.from_numpy((image * 255).round().astype(np.uint8))
