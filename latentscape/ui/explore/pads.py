"""One pad or two side by side, and what both share: what is shown on the plane, and the image whose posterior is."""

import streamlit as st
import torch

from latent_pad import latent_pad
from latentscape.ui.address import remember
from latentscape.ui.codes import Codes, known_codes
from latentscape.ui.explore import heat as explore_heat
from latentscape.ui.explore import plane as explore_plane
from latentscape.ui.explore.plane import SECOND, Place, start
from latentscape.ui.explore.subject import seen_by
from latentscape.ui.picker import choices, opened
from latentscape.ui.words import refused
from vae_core.checkpoint import Checkpoint
from vae_core.errors import BadInput

LAYERS = {
    "both": "Pictures and codes",
    "images": "Pictures",
    "codes": "Codes",
    explore_heat.MAGNIFICATION: "Stretch",
    explore_heat.DENSITY: "Density",
}
ALONE = ""


def controls() -> None:
    """What the pads show, and the second model."""
    left, right = st.columns([2.6, 1], vertical_alignment="bottom")
    remember("explore_layers", "both", LAYERS.__contains__)
    left.segmented_control(
        "Show", list(LAYERS), key="explore_layers", required=True, label_visibility="collapsed", format_func=LAYERS.get,
        persist_state="session", wrap=True,
    )
    available = choices()
    names = [ALONE, *available]
    remember("explore_model", ALONE, names.__contains__)
    right.selectbox(
        "Second model", names, key="explore_model", label_visibility="collapsed", persist_state="session",
        format_func=lambda name: f"Beside: {available[name].label}" if name else "No second model",
    )


def pad(
    slot: str, model: Checkpoint, codes: Codes | None, here: Place, image: torch.Tensor | None, is_new: bool, path=None
) -> Place:
    """Draw the pad `slot` and return where it is. A new image moves its marker to the image's code."""
    found = seen_by(model, image)
    if found and is_new:
        here = explore_plane.move(slot, found.mu, codes)
    layers, heat, said, why = st.session_state["explore_layers"], None, None, None
    if layers in explore_heat.SAID:
        try:
            heat = explore_heat.heat(layers, model, codes, here)
            said, layers = explore_heat.said(layers, len(here.z)), "heat"
        except BadInput as problem:
            why, layers = str(problem), "codes"
    rest = latent_pad(
        model, here.plane, codes.points if codes else None, key=f"{slot}_pad", position=here.position,
        posterior=found.posterior if found else None, layers=layers, path=path, heat=heat,
        prior=model.has_prior,
    )
    explore_plane.settled(slot, rest.z)
    if said:
        st.caption(said)
    if why:
        st.text(why)
    if image is not None and found is None:
        st.caption("This model reads images of another shape: the chosen image is not on its plane.")
    return here


def beside(image: torch.Tensor | None, is_new: bool) -> Place | None:
    """The second pad with the model chosen for it; None where it cannot be opened."""
    name = st.session_state["explore_model"]
    try:
        model = opened(name)
    except BadInput as error:
        refused("The second model cannot be shown.", error)
        st.session_state.pop("explore_beside_place", None)
        return None
    codes = known_codes(model)
    is_other = st.session_state.get("explore_beside_digest") != model.digest
    st.session_state["explore_beside_digest"] = model.digest
    point = start(SECOND, model.model.config.latent_dim)
    here = explore_plane.place(model, codes, SECOND, point)
    st.text(model.name)
    return pad(SECOND, model, codes, here, image, (is_new or is_other) and point is None)
