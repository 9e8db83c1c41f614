"""The image whose posterior Explore shows: a test image by its number, or the visitor's own picture."""

import streamlit as st
import torch

from latentscape.ui.codes import Codes
from latentscape.ui.explore import draw as explore_draw
from latentscape.ui.explore.seen import Seen, seen
from vae_core.checkpoint import Checkpoint
from vae_core.errors import BadInput


def subject(model: Checkpoint, codes: Codes | None) -> tuple[torch.Tensor | None, Seen | None, bool]:
    """The image, uint8 (C, H, W), the visitor's own picture as the model sees it (if there is one), and whether the image
    is another one than in the last run of the page: then the markers go to it.

    A new picture of the visitor's takes the place of a test image, and the other way round.
    """
    drawn, is_new = explore_draw.own(model, codes)
    if is_new:
        st.session_state["explore_image"] = None
    index = st.session_state.get("explore_image") if codes else None
    if index is not None and not 0 <= index < len(codes.images):
        index = st.session_state["explore_image"] = None
    other = index is not None and index != st.session_state.get("explore_subject")
    st.session_state["explore_subject"] = index
    if index is not None:
        return codes.images[index], drawn, other
    return (drawn.image if drawn else None), drawn, is_new


def seen_by(model: Checkpoint, image: torch.Tensor | None) -> Seen | None:
    """The image as another model sees it; None where it has no encoder, or reads images of another shape."""
    if image is None or not model.family.encodes or tuple(image.shape) != tuple(model.model.config.image_shape):
        return None
    try:
        return seen(model, image)
    except BadInput:
        return None
