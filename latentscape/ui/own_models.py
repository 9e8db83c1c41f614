"""The visitor's own models, in the sidebar: each can be called otherwise, opened to others by a link, and deleted."""

from functools import partial

import streamlit as st

from latentscape.server.hosted import shared_server
from latentscape.site_map import PAGES
from latentscape.ui.own import store
from latentscape.ui.picker import Choice, choices, delete, rename
from latentscape.ui.words import refused
from latentscape.work.belongings import Model
from vae_core import checkpoint
from vae_core.errors import BadInput
from vae_core.models import FAMILIES

ADDRESSES = {title: address for title, _, address in PAGES.values()}
CHOSEN, NAME, SURE, PROBLEM = "own_model", "own_model_name", "own_model_sure", "own_model_problem"  # in the session's state


def own_models() -> None:
    """Draw them, where there are any: of all kinds, also of those that the picker does not offer."""
    mine = {name: choice for name, choice in choices(tuple(FAMILIES)).items() if choice.plain}
    if not mine:
        return
    with st.sidebar, st.popover("Your models", icon=":material/bookmark:", width="stretch"):
        _choose(mine)
        labels = {name: choice.label for name, choice in mine.items()}
        name = st.selectbox("Model of yours", list(mine), key=CHOSEN, format_func=labels.get, on_change=_other)
        st.session_state.setdefault(NAME, mine[name].plain)
        st.text_input("Name", key=NAME, max_chars=60, help="Small letters, digits and dashes; other characters become dashes.")
        with st.container(horizontal=True):
            st.button("Rename", key="own_model_rename", icon=":material/edit:", on_click=_rename, args=(name,))
            sure = partial(st.session_state.update, {SURE: name})
            st.button("Delete", key="own_model_delete", icon=":material/delete:", on_click=sure)
        if st.session_state.get(SURE) == name:
            _ask(name, mine[name])
        if problem := st.session_state.pop(PROBLEM, None):
            refused("It stays as it was.", problem)
        if mine[name].own is not None and shared_server():
            _lend(mine[name].own)


def _choose(mine: dict[str, Choice]) -> None:
    """Before the box is drawn: what the picker shows comes first, once it is shown."""
    shown = st.session_state.get("checkpoint")
    moved = shown != st.session_state.get("own_model_shown")
    st.session_state["own_model_shown"] = shown
    if (moved and shown in mine) or st.session_state.get(CHOSEN) not in mine:
        st.session_state[CHOSEN] = shown if shown in mine else next(iter(mine))
        _other()


def _other() -> None:
    """Another model is asked about: its own name stands in the field."""
    st.session_state.pop(NAME, None)
    st.session_state.pop(SURE, None)


def _rename(name: str) -> None:
    """Wherever it is chosen, it stays so by its new name."""
    try:
        new = rename(name, st.session_state[NAME])
    except BadInput as error:
        st.session_state[PROBLEM] = str(error)
        return
    for key, value in list(st.session_state.items()):
        if isinstance(value, str) and value == name:
            st.session_state[key] = new
        elif isinstance(value, list) and all(isinstance(each, str) for each in value) and name in value:
            st.session_state[key] = [new if each == name else each for each in value]
    _other()


def _ask(name: str, choice: Choice) -> None:
    st.text(f"Delete {choice.plain}? It cannot be had back.")
    with st.container(horizontal=True):
        st.button("Yes, delete it", key="own_model_yes", type="primary", on_click=_delete, args=(name,))
        st.button("No", key="own_model_no", on_click=_other)


def _delete(name: str) -> None:
    try:
        delete(name)
    except BadInput as error:
        st.session_state[PROBLEM] = str(error)
    _other()


def _lend(model: Model) -> None:
    """The switch, and the link while it is on."""
    key = f"own_model_lend_{model.id}"
    st.session_state[key] = bool(model.link)  # another tab of theirs may have switched it

    def switched() -> None:
        store().lend(model) if st.session_state[key] else store().take_back(model)

    st.toggle(
        "Whoever has its link may open it", key=key, on_change=switched,
        help="Nobody else sees it or hears its name. Switched off, or deleted, it is taken back from all.",
    )
    if model.link:
        page = FAMILIES[checkpoint.embedded_recipe(model.weights, model.name).kind].page
        with st.container(key="own_model_link"):
            st.code(f"{_server()}/{ADDRESSES[page]}?checkpoint=link/{model.link}", language=None, wrap_lines=True)


def _server() -> str:
    """The address of this server, without that of the page."""
    address = (st.context.url or "").split("?")[0].rstrip("/")
    before, _, last = address.rpartition("/")
    return before if last in ADDRESSES.values() else address
