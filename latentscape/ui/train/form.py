"""The controls of the Train page: the choice of a preset, and a form of settings."""

from collections.abc import Callable
from typing import NamedTuple

import streamlit as st

from latentscape.ui.controls import KEEP, control
from latentscape.ui.own import picture_sets
from latentscape.ui.presets import (
    OWN,
    PLAIN,
    PRESETS,
    choose_pictures,
    form_settings,
    plain,
    preset_at_first,
    values_of,
)
from latentscape.ui.request import data_titles, own_pictures, request_of
from latentscape.ui.words import refused
from latentscape.work.belongings import Pictures
from latentscape.work.runs import ACTIVE, PAUSED
from vae_core.errors import BadInput
from vae_core.models import FAMILIES
from vae_core.settings import Setting

NARROW, SWITCH = 13, 8  # letters that half a form's width has room for, and beside a switch


def _key(field: str) -> str:
    return f"train_{field}"


def fill_in() -> None:
    """Fill the form of somebody who has chosen nothing yet."""
    if "train_preset" not in st.session_state:
        st.session_state["train_preset"] = preset_at_first()
        apply_preset()
    for field, value in PLAIN.items():
        st.session_state.setdefault(_key(field), value)


def apply_preset() -> None:
    """Put the values of the chosen preset into the form."""
    preset = st.session_state.get("train_preset")
    for field, value in values_of(preset).items():
        st.session_state[_key(field)] = value
    if preset == OWN and (sets := picture_sets()):
        choose_pictures(sets[-1])


def kind_at_first() -> str:
    """The kind of model of the chosen preset."""
    return values_of(st.session_state.get("train_preset") or preset_at_first())["kind"]


def kind_chosen() -> None:
    """Another kind of model starts from its plain settings: those of the last one would mean something else."""
    usual = plain(st.session_state[_key("kind")])
    for field in set(usual) - {"kind", "data", "seed"}:
        st.session_state[_key(field)] = usual[field]


class Press(NamedTuple):
    """What was pressed: the request of the training that is to start, whether for one epoch only, and on which own pictures."""

    request: dict
    step: bool
    pictures: Pictures | None


def settings_form(status: str | None, start: Callable[[Press], None], resume: Callable[[], None]) -> None:
    """Draw presets and form for a tab whose run has this status (None: no run of its own).

    Train and Step start a training with the form's values if they fit; with a paused run, Step is for that run. `start` and
    `resume` are called before the rest is drawn: they draw the page anew, or say why not.
    """
    titles = data_titles()
    if st.session_state[_key("data")] not in titles:
        st.info("The pictures that were chosen are no longer here: bring them again on Your pictures.")
        st.session_state[_key("data")] = PLAIN["data"]
    preset = st.selectbox("Start from", list(PRESETS), key="train_preset", on_change=apply_preset, **KEEP)
    st.caption(PRESETS[preset].about)
    kind = st.selectbox(
        "Model", list(FAMILIES), format_func=lambda name: FAMILIES[name].title, key=_key("kind"), on_change=kind_chosen, **KEEP,
        help="New pictures are drawn by those that have a prior: "
        + ", ".join(family.title for family in FAMILIES.values() if family.draws) + ".",
    )
    settings = form_settings(kind).values()
    answer = st.container()
    with st.form("train_form", border=True, enter_to_submit=False):  # a number that is typed is no wish to train
        _buttons(status, start, resume, answer)
        st.selectbox(
            "Data set", list(titles), format_func=titles.get, key=_key("data"), **KEEP,
            help="MNIST, Digits and Shapes are here, and what you brought to Your pictures; the others are fetched once where "
            "the network allows.",
        )
        _controls([each for each in settings if each.place == "first"])
        with st.expander("More settings"):
            _controls([each for each in settings if each.place == "more"])


def _buttons(status: str | None, start: Callable[[Press], None], resume: Callable[[], None], answer) -> None:
    """`answer` is the container where a refusal is said."""
    busy = status in (*ACTIVE, PAUSED)
    left, right = st.columns([1.7, 1])
    train = left.form_submit_button(
        "Train", key="train_start", type="primary", width="stretch", disabled=busy, icon=":material/play_arrow:"
    )
    step = right.form_submit_button(
        "Step", key="train_step", width="stretch", disabled=status in ACTIVE, help="One epoch, then pause."
    )
    if step and status == PAUSED:
        resume()
    elif (train or step) and not busy:
        with answer:
            _press(start, step)


def _controls(settings: list[Setting]) -> None:
    """A control for each: two in a row, but for those that need the width for their words."""
    columns = iter(())
    for each in settings:
        if _is_wide(each):
            columns = iter(())
            control(st, each, _key(each.field))
            continue
        place = next(columns, None)
        if place is None:
            left, right = st.columns(2)
            place, columns = left, iter((right,))
        control(place, each, _key(each.field))


def _is_wide(each: Setting) -> bool:
    words = [*(each.choices or {}).values(), *each.suggested]
    return bool(each.suggested) or max(map(len, words), default=0) > NARROW or (each.kind is bool and len(each.label) > SWITCH)


def _press(start: Callable[[Press], None], step: bool) -> None:
    """What was pressed, from the values that came with it: those of what is not drawn yet are there."""
    try:
        pictures = own_pictures(st.session_state[_key("data")])
        start(Press(request_of({field: st.session_state[_key(field)] for field in PLAIN}, pictures), step, pictures))
    except BadInput as error:
        refused("Nothing is trained.", error)
