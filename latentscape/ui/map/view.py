"""What Map shows: the chart and what stands around it."""

from functools import partial

import numpy as np
import streamlit as st

from latentscape.ui import address, figures
from latentscape.ui.address import remember
from latentscape.ui.codes import DRAWS, Codes
from latentscape.ui.hover import hover_pictures
from latentscape.ui.map import address as map_address
from latentscape.ui.map import projection as map_projection
from latentscape.ui.map.gallery import deselect, gallery, in_explore, select_by_hand, selection, times
from latentscape.ui.map.hand import hand
from latentscape.ui.map.numbers import numbers
from latentscape.ui.map.projection import PCA, TSNE, Choice
from latentscape.ui.map.words import CLASS, TERMS, shades, terms, words
from latentscape.ui.spoken import spoken
from latentscape.ui.visitor import visitor
from latentscape.ui.words import in_markdown, refused
from latentscape.work.analyses import DONE, STOPPED, WAITING, Analysis, analyses
from vae_core.checkpoint import Checkpoint
from vae_core.errors import BadInput

REFRESH_SECONDS = 0.7
MOST_HIGH = 560  # pixels of the chart
CHART_CONFIG = {
    "displayModeBar": True, "modeBarButtons": [["lasso2d", "select2d"], ["pan2d", "zoom2d", "resetScale2d"]],
    "scrollZoom": True, "doubleClickDelay": 300,  # ms, as assets/map_hand.js has it
}
WHAT_TO_LOOK_FOR = {
    TSNE: "t-SNE keeps neighbours together; distances between far clusters and their sizes mean little, and it has no inverse.",
    PCA: "The plane in which the codes vary most; what lies across it is not seen. Look for islands, and for where they touch.",
}
BY_HAND = "Click a point to open it in Explore, lasso many to see them below. Ctrl + wheel zooms; by touch, tap the map first."
BUSY = "It takes a hand when it is complete or stopped."


def map_view(model: Checkpoint, codes: Codes) -> None:
    """Everything below the title. Redraws itself while something is being computed."""
    opened = st.session_state.pop("map_opened", None)
    if opened is not None:
        st.switch_page("pages/explore.py", query_params=in_explore(opened))
    table = map_address.words(codes)
    address.read(table)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        choice = map_projection.choose(codes)
        shade, draws = _shade(codes)
    address.write(table)
    left, right = st.columns([2.1, 1], gap="medium")
    with left:
        active = _is_active(model, codes, choice)
        st.fragment(_chart, run_every=REFRESH_SECONDS if active else None)(model, codes, choice, shade, draws, active)
        done = {"selected": partial(select_by_hand, model), "cleared": deselect, "opened": _open}
        hand("map_chart", "map_gallery", len(codes.images), done)
    with right:
        numbers(model, codes, choice)
    gallery(model, codes)


def _open(number: int) -> None:
    """Go to Explore with this image, at the beginning of the run to come: a callback."""
    st.session_state["map_opened"] = number


def _shade(codes: Codes) -> tuple[str, bool]:
    names = list(shades(codes).values())
    remember("map_colour", names[0], names.__contains__)
    shade = st.selectbox("Colour by", names, key="map_colour", width=200, persist_state="session")
    draws = codes.kl is not None and st.toggle(
        "Samples of the prior", key="map_prior", persist_state="session",
        help=f"{DRAWS:,} draws of the prior, decoded and encoded again: where do pictures that the model makes "
        "up land among the real ones?",
    )
    return shade, draws


def _values(codes: Codes) -> dict[str, np.ndarray]:
    """What may colour the points instead of their class: name -> (N,)."""
    own = {TERMS[name]: values for name, values in terms(codes).items()}
    return own | {f"z{d + 1}": codes.mu[:, d] for d in range(codes.mu.shape[1])}


def _is_active(model: Checkpoint, codes: Codes, choice: Choice) -> bool:
    try:
        _, analysis = map_projection.project(model.digest, codes, choice)
    except BadInput:
        return False
    return analysis is not None and analysis.active


def _chart(model: Checkpoint, codes: Codes, choice: Choice, shade: str, with_draws: bool, was_active: bool) -> None:
    try:
        picture, analysis = map_projection.project(model.digest, codes, choice)
    except BadInput as error:
        _say(model, choice, False, f"has failed. {error}")
        with st.container(key="map_status"):
            refused("There is no picture of these codes.", error, st.warning)
        if choice.method == TSNE and st.button("Try again", key="map_again"):
            map_projection.ask_tsne(model.digest, codes, choice)
            st.rerun()
        return
    if (analysis is not None and analysis.active) != was_active:
        st.rerun()  # the numbers beside the chart and this fragment's clock follow
    if analysis is not None:
        _say(model, choice, analysis.active, "is complete." if analysis.status == DONE else "has stopped.")
    with st.container(key="map_status"):
        _status(model, codes, choice, analysis)
    point = f"Each point is {words(codes).point}. Look for islands of one class, and for where they touch."
    st.caption(WHAT_TO_LOOK_FOR.get(choice.method, point) + "  \n" + (BUSY if was_active else BY_HAND))
    unit = "" if shade.startswith("z") else ", nats"
    figure = figures.projection_map(
        picture.points, codes.labels, codes.classes, picture.titles, terms(codes),
        None if shade == CLASS else (shade + unit, _values(codes)[shade]), picture.draws if with_draws else None,
        selection(model), picture.equal, not was_active,
    )
    figure.layout.meta = times()  # after a lasso around nothing the same picture is drawn anew
    config = figures.PLOT if was_active else CHART_CONFIG
    room = st.container(key="map_figure", height=MOST_HIGH, border=False)  # less where it is narrow: ui/assets/page.css
    room.plotly_chart(figure, key="map_chart", height="stretch", config=config, alt=_in_words(codes, choice, shade))
    hover_pictures(codes.sprite, "map_chart", key="map_hover")
    if with_draws:
        hover_pictures(codes.draws.sprite, "map_chart", first=len(codes.images), key="map_hover_draws")
        if picture.draws is None:
            st.caption("The samples are placed when the layout is complete.")


def _status(model: Checkpoint, codes: Codes, choice: Choice, analysis: Analysis | None) -> None:
    latent_dim = codes.mu.shape[1]
    what = f"{len(codes.mu):,} test images of {{}}, {latent_dim} dimension{'s' if latent_dim > 1 else ''}"
    if analysis is None or analysis.status == DONE:
        st.text(f"{choice.method} · {what.format(codes.name)}")
        return
    told = analysis.told
    iteration, iterations = told.get("iteration", 0), told.get("iterations", 1)
    row = st.container(horizontal=True, vertical_alignment="center")
    if analysis.status == STOPPED:
        row.text(f"t-SNE · stopped at iteration {iteration} of {iterations} · {what.format(codes.name)}")
        if row.button("Start again", key="map_again"):
            map_projection.ask_tsne(model.digest, codes, choice)
            st.rerun()
        return
    if told:
        words = f"t-SNE · iteration {iteration} of {iterations} · {what.format(in_markdown(codes.name))}"
    elif ahead := analyses().ahead(analysis):
        words = f"t-SNE · waits for {ahead} other{'s' if ahead > 1 else ''}"
    else:
        words = "t-SNE · " + ("the analysis process is getting ready" if analysis.status == WAITING else "finding neighbours")
    row.progress(iteration / iterations, words)
    if row.button("Stop", key="map_stop", icon=":material/stop:"):
        analyses().stop(analysis, visitor())
        st.rerun()


def _say(model: Checkpoint, choice: Choice, active: bool, end: str) -> None:
    spoken("_".join(["map", model.digest[:16], *map(str, choice.parameters)]), active, f"t-SNE of {model.name} {end}")


def _in_words(codes: Codes, choice: Choice, shade: str) -> str:
    return f"{choice.method} of {len(codes.mu):,} encoded test images of {codes.name}, coloured by {shade.lower()}."
