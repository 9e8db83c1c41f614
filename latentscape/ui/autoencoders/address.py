"""Autoencoders' address: the section that is open, and what is chosen in it.

    /autoencoders?first=40&dropped=true
    /autoencoders?section=merged-digits&one=3&two=8&share=0.3
"""

from collections.abc import Callable, Iterator, Mapping

import streamlit as st

from latentscape.ui.address import Word, of_choice, of_setting
from vae_core.checkpoint import safe_name
from vae_core.settings import Setting


def words(sections: Mapping[str, Callable[[], dict[str, Setting]]]) -> Iterator[Word]:
    """sections: name -> what is chosen in it, by the key of its widget; the one that is open by default first."""
    first = next(iter(sections))
    yield of_choice("section", "ae_section", {safe_name(name): name for name in sections}, first)
    for key, each in sections[st.session_state.get("ae_section") or first]().items():
        yield of_setting(each, key, each.default)
