"""Trainings as jobs on a real local cluster: everything that can happen to a run."""

import dataclasses
import math
import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from conftest import PATIENCE, ROOT, free_port, narrow, wait_until

from latentscape.work import cluster, tasks, turns, worker
from latentscape.work import jobs as jobs_module
from latentscape.work.belongings import Pictures, Settings
from latentscape.work.cluster import Cluster
from latentscape.work.jobs import Jobs
from latentscape.work.runs import DONE, FAILED, PAUSED, QUEUED, RUNNING, STOPPED
from vae_core import checkpoint, data, train
from vae_core.errors import BadInput
from vae_core.folder import Report
from vae_core.models import FAMILIES
from vae_core.models.vae import VAEConfig
from vae_core.watch import Watch

pytestmark = pytest.mark.xdist_group("jobs")


def request(epochs: int = 3, **changes) -> dict:
    """A small training on the 8x8 digits."""
    model = {"architecture": "mlp", "latent_dim": 2, "hidden": 64} | changes.pop("model", {})
    training = {"epochs": epochs, "batch_size": 64, "seed": 3} | changes.pop("training", {})
    asked = {"data": "digits", "kind": "vae", "model": model, "training": training, "title": "digits", "command": "train"}
    return asked | changes


@pytest.fixture(scope="module")
def local():
    running = Jobs(Cluster())
    yield running
    running.close()


def until(run, *status: str, seconds: float = PATIENCE):
    return wait_until(lambda: run.status in status, seconds, lambda: f"{status}, but it is {run.status} {run.reason}")


def worker_process(run) -> psutil.Process:
    """The process of the worker that trains this run."""
    port = int(run.worker.rsplit(":", 1)[1])
    for process in psutil.Process().children(recursive=True):
        if any(c.laddr.port == port and c.status == "LISTEN" for c in process.net_connections()):
            return process
    raise AssertionError("no process listens on the worker's port")


def epochs_shown(run) -> list[float]:
    """The moments that are kept, without those in the midst of the first epoch."""
    kept = [frame.epoch for frame in run.frames]
    assert kept == sorted(set(kept))
    return [epoch for epoch in kept if epoch == 0 or epoch >= 1]


class Nobody:
    """Who asks nothing of a training."""

    def any(self) -> bool:
        return False

    leave = any


@pytest.mark.parametrize("batch_size", [8, 64, 512])
def test_about_twenty_moments_of_the_first_epoch_are_kept_most_of_them_early(monkeypatch, batch_size):
    monkeypatch.setattr(worker, "MOMENTS_SHARE", math.inf)  # however slow the pictures are
    told = []
    asked = request(2, training={"batch_size": batch_size})
    worker._train(lambda kind, **said: told.append((kind, said)), lambda: None, Nobody(), asked, None, None, None, None)
    kept = [said["epoch"] for kind, said in told if kind == "moment"]
    batches = -(-len(data.load("digits").train_images) // batch_size)
    assert kept == sorted(set(kept))
    assert all(0 < epoch < 1 for epoch in kept)
    assert len(kept) == len({int(worker.MOMENTS * math.sqrt(batch / batches)) for batch in range(1, batches)} - {0})
    if batches > 100:
        assert len(kept) == worker.MOMENTS - 1
        assert np.median(kept) < 0.35
    assert all("points" in said and said["curve"] is not None for kind, said in told if kind == "moment")


def test_pictures_of_moments_take_no_more_than_their_share(monkeypatch):
    monkeypatch.setattr(worker, "MOMENTS_SHARE", 0.0)
    told = []
    worker._train(lambda kind, **said: told.append(kind), lambda: None, Nobody(), request(1), None, None, None, None)
    assert told.count("moment") == 1  # what they take is known after the first


def test_a_run_ends_done_with_a_frame_an_epoch_and_a_checkpoint_that_opens(local):
    run = local.submit(request(), "tab-1")
    until(run, DONE)
    assert epochs_shown(run) == [0, 1, 2, 3]
    assert run.epochs[-1]["test_loss"] < run.epochs[0]["test_loss"]
    opened = checkpoint.open_bytes(run.weights, "run")
    assert opened.recipe.data.name == "digits"
    assert opened.recipe.metrics["test_loss"] == pytest.approx(run.epochs[-1]["test_loss"], abs=0.05)
    assert run.live.points.shape == (360, 2)
    assert run.live.reconstructions.shape == run.about["originals"].shape == (10, 1, 8, 8)


def test_workers_are_not_profiled_by_dask(local):
    """A hundred samples a second of each would take a tenth of a core from a class."""
    client = local._cluster.client()
    client.wait_for_workers(1, timeout=PATIENCE)
    told = client.run(lambda: __import__("dask").config.get("distributed.worker.profile.enabled"))
    assert told
    assert not any(told.values())


def test_a_run_on_own_pictures_trains_on_them_and_they_leave_the_worker_with_it(local):
    images = dataclasses.replace(data.load("digits"), name="folder:mine", classes=())
    report = Report(1797, (), 0, 0, 0, 0, {})
    mine = Pictures(owner="me", name="mine.zip", upload="u", settings=Settings(), images=images, report=report)
    run = local.submit(request(400), "own", pictures=mine)
    wait_until(lambda: run.epochs, PATIENCE, "an epoch")
    assert mine.runs == {run.id}
    local.pause(run)
    until(run, PAUSED)
    client = local._cluster.client()
    wait_until(lambda: not any(client.who_has().values()), PATIENCE, lambda: f"an empty worker, but {client.who_has()}")
    assert run.pictures is mine  # to go on from
    local.resume(run, one_epoch=True)
    until(run, QUEUED, RUNNING)
    until(run, PAUSED)
    local.stop(run)
    assert (mine.runs, run.pictures) == (set(), None)
    recipe = checkpoint.open_bytes(run.weights, "run").recipe
    assert (recipe.data.name, recipe.data.digest, recipe.data.classes) == ("folder:mine", images.digest, [])


def test_what_the_scheduler_imports_of_ours_brings_no_torch():
    code = (
        "import sys\nfrom latentscape.work import analyses, analysis_worker, cluster, worker\nsys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


@pytest.mark.parametrize("kind", FAMILIES)
def test_every_kind_of_model_can_be_watched(kind):
    digits, family = data.load("digits"), FAMILIES[kind]
    watch = Watch(family.config(image_shape=(1, 8, 8), **narrow(family)).build(), digits)
    frame = watch.frame()
    assert watch.originals.shape == (10, 1, 8, 8)
    assert frame["reconstructions"].shape == (10 if family.encodes or family.repairs else 0, 1, 8, 8)
    assert len(frame["points"]) == (360 if family.encodes else 0)
    assert len(frame["samples"]) == (21 if family.draws else 0)
    first = [int((digits.test_labels == c).nonzero()[0]) for c in range(10)]
    whole = np.array_equal(watch.originals, digits.test_images[first])
    assert whole != family.has("corruption")  # denoisers and restorers are shown damaged images


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_model_of_any_family_is_trained_as_a_job(local, kind):
    run = local.submit(request(1) | {"kind": kind, "model": narrow(FAMILIES[kind])}, f"family {kind}")
    until(run, DONE)
    assert checkpoint.open_bytes(run.weights, "run").recipe.kind == kind
    assert {f"test_{term.name}" for term in FAMILIES[kind].terms} <= run.epochs[-1].keys()
    assert {len(point) for point in run.curve} == {2 + len(FAMILIES[kind].measured)}


@pytest.mark.parametrize("latent_dim", [1, 2, 3, 20])
def test_a_map_does_not_turn_over_where_another_worker_goes_on(latent_dim):
    digits = data.load("digits")
    model = VAEConfig(image_shape=(1, 8, 8), hidden=8, latent_dim=latent_dim).build()
    first = Watch(model, digits)
    points = first.frame()["points"]
    flipped = None if first.directions is None else -first.directions
    assert (flipped is None) == (latent_dim < 3)
    sign = 1 if flipped is None else -1
    np.testing.assert_allclose(Watch(model, digits, flipped).frame()["points"], sign * points, atol=1e-5)


def test_pausing_and_going_on_gives_the_losses_of_an_unbroken_training(local):
    run = local.submit(request(30, model={"latent_dim": 3}), "tab-2")
    wait_until(lambda: run.epochs, PATIENCE, "a first epoch")
    local.pause(run)
    until(run, PAUSED)
    assert run.state is not None
    assert run.directions.shape == (2, 3)
    assert local.submit(request(), "tab-2") is run  # a tab has one run at a time, also a paused one
    local.resume(run, one_epoch=True)
    done = len(run.epochs)
    until(run, QUEUED, RUNNING)
    until(run, PAUSED)
    assert len(run.epochs) == done + 1
    local.resume(run)
    until(run, DONE)
    digits = data.load("digits")
    asked = request(30, model={"latent_dim": 3})
    unbroken = train.start(VAEConfig(**asked["model"], image_shape=(1, 8, 8)), digits, train.TrainConfig(**asked["training"]))
    losses = [r.test["loss"] for r in train.fit(unbroken, digits) if isinstance(r, train.Epoch)]
    assert [record["test_loss"] for record in run.epochs] == pytest.approx(losses, rel=1e-5)


def test_stop_frees_the_worker_within_two_seconds_and_keeps_what_was_learned(local):
    run = local.submit(request(1000), "tab-3")
    wait_until(lambda: len(run.epochs) > 2, PATIENCE, "epochs")
    began = time.monotonic()
    local.stop(run)
    until(run, STOPPED, seconds=10)
    assert time.monotonic() - began < 2
    assert checkpoint.open_bytes(run.weights, "run").recipe.epochs
    local.stop(run)  # once more changes nothing
    assert run.status == STOPPED


def test_a_stop_before_the_first_epoch_is_no_failure(local):
    run = local.submit(request(data="mnist", model={"architecture": "residual", "hidden": 384}), "me early")
    wait_until(lambda: run.live is not None, PATIENCE, "the picture before training")
    local.stop(run)
    until(run, STOPPED, FAILED)
    assert (run.status, run.reason, run.epochs) == (STOPPED, "", [])
    opened = checkpoint.open_bytes(run.weights, "it")
    assert "test_loss" not in opened.recipe.metrics
    assert opened.recipe.epochs == []


def test_a_run_of_the_same_visitor_waits_and_can_be_stopped_while_it_waits(local):
    first, second, third = local.submit_sweep([request(1000)] * 3, "queue")
    until(first, RUNNING)
    assert (second.status, third.status) == (QUEUED, QUEUED)
    assert (local.place(second)[:2], local.place(third)[:2]) == ((1, 2), (2, 2))
    local.stop(second)
    assert second.status == STOPPED
    assert local.place(third)[:2] == (1, 1)
    local.pause(third)
    assert third.status == PAUSED
    local.resume(third)
    local.stop(first)
    until(third, RUNNING)
    local.stop(third)
    until(third, STOPPED)


def test_strangers_take_turns_and_train_what_they_would_have_trained_alone(local, monkeypatch):
    monkeypatch.setattr(turns, "TURN_SECONDS", 0.3)
    monkeypatch.setattr(turns, "NEAR_SECONDS", 0.0)
    runs = [local.submit(request(40, model={"latent_dim": 3}), f"stranger-{number}") for number in range(3)]
    turn_of, seen = [], {run.id: set() for run in runs}

    def all_over() -> bool:
        for run in runs:
            seen[run.id].add(run.status)
            if run.status == RUNNING and turn_of[-1:] != [run.id]:
                turn_of.append(run.id)
        return all(run.status == DONE for run in runs)

    while not all_over():  # many short turns: a busy machine takes its time, but each goes on
        done = [run.progress for run in runs]
        going_on = lambda done=done: all_over() or [run.progress for run in runs] != done  # noqa: E731
        wait_until(going_on, PATIENCE, lambda: [(run.status, run.reason, run.progress) for run in runs])
    assert sorted(turn_of[:3]) == sorted(run.id for run in runs)  # each a first turn before anybody's second
    assert all(run.attempt >= 2 for run in runs)
    assert all(statuses <= {QUEUED, RUNNING, DONE} for statuses in seen.values())  # giving way is not a pause
    digits, asked = data.load("digits"), request(40, model={"latent_dim": 3})
    unbroken = train.start(VAEConfig(**asked["model"], image_shape=(1, 8, 8)), digits, train.TrainConfig(**asked["training"]))
    losses = [r.test["loss"] for r in train.fit(unbroken, digits) if isinstance(r, train.Epoch)]
    for run in runs:
        assert [record["test_loss"] for record in run.epochs] == pytest.approx(losses, rel=1e-5)
        shown = epochs_shown(run)  # a picture that would keep the next one waiting is left out, on a busy machine
        assert {0, 40} <= set(shown) <= set(range(41))
        positions = [point[0] for point in run.curve]
        assert positions == sorted(positions)


def test_a_run_that_waits_for_its_next_turn_is_paused_and_stopped_at_once(local):
    first = local.submit(request(1000), "turn-1")
    until(first, RUNNING)
    second = local.submit(request(1000), "turn-2")
    wait_until(lambda: first.status == QUEUED and first.epochs, PATIENCE, "the first run to give way")
    local.pause(first)
    assert first.status == PAUSED
    assert first.state is not None
    local.stop(first)
    assert first.status == STOPPED
    recipe = checkpoint.open_bytes(first.weights, "run").recipe
    assert len(recipe.epochs) == len(first.epochs)
    until(second, RUNNING)
    local.stop(second)
    until(second, STOPPED)


def test_a_full_queue_refuses_in_a_sentence(local, monkeypatch):
    monkeypatch.setattr(jobs_module, "MAX_QUEUE", 1)
    first = local.submit(request(1000), "full-1")
    until(first, RUNNING)
    second = local.submit(request(1000), "full-2")
    with pytest.raises(BadInput, match="waiting already"):
        local.submit(request(), "full-3")
    for run in (second, first):
        local.stop(run)
        until(run, STOPPED)


def test_an_analysis_does_not_wait_for_a_training(local):
    run = local.submit(request(1000), "tab-4")
    until(run, RUNNING)
    local._cluster.ensure_analysis()
    future = local._cluster.client().submit(os.getpid, resources={"analysis": 1}, pure=False)
    assert future.result(timeout=PATIENCE) != worker_process(run).pid
    assert run.status == RUNNING
    local.stop(run)
    until(run, STOPPED)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"data": "nowhere"}, "no data set called 'nowhere'"),
        ({"training": {"batch_size": 16_000}}, "batch size 16,000 is larger"),
        ({"training": {"device": "cuda"}}, "no cuda device"),
    ],
)
def test_what_cannot_be_trained_fails_with_its_sentence(local, changes, sentence):
    run = local.submit(request(**changes), f"bad-{sentence}")
    until(run, FAILED)
    assert sentence in run.reason


def test_a_crashed_worker_is_told_within_five_seconds_and_replaced(local):
    run = local.submit(request(1000), "tab-5")
    wait_until(lambda: run.epochs, PATIENCE, "an epoch")
    worker_process(run).send_signal(signal.SIGKILL)
    until(run, FAILED, seconds=5)
    assert "ended unexpectedly" in run.reason
    assert checkpoint.open_bytes(run.weights, "run").recipe.epochs  # the last epoch is kept
    again = local.submit(request(1), "tab-5")
    until(again, DONE)


def test_a_worker_without_a_sign_of_life_is_replaced(local, monkeypatch):
    monkeypatch.setattr(tasks, "SILENCE_SECONDS", 4)
    run = local.submit(request(1000), "tab-6")
    wait_until(lambda: run.epochs, PATIENCE, "an epoch")
    worker_process(run).send_signal(signal.SIGSTOP)
    until(run, FAILED, seconds=10)
    assert "no sign of life for 4 s" in run.reason
    again = local.submit(request(1), "tab-6")
    until(again, DONE)


def test_a_cluster_that_is_not_there_is_told_in_a_sentence(monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    lonely = Jobs(Cluster(f"tcp://127.0.0.1:{free_port()}"))
    try:
        run = lonely.submit(request(), "tab")
        until(run, FAILED, seconds=60)
        assert "LATENTSCAPE_SCHEDULER" in run.reason
    finally:
        lonely.close()


def test_same_request_same_losses(local):
    first = local.submit(request(2), "same")
    until(first, DONE)
    second = local.submit(request(2), "same")
    until(second, DONE)
    told = [[{k: v for k, v in record.items() if "second" not in k} for record in run.epochs] for run in (first, second)]
    assert told[0] == told[1]
    assert first.id != second.id
    assert dataclasses.asdict(first)["view_id"] != first.id


def test_a_killed_server_leaves_no_process_behind(tmp_path):
    script = tmp_path / "server.py"
    script.write_text(
        "import time\nfrom latentscape.work.cluster import Cluster\n"
        "if __name__ == '__main__':\n    Cluster().client()\n    time.sleep(60)\n"
    )
    server = subprocess.Popen([sys.executable, script], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
    children = wait_until(
        lambda: len(found := psutil.Process(server.pid).children(recursive=True)) >= 4 and found, PATIENCE, "a cluster"
    )
    server.kill()
    server.wait(timeout=PATIENCE)
    _, alive = psutil.wait_procs(children, timeout=PATIENCE)
    assert not alive
