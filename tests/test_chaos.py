"""Processes that die: whoever waited is told, nothing that was kept is lost, and the next one works."""

import subprocess
import sys

import numpy as np
import psutil
import pytest
from conftest import PATIENCE, ROOT, free_port, wait_until
from test_analyses import double, endless
from test_jobs import request, until, worker_process

from latentscape.work import analyses as analyses_module
from latentscape.work import cluster
from latentscape.work.analyses import Analyses
from latentscape.work.cluster import Cluster
from latentscape.work.jobs import Jobs
from latentscape.work.runs import DONE, FAILED, QUEUED, RUNNING
from vae_core import checkpoint
from vae_core.errors import BadInput

pytestmark = pytest.mark.xdist_group("jobs")
TOLD = 5  # seconds within which a person is told


@pytest.fixture(scope="module")
def both():
    """Trainings and analyses on one local cluster, as in a server."""
    on = Cluster()
    jobs = Jobs(on)
    yield jobs, Analyses(on)
    jobs.close()


def part(on: Cluster, name: str) -> psutil.Process:
    """The scheduler's process, or that of the nanny of the worker of this name."""
    local = on._local
    return psutil.Process((local.scheduler if name == "scheduler" else local.workers[name]).process.pid)


def victim(on: Cluster, who: str, name: str) -> psutil.Process:
    """Who is killed: the scheduler, the nanny of a worker, or the worker itself."""
    if who == "scheduler":
        return part(on, "scheduler")
    nanny = part(on, name)
    if who == "nanny":
        return nanny
    return next(child for child in nanny.children() if "spawn_main" in " ".join(child.cmdline()))


@pytest.mark.parametrize("who", ["nanny", "scheduler"])  # of a worker tells test_jobs.py
def test_whatever_dies_under_a_training_it_is_told_and_the_next_one_works(both, who):
    jobs, _ = both
    kept = jobs.submit(request(1), "kept")
    until(kept, DONE)
    run = jobs.submit(request(1000), "in flight")
    until(run, RUNNING)
    wait_until(lambda: run.epochs, PATIENCE, "an epoch")
    waiting = jobs.submit(request(1), "waiting")
    assert waiting.status in (QUEUED, RUNNING)
    name = next(name for name in jobs._cluster._local.workers if name.startswith("train"))
    before = set(map(part, [jobs._cluster] * 2, ["scheduler", name]))
    victim(jobs._cluster, who, name).kill()
    wait_until(lambda: FAILED in (run.status, waiting.status) or run.status == QUEUED, TOLD, lambda: (run.status, run.reason))
    if run.status == FAILED:
        assert "last epoch is kept" in run.reason
        assert checkpoint.open_bytes(run.weights, "run").recipe.epochs  # and it is
    again = jobs.submit(request(1), "in flight")
    if again is run:  # it waited for its turn while the other was struck
        jobs.stop(run)
        again = jobs.submit(request(1), "in flight")
    until(again, DONE)
    until(waiting, DONE, FAILED)
    assert checkpoint.open_bytes(kept.weights, "kept").recipe.epochs
    if who == "scheduler":
        _, alive = psutil.wait_procs(before, timeout=PATIENCE)
        assert not alive  # nothing of the old cluster is left behind


@pytest.mark.parametrize("who", ["worker", "nanny", "scheduler"])
def test_whatever_dies_under_an_analysis_it_is_told_and_the_next_one_works(both, who, tmp_path):
    jobs, analyses = both
    key = ("model", who)
    kept = analyses.ask(("kept", who), "tab", double(), np.ones(2))
    wait_until(lambda: kept.status == analyses_module.DONE, PATIENCE, lambda: (kept.status, kept.reason))
    analysis = analyses.ask(key, "tab", endless(), tmp_path / "left")
    wait_until(lambda: analysis.status == analyses_module.RUNNING, PATIENCE, lambda: (analysis.status, analysis.reason))
    victim(jobs._cluster, who, "analysis").kill()
    wait_until(lambda: analyses.find(key, "tab").status == analyses_module.FAILED, TOLD, lambda: analysis.status)
    assert analysis.reason.endswith("ry again.")
    again = analyses.ask(key, "tab", double(), np.ones(2))
    wait_until(lambda: again.status == analyses_module.DONE, PATIENCE, lambda: (again.status, again.reason))
    assert analyses.find(("kept", who), "tab").result is kept.result


def test_a_training_does_not_notice_that_the_analyses_nanny_died(both):
    jobs, analyses = both
    until_done = analyses.ask(("model", "before"), "tab", double(), np.ones(2))
    wait_until(lambda: until_done.status == analyses_module.DONE, PATIENCE, lambda: until_done.reason)
    run = jobs.submit(request(1000), "calm")
    wait_until(lambda: run.epochs, PATIENCE, "an epoch")
    nanny = part(jobs._cluster, "analysis")
    nanny.kill()
    workers = jobs._cluster._local.workers
    another = lambda: (worker := workers.get("analysis")) and worker.process and worker.process.pid != nanny.pid  # noqa: E731
    wait_until(another, PATIENCE, "another nanny")
    done = len(run.epochs)
    wait_until(lambda: len(run.epochs) > done, PATIENCE, "another epoch")
    assert (run.status, run.attempt) == (RUNNING, 1)
    jobs.stop(run)


class Distant:
    """A cluster elsewhere: a scheduler and training workers, each a process of its own, with Dask's own settings."""

    def __init__(self, folder):
        self.port, self.log, self.processes = free_port(), (folder / "log").open("w"), []
        self.address = f"tcp://127.0.0.1:{self.port}"

    def start(self, *workers: str) -> None:
        dask, here = [sys.executable, "-m", "dask"], ["--host", "127.0.0.1", "--no-dashboard"]
        self._run([*dask, "scheduler", *here, "--port", str(self.port)])
        for name in workers:
            self._run([*dask, "worker", self.address, *here, "--nthreads", "1", "--resources", "train=1", "--name", name])

    def _run(self, command: list[str]) -> None:
        self.processes.append(subprocess.Popen(command, cwd=ROOT, stdout=self.log, stderr=subprocess.STDOUT))

    def kill(self) -> None:
        for process in reversed(self.processes):
            if process.poll() is None:
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
            process.kill()
            process.wait(timeout=PATIENCE)
        self.processes.clear()


@pytest.fixture
def distant(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 2)
    far = Distant(tmp_path)
    jobs = Jobs(Cluster(far.address))
    yield far, jobs
    jobs.close()
    far.kill()
    far.log.close()


def slots(jobs: Jobs) -> int:
    try:
        jobs._cluster.client()
    except BadInput:
        return 0
    return jobs._cluster.training_slots()


def settings(jobs: Jobs) -> tuple[int, int]:
    """The cluster's own: failures that are allowed a task, events that are kept of a topic."""
    return jobs._cluster.client().run_on_scheduler(  # a lambda travels as it is: this module is not there
        lambda dask_scheduler: (dask_scheduler.allowed_failures, dask_scheduler._broker._topics["somebody's"].events.maxlen)
    )


def test_a_cluster_elsewhere_keeps_its_settings_tells_its_losses_and_trains_again_when_it_is_back(distant):
    far, jobs = distant
    far.start("one", "two")
    wait_until(lambda: slots(jobs) == 2, PATIENCE, "two workers")
    failures, most = settings(jobs)
    assert failures > 0
    assert most > 1
    runs = [jobs.submit(request(1000), f"visitor {number}") for number in range(2)]
    wait_until(lambda: all(run.epochs for run in runs), PATIENCE, "two train at once")
    assert runs[0].worker != runs[1].worker
    worker_process(runs[0]).kill()  # Dask would train again on another worker, as if nothing had been told
    until(runs[0], FAILED, seconds=2 * TOLD)
    assert "ended unexpectedly" in runs[0].reason
    numbers = [record["epoch"] for record in runs[0].epochs]
    assert numbers == sorted(set(numbers))
    assert runs[1].status == RUNNING
    far.kill()
    until(runs[1], FAILED, seconds=TOLD)
    assert "cluster was lost" in runs[1].reason
    for run in runs:
        assert checkpoint.open_bytes(run.weights, "run").recipe.epochs  # the last epoch is kept
    soon = jobs.submit(request(1), "too soon")
    until(soon, FAILED, seconds=PATIENCE)
    assert "LATENTSCAPE_SCHEDULER" in soon.reason
    far.start("one")
    wait_until(lambda: slots(jobs) == 1, PATIENCE, "the cluster again")
    until(jobs.submit(request(1), "too soon"), DONE)
