"""Pictures that appear beside the point under the cursor of a Plotly chart: from one sprite, with no trip to the server."""

import functools
import hashlib
import io
import json
from dataclasses import dataclass

import numpy as np
from PIL import Image

from latentscape.ui.component import component

MAX_TILE = 32  # pixels a side in the sprite; larger pictures are made smaller
MAX_SIDE = 8192  # pixels a side of a sprite: some browsers draw no larger one

_component = component("hover_pictures", "hover.js")


@dataclass(frozen=True)
class Sprite:
    """Many small pictures in one WebP file."""

    payload: bytes
    tile: tuple[int, int]  # height, width in the sprite
    columns: int
    count: int

    @functools.cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.payload).hexdigest()


def pack_sprite(images: np.ndarray) -> Sprite:
    """uint8 images (N, C, H, W), C 1 or 3 -> a sprite, each image at most MAX_TILE pixels a side. N up to 65,536."""
    count, channels, height, width = images.shape
    step = -(-max(height, width) // MAX_TILE)
    tiles = images[:, :, : height // step * step, : width // step * step]
    if step > 1:
        tiles = tiles.reshape(count, channels, height // step, step, width // step, step).mean((3, 5)).astype(np.uint8)
    height, width = tiles.shape[2:]
    columns = min(count, MAX_SIDE // width)
    rows = -(-count // columns)
    if rows * height > MAX_SIDE:
        raise ValueError(f"{count} pictures of {height} x {width} pixels do not fit into one sprite.")
    padded = np.zeros((rows * columns, channels, height, width), np.uint8)
    padded[:count] = tiles
    picture = padded.reshape(rows, columns, channels, height, width).transpose(0, 3, 1, 4, 2)
    picture = picture.reshape(rows * height, columns * width, channels)
    file = io.BytesIO()
    Image.fromarray(picture if channels == 3 else picture[..., 0]).save(file, "WEBP", quality=80, method=2)
    return Sprite(file.getvalue(), (height, width), columns, count)


def hover_pictures(sprite: Sprite, chart: str, first: int = 0, *, key: str) -> None:
    """Show the pictures of `sprite` over the Plotly chart with the widget key `chart`.

    The picture of a point is the one whose number, counted from `first`, is the first value of its customdata.
    """
    header = json.dumps(
        {"chart": chart, "first": first, "count": sprite.count, "tile": sprite.tile, "columns": sprite.columns}
    ).encode()
    _component(key=key, data=len(header).to_bytes(4, "little") + header + sprite.payload)
