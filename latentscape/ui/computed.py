"""A computation on request: the button that asks for it, its progress with a Stop, and what it found, as it is found."""

from collections.abc import Callable
from typing import NamedTuple

import streamlit as st

from latentscape.ui.visitor import visitor
from latentscape.ui.words import refused
from latentscape.work.analyses import Analysis, analyses
from vae_core.errors import BadInput

REFRESH_SECONDS = 0.7


class Request(NamedTuple):
    """What is computed in the analysis worker, once for all who ask: task(tell, stopped, *arguments)."""

    name: str  # what the keys of its widgets begin with
    label: str  # of the button
    about: str  # what will be computed, in a sentence
    task: Callable
    arguments: tuple
    known_by: tuple | None = None  # what tells it from others where that is less than the arguments: digests of models

    @property
    def key(self) -> tuple:
        return self.name, *(self.arguments if self.known_by is None else self.known_by)


def computed(
    request: Request, progress: Callable[[dict], tuple[float, str]], draw: Callable[[dict], None], nothing: dict | None = None
) -> None:
    """Draw it. `progress` makes a share from 0 to 1 and words of what was told, `draw` shows what was told or returned, and
    `nothing`, where there is that, as long as nothing is."""
    analysis = analyses().find(request.key, visitor())
    active = analysis is not None and analysis.active
    st.fragment(_draw, run_every=REFRESH_SECONDS if active else None)(request, progress, draw, nothing, active)


def _draw(request: Request, progress: Callable, draw: Callable, nothing: dict | None, was_active: bool) -> None:
    analysis = analyses().find(request.key, visitor())
    if (analysis is not None and analysis.active) != was_active:
        st.rerun()
    if analysis is None or not (analysis.active or analysis.result):
        if analysis is not None and analysis.reason:
            refused("It was not computed.", analysis.reason)
        st.caption(request.about)
        st.button(request.label, key=f"{request.name}_start", icon=":material/play_arrow:", on_click=_ask, args=(request,))
        found = nothing
    else:
        if analysis.active:
            _progress(request, analysis, progress)
        found = analysis.result or analysis.told or nothing
    if found:
        draw(found)


def _progress(request: Request, analysis: Analysis, progress: Callable) -> None:
    row = st.container(horizontal=True, vertical_alignment="center")
    if analysis.told:
        row.progress(*progress(analysis.told))
    elif ahead := analyses().ahead(analysis):
        row.progress(0.0, f"Waits for {ahead} other{'s' if ahead > 1 else ''}")
    else:
        row.progress(0.0, "The analysis process is getting ready")
    row.button("Stop", key=f"{request.name}_stop", on_click=analyses().stop, args=(analysis, visitor()))


def _ask(request: Request) -> None:
    try:
        analyses().ask(request.key, visitor(), request.task, *request.arguments)
    except BadInput as problem:
        refused("It is not computed.", problem)
