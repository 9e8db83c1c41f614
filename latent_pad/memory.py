"""Where pads keep what they have packed: with Streamlit, as long as the session lives, unless the app has a place of its own.

An app that counts what its visitors leave calls `keep_with(remember, forget)` once: remember(key, make) returns what make()
made for this key, for as long as it sees fit, and forget() lets go of what only the present visitor has asked for.
"""

from collections.abc import Callable
from typing import TypeVar

import streamlit as st

T = TypeVar("T")
Remember = Callable[[tuple, Callable[[], T]], T]
MOST = 28  # of a session: decoders, and three parcels for each of two pads and of those before


@st.cache_resource(max_entries=MOST, show_spinner=False, scope="session")
def _by_streamlit(key: tuple, _make: Callable[[], T]) -> T:
    return _make()


_remember: Remember = _by_streamlit
_forget: Callable[[], None] = _by_streamlit.clear


def keep_with(remember: Remember, forget: Callable[[], None]) -> None:
    """Keep what is packed in the app's own place."""
    global _remember, _forget
    _remember, _forget = remember, forget


def remembered(key: tuple, make: Callable[[], T]) -> T:
    """What make() returns, made anew only where it is not remembered."""
    return _remember(key, make)


def forget() -> None:
    """Let go of what only this visitor has asked for."""
    _forget()
