"""A run that many watch: each picture of it is drawn once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from test_pages import finished_run, look_at, open_app, status

from latentscape.ui import figures
from latentscape.ui.train import curves as train_curves
from latentscape.ui.train import view as train_view
from latentscape.work.drawings import MOST, Drawings


def test_a_picture_that_many_ask_for_at_once_is_made_once():
    drawings, made, together = Drawings(), [], threading.Barrier(8)

    def ask(_):
        together.wait()
        return drawings.get("map", 1, make=lambda: made.append(1) or "a picture")

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(ask, range(8))) == {"a picture"}
    assert made == [1]


def test_pictures_of_long_ago_are_let_go_and_all_are_weighed():
    drawings = Drawings()
    for moment in range(MOST + 1):
        drawings.get(moment, make=lambda: "picture")
    assert drawings.size == MOST * len("picture")
    assert drawings.get(MOST, make=lambda: "another") == "picture"
    assert drawings.get(0, make=lambda: "another") == "another"


def test_a_chart_weighs_about_what_travels():
    drawings, points = Drawings(), np.random.default_rng(0).normal(size=(2000, 2)).astype(np.float32)
    chart = drawings.get("map", make=lambda: figures.latent_map(points, [0] * 2000, ["0"], 2, None))
    assert drawings.size == len(chart.to_json(validate=False))
    assert drawings.size > points.nbytes


def test_a_class_that_watches_costs_one_computation_of_each_picture(jobs, weights, monkeypatch):
    run = finished_run(weights)
    jobs.store.add(run)
    drawn = []
    for module, name in ((figures, "latent_map"), (train_curves, "loss_curves"), (train_view, "sheet")):
        real = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *args, real=real, name=name: drawn.append(name) or real(*args))
    for number in range(5):
        at = open_app("train", visitor=f"visitor {number}", run=run.view_id)
        assert status(at).startswith("**Done**")
    assert sorted(drawn) == ["latent_map", "loss_curves", "sheet", "sheet"]
    look_at(at, 1)
    assert sorted(drawn) == ["latent_map", "latent_map", "loss_curves", "loss_curves", "sheet", "sheet", "sheet", "sheet"]
