"""One line that is spoken to those who hear the page, when what they waited for is over."""

from collections.abc import Callable

import streamlit as st

from latentscape.once import once


def spoken(subject: str, active: bool, words: str) -> None:
    """Drawn whenever the page looks at `subject`, a key: `words` are spoken when it is no longer `active`, if this tab has seen
    that it was: the tab and not the browser, which may still be loading the script when it is over."""
    seen: set[str] = st.session_state.setdefault("spoken_seen", set())
    if active:
        seen.add(subject)
    data = {"subject": subject, "active": active, "waited": subject in seen, "words": words}
    _component()(key=f"spoken_{subject}", data=data)


@once
def _component() -> Callable:
    return st.components.v2.component("latentscape.spoken", js="spoken.js", isolate_styles=False)
