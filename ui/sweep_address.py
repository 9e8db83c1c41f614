"""Sweep's address: the trainings by their links to look, the models beside them, and the form's settings as they were sent.

    /sweep?runs=VIEW,VIEW&betas=0.5,1,4&data=digits&epochs=900
    /sweep?beside=mnist-2d,mnist-2d-tutorial
"""

import streamlit as st

from ui.address import Word, of_choice, of_widget, whole_numbers
from ui.own import mine
from ui.picker import choices
from ui.sweep_form import MOST, PLAIN, betas_of
from ui.sweep_view import WITH_BETA, beside_at_first
from vae_core import data
from vae_core.errors import BadInput
from vae_core.vae import ARCHITECTURES

NONE = "none"  # no model is beside the trainings
OWN = "own"  # the visitor's own pictures, which have no name that an address may show


def words() -> list[Word]:
    return [
        Word("runs", lambda: ",".join(st.session_state.get("sweep", ())) or None, _mean_runs),
        Word("beside", _say_models, _mean_models),
        Word("betas", _say_betas, _mean_betas),
        Word("data", _say_data, _mean_data),
        of_choice("architecture", "sweep_architecture", {name: name for name in ARCHITECTURES}, PLAIN["architecture"]),
        _number("latent_dim", 1, 256),
        _number("epochs", 1, 1000),
        _number("seed", 0, 999_999),
    ]


def _mean_runs(word: str) -> None:
    st.session_state["sweep"] = [token for token in word.split(",") if token][:MOST]


def _say_models() -> str | None:
    names = st.session_state["sweep_models"]
    return None if names == beside_at_first() else ",".join(names) or NONE


def _mean_models(word: str) -> None:
    names = [name for name in word.split(",") if name in choices(WITH_BETA)]
    st.session_state["sweep_models"] = names if names or word == NONE else beside_at_first()


def _say_betas() -> str | None:
    try:
        betas = betas_of(st.session_state["sweep_betas"])
    except BadInput:
        return None
    return None if betas == betas_of(PLAIN["betas"]) else ",".join(f"{beta:g}" for beta in betas)


def _mean_betas(word: str) -> None:
    betas = word.split(",")[:MOST]
    try:
        betas_of(betas)
    except BadInput:
        betas = list(PLAIN["betas"])
    st.session_state["sweep_betas"] = betas


def _say_data() -> str | None:
    name = st.session_state["sweep_data"]
    return None if name == PLAIN["data"] else name if name in data.TITLES else OWN


def _mean_data(word: str) -> None:
    own = [pictures.id for pictures in mine()]
    if word == OWN and own:
        if st.session_state.get("sweep_data") not in own:
            st.session_state["sweep_data"] = own[-1]
    else:
        st.session_state["sweep_data"] = word if word in data.TITLES else PLAIN["data"]


def _number(name: str, low: int, high: int) -> Word:
    return of_widget(
        name, f"sweep_{name}", lambda word: (whole_numbers([word], low, high, 1) or [None])[0], default=PLAIN[name]
    )  # fmt: skip
