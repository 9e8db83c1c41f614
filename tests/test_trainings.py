"""The list of one's trainings, and two of them side by side, by AppTest."""

from dataclasses import replace

import numpy as np
import pytest
from test_pages import charts, finished_run, open_app, status, texts

from latentscape.ui.train import beside
from latentscape.work.runs import KEEP_SECONDS, RUNNING, Run, RunStore
from latentscape.work.store import Store


def another(weights: bytes, **changes) -> Run:
    run = finished_run(weights)
    run.request |= changes
    return run


def of_autoencoder(weights: bytes) -> Run:
    run = another(weights, kind="ae", title="digits ae 30")
    run.curve = [[0.5, 40.0, 40.0], [1.5, 30.0, 30.0]]
    run.epochs = [{"epoch": epoch, "train_loss": 9.0, "test_loss": 31.0 - epoch} for epoch in (1, 2, 3)]
    run.live = replace(run.live, samples=np.zeros((0, 1, 8, 8), np.uint8))
    return run


@pytest.fixture
def three(jobs, weights) -> list[Run]:
    """A training of theirs, another of theirs with a Gaussian likelihood, and one of somebody else's."""
    runs = [another(weights), another(weights, title="digits gaussian", model={"likelihood": "gaussian"}), another(weights)]
    runs[2].owner, runs[2].request["title"] = "her", "zebra"
    for run in runs:
        jobs.store.add(run)
    return runs


def test_the_list_has_ones_own_trainings_and_each_is_looked_at_again(jobs, three):
    first, second, _ = three
    at = open_app("train")
    options = at.selectbox(key="train_shown").options
    assert [option.split(" · ")[0] for option in options] == ["2. digits gaussian", "1. digits mlp 2-D"]
    assert options[0].endswith("3 epochs · Done · -ELBO, Gaussian density 27.0")
    assert "zebra" not in texts(at)
    assert status(at).startswith("**Idle**")
    at.selectbox(key="train_shown").set_value(first.view_id).run()
    assert not at.exception
    assert status(at).startswith("**Done**")
    assert at.query_params["run"] == first.view_id
    at.selectbox(key="train_shown").set_value(second.view_id).run()
    assert at.query_params["run"] == second.view_id


def test_a_single_training_has_no_list(jobs, weights):
    run = another(weights)
    jobs.store.add(run)
    assert not [box for box in open_app("train", run=run.view_id).selectbox if box.key == "train_shown"]


def test_two_trainings_stand_side_by_side_and_a_link_shows_them_to_others(jobs, three):
    first, second, _ = three
    at = open_app("train", run=first.view_id)
    at.selectbox(key="train_beside").set_value(second.view_id).run()
    assert not at.exception
    assert at.query_params["beside"] == second.view_id
    guest = open_app("train", visitor="guest", run=first.view_id, beside=second.view_id)
    for page in (at, guest):
        (table,) = [frame.value for frame in page.dataframe]
        assert table.loc["A", "-ELBO, grey BCE"] == table.loc["B", "-ELBO, Gaussian density"] == 27.0
        assert np.isnan(table.loc["A", "-ELBO, Gaussian density"])  # no number below the name of another loss
        assert table["KL"].tolist() == [2.0, 2.0]
        assert len(charts(page)) == 3
    assert "may only look" in texts(guest)
    at.selectbox(key="train_beside").set_value(None).run()
    assert "beside" not in at.query_params
    assert not at.dataframe


def test_what_is_shown_is_not_beside_itself_and_what_is_gone_is_not_beside_it(jobs, three):
    first, second, _ = three
    at = open_app("train", run=first.view_id, beside=second.view_id)
    at.selectbox(key="train_shown").set_value(second.view_id).run()
    assert not at.exception
    assert not at.dataframe
    at = open_app("train", run=first.view_id, beside="<script>")
    assert not at.exception
    assert "beside" not in at.query_params


def test_curves_of_one_name_share_a_panel_and_others_do_not(weights):
    vae, gaussian, ae = another(weights), another(weights, model={"likelihood": "gaussian"}), of_autoencoder(weights)

    def panels(*runs: Run) -> list[str]:
        return [note.text for note in beside.both_curves(runs).layout.annotations]

    assert panels(vae, vae) == ["-ELBO, grey BCE", "recon, grey BCE", "KL"]
    assert panels(vae, gaussian) == [*panels(vae, vae)[:2], "KL", "-ELBO, Gaussian density", "recon, Gaussian density"]
    assert panels(vae, ae) == [*panels(vae, vae), "squared error / 2"]
    figure = beside.both_curves((vae, ae))
    of_ae = [trace for trace in figure.data if trace.xaxis == "x4"]
    assert [trace.name for trace in of_ae] == ["B, batches", "B, test set"]
    assert list(of_ae[1].y) == [30.0, 29.0, 28.0]
    named = [trace.name for trace in figure.data if trace.showlegend]
    assert named == ["A, batches", "A, test set", "B, batches", "B, test set"]


def test_a_pair_that_trains_or_has_nothing_to_show_yet_is_drawn_too(jobs, weights):
    first, second = another(weights), of_autoencoder(weights)
    second.status = RUNNING
    for run in (first, second):
        jobs.store.add(run)
    at = open_app("train", run=first.view_id, beside=second.view_id)
    assert not at.exception
    second.live, second.epochs, second.curve = None, [], []
    at.run()
    assert not at.exception
    assert "nothing to show yet" in texts(at)


def test_what_is_listed_does_not_go_of_itself():
    now = [0.0]
    store = RunStore(Store(lambda session: False, lambda: now[0]))
    mine, sweep = Run({"training": {"epochs": 1}}, "me"), Run({"training": {"epochs": 1}}, "me", purpose="sweep")
    store.add_all([mine, sweep])
    now[0] += KEEP_SECONDS - 1
    assert store.listed("me") == [mine]
    assert store.listed("her") == []
    now[0] += 2
    assert store.forget_unseen() == [sweep]
