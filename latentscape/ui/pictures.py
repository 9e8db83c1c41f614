"""Arrays of images -> one picture that a browser shows crisply."""

import base64

import numpy as np

from vae_core.sheet import png, sheet

__all__ = ["embedded", "framed", "png", "sheet", "single"]

EDGE, PAPER, FRAME = 2, (255, 255, 255), (224, 122, 31)  # pixels around a framed image, and their colours
SINGLE = 168  # screen pixels of an image that stands alone


def single(image: np.ndarray) -> np.ndarray:
    """One uint8 image (C, H, W) -> an RGBA picture whose longer side is about SINGLE pixels."""
    return sheet(image[None], 1, max(1, SINGLE // max(image.shape[1:])))


def framed(images: np.ndarray, marked: np.ndarray) -> np.ndarray:
    """uint8 images (N, 1 or 3, H, W) -> (N, 3, H + 2 EDGE, W + 2 EDGE): an orange frame around those that are marked,
    bool (N,), a white one around the others."""
    tiles = np.empty((len(images), 3, *(size + 2 * EDGE for size in images.shape[2:])), np.uint8)
    tiles[:] = np.where(np.asarray(marked)[:, None], FRAME, PAPER)[:, :, None, None]
    tiles[:, :, EDGE:-EDGE, EDGE:-EDGE] = images
    return tiles


def embedded(picture: np.ndarray) -> str:
    """An RGBA picture -> an address that carries it whole: st.image shows it without another trip to the server."""
    return f"data:image/png;base64,{base64.b64encode(png(picture)).decode()}"
