"""Arrays of images -> one picture."""

import io

import numpy as np
from PIL import Image

from vae_core.errors import BadInput

GAP = 2  # transparent pixels between tiles, so that light and dark pages show through
MOST_IN_FILE, SIDE_IN_FILE = 2000, 96  # pictures in one file, and about how many pixels each is wide there


def sheet(images: np.ndarray, columns: int, scale: int = 3) -> np.ndarray:
    """uint8 images (N, C, H, W), C 1 or 3 -> RGBA picture (rows * H', columns * W', 4), read row by row.

    Each pixel becomes scale x scale, so that a browser that enlarges the picture further does not blur it.
    """
    count, channels, height, width = images.shape
    rows = -(-count // columns)
    picture = np.zeros((rows * (height * scale + GAP) - GAP, columns * (width * scale + GAP) - GAP, 4), np.uint8)
    tiles = np.broadcast_to(images, (count, 3, height, width)) if channels == 1 else images
    for index, tile in enumerate(tiles.transpose(0, 2, 3, 1).repeat(scale, 1).repeat(scale, 2)):
        top = index // columns * (height * scale + GAP)
        left = index % columns * (width * scale + GAP)
        picture[top : top + height * scale, left : left + width * scale, :3] = tile
        picture[top : top + height * scale, left : left + width * scale, 3] = 255
    return picture


def png(picture: np.ndarray) -> bytes:
    """An RGBA picture as a PNG file."""
    packed = io.BytesIO()
    Image.fromarray(picture).save(packed, "PNG")
    return packed.getvalue()


def picture_of(images: np.ndarray, columns: int) -> bytes:
    """uint8 images (N, C, H, W) as one PNG file to look at, read row by row. Raises BadInput where no picture can be made."""
    if len(images) > MOST_IN_FILE:
        raise BadInput(f"A picture of {len(images):,} images is too large to look at, at most {MOST_IN_FILE:,}; write an .npz.")
    if images.shape[1] not in (1, 3):
        raise BadInput(f"Images of {images.shape[1]} channels are no picture; write an .npz.")
    return png(sheet(images, min(columns, len(images)), max(1, SIDE_IN_FILE // images.shape[3])))
