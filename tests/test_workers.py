"""How many workers a machine gets, and two of them at once."""

import os
from types import SimpleNamespace

import pytest
from conftest import PATIENCE, wait_until
from hypothesis import given
from hypothesis import strategies as st
from test_jobs import request, until

from latentscape.work import cluster
from latentscape.work.cluster import Cluster, training_workers, worker_environ
from latentscape.work.jobs import Jobs
from latentscape.work.runs import DONE, QUEUED, RUNNING
from vae_core.errors import BadInput

pytestmark = pytest.mark.xdist_group("jobs")


@given(st.integers(1, 256), st.integers(1, 1024))
def test_workers_share_cores_and_memory_and_leave_the_pages_some(cores, gigabytes):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("LATENTSCAPE_WORKERS", raising=False)
        patch.setattr(cluster, "CPU_COUNT", cores)
        patch.setattr(cluster, "MEMORY_LIMIT", gigabytes * 2**30)
        count = training_workers()
        assert 1 <= count <= 8
        assert count <= max(1, cores // 2)
        if gigabytes >= 16:
            assert count == max(1, min(8, cores // 2))
        threads = int(worker_environ(count)["OMP_NUM_THREADS"])
        assert threads >= 1
        assert count * threads <= max(1, cores - 1)
        specs = [*cluster._train_specs(count).values(), cluster._analysis_spec()]
        limits = [spec["options"]["worker_kwargs"]["memory_limit"] for spec in specs]
        assert sum(limits) <= 0.9 * gigabytes * 2**30
        assert count == 1 or min(limits[:-1]) >= cluster.LEAST_MEMORY


def test_a_killed_worker_is_waited_for_also_where_the_scheduler_is_too_busy_to_say_who_is_there(monkeypatch):
    """As long as nobody says that it has left, it may still be given a task, which would end with it."""
    answers = iter([None, {"killed": {}, "other": {}}, None, {"other": {}}, {"other": {}}])
    ours = Cluster()
    ours._client = SimpleNamespace(run=lambda *_, **__: None, status="running")
    monkeypatch.setattr(Cluster, "connected", True)

    def workers(client, seconds):
        if (answer := next(answers)) is None:
            raise TimeoutError
        return answer

    monkeypatch.setattr(cluster.dask_private, "workers", workers)
    ours.replace_worker("killed")
    assert len(list(answers)) == 1


@pytest.mark.parametrize(("asked", "count"), [("1", 1), ("5", 5), (" 12 ", 12)])
def test_a_variable_says_otherwise(monkeypatch, asked, count):
    monkeypatch.setenv("LATENTSCAPE_WORKERS", asked)
    assert training_workers() == count


@pytest.mark.parametrize("asked", ["0", "-1", "1.5", "many", "65", "1e3", "²"])
def test_a_variable_that_is_no_number_of_workers_is_told_in_a_sentence(monkeypatch, asked):
    monkeypatch.setenv("LATENTSCAPE_WORKERS", asked)
    with pytest.raises(BadInput, match=r"LATENTSCAPE_WORKERS is a number from 1 to 64") as caught:
        Cluster().client()
    assert str(caught.value).endswith(".")


def test_a_machine_of_four_cores_trains_two_strangers_at_once_and_a_third_has_her_turn(monkeypatch):
    monkeypatch.delenv("LATENTSCAPE_WORKERS", raising=False)
    monkeypatch.delenv("DASK_DISTRIBUTED__NANNY__PRE_SPAWN_ENVIRON", raising=False)
    monkeypatch.setattr(cluster, "CPU_COUNT", 4)
    jobs = Jobs(Cluster())
    try:
        first, second = (jobs.submit(request(1000), f"visitor {n}") for n in range(2))
        wait_until(lambda: first.status == second.status == RUNNING, PATIENCE, lambda: (first.status, second.status))
        assert first.worker != second.worker
        assert jobs._cluster.training_slots() == 2
        done = len(first.epochs), len(second.epochs)
        wait_until(lambda: len(first.epochs) > done[0] and len(second.epochs) > done[1], PATIENCE, "both train")
        assert (first.attempt, second.attempt) == (1, 1)  # nobody waits: nobody gives way
        sweep = jobs.submit_sweep([request(1)] * 3, "visitor 2")
        wait_until(lambda: QUEUED in (first.status, second.status), PATIENCE, "one gives way")
        for run in sweep:
            until(run, DONE)
        for run in (first, second):
            jobs.stop(run)
        threads = jobs._cluster.client().run(lambda: os.environ.get("OMP_NUM_THREADS"))
        assert set(threads.values()) == {"1"}
    finally:
        jobs.close()
