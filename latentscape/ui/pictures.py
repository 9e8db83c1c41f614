"""Arrays of images -> one picture that a browser shows crisply."""

import base64

import numpy as np

from vae_core.sheet import png, sheet

__all__ = ["embedded", "png", "sheet", "single"]

SINGLE = 168  # screen pixels of an image that stands alone


def single(image: np.ndarray) -> np.ndarray:
    """One uint8 image (C, H, W) -> an RGBA picture whose longer side is about SINGLE pixels."""
    return sheet(image[None], 1, max(1, SINGLE // max(image.shape[1:])))


def embedded(picture: np.ndarray) -> str:
    """An RGBA picture -> an address that carries it whole: st.image shows it without another trip to the server."""
    return f"data:image/png;base64,{base64.b64encode(png(picture)).decode()}"
