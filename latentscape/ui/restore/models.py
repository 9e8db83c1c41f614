"""Which trained models Restore asks: the shipped ones, or the visitor's own in their place."""

import streamlit as st

from latentscape.ui.picker import choices, opened
from latentscape.ui.restore.source import SIDE
from latentscape.ui.words import refused
from vae_core.checkpoint import Checkpoint
from vae_core.errors import BadInput
from vae_core.inpainting import METHODS

SHAPE = (1, SIDE, SIDE)


def offered(method: str) -> dict[str, str]:
    """Name -> label of the models that can repair as `method`, the shipped one first; a method is called like its kind."""
    labels = {name: choice.label for name, choice in choices((method,), SHAPE).items()}
    return {name: labels[name] for name in sorted(labels, key=lambda name: name != METHODS[method].ships)}


def choose() -> dict[str, Checkpoint]:
    """Draw a box for each method that learns and return the models chosen: method -> model; those that are not here or do
    not open are left out. Shared by visitors: never change them."""
    found = {}
    with st.popover("Models", icon=":material/model_training:"):
        for method in (method.name for method in METHODS.values() if method.ships):
            available, key = offered(method), f"restore_model_{method}"
            if not available:
                continue
            if st.session_state.get(key) not in available:
                st.session_state[key] = next(iter(available))
            title = METHODS[method].title
            name = st.selectbox(title, list(available), key=key, format_func=available.get, persist_state="session")
            try:
                found[method] = opened(name, (method,))
            except BadInput as problem:
                refused("This model was not opened.", problem)
        st.caption(
            "Models of yours can stand here too: train one on the Train page (the presets Denoise and Restore) and keep it, "
            "or open its file in the sidebar. They must have learned 28 x 28 grey pictures."
        )
    return found
