"""A canvas to draw on, of ZOOM screen pixels a pixel, and what was drawn in the pixels of a model."""

import base64
import binascii

import cv2
import numpy as np
import streamlit as st
import torch

from latentscape.ui.component import component
from vae_core import picture

ZOOM = 10
DIGIT = {"stroke_width": 22, "stroke_color": "#ffffff", "background_color": "#000000"}  # MNIST's strokes: a tenth of a digit

_swift = component("swift_canvas", "swift_canvas.js")  # no face: the canvas sends each stroke as soon as it ends


def canvas(key: str, side: int, **options) -> np.ndarray | None:
    """Draw a square canvas for side x side pixels; RGBA (H, W, 4) of what was drawn, or None.

    The options are those of st_canvas, which is imported only here: it registers itself with the app that is running.
    """
    from streamlit_drawable_canvas import st_canvas

    with st.container(gap=None):
        drawn = st_canvas(height=side * ZOOM, width=side * ZOOM, return_image_data=True, key=key, **options).image_data
        _swift(key=f"{key}--swift", data=key)
    return drawn


def digit(key: str) -> torch.Tensor:
    """Draw a canvas for a digit; what was drawn, made like MNIST's: (1, 1, 28, 28) in [0, 1], zeros before anything is."""
    st.caption("Draw here.")
    drawn = canvas(key, picture.MNIST_SIDE, **DIGIT)
    if drawn is None or not drawn[..., :3].any():
        return torch.zeros(1, 1, picture.MNIST_SIDE, picture.MNIST_SIDE)
    return picture.like_mnist(np.ascontiguousarray(drawn[..., :3]))[None].float() / 255


def png_of(key: str) -> bytes | None:
    """What the canvas `key` showed at the end of the last run, as a PNG file; None while nothing is drawn."""
    state = st.session_state.get(key)
    drawing = state.get("drawing") if hasattr(state, "get") else None
    if not hasattr(drawing, "get") or not hasattr(drawing.get("raw"), "get") or not drawing["raw"].get("objects"):
        return None
    try:
        return base64.b64decode(str(drawing.get("data")).partition(";base64,")[2], validate=True) or None
    except binascii.Error:
        return None


def shrunk(pixels: np.ndarray | None, channel: int, side: int) -> torch.Tensor:
    """One channel of a canvas, averaged down to (1, 1, side, side) in [0, 1]; zeros before it has been drawn on."""
    if pixels is None:
        return torch.zeros(1, 1, side, side)
    small = cv2.resize(np.ascontiguousarray(pixels[..., channel]), (side, side), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(small)[None, None].float() / 255
