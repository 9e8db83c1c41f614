"""What Map shows: the chart, what the picture is worth in numbers, and the gallery of what was selected."""

import numpy as np
import pandas as pd
import streamlit as st
import torch

from latent_pad.hover import hover_pictures
from ui import analysis_worker, figures, map_projection
from ui.analyses import DONE, FAILED, STOPPED, WAITING, Analysis, analyses
from ui.codes import decode
from ui.gallery import pairs
from ui.map_data import Mapped
from ui.map_projection import PCA, TSNE, Choice
from ui.shell import tab
from vae_core.checkpoint import Checkpoint
from vae_core.errors import BadInput

REFRESH_SECONDS = 0.7
CHART_CONFIG = {
    "displaylogo": False, "scrollZoom": True, "modeBarButtonsToRemove": ["toImage", "zoomIn2d", "zoomOut2d", "autoScale2d"]
}  # fmt: skip
PAGE = 36  # pairs of the gallery on one page
FEW_LABELS, ALL_LABELS = (100, 1000), (0,)
CLASS, RECON, KL = "Class", "Reconstruction error", "KL"
ORDERS = {"As in the test set": None, "Highest -ELBO first": "-ELBO", "Highest recon first": "recon", "Highest KL first": "KL"}
HOW_TO_READ = {
    TSNE: "t-SNE keeps neighbours together. Distances between far clusters and their sizes mean little, and it has no inverse: "
    "a place on this picture cannot be decoded.",
    PCA: "The plane in which the codes vary most. Distances are true within it; what lies across it is not seen.",
}


def map_view(model: Checkpoint, known: Mapped) -> None:
    """Everything below the title. Redraws itself while something is being computed."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        choice = map_projection.choose(known)
        shade, draws = _shade(known)
    left, right = st.columns([2.1, 1], gap="medium")
    with left:
        active = _is_active(model, known, choice)
        st.fragment(_chart, run_every=REFRESH_SECONDS if active else None)(model, known, choice, shade, draws, active)
    with right:
        _numbers(model, known, choice)
    _gallery(model, known)


def _shade(known: Mapped) -> tuple[str, bool]:
    names = [CLASS, RECON, KL, *(f"z{d + 1}" for d in range(known.mu.shape[1]))]
    if st.session_state.get("map_colour") not in (None, *names):
        st.session_state["map_colour"] = CLASS
    shade = st.selectbox("Colour by", names, key="map_colour", width=200)
    draws = st.toggle(
        "Samples of the prior", key="map_prior",
        help=f"{len(known.draws):,} draws of the prior, decoded and encoded again: where do pictures that the model makes up "
        "land among the real ones?",
    )  # fmt: skip
    return shade, draws


def _is_active(model: Checkpoint, known: Mapped, choice: Choice) -> bool:
    try:
        _, analysis = map_projection.project(model.digest, known, choice)
    except BadInput:
        return False
    return analysis is not None and analysis.active


def _chart(model: Checkpoint, known: Mapped, choice: Choice, shade: str, with_draws: bool, was_active: bool) -> None:
    try:
        picture, analysis = map_projection.project(model.digest, known, choice)
    except BadInput as error:
        with st.container(key="map_status"):
            st.warning(str(error))
        if choice.method == TSNE and st.button("Try again", key="map_again"):
            map_projection.ask_tsne(model.digest, known, choice)
            st.rerun()
        return
    if (analysis is not None and analysis.active) != was_active or st.session_state.pop("map_newly_selected", False):
        st.rerun()  # the gallery, the numbers beside the chart and this fragment's clock follow
    with st.container(key="map_status"):
        _status(model, known, choice, analysis)
    if picture is None:
        return
    values = {RECON: known.recon, KL: known.kl} | {f"z{d + 1}": known.mu[:, d] for d in range(known.mu.shape[1])}
    unit = "" if shade.startswith("z") else ", nats"
    figure = figures.projection_map(
        picture.points, known.labels, known.classes, picture.titles, np.column_stack([known.recon, known.kl]).round(1),
        None if shade == CLASS else (shade + unit, values[shade]), picture.draws if with_draws else None,
        selection(model), picture.equal, f"{model.digest}{choice}",
    )  # fmt: skip
    st.plotly_chart(
        figure, key="map_chart", on_select=lambda: _selected(model, known), selection_mode=("points", "box", "lasso"),
        config=CHART_CONFIG, alt=_in_words(known, choice, shade),
    )  # fmt: skip
    hover_pictures(known.sprite, "map_chart", key="map_hover")
    if with_draws:
        hover_pictures(known.draws_sprite, "map_chart", first=len(known.images), key="map_hover_draws")
    st.caption(HOW_TO_READ.get(choice.method, "Each point is the mean of one test image's posterior.")
               + " Draw a lasso or a box around points to see their images below.")  # fmt: skip


def _status(model: Checkpoint, known: Mapped, choice: Choice, analysis: Analysis | None) -> None:
    latent_dim = known.mu.shape[1]
    what = f"{len(known.mu):,} test images of {known.name}, {latent_dim} dimension{'s' if latent_dim > 1 else ''}"
    if analysis is None or analysis.status == DONE:
        st.text(f"{choice.method} · {what}")
        return
    told = analysis.told
    iteration, iterations = told.get("iteration", 0), told.get("iterations", 1)
    left, right = st.columns([4, 1], vertical_alignment="center")
    if analysis.status == STOPPED:
        left.text(f"t-SNE · stopped at iteration {iteration} of {iterations} · {what}")
        if right.button("Start again", key="map_again"):
            map_projection.ask_tsne(model.digest, known, choice)
            st.rerun()
        return
    if told:
        words = f"t-SNE · iteration {iteration} of {iterations} · {what}"
    elif ahead := analyses().ahead(analysis):
        words = f"t-SNE · waits for {ahead} other{'s' if ahead > 1 else ''}"
    else:
        words = "t-SNE · " + ("the analysis process is getting ready" if analysis.status == WAITING else "finding neighbours")
    left.progress(iteration / iterations, words)
    if right.button("Stop", key="map_stop", icon=":material/stop:"):
        analyses().stop(analysis, tab())
        st.rerun()


def _in_words(known: Mapped, choice: Choice, shade: str) -> str:
    return f"{choice.method} of {len(known.mu):,} encoded test images of {known.name}, coloured by {shade.lower()}."


# Selection: the numbers of the images, kept by the tab, so that another projection shows the same ones.


def selection(model: Checkpoint) -> np.ndarray | None:
    """The numbers of the selected test images of this model, or None."""
    chosen = st.session_state.get("map_selected")
    return chosen[1] if chosen and chosen[0] == model.recipe.data.digest else None


def _selected(model: Checkpoint, known: Mapped) -> None:
    points = st.session_state["map_chart"]["selection"]["points"]
    numbers = np.unique([number for point in points if (number := _number(point)) < len(known.images)])
    st.session_state["map_selected"] = (model.recipe.data.digest, numbers) if len(numbers) else None
    st.session_state["map_newly_selected"] = True


def _number(point: dict) -> int:
    """The number of a selected point's image; Streamlit hands a typed array over as a dictionary."""
    data = point["customdata"]
    return int(data[0] if isinstance(data, list) else data["0"])


def _gallery(model: Checkpoint, known: Mapped) -> None:
    with st.container(key="map_gallery"):
        numbers = selection(model)
        if numbers is None:
            st.caption("Nothing is selected.")
            return
        table = pd.DataFrame({
            "image": numbers, "class": [known.classes[label] for label in known.labels[numbers]],
            "-ELBO": known.recon[numbers] + known.kl[numbers], "recon": known.recon[numbers], "KL": known.kl[numbers],
        })  # fmt: skip
        left, middle, right, clear = st.columns([2.2, 1.2, 0.8, 0.8], vertical_alignment="bottom")
        left.markdown(f"**{len(table):,} image{'s' if len(table) > 1 else ''} selected**")
        loss, recon, kl = (table[name].mean() for name in ("-ELBO", "recon", "KL"))
        left.caption(f"On average -ELBO {loss:.1f} = recon {recon:.1f} + KL {kl:.1f} nats")
        order = middle.selectbox("Order", list(ORDERS), key="map_order")
        right.download_button(
            "CSV", lambda: table.to_csv(index=False).encode(), "selection.csv", "text/csv", on_click="ignore", key="map_csv",
            icon=":material/download:", width="stretch",
        )  # fmt: skip
        clear.button("Clear", key="map_clear", icon=":material/close:", on_click=_clear, width="stretch")
        if ORDERS[order]:
            table = table.sort_values(ORDERS[order], ascending=False)
        pages = -(-len(table) // PAGE)
        page = st.pagination(pages, key="map_page") if pages > 1 else 1
        shown = table.iloc[(page - 1) * PAGE : page * PAGE]
        rows = shown["image"].to_numpy()
        words = [
            (f"{row['class']} · image {row['image']}", f"recon {row['recon']:.1f} · KL {row['KL']:.1f} nats")
            for row in shown.to_dict("records")
        ]
        st.html(pairs(known.images[rows], decode(model, torch.tensor(known.mu[rows])), words, ("Original", "Reconstruction")))


def _clear() -> None:
    st.session_state["map_selected"] = None
    st.session_state["map_cleared"] = st.session_state.get("map_cleared", 0) + 1


# Numbers: what the codes and their picture are worth.


def _numbers(model: Checkpoint, known: Mapped, choice: Choice) -> None:
    found = [_trust(model, known, choice), *_probes(model, known)]
    active = any(analysis is not None and analysis.active for analysis in found)
    st.fragment(_draw_numbers, run_every=REFRESH_SECONDS if active else None)(model, known, choice, active)


def _draw_numbers(model: Checkpoint, known: Mapped, choice: Choice, was_active: bool) -> None:
    trust, probes = _trust(model, known, choice), _probes(model, known)
    if any(analysis is not None and analysis.active for analysis in (trust, *probes)) != was_active:
        st.rerun()
    _draw_trust(trust)
    st.markdown(f"**KL per dimension** · {known.active} of {len(known.kl_per_dimension)} active")
    st.plotly_chart(
        figures.kl_bars(known.kl_per_dimension), key="map_kl", config={"displaylogo": False},
        alt=f"KL of each of {len(known.kl_per_dimension)} dimensions, in nats.",
    )  # fmt: skip
    if not known.active:
        st.warning("No dimension is active: posterior collapse. Every image gets (nearly) the same code.")
    _draw_probes(model, known, probes)


def _trust(model: Checkpoint, known: Mapped, choice: Choice) -> Analysis | None:
    """How far the picture can be trusted, once it is complete."""
    try:
        picture, _ = map_projection.project(model.digest, known, choice)
        if picture is None or not picture.complete or len(known.mu) < 5:
            return None
        key = (model.digest, "trust", choice)
        return analyses().find(key, tab()) or analyses().ask(
            key, tab(), analysis_worker.trust, known.mu, picture.points, known.labels
        )  # fmt: skip
    except BadInput:
        return None


def _draw_trust(analysis: Analysis | None) -> None:
    result = analysis.result if analysis else None
    share = lambda name: f"{result[name]:.1%}" if result else "…"  # noqa: E731
    st.markdown("**Neighbours** · accuracy of a 10-NN vote, trustworthiness")
    codes, points, trust = st.columns(3)
    codes.metric(
        "Codes", share("knn_codes"), help="How often the ten nearest other codes vote for the right class, in all dimensions."
    )
    points.metric("Picture", share("knn_points"), help="The same vote among the points of this picture.")
    trust.metric(
        "Trust", f"{result['trustworthiness']:.3f}" if result else "…",
        help="1 where every neighbour in the picture is a neighbour in the latent space too (Venna & Kaski 2001), on a sample "
        "of 2,000 images.",
    )  # fmt: skip
    if analysis is not None and analysis.status == FAILED:
        st.caption(analysis.reason)


def _probes(model: Checkpoint, known: Mapped) -> list[Analysis]:
    """The linear probes: with few labels by themselves, with all of them when asked for."""
    few, every = _probe_key(model, FEW_LABELS), _probe_key(model, ALL_LABELS)
    found = [analyses().find(key, tab()) for key in (few, every)]
    if found[0] is None:
        found[0] = _ask_probe(model, FEW_LABELS)
    return [analysis for analysis in found if analysis is not None]


def _probe_key(model: Checkpoint, shown: tuple[int, ...]) -> tuple:
    return model.digest, "probe", shown


def _ask_probe(model: Checkpoint, shown: tuple[int, ...]) -> Analysis | None:
    try:
        return analyses().ask(
            _probe_key(model, shown), tab(), analysis_worker.probe, model.model, model.recipe.data.name, shown
        )  # fmt: skip
    except BadInput:
        return None


def _draw_probes(model: Checkpoint, known: Mapped, probes: list[Analysis]) -> None:
    st.markdown("**Linear probe** · what the codes are good for without the decoder")
    found = {}
    for analysis in probes:
        found |= {(count, name): share for count, name, share in (analysis.result or analysis.told).get("found", [])}
    rows = sorted({count for count, _ in found}, key=lambda count: count or 10**9)
    if rows:
        share = lambda count, name: f"{found[count, name]:.1%}" if (count, name) in found else "…"  # noqa: E731
        st.dataframe(
            pd.DataFrame({
                "labels shown": ["all" if not count else f"{count:,}" for count in rows],
                "codes": [share(count, "codes") for count in rows], "pixels": [share(count, "pixels") for count in rows],
            }), hide_index=True, width="stretch", key="map_probe",
        )  # fmt: skip
    problems = [analysis.reason for analysis in probes if analysis.status == FAILED]
    for problem in problems:
        st.caption(problem)
    if any(analysis.active for analysis in probes):
        st.caption("Measuring …")
    elif (0, "codes") not in found and st.button("Probe with all labels", key="map_probe_all", help="Takes a minute or two."):
        _ask_probe(model, ALL_LABELS)
        st.rerun()
    st.caption(
        "Test accuracy of logistic regression on the codes, and on the pixels themselves, when that many labels are known."
    )
