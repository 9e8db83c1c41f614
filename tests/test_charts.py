"""The charts of all pages: one that is only looked at takes no drag and has no tools, and a page draws one at most by WebGL."""

import ast

import numpy as np
import pytest
from conftest import ROOT
from test_pages import charts, finished_run, open_app
from test_sweep import sweep_of

from latentscape.ui import figures
from latentscape.ui.autoencoders import figures as ae_figures
from latentscape.ui.compare import figures as compare_figures
from latentscape.ui.train import beside, curves, draws
from vae_core.models import FAMILIES

RANDOM = np.random.default_rng(0)
POINTS, LABELS, CLASSES = RANDOM.normal(size=(40, 2)), [0, 1] * 20, ["a", "b"]
DAMAGE = [{"method": "m", "amount": amount, "psnr": 9.0, "low": 8.0, "high": 10.0} for amount in (0.1, 0.2)]
LOSSES = [[0.5, 41.0, 40.0, 1.0], [1.5, 32.0, 30.0, 2.0]]
MADE = {
    "latent_map": lambda: figures.latent_map(POINTS, LABELS, CLASSES, 2, None),
    "projection_map": lambda: figures.projection_map(
        POINTS, np.array(LABELS), ("a", "b"), ("x", "y"), {"recon": np.zeros(40)}, by_hand=False
    ),
    "dimension_bars": lambda: figures.dimension_bars(np.arange(3.0), "KL", " nats"),
    "class_bars": lambda: figures.class_bars({"a": 3, "b": 4}),
    "step_curve": lambda: figures.step_curve(np.arange(4.0)),
    "rate_distortion": lambda: figures.rate_distortion({"digits": [("a", 2.0, 30.0), ("b", 6.0, 24.0)]}),
    "maps_beside": lambda: figures.maps_beside([(name, POINTS, LABELS) for name in "uvwx"], CLASSES),
    "damage_curves": lambda: figures.damage_curves(DAMAGE, {"m": "Method"}, "amount"),
    "loss_curves": lambda: curves.loss_curves(LOSSES, [], 3, FAMILIES["vae"]),
    "found_bars": lambda: draws.found_bars(np.array([490, 10]), CLASSES),
    "score_histogram": lambda: draws.score_histogram(
        {"real": np.arange(1.0, 9.0), "drawn": np.arange(2.0, 10.0)}, FAMILIES["ebgan"].scores, (0.0, 1.0), 10.0
    ),
    "energy_histogram": lambda: ae_figures.energy_histogram({"digits": np.arange(1.0, 9.0)}, {"this": 2.0}),
    "size_curve": lambda: ae_figures.size_curve({"PCA": [(2, 30.0), (5, 20.0)]}),
    "draws_among": lambda: compare_figures.draws_among({"real": POINTS, "a model": POINTS + 1}),
    "drawn_among": lambda: ae_figures.drawn_among(POINTS, np.array(LABELS), POINTS),
    "both_curves": lambda: beside.both_curves([finished_run(b""), finished_run(b"")]),
    "arrows": lambda: ae_figures.arrows(POINTS, POINTS, POINTS + 1, ("x", "y"), "points"),
}


def parsed() -> list[ast.Module]:
    paths = [path for folder in ("latentscape", "pages") for path in (ROOT / folder).rglob("*.py")]
    return [ast.parse(path.read_text()) for path in paths]


def test_every_figure_that_a_page_shows_is_known_here():
    made = {
        node.name
        for tree in parsed() for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.returns is not None and ast.unparse(node.returns) == "go.Figure"
    }
    assert made - {"made"} == set(MADE)


@pytest.mark.parametrize("name", MADE)
def test_what_is_only_looked_at_takes_no_drag(name):
    layout = MADE[name]().to_dict()["layout"]
    assert layout["dragmode"] is False
    axes = [layout[part] for part in layout if part.startswith(("xaxis", "yaxis"))]
    assert len(axes) >= 2
    assert all(axis["fixedrange"] for axis in axes)


def test_maps_chart_alone_has_tools():
    configs = {}
    for tree in parsed():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("plotly_chart", "live_chart"):
                given = {word.arg: ast.unparse(word.value) for word in node.keywords}
                configs[given["key"]] = given["config"].removeprefix("figures.") if "config" in given else "PLOT"
    assert {key: config for key, config in configs.items() if config != "PLOT"} == {"'map_chart'": "config"}
    assert len(configs) >= len(MADE)
    assert figures.PLOT["displayModeBar"] is False


def by_webgl(at) -> int:
    """How many charts of a page are drawn so."""
    return sum(any(trace["type"] == "scattergl" for trace in chart["data"]) for chart in charts(at))


def test_a_page_draws_one_chart_by_webgl(jobs, weights):
    first, second = sweep_of(weights, jobs)
    second.request["data"] = "another set"
    at = open_app("sweep", runs=f"{first.view_id},{second.view_id}")
    assert len(charts(at)) == 3
    assert by_webgl(at) == 1
    run = finished_run(weights)
    jobs.store.add(run)
    assert by_webgl(open_app("train", run=run.view_id)) == 1


def test_the_field_of_the_toy_needs_no_webgl():
    assert {trace.type for trace in MADE["arrows"]().data} == {"scatter"}
    many = RANDOM.normal(size=(2000, 2))
    assert "scattergl" in {trace.type for trace in ae_figures.arrows(many, POINTS, POINTS + 1, ("x", "y"), "digits").data}
