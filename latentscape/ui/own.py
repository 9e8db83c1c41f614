"""What belongs to the visitor whom a page is drawn for, and what is remembered for all. It is kept by their secret."""

import contextlib
import logging
from collections.abc import Callable, Hashable
from typing import TypeVar

import streamlit as st

from latent_pad.memory import keep_with
from latentscape.once import once
from latentscape.server.streamlit_private import is_connected
from latentscape.ui.visitor import session, visitor
from latentscape.work.belongings import MEMORY_LIMIT, SHARE, Model, Pictures, budget
from latentscape.work.store import EVERYBODY, Store
from vae_core.errors import BadInput

log = logging.getLogger(__name__)
T = TypeVar("T")


@once
def store() -> Store:
    """The one store of this server."""
    try:
        most = budget()
    except BadInput as problem:  # it is for whoever runs the server, not for a visitor
        most = MEMORY_LIMIT // SHARE
        log.error("%s Until then it is a quarter of the memory.", problem)
    return Store(is_connected, most=most)


def picture_sets() -> list[Pictures]:
    """The picture sets of whoever this page is drawn for, oldest first."""
    return store().of(visitor(), session(), Pictures)


def models() -> list[Model]:
    """The visitor's own checkpoints, oldest first; each has another name."""
    return store().of(visitor(), session(), Model)


def add_model(name: str, weights: bytes) -> None:
    """Put a checkpoint among the visitor's own, in the place of one with this name. Raises BadInput where there is no room."""
    same = [model for model in models() if model.name == name]
    store().add(Model(owner=visitor(), name=name, weights=weights), session())
    for model in same:
        store().remove(model)


def lent_models() -> list[Model]:
    """Other visitors' checkpoints that this one may use, for they came with the links of these."""
    return store().lent(visitor(), session())


def borrow(link: str) -> Model | None:
    """The checkpoint that has this link, this visitor's own or another's; None where none has."""
    return store().borrow(link, visitor())


def remembered(key: Hashable, make: Callable[[], T], spinner: str | None = None, own: bool = False) -> T:
    """What make() returns, made once for all visitors, or once for this one where it is made of what is theirs; while it is
    being made, the page shows the words `spinner`. Shared: never change it."""

    def making() -> T:
        with st.spinner(spinner) if spinner else contextlib.nullcontext():
            return make()

    return store().remembered(key, making, visitor() if own else EVERYBODY, session())


def _forget_packed() -> None:
    store().forget_for(session())


keep_with(lambda key, make: remembered(("pad", *key), make), _forget_packed)
