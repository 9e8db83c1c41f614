"""A chart that changes does not vanish meanwhile: on every page, its drawing stays in sight until the next one is ready."""

from collections.abc import Callable

import streamlit as st

from latentscape.once import once


def stills() -> None:
    """Without a face: it looks after all charts of the page (see assets/stills.js)."""
    _component()(key="stills")


@once
def _component() -> Callable:
    return st.components.v2.component("latentscape.stills", js="stills.js", isolate_styles=False)
