"""One pad or two side by side, and what both share: what is shown on the plane, and the image whose posterior is."""

from dataclasses import dataclass

import streamlit as st
import torch

from latent_pad import Encoded, Heat, latent_pad
from latentscape.ui.address import remember
from latentscape.ui.codes import Codes, known_codes
from latentscape.ui.explore import heat as explore_heat
from latentscape.ui.explore import plane as explore_plane
from latentscape.ui.explore.plane import FIRST, SECOND, Place, start
from latentscape.ui.explore.seen import Seen
from latentscape.ui.explore.subject import seen_by
from latentscape.ui.picker import choices, opened
from latentscape.ui.words import refused
from vae_core.checkpoint import Checkpoint
from vae_core.errors import BadInput

LAYERS = {
    "images": "Pictures",
    "codes": "Codes",
    "both": "Pictures and codes",
    explore_heat.MAGNIFICATION: "Stretch",
    explore_heat.DENSITY: "Density",
}
WITHOUT_CODES = {"both": LAYERS["images"], explore_heat.MAGNIFICATION: LAYERS[explore_heat.MAGNIFICATION]}
ALONE = ""
NARROWEST = 380  # pixels of a pad beside another


@dataclass
class Pad:
    """What a pad is about to show."""

    slot: str
    model: Checkpoint
    codes: Codes | None
    here: Place
    image: Seen | None  # the chosen image as its model sees it


def layers(model: Checkpoint) -> None:
    """What the pads show; where the first model has no encoder, there are no codes to show."""
    offered = LAYERS if model.family.encodes else WITHOUT_CODES
    remember("explore_layers", "both", offered.__contains__)
    st.segmented_control(
        "Show", list(offered), key="explore_layers", required=True, label_visibility="collapsed", format_func=offered.get,
        persist_state="session", wrap=True,
    )


def second_model(model: Checkpoint) -> None:
    """The model beside `model`. It goes when another first model comes that is the same, or reads other images."""
    available = choices()
    names = [ALONE, *available]
    remember("explore_model", ALONE, names.__contains__)
    is_other = st.session_state.get("explore_beside_what", model.digest) != model.digest
    st.session_state["explore_beside_what"] = model.digest
    if is_other and not _compares(model, st.session_state["explore_model"]):
        st.session_state["explore_model"] = ALONE
    st.selectbox(
        "Second model", names, key="explore_model", persist_state="session",
        format_func=lambda name: f"Beside: {available[name].label}" if name else "No second model",
    )


def _compares(model: Checkpoint, name: str) -> bool:
    """Whether there is something to see in this model beside the other."""
    if name == ALONE:
        return True
    try:
        second = opened(name)
    except BadInput:
        return True  # why is said where it would be
    return second.digest != model.digest and second.model.config.image_shape == model.model.config.image_shape


def ready(
    slot: str, model: Checkpoint, codes: Codes | None, here: Place, image: torch.Tensor | None, is_new: bool
) -> Pad:
    """What the pad `slot` is about to show. A new image moves its marker to the image's code."""
    found = seen_by(model, image)
    if found and is_new:
        here = explore_plane.move(slot, found.mu, codes)
    return Pad(slot, model, codes, here, found)


def beside(image: torch.Tensor | None, is_new: bool) -> Pad:
    """What the second pad is about to show. Raises BadInput where the model chosen for it cannot be opened."""
    name = st.session_state["explore_model"]
    try:
        model = opened(name)
    except BadInput:
        st.session_state.pop("explore_beside_place", None)
        raise
    codes = known_codes(model)
    is_other = st.session_state.get("explore_beside_digest") != model.digest
    st.session_state["explore_beside_digest"] = model.digest
    point = start(SECOND, model.model.config.latent_dim)
    here = explore_plane.place(model, codes, SECOND, point)
    return ready(SECOND, model, codes, here, image, (is_new or is_other) and point is None)


def pads(first: Pad, image: torch.Tensor | None, is_new: bool, path=None) -> None:
    """Draw the first pad, and the second beside it if there is one, or below it where there is no room."""
    if not st.session_state["explore_model"]:
        heats, why = _heats([first])
        _pad(first, image, heats.get(FIRST), why.get(FIRST), path)
        return
    second = problem = None
    try:
        second = beside(image, is_new)
    except BadInput as error:
        problem = error
    heats, why = _heats([first, second] if second else [first])
    with st.grid(2, min_column_width=NARROWEST, gap="medium") as grid:
        for pad in (first, second):
            with grid.cell():
                if pad is None:
                    refused("The second model cannot be shown.", problem)
                    continue
                st.text(pad.model.name)
                _pad(pad, image, heats.get(pad.slot), why.get(pad.slot), path if pad is first else None)


def _heats(shown: list[Pad]) -> tuple[dict[str, Heat], dict[str, str]]:
    """For each pad that has one its heat-map, and for each that has none why; two that stretch have one scale."""
    layer, heats, why = st.session_state["explore_layers"], {}, {}
    for pad in shown if layer in explore_heat.SAID else ():
        try:
            heats[pad.slot] = explore_heat.heat(layer, pad.model, pad.codes, pad.here)
        except BadInput as problem:
            why[pad.slot] = str(problem)
    if layer == explore_heat.MAGNIFICATION and heats:
        heats = dict(zip(heats, explore_heat.on_one_scale([*heats.values()]), strict=True))
    return heats, why


def _pad(pad: Pad, image: torch.Tensor | None, heat: Heat | None, why: str | None, path) -> None:
    layer, codes, found = st.session_state["explore_layers"], pad.codes, pad.image
    settled = latent_pad(
        pad.model, pad.here.plane, codes.points if codes else None, key=f"{pad.slot}_pad", position=pad.here.position,
        posterior=found.posterior if found else None, encoded=Encoded(found.image, found.mu) if found else None,
        layers="heat" if heat else "codes" if why else layer, path=path, heat=heat, prior=pad.model.has_prior,
    )
    explore_plane.settled(pad.slot, settled.z)
    if heat:
        st.caption(explore_heat.MEASURED[layer])
    if why:
        st.text(why)
    if image is not None and found is None:
        why = "reads images of another shape" if pad.model.family.encodes else "draws pictures and encodes none"
        st.caption(f"This model {why}: the chosen image is not on its plane.")
