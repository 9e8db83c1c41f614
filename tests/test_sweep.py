"""Sweep beta by AppTest: what is asked for, and what is compared."""

import numpy as np
import pytest
from test_pages import finished_run, open_app, texts

from latentscape.ui import picker
from latentscape.ui.figures import rate_distortion
from latentscape.ui.sweep.entries import entry_of_run
from latentscape.ui.sweep.form import betas_of
from latentscape.work import jobs as jobs_module
from latentscape.work import runs as runs_module
from latentscape.work.runs import DONE, RUNNING, STOPPED
from vae_core import checkpoint
from vae_core.errors import BadInput


def sweep_of(weights: bytes, jobs, betas=(0.5, 4.0)) -> list:
    runs = []
    for number, beta in enumerate(betas):
        run = finished_run(weights)
        run.request["model"]["beta"] = beta
        run.epochs = [record | {"test_kl": 9.0 - number, "test_recon": 20.0 + number} for record in run.epochs]
        jobs.store.add(run)
        runs.append(run)
    return runs


def open_sweep(runs):
    return open_app("sweep", runs=",".join(run.view_id for run in runs))


def test_a_press_queues_one_training_for_each_beta_and_nothing_else_differs(jobs):
    at = open_app("sweep")
    at.multiselect(key="sweep_betas").set_value(["4", "0.5"])
    at.selectbox(key="sweep_data").set_value("digits")
    at.button(key="sweep_start").click().run()
    assert not at.exception
    first, second = jobs.store.all()
    assert (first.request["model"]["beta"], second.request["model"]["beta"]) == (0.5, 4.0)
    assert first.request["model"] | {"beta": 4.0} == second.request["model"]
    assert first.request["training"] == second.request["training"]
    assert "--beta 4" in second.request["command"]
    assert first.owner == second.owner == "me"
    assert at.query_params["runs"] == f"{first.view_id},{second.view_id}"
    assert at.button(key="sweep_start").disabled
    assert texts(at).count("Running") == 1


@pytest.mark.parametrize("limit", ["MAX_QUEUE", "MAX_RUNS"])
@pytest.mark.parametrize("room", [0, 1, 2])
def test_a_sweep_that_does_not_fit_is_refused_whole(jobs, monkeypatch, limit, room):
    others = [jobs.submit({"training": {"epochs": 1}}, f"visitor {number}") for number in range(3)]
    monkeypatch.setattr(runs_module if limit == "MAX_RUNS" else jobs_module, limit, len(others) + room)
    at = open_app("sweep")
    at.multiselect(key="sweep_betas").set_value(["0.5", "1", "4"])
    at.button(key="sweep_start").click().run()
    assert not at.exception
    assert len(at.error) == 1
    assert any(text.value.endswith("try again in a few minutes.") for text in at.text)
    assert jobs.store.all() == others
    assert "runs" not in at.query_params


def test_a_second_press_gives_the_same_sweep_and_a_single_training_is_another_thing(jobs):
    asked = [{"training": {"epochs": 1}} for _ in range(3)]
    first = jobs.submit_sweep(asked, "me")
    assert jobs.submit_sweep(asked[:2], "me") == first
    alone = jobs.submit(asked[0], "me")
    assert alone not in first
    for run in first:
        jobs.stop(run)
    again = jobs.submit_sweep(asked, "me")
    assert not {run.id for run in again} & {run.id for run in first}


@pytest.mark.parametrize(
    ("words", "says"), [(["much", "1"], "much is no beta"), (["-1", "1"], "-1"), (["nan", "1"], "nan"), (["2", "2.0"], "two")]
)
def test_what_is_no_beta_is_said(jobs, words, says):
    with pytest.raises(BadInput, match=says):
        betas_of(words)
    at = open_app("sweep")
    at.session_state["sweep_betas"] = words
    at.button(key="sweep_start").click().run()
    assert not at.exception
    assert says in texts(at)
    assert not jobs.store.all()


def test_finished_trainings_are_compared_and_kept(jobs, weights, monkeypatch, tmp_path):
    monkeypatch.setattr(picker, "KEPT", tmp_path)
    monkeypatch.setenv("LATENTSCAPE_SHARED", "0")
    runs, opened = sweep_of(weights, jobs), checkpoint.open_bytes(weights, "")
    runs[1].weights = checkpoint.to_bytes(opened.model, opened.recipe.model_copy(update={"title": "another"}))
    at = open_sweep(runs)
    assert at.markdown.values[1].startswith("**Done** · 2 of 2") or "**Done** · 2 of 2" in texts(at)
    table = at.dataframe[0].value
    assert table["model"].tolist() == ["β = 0.5", "β = 4"]
    assert np.allclose(table["KL"] + table["recon"], table["-ELBO"], atol=0.02)
    at.button(key="sweep_keep").click().run()
    assert not at.exception
    assert len(list(tmp_path.glob("*.safetensors"))) == 2


def test_whoever_has_the_link_to_look_has_no_buttons(jobs, weights):
    runs = sweep_of(weights, jobs)
    at = open_app("sweep", visitor="guest", runs=",".join(run.view_id for run in runs))
    assert "2 of 2" in texts(at)
    assert not any(button.key == "sweep_stop" for button in at.button)


def test_a_running_training_tells_its_last_epoch_and_a_new_one_nothing(jobs, weights):
    (run,) = sweep_of(weights, jobs, [2.0])
    run.status = RUNNING
    entry = entry_of_run(run)
    assert (entry.rate, entry.distortion) == (9.0, 20.0)
    assert "3 of" in entry.status
    run.epochs, run.live = [], None
    entry = entry_of_run(run)
    assert entry.rate is entry.points is None


def test_a_stale_link_is_told_once(jobs):
    at = open_app("sweep", runs="nothing,like,it")
    assert "no longer here" in texts(at)
    assert "runs" not in at.query_params


def test_models_that_are_here_are_compared_too(jobs):
    at = open_app("sweep")
    at.session_state["sweep_models"] = ["mnist-2d", "mnist-2d-tutorial"]
    at.run()
    assert not at.exception
    assert at.dataframe[0].value["-ELBO"].tolist() == pytest.approx([133.05, 154.14], abs=0.02)
    assert "mnist-ae-30" not in at.multiselect(key="sweep_models").options  # has no rate


def test_the_best_line_touches_the_lowest_loss_and_lies_below_the_others():
    line, *_ = rate_distortion({"digits": [("a", 2.0, 30.0), ("b", 6.0, 24.0)], "x": [("c", 1.0, 33.0)]}).data
    rates, best = np.array(line.x), np.array(line.y)
    assert rates + best == pytest.approx(30.0)
    assert rates[1] >= 6.0


def test_done_needs_all(jobs, weights):
    runs = sweep_of(weights, jobs)
    assert all(run.status == DONE for run in runs)
    runs[1].status = STOPPED
    assert "**Stopped** · 2 of 2" in texts(open_sweep(runs))
