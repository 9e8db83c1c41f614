"""Train's address: the training that is shown and the one beside it, by their links to look, and what the form starts from and
is set to.

    /train?run=VIEW&beside=VIEW
    /train?preset=textbook&kind=vae&latent=2&beta=4

A setting that the address leaves out is that of the preset, or where the kind of model is another, the plain one.
"""

from collections.abc import Iterator

import streamlit as st

from latentscape.ui.address import Word, of_setting, of_widget, unknown
from latentscape.ui.presets import KIND_OF, PRESETS, form_settings, plain, preset_at_first, values_of
from latentscape.ui.request import data_titles
from latentscape.ui.train.form import apply_preset, kind_at_first, kind_chosen
from latentscape.ui.train.trainings import BESIDE
from vae_core.checkpoint import safe_name
from vae_core.models import FAMILIES

BY_WORD = {safe_name(name): name for name in PRESETS}


def words() -> Iterator[Word]:
    """The training, the preset and the kind of model; then, for it depends on these, each setting of the form."""
    yield Word("run", lambda: st.session_state.get("run"), _mean_run)
    yield Word("beside", lambda: st.session_state.get(BESIDE), _mean_beside)
    yield Word("preset", _say_preset, _mean_preset)
    yield Word("kind", _say_kind, _mean_kind)
    preset, kind = st.session_state["train_preset"], st.session_state["train_kind"]
    usual = values_of(preset) if kind == KIND_OF[preset] else plain(kind)
    titles = data_titles()
    yield of_widget("data", "train_data", lambda word: word if word in titles else None, str, usual["data"])
    for name, each in form_settings(kind).items():
        yield of_setting(each, f"train_{name}", usual[name])


def _mean_run(word: str) -> None:
    st.session_state["run"] = word or None


def _mean_beside(word: str) -> None:
    st.session_state[BESIDE] = word or None


def _say_preset() -> str | None:
    name = st.session_state.get("train_preset", preset_at_first())
    return None if name == preset_at_first() else safe_name(name)


def _mean_preset(word: str) -> None:
    """Where the form starts from this preset already, what was changed in it since stays."""
    if word and word not in BY_WORD:
        raise unknown("preset")
    name = BY_WORD.get(word, preset_at_first())
    if name != st.session_state.get("train_preset", preset_at_first()):
        st.session_state["train_preset"] = name
        apply_preset()


def _say_kind() -> str | None:
    kind = st.session_state.get("train_kind")
    return None if kind in (None, kind_at_first()) else kind


def _mean_kind(word: str) -> None:
    if word and word not in FAMILIES:
        raise unknown("kind of model")
    kind = word or kind_at_first()
    if kind != st.session_state.get("train_kind", kind_at_first()):
        st.session_state["train_kind"] = kind
        kind_chosen()
