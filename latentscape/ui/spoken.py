"""One line that is spoken to those who hear the page, when what they waited for is over."""

import streamlit as st

from latentscape.ui.component import component

_component = component("spoken", "spoken.js")


def spoken(subject: str, active: bool, words: str) -> None:
    """Drawn whenever the page looks at `subject`, a key: `words` are spoken when it is no longer `active`, if this tab has seen
    that it was: the tab and not the browser, which may still be loading the script when it is over."""
    seen: set[str] = st.session_state.setdefault("spoken_seen", set())
    if active:
        seen.add(subject)
    data = {"subject": subject, "active": active, "waited": subject in seen, "words": words}
    _component(key=f"spoken_{subject}", data=data)
