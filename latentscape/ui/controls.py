"""The widget of a setting, whichever page asks for it: label, help, bounds and choices are the setting's."""

from typing import Any

import streamlit as st

from vae_core.settings import Setting

KEEP = {"persist_state": "session"}  # a page that is left and entered again finds it as it was
OWN_VALUE = "the network's own"  # said where nothing was typed


def control(place, each: Setting, key: str, slider: bool = False, **more: Any) -> Any:
    """Draw it in a container under this key and return its value, at first its default. `more` is the widget's own: a width."""
    st.session_state.setdefault(key, each.default)
    asked = {"key": key, "help": each.about or None, **KEEP, **more}
    if each.choices is not None:
        return place.selectbox(each.label, list(each.choices), format_func=each.choices.get, **asked)
    if each.suggested:
        return place.selectbox(each.label, each.suggested, accept_new_options=True, placeholder="the model's own", **asked)
    if each.kind is bool:
        return place.toggle(each.label, **asked)
    low, high = each.kind(each.low), each.kind(each.high)
    if slider:
        return place.slider(each.label, low, high, step=each.step, **asked)
    shown = {"format": "%.4g"} if each.kind is float and each.high <= 1 else {}
    return place.number_input(each.label, low, high, step=each.step, placeholder=OWN_VALUE, **shown, **asked)
