"""Train's address: the training that is shown, by its link to look, and what the form starts from.

    /train?run=VIEW
    /train?preset=textbook&kind=ae
"""

import streamlit as st

from latentscape.ui.address import Word
from latentscape.ui.presets import PRESETS, preset_at_first
from latentscape.ui.train.form import apply_preset, kind_at_first, kind_chosen
from vae_core.checkpoint import safe_name
from vae_core.models import FAMILIES

BY_WORD = {safe_name(name): name for name in PRESETS}


def words() -> list[Word]:
    return [
        Word("run", lambda: st.session_state.get("run"), _mean_run),
        Word("preset", _say_preset, _mean_preset),
        Word("kind", _say_kind, _mean_kind),
    ]


def _mean_run(word: str) -> None:
    st.session_state["run"] = word or None


def _say_preset() -> str | None:
    name = st.session_state.get("train_preset", preset_at_first())
    return None if name == preset_at_first() else safe_name(name)


def _mean_preset(word: str) -> None:
    """A form that starts from it already keeps what was changed in it since."""
    name = BY_WORD.get(word, preset_at_first())
    if name != st.session_state.get("train_preset", preset_at_first()):
        st.session_state["train_preset"] = name
        apply_preset()


def _say_kind() -> str | None:
    kind = st.session_state.get("train_kind")
    return None if kind in (None, kind_at_first()) else kind


def _mean_kind(word: str) -> None:
    kind = word if word in FAMILIES else kind_at_first()
    if kind != st.session_state.get("train_kind", kind_at_first()):
        st.session_state["train_kind"] = kind
        kind_chosen()
