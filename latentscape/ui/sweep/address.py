"""Sweep's address: the trainings by their links to look, and the models beside them. The form is not in it: it says what is to
be trained next, not what is shown.

    /sweep?runs=VIEW,VIEW&beside=shapes-conv
    /sweep?beside=mnist-2d,mnist-2d-tutorial
"""

import streamlit as st

from latentscape.ui.address import Partly, Word
from latentscape.ui.picker import choices
from latentscape.ui.sweep.form import MOST
from latentscape.ui.sweep.view import MOST_MODELS, WITH_BETA, beside_at_first

NONE = "none"  # no model is beside the trainings


def words() -> list[Word]:
    return [
        Word("runs", lambda: ",".join(st.session_state.get("sweep", ())) or None, _mean_runs),
        Word("beside", _say_models, _mean_models),
    ]


def _mean_runs(word: str) -> None:
    st.session_state["sweep"] = [token for token in word.split(",") if token][:MOST]


def _say_models() -> str | None:
    names = st.session_state["sweep_models"]
    return None if names == beside_at_first() else ",".join(names) or NONE


def _mean_models(word: str) -> None:
    available = choices(WITH_BETA)
    asked = [] if word in ("", NONE) else list(dict.fromkeys(word.split(",")))
    names = [name for name in asked if name in available][:MOST_MODELS]
    st.session_state["sweep_models"] = names if names or word == NONE else beside_at_first()
    if any(name not in available for name in asked):
        shown = "the others are shown" if names else "the usual ones are shown"
        raise Partly(f"Not every model that the address names is here, or has a beta; {shown}.")
