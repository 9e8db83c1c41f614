"""What there is to do on Explore: a test image, one's own, a walk, traversals, a grid."""

import streamlit as st

from latentscape.ui.address import remember
from latentscape.ui.codes import Codes
from latentscape.ui.explore import draw as explore_draw
from vae_core.checkpoint import Checkpoint

IMAGE, DRAW, WALK, TRAVERSALS, GRID = "image", "draw", "walk", "traversals", "grid"  # as the address calls them
WITH_A_HAND = (IMAGE, DRAW, WALK)  # those that ask for something beside the plane
HAND = 208  # pixels of it
HIDDEN = "<style>:has(> .st-key-{}) {{ display: none !important; }}</style>"


def names(model: Checkpoint, codes: Codes | None) -> dict[str, str]:
    """Section -> its name for this model, the one that is open by default first."""
    found = {
        IMAGE: "A test image", DRAW: explore_draw.section(model), WALK: "Walk", TRAVERSALS: "Traversals", GRID: "Grid",
    }
    if not codes:  # no test images to look at or to walk between
        del found[IMAGE], found[WALK]
    if not model.family.encodes:
        del found[DRAW]
    return found


def choose(sections: dict[str, str]) -> str:
    """The section that is open."""
    remember("explore_section", next(iter(sections)), sections.__contains__)
    return st.segmented_control(
        "Section", list(sections), key="explore_section", required=True, label_visibility="collapsed",
        format_func=sections.get, persist_state="session", wrap=True,
    )


def hide_what_is_idle(section: str) -> None:
    """A canvas that went away would lose what is drawn on it: it is only hidden."""
    if section not in WITH_A_HAND:
        st.html(HIDDEN.format("explore_hand"))
    elif section != DRAW:
        st.html(HIDDEN.format("explore_canvas"))
