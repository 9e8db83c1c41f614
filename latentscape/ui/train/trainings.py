"""The list of a visitor's trainings: which one is shown, and which one beside it."""

import streamlit as st

from latentscape.ui.controls import KEEP
from latentscape.ui.train import replay, words
from latentscape.ui.visitor import session, visitor
from latentscape.work.runs import Run, RunStore
from vae_core.models import FAMILIES

SHOWN, BESIDE = "train_shown", "train_beside"  # in the session's state: links to look, of which BESIDE may be None


def trainings(store: RunStore, shown: Run | None, beside: Run | None) -> None:
    """Draw the list, where there is one to choose from."""
    mine = store.listed(visitor())
    listed = {run.view_id: _in_words(number, run) for number, run in enumerate(mine, start=1)}
    others = [run for run in (shown, beside) if run is not None and run.view_id not in listed]
    listed |= {run.view_id: f"Another's · {words.settings(run)}" for run in others}
    if not listed or (shown is not None and list(listed) == [shown.view_id]):
        return
    newest_first = list(reversed(listed))
    st.session_state[SHOWN] = shown and shown.view_id
    with st.container(key="train_list", border=True):
        st.selectbox(
            "Your trainings", newest_first, key=SHOWN, format_func=listed.get, on_change=_show, placeholder="Look at one again",
            help="Each stays until half an hour after you have left.",
        )
        if shown is None:
            return
        rest = [token for token in newest_first if token != shown.view_id]
        st.selectbox(
            "Beside it", [None, *rest], key=BESIDE, format_func=lambda token: listed.get(token, "none"), **KEEP,
            help="Two trainings: their curves in one figure, their maps and pictures side by side.",
        )


def second(store: RunStore, shown: Run | None) -> Run | None:
    """The training beside the one that is shown, if any. It is forgotten where it is gone, or is the first."""
    token = st.session_state.get(BESIDE)
    found = store.find(token, visitor(), session())[0] if token and shown is not None else None
    if found is shown:
        found = None
    st.session_state[BESIDE] = found.view_id if found is not None else None
    return found


def _show() -> None:
    st.session_state["run"] = st.session_state[SHOWN]
    replay.follow()


def _in_words(number: int, run: Run) -> str:
    """Its number, what it is, how far it came, and the loss of its last epoch."""
    first = FAMILIES[run.request["kind"]].terms[0]
    loss = [f"{words.loss_name(run.request)} {run.epochs[-1][f'test_{first.name}']:.{first.digits}f}"] if run.epochs else []
    return " · ".join([f"{number}. {run.request['title']}", f"{run.total_epochs} epochs", run.status, *loss])
