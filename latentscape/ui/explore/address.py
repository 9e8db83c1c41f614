"""Explore's address, so that a link opens exactly this: model, plane, point, what is shown, image, second model, the open
section, and its walk.

    /explore?checkpoint=mnist-20d&plane=images-3-2-1&z=0.5,...&show=codes&image=7&beside=mnist-2d&beside_z=0,1
    /explore?checkpoint=mnist-2d&z=0,0&section=walk&walk=3-2-spherical
"""

import math
from collections.abc import Iterable
from functools import partial

import streamlit as st

from latentscape.ui.address import Word, of_choice, of_widget, unknown, whole_numbers
from latentscape.ui.codes import Codes
from latentscape.ui.explore import plane as explore_plane
from latentscape.ui.explore.pads import ALONE, LAYERS
from latentscape.ui.explore.plane import AXES, COMPONENTS, FAR, FIRST, IMAGES, SECOND, Place
from latentscape.ui.explore.sections import WALK
from latentscape.ui.explore.walk import DECODER, SPHERICAL, STRAIGHT
from latentscape.ui.picker import MODEL, choices
from vae_core.checkpoint import Checkpoint

PLANES = {"axes": AXES, "components": COMPONENTS, "images": IMAGES}
PATHS = {"straight": STRAIGHT, "spherical": SPHERICAL, "decoder": DECODER}
SHORT = 64  # dimensions whose coordinates are written in full


def words(model: Checkpoint, codes: Codes | None, sections: Iterable[str]) -> list[Word]:
    """sections: those that there are, the one that is open by default first."""
    count, latent_dim = len(codes.images) if codes else 0, model.model.config.latent_dim
    names = list(choices())
    image = of_widget("image", "explore_image", lambda word: (whole_numbers([word], 0, count - 1, 1) or [None])[0])
    return [
        MODEL,
        Word("plane", _say_plane, lambda word: _mean_plane(word, model, count)),
        of_choice("show", "explore_layers", {layer: layer for layer in LAYERS}, "both"),
        Word("image", image.say, partial(_mean_image, image)),
        Word("z", lambda: _spelled(_place(FIRST)), lambda word: _mean_point(word, latent_dim), moves=True),
        of_choice("section", "explore_section", {section: section for section in sections}, next(iter(sections))),
        Word("walk", _say_walk, lambda word: _mean_walk(word, count)),
        _second_model(of_choice("beside", "explore_model", {name: name for name in names}, ALONE)),
        Word("beside_z", lambda: _spelled(_place(SECOND)) if _is_beside() else None, _mean_second, moves=True),
    ]


def _say_plane() -> str | None:
    _, kind, parameters = _place(FIRST).signature
    if len(_place(FIRST).z) <= 2:
        return None
    word = next(word for word, name in PLANES.items() if name == kind)
    first = 1 if kind == AXES else 0  # axes are counted from 1, as on the page
    return "-".join([word, *(str(number + first) for number in parameters)])


def _mean_plane(word: str, model: Checkpoint, count: int) -> None:
    state = st.session_state
    kind, *numbers = word.split("-")
    if kind == "components" and not numbers and count:
        state["explore_plane"] = COMPONENTS
    elif kind == "axes" and (axes := whole_numbers(numbers, 1, model.model.config.latent_dim, 2)) and axes[0] != axes[1]:
        state["explore_plane"] = AXES
        explore_plane.choose_axes(model, (axes[0] - 1, axes[1] - 1))
    elif kind == "images" and (corners := whole_numbers(numbers, 0, count - 1, 3)):
        state["explore_plane"] = IMAGES
        for name, index in zip("ABC", corners, strict=True):
            state[f"explore_corner_{name}"] = index
    elif word:
        raise unknown("plane")


def _mean_image(image: Word, word: str) -> None:
    image.mean(word)
    st.session_state.pop("explore_subject", None)  # the marker goes to its code, if the address says no point


def _mean_point(word: str, latent_dim: int) -> None:
    point = _point(word)
    if word and (point is None or len(point) != latent_dim):
        raise unknown("point")
    explore_plane.arrive(FIRST, point)
    if point:  # else the marker goes to the image's code
        st.session_state["explore_subject"] = st.session_state.get("explore_image")


def _second_model(word: Word) -> Word:
    """Whoever links two models means them, whatever the second is."""

    def mean(spelled: str) -> None:
        st.session_state.pop("explore_beside_what", None)
        word.mean(spelled)

    return Word(word.name, word.say, mean, word.moves)


def _mean_second(word: str) -> None:
    point = _point(word)
    if word and point is None:
        raise unknown("point")
    explore_plane.arrive(SECOND, point)
    st.session_state.pop("explore_beside_digest", None)


def _say_walk() -> str | None:
    state = st.session_state
    if state.get("explore_section") != WALK:
        return None
    path = next(word for word, name in PATHS.items() if name == state["explore_path"])
    return f"{state['explore_from']}-{state['explore_to']}-{path}"


def _mean_walk(word: str, count: int) -> None:
    state = st.session_state
    *ends, path = word.split("-")
    if (ends := whole_numbers(ends, 0, count - 1, 2)) and path in PATHS:
        state["explore_from"], state["explore_to"] = ends
        state["explore_path"] = PATHS[path]
    elif word:
        raise unknown("walk")


def _is_beside() -> bool:
    return bool(st.session_state.get("explore_model")) and f"{SECOND}_place" in st.session_state


def _place(slot: str) -> Place:
    return st.session_state[f"{slot}_place"]


def _spelled(place: Place) -> str:
    digits = 6 if len(place.z) <= SHORT else 3
    return ",".join(f"{round(value, digits) + 0.0:g}" for value in place.z)  # + 0.0: no minus zero


def _point(words: str) -> tuple[float, ...] | None:
    try:
        values = tuple(float(word) for word in words[:8000].split(","))
    except ValueError:
        return None
    return values if all(math.isfinite(value) and abs(value) <= FAR for value in values) else None
