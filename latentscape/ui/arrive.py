"""What a press has begun is brought into sight, where it is not: the columns of a narrow page stand one above the other."""

import streamlit as st

from latentscape.ui.component import component

_component = component("arrive", "arrive.js")


def pressed(place: str) -> None:
    """Bring what has this key into sight when the page is drawn next."""
    presses = st.session_state.setdefault("arrive_presses", {})
    presses[place] = presses.get(place, 0) + 1


def arrive(place: str) -> None:
    """Drawn by the page of `place` each time."""
    presses = st.session_state.get("arrive_presses", {})
    _component(key=f"arrive_{place}", data={"place": place, "presses": presses.get(place, 0)})
