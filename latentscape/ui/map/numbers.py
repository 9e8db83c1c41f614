"""What the codes and their picture are worth, in numbers beside the map."""

import pandas as pd
import streamlit as st
import torch

from latentscape.ui import figures
from latentscape.ui.codes import Codes, data_set, is_own
from latentscape.ui.map import projection as map_projection
from latentscape.ui.map.projection import Choice
from latentscape.ui.map.words import words
from latentscape.ui.visitor import visitor
from latentscape.work import analysis_worker
from latentscape.work.analyses import FAILED, Analysis, analyses
from vae_core import evaluate
from vae_core.checkpoint import Checkpoint
from vae_core.errors import BadInput
from vae_core.projection import FEW_TO_TRUST

REFRESH_SECONDS = 0.7
FEW_LABELS, ALL_LABELS = (100, 1000), (0,)
MOST_VOTES = 10  # neighbours
FEW_TESTS = 100  # test images below which a probe's accuracy is said to be of so few


def numbers(model: Checkpoint, codes: Codes, choice: Choice) -> None:
    """Neighbours, what each dimension tells, and probes; redraws itself while they are being computed."""
    found = [_trust(model, codes, choice), *_probes(model, codes)]
    active = any(analysis is not None and analysis.active for analysis in found)
    st.fragment(_draw_numbers, run_every=REFRESH_SECONDS if active else None)(model, codes, choice, active)


def _draw_numbers(model: Checkpoint, codes: Codes, choice: Choice, was_active: bool) -> None:
    trust, probes = _trust(model, codes, choice), _probes(model, codes)
    if any(analysis is not None and analysis.active for analysis in (trust, *probes)) != was_active:
        st.rerun()
    _draw_trust(trust, codes)
    said, latent_dim = words(codes), len(codes.measure)
    active = evaluate.active_units(torch.from_numpy(codes.mu))
    st.markdown(f"**{said.measure} per dimension** · {active} of {latent_dim} {said.active}")
    st.plotly_chart(
        figures.dimension_bars(codes.measure, said.measure, said.unit), key="map_dimensions", config=figures.PLOT,
        alt=f"{said.measure} of each of {latent_dim} dimensions, the largest first.",
    )
    if not active:
        st.warning(said.collapsed)
    if codes.classes:
        _draw_probes(model, probes, len(codes.labels))


def _trust(model: Checkpoint, codes: Codes, choice: Choice) -> Analysis | None:
    """How far the picture can be trusted, once it is complete."""
    try:
        picture, _ = map_projection.project(model.digest, codes, choice)
        if not picture.complete or len(codes.mu) < FEW_TO_TRUST:
            return None
        key = (model.digest, "trust", choice)
        return analyses().find(key, visitor()) or analyses().ask(
            key, visitor(), analysis_worker.trust, codes.mu, picture.points, codes.labels
        )
    except BadInput:
        return None


def _draw_trust(analysis: Analysis | None, codes: Codes) -> None:
    """The two votes and the trustworthiness, or in their place why there is none."""
    try:
        votes, no_vote = evaluate.voters(codes.labels, MOST_VOTES) if codes.classes else 0, ""
    except BadInput as reason:
        votes, no_vote = 0, str(reason)
    result = analysis.result if analysis else None
    share = lambda name: f"{result[name]:.1%}" if result else "…"  # noqa: E731
    st.markdown("**Neighbours** · " + f"accuracy of a {votes}-NN vote, " * bool(votes) + "trustworthiness")
    cells = st.grid(3, min_column_width=88)
    if votes:
        fewer = " No more than the smallest class has others, so that every class can win." * (votes < MOST_VOTES)
        cells.metric(
            "Codes", share("knn_codes"),
            help=f"How often the nearest other codes, at most {votes}, vote for the right class, in all dimensions.{fewer}",
        )
        cells.metric("Picture", share("knn_points"), help="The same vote among the points of this picture.")
    if len(codes.mu) < FEW_TO_TRUST:
        st.caption(f"Trustworthiness needs {FEW_TO_TRUST} test images at least; here are {len(codes.mu)}.")
    else:
        cells.metric(
            "Trust", f"{result['trustworthiness']:.3f}" if result else "…",
            help="1 where every neighbour in the picture is a neighbour in the latent space too (Venna & Kaski 2001), on a "
            "sample of 2,000 images.",
        )
    if no_vote:
        st.caption(no_vote)
    if analysis is not None and analysis.status == FAILED:
        st.text(analysis.reason)


def _probes(model: Checkpoint, codes: Codes) -> list[Analysis]:
    """The linear probes: with few labels by themselves, with all of them when asked for. None without classes."""
    if not codes.classes:
        return []
    few, every = _probe_key(model, FEW_LABELS), _probe_key(model, ALL_LABELS)
    found = [analyses().find(key, visitor()) for key in (few, every)]
    if found[0] is None:
        found[0] = _ask_probe(model, FEW_LABELS)
    return [analysis for analysis in found if analysis is not None]


def _probe_key(model: Checkpoint, shown: tuple[int, ...]) -> tuple:
    return model.digest, "probe", shown


def _ask_probe(model: Checkpoint, shown: tuple[int, ...]) -> Analysis | None:
    try:
        images = data_set(model) if is_own(model) else model.recipe.data.name
        return analyses().ask(_probe_key(model, shown), visitor(), analysis_worker.probe, model.model, images, shown)
    except BadInput:
        return None


def _draw_probes(model: Checkpoint, probes: list[Analysis], tests: int) -> None:
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
        )
    problems = [analysis.reason for analysis in probes if analysis.status == FAILED]
    for problem in problems:
        st.text(problem)
    if not found and not problems and probes and not any(analysis.active for analysis in probes):
        st.caption(f"There are too few training images to probe with {FEW_LABELS[0]} labels.")
    if any(analysis.active for analysis in probes):
        st.caption("Measuring …")
    elif (0, "codes") not in found and st.button("Probe with all labels", key="map_probe_all", help="Takes a minute or two."):
        _ask_probe(model, ALL_LABELS)
        st.rerun()
    of_few = f" There are only {tests} test images: each is {1 / tests:.0%}." * (tests < FEW_TESTS)
    st.caption(
        "Test accuracy of logistic regression on the codes, and on the pixels themselves, when that many labels are known."
        + of_few
    )
