"""What a hand does on Map's chart and in its gallery: it draws a lasso, ends a selection, opens an image in Explore.

Streamlit reports a lasso too, but not one with nothing in it, nor where the chart was clicked; and a double click in the chart
reads like a report that comes too late.
"""

from collections.abc import Callable, Mapping
from functools import partial

import streamlit as st

from latentscape.ui.component import component

HAND = "map_hand"

_component = component("map_hand", "map_hand.js")


def hand(chart: str, gallery: str, count: int, done: Mapping[str, Callable]) -> None:
    """Listen to the chart and the gallery with these keys, of `count` images. `done`: what to call for `selected` (with the
    numbers), `cleared` and `opened` (with the number)."""
    _component(
        key=HAND, data={"chart": chart, "gallery": gallery}, default={"said": None}, on_said_change=partial(_said, count, done)
    )


def _said(count: int, done: Mapping[str, Callable]) -> None:
    """What the browser reports is checked like any other input; numbers from `count` on are draws of the prior."""
    report = st.session_state[HAND]["said"]
    if not isinstance(report, Mapping):
        return
    selected, opened = report.get("selected"), report.get("opened")
    if isinstance(selected, list):
        done["selected"]([number for number in selected if _is_image(number, count)])
    elif _is_image(opened, count):
        done["opened"](opened)
    elif report.get("cleared"):
        done["cleared"]()


def _is_image(number: object, count: int) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number < count
