"""A model's codes: encoded once, and the same plane, signs and numbers on every page that shows them."""

import numpy as np
import pytest
import torch

from latent_pad import Plane as PadPlane
from latentscape.ui import codes, picker
from latentscape.ui.autoencoders import models as ae_models
from latentscape.ui.codes import codes_of
from latentscape.ui.explore import plane as explore_plane
from latentscape.ui.explore.plane import COMPONENTS
from latentscape.ui.map import projection as map_projection
from latentscape.ui.map.projection import PCA, Choice
from latentscape.ui.sweep import entries as sweep_entries
from vae_core import checkpoint, data, train
from vae_core.models.vae import VAEConfig
from vae_core.projection import PrincipalPlane
from vae_core.watch import Watch

SHIPPED = [
    name for name in sorted(path.stem for path in picker.SHIPPED.glob("*.json"))
    if checkpoint.open_file(picker.SHIPPED / name).recipe.kind in picker.ENCODERS
]
models = pytest.mark.parametrize("name", SHIPPED)


def opened(name: str) -> checkpoint.Checkpoint:
    return checkpoint.open_file(picker.SHIPPED / name)


def on_explore(model: checkpoint.Checkpoint, z: np.ndarray) -> explore_plane.Place:
    """The pad of the principal components with its marker at z (L,)."""
    return explore_plane._place((model.digest, COMPONENTS, ()), codes_of(model), tuple(z.tolist()))


@models
def test_every_page_has_the_same_components_mean_and_shares(name):
    model = opened(name)
    known = codes_of(model)
    if known.mu.shape[1] < 3:
        assert known.plane.explained is None  # shown as it is
        return
    mine, pad = PrincipalPlane(known.mu), on_explore(model, known.mu[0]).plane
    np.testing.assert_allclose([pad.u, pad.v], mine.components, atol=1e-6)
    for component in mine.components:
        assert component[np.abs(component).argmax()] > 0
    titles = map_projection._at_once(known, Choice(PCA, ())).titles
    for axis, share in enumerate(mine.explained):
        assert titles[axis] == f"PC {axis + 1} ({share:.0%} of the variance)"
        assert pad.labels[axis] == f"PC {axis + 1} ({share:.0%})"


@models
def test_an_image_stands_at_one_place_on_map_explore_and_sweep(name):
    model = opened(name)
    known = codes_of(model)
    flat = known.mu.shape[1] < 3
    choice = Choice(map_projection.AXES, tuple(range(known.mu.shape[1]))) if flat else Choice(PCA, ())
    on_map = map_projection._at_once(known, choice).points
    for number in np.random.default_rng(0).permutation(len(known.mu))[:20]:
        z = known.mu[number]
        at = PadPlane.axes(len(z)).coordinates(z.tolist()) if flat else on_explore(model, z).position
        np.testing.assert_allclose(at, on_map[number], atol=1e-3)
    if model.recipe.kind == "vae":
        on_sweep = sweep_entries.entry_of_model(model).points
        np.testing.assert_allclose(on_sweep, on_map[: len(on_sweep)], atol=1e-4)


def test_all_pages_share_one_object_that_knows_its_size():
    model = opened("mnist-20d")
    known = codes_of(model)
    assert codes_of(opened("mnist-20d")) is codes_of(model, data.load("mnist")) is known
    code = ae_models.codes(opened("mnist-ae-30"))
    assert code.data_ptr() == codes_of(opened("mnist-ae-30")).mu.ctypes.data
    assert len(known.mu) == len(known.images) == 10_000
    arrays = known.mu.nbytes + known.sigma.nbytes
    before = known.size
    assert arrays < before
    fresh = codes._codes(model, data.load("mnist"), own=False)
    light = fresh.size
    assert fresh.terms.recon.shape == (10_000,)
    assert fresh.points.parcel.payload
    assert fresh.size == pytest.approx(
        light + 2 * 4 * 10_000 + len(fresh.points.parcel.payload) + len(fresh.points.pictures.payload), abs=1
    )


def test_the_number_of_a_dimension_is_the_same_on_map_and_explore():
    known = codes_of(opened("mnist-20d"))
    assert known.measure is known.kl
    assert known.order == np.argsort(-known.kl).tolist()


@pytest.mark.parametrize("turn", range(4))
def test_the_largest_loading_is_positive_however_the_codes_are_turned(turn):
    random = np.random.default_rng(turn)
    for dimensions in (3, 7, 200):
        mu = random.normal(size=(400, dimensions)) * random.uniform(0.1, 3, dimensions)
        mu = (mu @ np.linalg.qr(random.normal(size=(dimensions, dimensions)))[0]).astype(np.float32)
        for component in PrincipalPlane(mu).components:
            assert component[np.abs(component).argmax()] > 0


def test_the_last_look_at_a_training_is_the_plane_of_the_finished_model():
    digits = data.load("digits")
    state = train.start(VAEConfig(image_shape=digits.image_shape, latent_dim=5, hidden=16), digits, train.TrainConfig(epochs=1))
    watch = Watch(state.model, digits)
    watch.mapped = watch.mapped[:100]  # as of a larger set only some are watched
    first = watch.frame()
    for _ in train.fit(state, digits):
        pass
    last = watch.frame(is_last=True)
    with torch.no_grad():
        mu = state.model.encode(data.to_float(digits.test_images))[0].numpy()
    whole = PrincipalPlane(mu)
    assert last["explained"] == pytest.approx(whole.explained, abs=1e-5)
    assert last["explained"] != first["explained"]
    np.testing.assert_allclose(last["points"], whole(mu[:100]), atol=1e-4)
