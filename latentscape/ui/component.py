"""The scripts of the pages as Streamlit components."""

import re
from collections.abc import Callable
from typing import Any

import streamlit as st

from latentscape.once import once


def component(name: str, script: str, css: str | None = None) -> Callable[..., Any]:
    """What draws a component of the assets: registered at its first use, once a server, under a key made of any words.

    Streamlit tells a component from its events by "__", and refuses a key that has it."""

    @once
    def registered() -> Callable:
        return st.components.v2.component(f"latentscape.{name}", js=script, css=css, isolate_styles=False)

    def draw(*, key: str, **options) -> Any:
        return registered()(key=re.sub("_(?=_|$)", "_ ", key), **options)

    return draw
