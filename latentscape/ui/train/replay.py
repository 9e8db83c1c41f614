"""The moments of a training: which of them is shown, and the bar that plays them again.

What is shown follows the training until a person moves the bar; a press of Follow, or moving it to the end, follows again. The
bar is our own component: a slider of Streamlit's whose options grow can stay behind by itself, and looks as if somebody had
moved it.
"""

import streamlit as st

from latentscape.ui.component import component
from latentscape.work.runs import ACTIVE, Frame, Run

BAR = "train_replay"
SHOWN = "train_moment"  # in the session's state: the moment that a person chose, in epochs; None follows

_component = component("replay", "replay.js", css="replay.css")


def follow() -> None:
    """Show the newest moment, from now on."""
    st.session_state[SHOWN] = None


def moment(run: Run, frames: list[Frame], live: Frame) -> Frame:
    """Draw the bar over `frames`, the moments that are kept; the one to show, `live` where it follows a training under way."""
    chosen = st.session_state.get(SHOWN)
    follows = chosen is None and run.status in ACTIVE
    at = len(frames) - 1 if chosen is None else min(range(len(frames)), key=lambda index: abs(frames[index].epoch - chosen))
    if len(frames) > 1:
        told = [*frames[:-1], live] if follows else frames  # the newest picture may lie between two moments that are kept
        data = {"moments": [in_words(frame.epoch) for frame in told], "at": at, "following": chosen is None}
        moved = lambda: _moved([frame.epoch for frame in frames])  # noqa: E731
        _component(key=BAR, data=data, default={"moved": None}, on_moved_change=moved)
    return live if follows else frames[at]


def in_words(epochs: float) -> str:
    """How much training a moment has behind it."""
    if not epochs:
        return "before training"
    if epochs == int(epochs):
        return f"{epochs:.0f} epoch{'s' * (epochs != 1)}"
    return f"{epochs:.{2 if epochs < 1 else 1}f} epochs"


def _moved(moments: list[float]) -> None:
    """What the bar reports is checked like any other input."""
    report = st.session_state[BAR]["moved"]
    index = report.get("to") if hasattr(report, "get") else None
    if isinstance(index, int) and 0 <= index < len(moments) - 1:
        st.session_state[SHOWN] = moments[index]
    else:
        follow()
