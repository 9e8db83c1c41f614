"""The controls of the Sweep page: what is trained, and with which betas."""

from typing import NamedTuple

import streamlit as st

from latentscape.ui.presets import PLAIN
from latentscape.ui.request import data_titles, own_pictures, request_of
from latentscape.ui.words import refused
from latentscape.work.belongings import Pictures
from vae_core.errors import BadInput
from vae_core.models.vae import ARCHITECTURES

BETAS = ("0.1", "0.25", "0.5", "1", "2", "4", "8", "16", "32")
FIRST = ["0.25", "1", "4", "16"]
MOST = 6  # trainings of one sweep
HIGHEST = 1000.0


class Press(NamedTuple):
    """A sweep that was asked for: the requests, smallest beta first, and on which own pictures."""

    requests: list[dict]
    pictures: Pictures | None


def settings_form(busy: bool) -> Press | None:
    """Draw the form; the sweep, when it was sent and makes sense."""
    keep = {"persist_state": "session"}
    with st.form("sweep_form", border=True):
        sent = st.form_submit_button(
            "Train them all", key="sweep_start", type="primary", width="stretch", disabled=busy, icon=":material/play_arrow:"
        )
        st.multiselect(
            "Betas", BETAS, default=FIRST, key="sweep_betas", max_selections=MOST, accept_new_options=True, **keep,
            help=f"At most {MOST}; others can be typed. 1 is the ELBO; 0 is an autoencoder with noise.",
        )
        titles = data_titles()
        if st.session_state.get("sweep_data", PLAIN["data"]) not in titles:
            st.session_state["sweep_data"] = PLAIN["data"]  # pictures that are no longer here
        st.selectbox("Data set", list(titles), format_func=titles.get, key="sweep_data", **keep)
        st.selectbox(
            "Architecture", list(ARCHITECTURES), format_func=lambda name: ARCHITECTURES[name].title, key="sweep_architecture",
            **keep,
        )
        left, right = st.columns(2)
        left.number_input("Latent size", 1, 256, 10, key="sweep_latent_dim", **keep)
        right.number_input("Epochs", 1, 1000, 3, key="sweep_epochs", help="For each beta.", **keep)
        left.number_input("Seed", 0, 2**31 - 1, 0, key="sweep_seed", help="The same for all: only beta differs.", **keep)
    if not sent or busy:
        return None
    try:
        return _press()
    except BadInput as error:
        refused("Nothing is trained.", error)
        return None


def betas_of(words: list[str]) -> list[float]:
    """What was chosen or typed as numbers, each once, smallest first. Raises BadInput."""
    found = set()
    for word in words:
        try:
            beta = float(word.replace(",", "."))
        except ValueError:
            beta = -1.0
        if not 0 <= beta <= HIGHEST:
            raise BadInput(f"{word[:20]} is no beta; choose numbers from 0 to {HIGHEST:g}.")
        found.add(beta)
    if len(found) < 2:
        raise BadInput("Choose at least two betas: one alone compares with nothing.")
    return sorted(found)


def _press() -> Press:
    names = ("data", "architecture", "latent_dim", "epochs", "seed")
    values = PLAIN | {name: st.session_state[f"sweep_{name}"] for name in names}
    pictures = own_pictures(values["data"])
    betas = betas_of(st.session_state["sweep_betas"])
    return Press([request_of(values | {"beta": beta}, pictures) for beta in betas], pictures)
