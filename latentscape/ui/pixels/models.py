"""Which model draws on Pixels: one of a family that paints pixel by pixel."""

from collections.abc import Iterable

import streamlit as st

from latentscape.ui.controls import KEEP
from latentscape.ui.picker import choices, opened
from latentscape.ui.words import refused
from vae_core.checkpoint import Checkpoint
from vae_core.errors import BadInput
from vae_core.models import FAMILIES

KINDS = tuple(name for name, family in FAMILIES.items() if family.page == "Pixels")
SHAPE = (1, 28, 28)
KEY = "pixels_model"
FIRST = "mnist-made"  # what a visitor meets


def offered() -> dict[str, str]:
    """Name -> label of the models that paint."""
    return {name: choice.label for name, choice in choices(KINDS, SHAPE).items()}


def usual(available: Iterable[str]) -> str:
    """The one that is shown where none was chosen."""
    return FIRST if FIRST in available else next(iter(available))


def take_over() -> None:
    """What Train has handed over is chosen: it says the family with it."""
    for kind in KINDS:
        wanted = st.session_state.pop(f"{KEY}_{kind}", None)
        if wanted in offered():
            st.session_state[KEY] = wanted


def choose(place) -> Checkpoint | None:
    """Draw the box; the model chosen, or None where there is none or its file is damaged, which is said."""
    available = offered()
    if not available:
        place.info("There is no model here that draws pixel by pixel. Train one: its presets are on Train.")
        place.page_link("pages/train.py", label="Train one", icon=":material/model_training:")
        return None
    if st.session_state.get(KEY) not in available:
        st.session_state[KEY] = usual(available)
    name = place.selectbox("Model", list(available), key=KEY, format_func=available.get, width=260, **KEEP)
    try:
        return opened(name, KINDS)
    except BadInput as problem:
        with place:
            refused("This model was not opened.", problem)
        return None
