"""What Train shows of a run that gave way: its turn, its pictures as they were, and buttons that work."""

import dataclasses

import pytest
from test_pages import finished_run, open_app, texts
from test_runs import a_run

from latentscape.ui.train import view as train_view
from latentscape.work.runs import DONE, QUEUED, RUNNING, STOPPED

SOON, LATER = train_view.REFRESH_SECONDS, train_view.WAITING_SECONDS


@pytest.fixture
def run(jobs, weights):
    """A run of mine that had one turn and waits for the next, behind three strangers."""
    waiting = finished_run(weights)
    waiting.live = dataclasses.replace(waiting.frames[-1], epoch=0.0421)
    jobs.store.add(waiting)
    jobs.turns.begin(waiting)
    jobs.turns.end(waiting)
    waiting.status = QUEUED
    for run in (waiting, *(a_run(owner) for owner in ("a", "b", "c"))):
        jobs.turns.add(run)
    return waiting


def test_its_turn_its_pictures_and_its_buttons_are_there(jobs, run):
    at = open_app("train", run=run.control_id)
    shown = texts(at)
    assert "**Waiting for its turn** · " in shown
    assert "4th of 4" in shown
    assert "3 test images, after 0.04 epochs" in shown
    assert "Training loss" in shown or "Test loss" in shown
    at.button(key="train_stop").click().run()
    assert run.status == STOPPED
    assert not at.exception


def test_who_only_looks_sees_the_same_and_no_buttons(jobs, run):
    at = open_app("train", visitor="guest", run=run.view_id)
    assert "**Waiting for its turn** · " in texts(at)
    assert "may only look" in texts(at)
    assert not [button for button in at.button if button.key == "train_stop"]


def test_it_is_looked_at_less_often_the_longer_it_waits(jobs, run):
    pace = lambda: train_view._pace(jobs, run)  # noqa: E731
    assert pace() == (LATER, True)
    for _ in range(2):
        jobs.turns.remove(jobs.turns.order()[0])
    assert pace() == (SOON, True)
    run.status = RUNNING
    assert pace() == (SOON, False)
    run.status = DONE
    assert pace() == (None, False)


def test_one_that_has_learned_nothing_yet_is_drawn_whole(jobs, run):
    run.live = None
    assert train_view._pace(jobs, run) == (LATER, False)
