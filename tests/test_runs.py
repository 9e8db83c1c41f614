"""Runs and their store: bounded, forgotten in time, controlled by the id and only watched by the view id."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentscape.work import runs
from latentscape.work.runs import (
    ACTIVE,
    DONE,
    ENDED,
    FAILED,
    MAX_CURVE,
    MAX_RUN_BYTES,
    MAX_RUNS,
    PAUSED,
    QUEUED,
    RUNNING,
    STOPPED,
    Frame,
    Run,
    RunStore,
)
from latentscape.work.store import KEEP_SECONDS, Store

REQUEST = {"training": {"epochs": 10}}


class Clock:
    """A clock that a test moves."""

    def __init__(self):
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock) -> RunStore:
    return RunStore(Store(clock=clock, most=10 * MAX_RUNS * MAX_RUN_BYTES))


def a_run(owner: str = "tab", status: str = QUEUED) -> Run:
    return Run(REQUEST, owner, status=status)


def frame(epoch: float, weight: int = 0) -> Frame:
    """A frame of `weight` bytes of weights and next to nothing else."""
    nothing = np.zeros((0, 2), np.float32)
    return Frame(epoch, nothing, nothing.astype(np.uint8), nothing.astype(np.uint8), None, bytes(weight))


# Who may do what.


def test_the_control_id_controls_and_the_view_id_only_looks(store):
    run, other = a_run(), a_run()
    assert store.add(run)
    assert store.add(other)
    assert store.find(run.control_id) == (run, True)
    assert store.find(run.view_id) == (run, False)
    assert store.find(other.view_id) == (other, False)


@pytest.mark.parametrize("token", [None, "", "x", "é", "<script>", "../..", "x" * 100_000, "nan"])
def test_a_token_that_nobody_has_finds_nothing(store, token):
    store.add(a_run())
    assert store.find(token) == (None, False)


def test_no_address_has_the_id_of_the_server(store):
    run = a_run()
    store.add(run)
    assert store.find(run.id) == (None, False)
    assert store.get(run.view_id) is None is store.get(run.control_id)
    assert store.get(run.id) is run


def test_ids_are_long_different_and_fit_into_a_url():
    ids = {token for _ in range(500) for run in [a_run()] for token in (run.control_id, run.view_id)}
    assert len(ids) == 1000
    assert all(len(token) >= 22 for token in ids)  # 128 bits or more
    assert set("".join(ids)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_part_of_an_id_is_not_an_id(store):
    run = a_run()
    store.add(run)
    for token in (run.control_id[:-1], run.control_id + "a", run.control_id.swapcase(), run.view_id[:-1]):
        assert store.find(token) == (None, False)


# How long a run lives.


def test_a_run_is_forgotten_half_an_hour_after_it_was_last_seen(store, clock):
    run = a_run(status=DONE)
    store.add(run)
    store.find(run.control_id)
    clock.now = KEEP_SECONDS
    assert store.forget_unseen() == []
    clock.now += 1
    assert store.forget_unseen() == [run]
    assert store.find(run.control_id) == (None, False)
    assert store.all() == []
    assert store.forget_unseen() == []


@pytest.mark.parametrize("token", ["control_id", "view_id"])
def test_looking_at_a_run_keeps_it_alive(store, clock, token):
    run = a_run(status=DONE)
    store.add(run)
    for _ in range(5):
        clock.now += KEEP_SECONDS - 1
        assert store.find(getattr(run, token))[0] is run
        assert store.forget_unseen() == []


def test_the_housekeeping_does_not_count_as_looking(store, clock):
    run = a_run(status=DONE)
    store.add(run)
    store.find(run.control_id)
    clock.now = KEEP_SECONDS + 1
    store.get(run.id)
    store.all()
    assert store.forget_unseen() == [run]


def test_only_the_unseen_runs_are_forgotten(store, clock):
    seen, unseen = a_run(status=DONE), a_run(status=DONE)
    for run in (seen, unseen):
        store.add(run)
        store.find(run.control_id)
    clock.now = KEEP_SECONDS + 1
    store.find(seen.view_id)
    assert store.forget_unseen() == [unseen]
    assert store.all() == [seen]


def test_a_run_that_nobody_ever_looked_at_is_forgotten_by_the_same_clock(store, clock):
    clock.now = 1000.0
    run = a_run(status=DONE)
    store.add(run)
    clock.now += KEEP_SECONDS - 1
    assert store.forget_unseen() == []
    clock.now += 2
    assert store.forget_unseen() == [run]


# How many there are.


def test_the_store_never_holds_more_than_its_bound(store):
    for _ in range(MAX_RUNS + 20):
        assert store.add(a_run(status=DONE))
        assert len(store.all()) <= MAX_RUNS


@pytest.mark.parametrize("status", [QUEUED, RUNNING, PAUSED])
def test_a_store_full_of_runs_that_are_not_over_refuses_politely(store, status):
    first = [a_run(status=status) for _ in range(MAX_RUNS)]
    assert all(store.add(run) for run in first)
    late = a_run()
    assert not store.add(late)
    assert store.all() == first
    assert store.find(late.control_id) == (None, False)


@pytest.mark.parametrize("status", [STOPPED, DONE, FAILED])
def test_the_ended_run_that_was_seen_longest_ago_makes_room(store, clock, status):
    waiting = [a_run() for _ in range(MAX_RUNS - 2)]
    old, recent = a_run(status=status), a_run(status=status)
    for run in (recent, old, *waiting):
        store.add(run)
    clock.now = 5
    store.find(old.control_id)
    clock.now = 10
    store.find(recent.view_id)
    assert store.add(a_run())
    assert store.find(old.control_id) == (None, False)
    assert store.find(recent.control_id) == (recent, True)
    assert store.add(a_run())
    assert not store.add(a_run())


def test_every_state_is_active_paused_or_over():
    assert {*ACTIVE, PAUSED, *ENDED} == {QUEUED, RUNNING, PAUSED, STOPPED, DONE, FAILED}
    assert not set(ACTIVE) & set(ENDED)


def test_runs_come_oldest_first(store):
    added = [a_run() for _ in range(10)]
    for run in added:
        store.add(run)
    assert store.all() == added


def test_many_threads_at_once_neither_lose_nor_duplicate_a_run(store):
    owners = [f"tab {i}" for i in range(8)]

    def work(owner):
        for _ in range(6):
            run = a_run(owner)
            store.add(run)
            assert store.find(run.view_id)[0] is run
            store.forget_unseen()

    threads = [threading.Thread(target=work, args=(owner,)) for owner in owners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.all()) == len({run.id for run in store.all()}) == 48


# What a run remembers.


def test_a_small_frame_weighs_what_its_arrays_weigh():
    picture = Frame(
        1, np.zeros((2000, 2), np.float32), np.zeros((10, 1, 28, 28), np.uint8), np.zeros((20, 1, 28, 28), np.uint8), None
    )
    assert picture.size == 2000 * 2 * 4 + 30 * 784
    assert frame(1, 500).size == 500


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=60))
@settings(deadline=None, max_examples=60)
def test_frames_stay_within_their_bytes_and_keep_the_first_and_the_last(weights):
    limit = 10_000
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "MAX_RUN_BYTES", limit)
        run = a_run()
        for epoch, weight in enumerate(weights, start=1):
            run.add_frame(frame(epoch, weight))
            assert sum(f.size for f in run.frames) <= limit
            assert run.frames[0].epoch == 1
            assert run.frames[-1].epoch == epoch
    kept = [f.epoch for f in run.frames]
    assert kept == sorted(set(kept))
    if sum(weights) <= limit:
        assert len(kept) == len(weights)


def test_weights_go_before_pictures_do():
    run, picture = Run({"training": {"epochs": 99}}, "me"), np.zeros((1, 3, 64, 64), np.uint8)
    for epoch in range(60):
        run.add_frame(replace(frame(epoch, MAX_RUN_BYTES // 20), samples=picture))
    assert [f.epoch for f in run.frames] == list(range(60))
    assert run.frames[-1].weights
    assert 5 < sum(f.weights is not None for f in run.frames) < 20


def test_frames_too_heavy_for_the_bound_do_not_break_it():
    run = a_run()
    for epoch in range(4):
        run.add_frame(frame(epoch, MAX_RUN_BYTES // 2))
    assert sum(f.size for f in run.frames) <= MAX_RUN_BYTES
    assert run.frames[-1].epoch == 3


@given(st.lists(st.integers(0, 3 * MAX_CURVE), max_size=12))
@settings(deadline=None, max_examples=30)
def test_the_curve_stays_bounded_in_order_and_progress_never_goes_back(groups):
    run, position = a_run(), 0
    for count in groups:
        before = run.progress
        run.add_curve([[(position + i) / 1000, 1.0, 2.0] for i in range(count)])
        position += count
        assert len(run.curve) <= MAX_CURVE
        assert run.progress >= before
    positions = [point[0] for point in run.curve]
    assert positions == sorted(positions)
    if positions:
        assert positions[0] == 0
    if position <= MAX_CURVE:
        assert len(positions) == position


def test_progress_counts_finished_epochs_and_the_part_of_the_present_one():
    run = a_run()
    assert (run.progress, run.total_epochs) == (0, 10)
    run.add_curve([[0.25, 1.0, 2.0], [0.5, 1.0, 2.0]])
    assert run.progress == 0.5
    run.epochs.append({"epoch": 1})
    assert run.progress == 1
    run.add_curve([[1.75, 1.0, 2.0]])
    assert run.progress == 1.75
