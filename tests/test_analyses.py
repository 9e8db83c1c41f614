"""Analyses on a real local cluster: computed once, shown on the way, stopped, failed, forgotten."""

import os
import time

import numpy as np
import psutil
import pytest
from conftest import PATIENCE, free_port, wait_until

from latentscape.work import analyses as analyses_module
from latentscape.work import analysis_worker, cluster
from latentscape.work.analyses import DONE, FAILED, RUNNING, STOPPED, Analyses
from latentscape.work.cluster import Cluster
from vae_core import data, train
from vae_core.errors import BadInput
from vae_core.models.vae import VAEConfig

pytestmark = pytest.mark.xdist_group("jobs")


@pytest.fixture(scope="module")
def local():
    on = Cluster()
    yield Analyses(on)
    on.close()


def until(analysis, *status: str):
    wait_until(lambda: analysis.status in status, PATIENCE, lambda: f"{status}, but it is {analysis.status} {analysis.reason}")
    return analysis


def double():
    """A task: tells an array and a number, returns the array twice as large. (Made here so that it travels by value.)"""

    def task(tell, stopped, values):
        tell(step=1, halfway=values * 1.5)
        return {"values": values * 2, "process": os.getpid()}

    return task


def endless():
    """A task that goes on until it is stopped, and says so in a file."""

    def task(tell, stopped, path):
        step = 0
        while not stopped():
            step += 1
            tell(step=step)
            time.sleep(0.05)
        path.write_text("left")

    return task


def test_a_result_comes_back_from_another_process_and_is_computed_once(local):
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    first = until(local.ask(("model", "double"), "tab-1", double(), values), DONE)
    again = local.ask(("model", "double"), "tab-2", double(), values)
    assert again is first
    assert first.result["process"] != os.getpid()
    np.testing.assert_array_equal(first.result["values"], values * 2)
    wait_until(lambda: first.told, PATIENCE, "what the task told")
    np.testing.assert_array_equal(first.told["halfway"], values * 1.5)
    assert until(local.ask(("other model", "double"), "tab-1", double(), values + 1), DONE).result["values"][0, 0] == 2


def test_the_last_viewer_ends_it_and_the_first_does_not(local, tmp_path):
    analysis = local.ask(("model", "endless"), "tab-1", endless(), tmp_path / "left")
    assert local.ask(("model", "endless"), "tab-2", endless(), tmp_path / "left") is analysis
    until(analysis, RUNNING)
    local.stop(analysis, "tab-1")
    step = analysis.told.get("step", 0)
    wait_until(lambda: analysis.told.get("step", 0) > step, PATIENCE, "another step for the other viewer")
    local.stop(analysis, "tab-2")
    assert analysis.status == STOPPED
    wait_until((tmp_path / "left").exists, PATIENCE, "the task to leave")
    assert analysis.told["step"] >= step  # what it had told stays
    fresh = local.ask(("model", "endless"), "tab-1", endless(), tmp_path / "again")
    assert fresh is not analysis
    until(fresh, RUNNING)
    local.stop(fresh, "tab-1")
    wait_until((tmp_path / "again").exists, PATIENCE, "the second task to leave")


def test_a_closed_tab_ends_what_nobody_else_looks_at(local, tmp_path, monkeypatch):
    analysis = until(local.ask(("model", "left alone"), "tab-1", endless(), tmp_path / "left"), RUNNING)
    local.find(("model", "left alone"), "tab-1")
    assert analysis.status == RUNNING
    monkeypatch.setattr(analyses_module, "AWAY_SECONDS", -1)
    local.find(("something", "else"), "tab-2")
    assert analysis.status == STOPPED
    wait_until((tmp_path / "left").exists, PATIENCE, "the task to leave")
    assert local.find(("model", "left alone"), "tab-2") is None  # the next visitor does not find it stopped


def test_bad_input_in_the_worker_is_told_in_its_sentence_and_may_be_asked_again(local):
    key = ("collapsed", "t-SNE")
    arguments = np.zeros((50, 3)), np.zeros((2, 3)), 500, 10, 0
    analysis = until(local.ask(key, "tab-1", analysis_worker.tsne, *arguments), FAILED)
    assert "no spread" in analysis.reason
    assert local.ask(key, "tab-1", analysis_worker.tsne, *arguments) is not analysis


def test_a_process_that_dies_is_an_answer_and_the_next_one_works(local):
    def task(tell, stopped):
        os._exit(3)

    assert "ended unexpectedly" in until(local.ask(("model", "crash"), "tab-1", task), FAILED).reason
    assert until(local.ask(("model", "after"), "tab-1", double(), np.ones(2)), DONE).result["values"].tolist() == [2, 2]


def test_a_nanny_that_dies_just_before_the_question_is_replaced_though_nobody_asks_again(local, monkeypatch):
    on, ensure = local._cluster, local._cluster.ensure_analysis

    def then_it_dies():
        ensure()
        before = wait_until(lambda: on._workers_with("analysis"), PATIENCE, "the worker is there")
        psutil.Process(on._local.workers["analysis"].process.pid).kill()
        wait_until(lambda: not on.addresses() & set(before), PATIENCE, "the worker has left")

    monkeypatch.setattr(on, "ensure_analysis", then_it_dies)
    assert until(local.ask(("model", "orphan"), "tab-1", double(), np.ones(2)), DONE).result["values"].tolist() == [2, 2]


def test_a_cluster_that_fails_in_another_way_is_an_answer(local, monkeypatch):
    monkeypatch.setattr(local._cluster, "ensure_analysis", lambda: [].pop())
    assert "log describes" in until(local.ask(("model", "elsewhere"), "tab-1", double(), np.ones(2)), FAILED).reason


def test_an_error_of_ours_is_not_shown_to_the_visitor(local):
    def task(tell, stopped):
        raise ZeroDivisionError("secret")

    reason = until(local.ask(("model", "bug"), "tab-1", task), FAILED).reason
    assert "secret" not in reason
    assert "log" in reason


def test_a_layout_arrives_while_it_converges_and_ends_with_the_others_placed(local):
    random = np.random.default_rng(0)
    codes = random.normal(size=(500, 5)).astype(np.float32)
    analysis = local.ask(("model", "t-SNE"), "tab-1", analysis_worker.tsne, codes, codes[:7], 500, 10, 0)
    seen = set()

    def look():
        seen.add(analysis.told.get("iteration"))
        return analysis.status == DONE

    wait_until(look, PATIENCE, "the layout")
    assert len(seen - {None}) >= 2
    assert analysis.result["points"].shape == (500, 2)
    assert analysis.result["others"].shape == (7, 2)


def test_probes_are_told_one_by_one_and_impossible_ones_left_out(local):
    digits = data.load("digits")
    model = train.start(VAEConfig(image_shape=digits.image_shape, hidden=16), digits, train.TrainConfig(epochs=1)).model
    analysis = local.ask(("model", "probe"), "tab-1", analysis_worker.probe, model, "digits", (3, 100, 10**6))
    found = until(analysis, DONE).result["found"]
    assert [(count, name) for count, name, _ in found] == [(100, "codes"), (100, "pixels")]
    assert all(0.1 < accuracy <= 1 for *_, accuracy in found)


def test_neighbours_are_judged_in_the_codes_and_in_the_picture(local):
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 300)
    codes = random.normal(size=(300, 4)) + labels[:, None] * 10
    analysis = local.ask(("model", "trust"), "tab-1", analysis_worker.trust, codes, random.normal(size=(300, 2)), labels)
    result = until(analysis, DONE).result
    assert result["knn_codes"] == 1.0
    assert result["knn_points"] < 0.6
    assert result["trustworthiness"] < 0.7


def test_too_many_at_once_are_refused_and_old_results_make_room(local, monkeypatch):
    monkeypatch.setattr(Analyses, "_start", lambda *_: None)
    busy = Analyses(local._cluster)
    monkeypatch.setattr(analyses_module, "MAX_WAITING", 2)
    first, second = (busy.ask((name,), "tab", double()) for name in "ab")
    assert [busy.ahead(first), busy.ahead(second)] == [0, 1]
    with pytest.raises(BadInput, match="try again in a minute"):
        busy.ask(("c",), "tab", double())
    assert busy.ask(("a",), "tab-2", double()) is first
    first.status = second.status = DONE
    monkeypatch.setattr(analyses_module, "MAX_KEPT", 2)
    busy.ask(("a",), "tab", double())  # the latest used stays
    busy.ask(("c",), "tab", double())
    assert [busy.find((name,), "tab") is not None for name in "abc"] == [True, False, True]


def test_a_cluster_that_is_not_there_is_told_in_a_sentence(monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    lonely = Analyses(Cluster(f"tcp://127.0.0.1:{free_port()}"))
    analysis = lonely.ask(("model", "double"), "tab", double(), np.ones(1))
    assert "cannot be reached" in until(analysis, FAILED).reason
