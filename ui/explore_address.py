"""Explore's state in the address, so that a link opens exactly this: model, plane, point, what is shown, image, second model,
the open section, and its walk.

    /explore?checkpoint=mnist-20d&plane=images-3-2-1&z=0.5,...&show=codes&image=7&beside=mnist-2d&beside_z=0,1
    /explore?checkpoint=mnist-2d&z=0,0&section=walk&walk=3-2-spherical

What is at its default is left out; what names nothing here is passed over.
"""

import math
from collections.abc import Collection, Mapping

import streamlit as st

from ui.codes import Codes
from ui.explore_plane import AXES, COMPONENTS, FAR, FIRST, IMAGES, SECOND, Place
from ui.explore_walk import DECODER, SPHERICAL, STRAIGHT
from ui.picker import choices
from vae_core.checkpoint import Checkpoint

KINDS = {"axes": AXES, "components": COMPONENTS, "images": IMAGES}
PATHS = {"straight": STRAIGHT, "spherical": SPHERICAL, "decoder": DECODER}
SHORT = 64  # dimensions whose coordinates are written in full
OWN = ("checkpoint", "plane", "z", "show", "image", "beside", "beside_z", "section", "walk")


def opened(model: Checkpoint, known: Codes | None, layers: Collection[str], sections: Mapping[str, str]) -> None:
    """At the first run of a visit, put what the address says into the widgets that are drawn later.

    sections: the word for each section in an address -> its name on the page.
    """
    if "explore_opened" in st.session_state:
        return
    st.session_state["explore_opened"] = True
    query = st.query_params
    if query.get("checkpoint", st.session_state["checkpoint"]) != st.session_state["checkpoint"]:
        return  # its model is not here: the rest would mean something else
    latent_dim = model.model.config.latent_dim
    count = len(known.images) if known else 0
    kind, *numbers = query.get("plane", "").split("-")
    if kind == "components" and not numbers and count:
        st.session_state["explore_plane"] = COMPONENTS
    elif kind == "axes" and (axes := _whole(numbers, 1, latent_dim, 2)) and axes[0] != axes[1]:
        st.session_state["explore_plane"] = AXES
        st.session_state["explore_first"], st.session_state["explore_second"] = axes[0] - 1, axes[1] - 1
    elif kind == "images" and (corners := _whole(numbers, 0, count - 1, 3)):
        st.session_state["explore_plane"] = IMAGES
        for name, index in zip("ABC", corners, strict=True):
            st.session_state[f"explore_corner_{name}"] = index
    if query.get("show") in layers:
        st.session_state["explore_layers"] = query["show"]
    if image := _whole([query.get("image", "")], 0, count - 1, 1):
        st.session_state["explore_image"] = image[0]
    if query.get("section") in sections:
        st.session_state["explore_section"] = sections[query["section"]]
    *ends, path = query.get("walk", "").split("-")
    if (ends := _whole(ends, 0, count - 1, 2)) and path in PATHS:
        st.session_state["explore_from"], st.session_state["explore_to"] = ends
        st.session_state["explore_path"] = PATHS[path]
    if query.get("beside") in choices():
        st.session_state["explore_model"] = query["beside"]
    for slot, name in ((FIRST, "z"), (SECOND, "beside_z")):
        st.session_state[f"{slot}_start"] = _point(query.get(name, ""))
    if st.session_state[f"{FIRST}_start"]:  # else the marker goes to the image's code
        st.session_state["explore_subject"] = st.session_state.get("explore_image")


def start(slot: str, latent_dim: int) -> tuple[float, ...] | None:
    """The point z (L,) where the link puts the pad `slot`, once; None where it names no point of this space."""
    z = st.session_state.pop(f"{slot}_start", None)
    return z if z and len(z) == latent_dim else None


def write(here: Place, beside: Place | None, sections: Mapping[str, str]) -> None:
    """Say in the address what is shown now; sections as in `opened`, the one that is open by default first."""
    state = st.session_state
    said = {"checkpoint": state["checkpoint"], "z": _spelled(here.z)}
    _, kind, parameters = here.signature
    if len(here.z) > 2:
        word = next(word for word, name in KINDS.items() if name == kind)
        first = 1 if kind == AXES else 0  # axes are counted from 1, as on the page
        said["plane"] = "-".join([word, *(str(number + first) for number in parameters)])
    if state.get("explore_layers", "both") != "both":
        said["show"] = state["explore_layers"]
    if state.get("explore_image") is not None:
        said["image"] = str(state["explore_image"])
    section = next((word for word, name in sections.items() if name == state.get("explore_section")), next(iter(sections)))
    if section != next(iter(sections)):
        said["section"] = section
    if section == "walk":
        path = next(word for word, name in PATHS.items() if name == state["explore_path"])
        said["walk"] = f"{state['explore_from']}-{state['explore_to']}-{path}"
    if beside is not None:
        said |= {"beside": state["explore_model"], "beside_z": _spelled(beside.z)}
    for name in OWN:
        if name not in said:
            st.query_params.pop(name, None)
        elif st.query_params.get(name) != said[name]:
            st.query_params[name] = said[name]


def _spelled(z: tuple[float, ...]) -> str:
    digits = 6 if len(z) <= SHORT else 3
    return ",".join(f"{round(value, digits) + 0.0:g}" for value in z)  # + 0.0: no minus zero


def _point(words: str) -> tuple[float, ...] | None:
    try:
        values = tuple(float(word) for word in words[:8000].split(","))
    except ValueError:
        return None
    return values if all(math.isfinite(value) and abs(value) <= FAR for value in values) else None


def _whole(words: list[str], low: int, high: int, count: int) -> list[int] | None:
    """`count` whole numbers from low to high, or None."""
    if len(words) != count or not all(word.isascii() and word.isdigit() and len(word) < 7 for word in words):
        return None
    values = [int(word) for word in words]
    return values if low <= min(values) and max(values) <= high else None
