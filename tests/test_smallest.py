"""The smallest images, sets, batches and classes: every model trains on them, and no number is told that means nothing."""

import math
import warnings
from concurrent.futures import Future

import numpy as np
import pytest
import torch
from distributed.client import FutureCancelledError
from distributed.scheduler import KilledWorker
from hypothesis import given, settings
from hypothesis import strategies as st

from latentscape.work import analysis_worker
from latentscape.work.jobs import KEPT
from latentscape.work.runs import FAILED, Run
from latentscape.work.tasks import Task
from vae_core import evaluate, networks, projection, train
from vae_core.corruption import KINDS as CORRUPTIONS
from vae_core.data import ImageSet, image_set
from vae_core.errors import BadInput
from vae_core.models import FAMILIES
from vae_core.models.gan import GAMES
from vae_core.models.vae import VAEConfig
from vae_core.networks import ARCHITECTURES
from vae_core.settings import settings_of
from vae_core.watch import Watch

torch.set_num_threads(1)


def small_set(shape: tuple[int, int, int], training: int, test: int) -> ImageSet:
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (count, *shape), dtype=np.uint8) for count in (training, test)]
    labels = [np.zeros(count, np.int64) for count in (training, test)]
    return image_set("small", images[0], labels[0], images[1], labels[1], ())


# Shapes, batches.

vaes = st.fixed_dictionaries({
    "architecture": st.sampled_from(list(ARCHITECTURES)),
    "likelihood": st.sampled_from(list(settings_of(VAEConfig)["likelihood"].choices)),
    "latent_dim": st.integers(1, 2), "hidden": st.just(8), "depth": st.just(1),
})
damaged = st.fixed_dictionaries({"hidden": st.just(8), "corruption": st.sampled_from(list(CORRUPTIONS))})
players = st.fixed_dictionaries({
    "latent_dim": st.integers(1, 2), "hidden": st.just(4), "game": st.sampled_from(list(GAMES)),
})
models = st.one_of(
    st.tuples(st.just("vae"), vaes), st.tuples(st.just("ae"), st.fixed_dictionaries({"hidden": st.integers(1, 3)})),
    st.tuples(st.sampled_from(["dae", "restorer"]), damaged), st.tuples(st.just("gan"), players),
)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 17), st.integers(1, 17)), model=models, training=st.integers(2, 9),
    batch=st.integers(1, 9), test=st.integers(1, 3), flip=st.booleans(), shift=st.integers(0, 3),
)
def test_every_model_trains_on_every_shape_and_batch(shape, model, training, batch, test, flip, shift):
    kind, options = model
    images = small_set(shape, training, test)
    built = FAMILIES[kind].config(image_shape=shape, **options)
    config = train.TrainConfig(
        epochs=1, batch_size=max(min(batch, training), built.defaults.fewest), device="cpu", precision="fp32", flip=flip,
        shift=shift,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        state = train.start(built, images, config)
        steps = list(train.fit(state, images))
        Watch(state.model, images).frame()
        _, recipe = train.finish(state, images, "small", "train")
    assert len(steps) == math.ceil(training / config.batch_size)
    assert math.isfinite(steps[-1].test["loss"])
    assert all(map(math.isfinite, recipe.metrics.values()))
    assert all(tensor.isfinite().all() for tensor in state.model.state_dict().values())


@pytest.mark.parametrize(("training", "batch"), [(5, 4), (3, 1), (9, 8), (2, 1)])
@pytest.mark.parametrize("side", [1, 4, 8])
def test_a_last_batch_of_one_small_image_trains_the_course_network(side, training, batch):
    """Its innermost feature maps have one pixel there: of one image, one value a channel."""
    images = small_set((1, side, side), training, 1)
    model = VAEConfig("conv-course", images.image_shape, latent_dim=2, hidden=8)
    state = train.start(model, images, train.TrainConfig(epochs=2, batch_size=batch, device="cpu", precision="fp32"))
    before = {name: value.clone() for name, value in state.model.named_parameters()}
    assert all(math.isfinite(record.test["loss"]) for record in train.fit(state, images) if isinstance(record, train.Epoch))
    assert any(not torch.equal(value, before[name]) for name, value in state.model.named_parameters())


@pytest.mark.parametrize("shape", [(0, 3, 4, 4), (1, 3, 1, 1)], ids=["a process's empty share", "one value a channel"])
def test_batches_without_spread_are_normalised_by_the_running_statistics_and_leave_them(shape):
    ours, reference = networks.BatchNorm2d(3), torch.nn.BatchNorm2d(3)
    for norm in (ours, reference):
        norm(torch.linspace(-1, 3, 96).view(2, 3, 4, 4))
    before = [value.clone() for value in ours.buffers()]
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ours(x), reference.eval()(x))
    assert all(torch.equal(*pair) for pair in zip(ours.buffers(), before, strict=True))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(batch=st.integers(1, 4), height=st.integers(1, 4), width=st.integers(1, 4))
def test_every_other_batch_is_normalised_as_torch_does(batch, height, width):
    """So that a run of before gives the same losses."""
    if batch * height * width < 2:
        return
    x = torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(batch))
    ours, reference = networks.BatchNorm2d(3), torch.nn.BatchNorm2d(3)
    assert torch.equal(ours(x), reference(x))
    assert all(torch.equal(*pair) for pair in zip(ours.buffers(), reference.buffers(), strict=True))


# Few of a class.


def clusters(sizes: list[int], sigmas: float = 100) -> tuple[np.ndarray, np.ndarray]:
    """Codes (N, 2) of classes that lie so many standard deviations apart, and their labels (N,)."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    random = np.random.default_rng(0)
    return random.normal(size=(len(labels), 2)) + sigmas * labels[:, None], labels


@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(2, 15), min_size=2, max_size=5), most=st.integers(1, 20))
def test_classes_far_apart_are_told_apart_however_few_they_are(sizes, most):
    points, labels = clusters(sizes)
    assert evaluate.neighbour_accuracy(points, labels, most) == 1.0
    assert 1 <= evaluate.voters(labels, most) <= min(most, min(sizes) - 1)
    codes = torch.from_numpy(points).float()
    assert evaluate.knn_accuracy(codes, torch.from_numpy(labels), codes, torch.from_numpy(labels), most) == 1.0


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=5).filter(lambda sizes: len(sizes) < 2 or 1 in sizes))
def test_where_no_vote_can_be_right_there_is_no_number(sizes):
    points, labels = clusters(sizes)
    with pytest.raises(BadInput, match="needs two classes at least, and two test images of each"):
        evaluate.neighbour_accuracy(points, labels)


def test_one_training_image_of_a_class_is_enough_to_be_found_by():
    codes, labels = (torch.from_numpy(array) for array in clusters([1, 30]))
    assert evaluate.knn_accuracy(codes.float(), labels, codes.float(), labels) == 1.0


@pytest.mark.parametrize("points", [1, 2, 4])
def test_too_few_points_have_no_trustworthiness(points):
    with pytest.raises(BadInput, match=f"5 test images at least; here are {points}"):
        projection.trustworthiness(np.zeros((points, 3)), np.zeros((points, 2)))


@pytest.mark.parametrize("points", [5, 6, 20, 21])
def test_few_points_that_are_their_own_picture_are_trusted(points):
    codes = np.random.default_rng(0).normal(size=(points, 2))
    assert projection.trustworthiness(codes, codes) == 1.0


@pytest.mark.parametrize(("sizes", "known"), [([5, 5], {"knn_codes", "knn_points"}), ([9, 1], set()), ([10], set())])
def test_the_worker_leaves_out_what_it_cannot_tell(sizes, known):
    points, labels = clusters(sizes)
    result = analysis_worker.trust(None, None, points, points, labels)
    assert result == {"trustworthiness": 1.0} | dict.fromkeys(known, 1.0)


def test_of_one_image_nothing_varies():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert evaluate.active_units(torch.ones(1, 4)) == 0


# What is left of a run that failed.

ENDS = [KilledWorker("task", "worker", 0), FutureCancelledError("task", "lost"), ValueError("it"), BadInput("Too small.")]


@pytest.mark.parametrize("epochs", [0, 1])
@pytest.mark.parametrize("end", ENDS, ids=lambda end: type(end).__name__)
def test_only_a_run_with_an_epoch_says_that_one_is_kept(jobs, end, epochs):
    run = Run({"training": {"epochs": 5}}, "somebody")
    run.epochs += [{"epoch": 1}] * epochs
    future = Future()
    if isinstance(end, BadInput):
        future.set_result({"outcome": "failed", "reason": str(end)})
    else:
        future.set_exception(end)
    task = jobs._tasks._tasks[run.id] = Task(run, run.attempt, future)
    jobs._on_finished(task)
    assert run.status == FAILED
    assert run.reason.endswith(".")
    assert (KEPT in run.reason) == bool(epochs)
    assert "kept" not in run.reason.replace(KEPT, "")
