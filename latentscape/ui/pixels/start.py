"""Where a picture on Pixels starts: a test image, the rows of it that are known, and how fast the model draws."""

import streamlit as st
import torch

from latentscape.ui.controls import KEEP, control
from vae_core import data
from vae_core.pixels import in_levels
from vae_core.settings import Setting

IMAGE = Setting("image", "test image", "Test image", "No model was trained on these.", int, 0, 0, 9999)
ROWS = Setting("rows", "known rows", "Known rows", "The model draws what is below them.", int, 14, 0, 28)
SPEEDS = {"slow": 60, "fast": 400, "at once": 0}  # pixels a second; 0 is as fast as it goes
USUAL = "fast"


def start(place, levels: int) -> tuple[torch.Tensor, int, int]:
    """The image (1, 28, 28) with levels, its known rows, and pixels a second."""
    index = int(control(place, IMAGE, "pixels_image", width=140))
    rows = int(control(place, ROWS, "pixels_rows", width=140))
    st.session_state.setdefault("pixels_speed", USUAL)
    speed = place.selectbox("Speed", list(SPEEDS), key="pixels_speed", width=140, **KEEP)
    image = data.load("mnist").test_images[index].float() / 255
    return in_levels(image, levels, torch.Generator().manual_seed(index)), rows, SPEEDS[speed]
