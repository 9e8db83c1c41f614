"""The controls of the Sweep page: what is trained, and with which betas."""

from dataclasses import replace
from typing import NamedTuple

import streamlit as st

from latentscape.ui.controls import KEEP, control
from latentscape.ui.presets import PLAIN
from latentscape.ui.request import data_titles, own_pictures, request_of
from latentscape.ui.words import refused
from latentscape.work.belongings import Pictures
from vae_core.errors import BadInput
from vae_core.models.vae import VAEConfig
from vae_core.settings import settings_of
from vae_core.train import TrainConfig

BETAS = ("0.1", "0.25", "0.5", "1", "2", "4", "8", "16", "32")
FIRST = ["0.25", "1", "4", "16"]
MOST = 6  # trainings of one sweep
MODEL, TRAINING = settings_of(VAEConfig), settings_of(TrainConfig)
BETA = MODEL["beta"]
ASKED = {  # as anywhere else, but for where they begin
    "architecture": MODEL["architecture"],
    "latent_dim": replace(MODEL["latent_dim"], default=10),
    "epochs": replace(TRAINING["epochs"], default=3, about="For each beta."),
    "seed": replace(TRAINING["seed"], about="The same for all: only beta differs."),
}


class Press(NamedTuple):
    """A sweep that was asked for: the requests, smallest beta first, and on which own pictures."""

    requests: list[dict]
    pictures: Pictures | None


def settings_form(busy: bool) -> Press | None:
    """Draw the form; the sweep, when it was sent and makes sense."""
    with st.form("sweep_form", border=True, enter_to_submit=False):  # a number that is typed is no wish to train
        sent = st.form_submit_button(
            "Train them all", key="sweep_start", type="primary", width="stretch", disabled=busy, icon=":material/play_arrow:"
        )
        st.multiselect(
            "Betas", BETAS, default=FIRST, key="sweep_betas", max_selections=MOST, accept_new_options=True, **KEEP,
            help=f"At most {MOST}; others can be typed. 1 is the ELBO; 0 is an autoencoder with noise.",
        )
        titles = data_titles()
        if st.session_state.get("sweep_data", PLAIN["data"]) not in titles:
            st.session_state["sweep_data"] = PLAIN["data"]  # pictures that are no longer here
        st.selectbox("Data set", list(titles), format_func=titles.get, key="sweep_data", **KEEP)
        control(st, ASKED["architecture"], "sweep_architecture")
        left, right = st.columns(2)
        for place, name in ((left, "latent_dim"), (right, "epochs"), (left, "seed")):
            control(place, ASKED[name], f"sweep_{name}")
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
        if not BETA.low <= beta <= BETA.high:
            raise BadInput(f"{word[:20]} is no beta; choose numbers from {BETA.low:g} to {BETA.high:g}.")
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
