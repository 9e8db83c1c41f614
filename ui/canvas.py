"""A canvas to draw on, of ZOOM screen pixels a pixel, and what was drawn in the pixels of a model."""

import cv2
import numpy as np
import torch

ZOOM = 10


def canvas(key: str, side: int, **options) -> np.ndarray | None:
    """Draw a square canvas for side x side pixels with a brush two of them wide; RGBA (H, W, 4) of what was drawn, or None.

    The options are those of st_canvas, which is imported only here: it registers itself with the app that is running.
    """
    from streamlit_drawable_canvas import st_canvas

    size = side * ZOOM
    drawn = st_canvas(stroke_width=2 * ZOOM, height=size, width=size, return_image_data=True, key=key, **options)
    return drawn.image_data


def shrunk(pixels: np.ndarray | None, channel: int, side: int) -> torch.Tensor:
    """One channel of a canvas, averaged down to (1, 1, side, side) in [0, 1]; zeros before it has been drawn on."""
    if pixels is None:
        return torch.zeros(1, 1, side, side)
    small = cv2.resize(np.ascontiguousarray(pixels[..., channel]), (side, side), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(small)[None, None].float() / 255
