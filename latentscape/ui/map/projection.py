"""Which picture of the codes Map shows: its widgets, and the points, at once or as they come from the analysis worker."""

from dataclasses import dataclass

import numpy as np
import streamlit as st

from latentscape.ui.address import remember
from latentscape.ui.codes import Codes
from latentscape.ui.map.words import words
from latentscape.ui.visitor import visitor
from latentscape.work import analysis_worker
from latentscape.work.analyses import Analysis, analyses
from vae_core.errors import BadInput
from vae_core.projection import ITERATIONS, check_spread

AXES, PCA, TSNE = "Latent axes", "PCA", "t-SNE"
MOST_SEEDS = 10_000


@dataclass(frozen=True)
class Choice:
    """A method with its parameters: with the model's digest, the name of a projection."""

    method: str
    parameters: tuple


@dataclass(frozen=True)
class Picture:
    """Points (N, 2) of the test images and (M, 2) of the prior's draws (None: not placed yet, or there are none), and how to
    read the axes."""

    points: np.ndarray
    draws: np.ndarray | None
    titles: tuple[str, str]
    equal: bool = True  # whether one unit is as long on both axes
    complete: bool = True


def choose(codes: Codes) -> Choice:
    """Draw the choice of method and its parameters."""
    choice = st.session_state["map_choice"] = _choose(codes)
    return choice


def _choose(codes: Codes) -> Choice:
    latent_dim = codes.mu.shape[1]
    methods = [AXES, PCA, TSNE] if latent_dim > 2 else [AXES, TSNE]
    remember("map_method", methods[-2], methods.__contains__)
    method = st.segmented_control("Picture", methods, key="map_method", required=True, wrap=True, persist_state="session")
    if method == PCA:
        return Choice(PCA, ())
    if method == TSNE:
        most = (len(codes.mu) - 1) // 3
        if most < 1:
            return Choice(TSNE, (1, 0))
        remember("map_perplexity", min(30, most), range(1, min(most, 200) + 1).__contains__)
        remember("map_seed", 0, range(MOST_SEEDS).__contains__)
        perplexity = st.number_input(
            "Perplexity", 1, min(most, 200), key="map_perplexity", width=140, persist_state="session",
            help="About how many neighbours each point listens to: small shows fine grains, large the whole.",
        )
        seed = st.number_input("Seed", 0, MOST_SEEDS - 1, key="map_seed", width=120, persist_state="session")
        return Choice(TSNE, (perplexity, seed))
    if latent_dim <= 2:
        return Choice(AXES, tuple(range(latent_dim)))
    order = codes.order
    name = lambda d: f"z{d + 1} · {codes.measure[d]:.2f}{words(codes).unit}"  # noqa: E731
    remember("map_first", order[0], order.__contains__)
    first = st.selectbox("Across", order, format_func=name, key="map_first", width=170, persist_state="session")
    others = [d for d in order if d != first]
    remember("map_second", others[0], others.__contains__)
    second = st.selectbox("Up", others, format_func=name, key="map_second", width=170, persist_state="session")
    return Choice(AXES, (first, second))


def project(digest: str, codes: Codes, choice: Choice) -> tuple[Picture, Analysis | None]:
    """The picture, and the analysis that makes it where that takes time. Raises BadInput where there is none to be had."""
    if choice.method == TSNE:
        return _tsne(digest, codes, choice)
    return _at_once(codes, choice), None


def ask_tsne(digest: str, codes: Codes, choice: Choice) -> Analysis:
    """Start this t-SNE, or join it."""
    return analyses().ask(
        (digest, choice), visitor(), analysis_worker.tsne, codes.mu, codes.draws.mu if codes.draws else None, ITERATIONS,
        *map(int, choice.parameters),
    )


def _at_once(codes: Codes, choice: Choice) -> Picture:
    mu, draws = codes.mu, codes.draws.mu if codes.draws else None
    if choice.method == PCA:
        plane = codes.plane
        titles = tuple(f"PC {i} ({share:.0%} of the variance)" for i, share in enumerate(plane.explained, start=1))
        return Picture(plane(mu), None if draws is None else plane(draws), titles)
    if len(choice.parameters) == 1:  # a line of codes: the classes in rows, so that they can be told apart
        random = np.random.default_rng(0)
        rows = codes.labels + random.uniform(-0.35, 0.35, len(mu))
        if draws is not None:
            draws = np.column_stack([draws[:, 0], max(1, len(codes.classes)) + random.uniform(-0.35, 0.35, len(draws))])
        return Picture(np.column_stack([mu[:, 0], rows]), draws, ("z1", "class"), equal=False)
    axes = list(choice.parameters)
    return Picture(mu[:, axes], None if draws is None else draws[:, axes], tuple(f"z{d + 1}" for d in axes))


def _tsne(digest: str, codes: Codes, choice: Choice) -> tuple[Picture | None, Analysis]:
    check_spread(codes.mu)
    analysis = analyses().find((digest, choice), visitor()) or ask_tsne(digest, codes, choice)
    titles = ("t-SNE 1", "t-SNE 2")
    if analysis.result:
        return Picture(analysis.result["points"], analysis.result["others"], titles), analysis
    if not analysis.told and not analysis.active and analysis.reason:
        raise BadInput(analysis.reason)
    points = analysis.told["points"] if analysis.told else codes.plane(codes.mu)  # it starts from there
    return Picture(points, None, titles, complete=False), analysis
