"""The linear autoencoder's claim: its space is that of the principal components."""

import numpy as np
import pytest
import torch
from conftest import ROOT
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA

from vae_core import checkpoint, evaluate, train
from vae_core.bottleneck import pca_errors
from vae_core.data import load, to_float
from vae_core.models.linear import LinearConfig
from vae_core.train import TrainConfig

DIGITS = load("digits")


def trained(**settings):
    state = train.start(
        LinearConfig(image_shape=DIGITS.image_shape, **settings), DIGITS,
        TrainConfig(epochs=40, lr=1e-2, batch_size=64, device="cpu", precision="fp32"),
    )
    for _ in train.fit(state, DIGITS):
        pass
    return state


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("hidden", [2, 5])
def test_its_space_is_that_of_scikit_learns_pca(hidden, tied):
    state = trained(hidden=hidden, tied=tied)
    pca = PCA(hidden, svd_solver="full").fit(DIGITS.train_images.flatten(1).numpy() / 255)
    painted = state.model.templates().flatten(1).T.numpy()
    assert np.degrees(subspace_angles(painted, pca.components_.T)).max() < 1
    (_, best), = pca_errors(DIGITS.train_images, DIGITS.test_images, [hidden])
    assert state.epochs[-1].test["loss"] == pytest.approx(best, rel=0.01)
    if tied:
        np.testing.assert_allclose(painted.T @ painted, np.eye(hidden), atol=0.01)
        codes = state.model.codes(to_float(DIGITS.test_images)).detach().numpy()
        shadows = pca.transform(DIGITS.test_images.flatten(1).numpy() / 255)
        one, other = codes[:100], shadows[:100] * 2  # pixels in [-1, 1] are twice as far apart
        distances = lambda points: np.linalg.norm(points[:, None] - points[None], axis=2)  # noqa: E731
        np.testing.assert_allclose(distances(one), distances(other), atol=0.15)


def test_it_begins_at_the_mean_picture_and_so_with_the_error_of_the_variance():
    state = train.start(LinearConfig(image_shape=DIGITS.image_shape, hidden=1), DIGITS, TrainConfig())
    with torch.no_grad():
        state.model.decoder.weight.zero_()
    x = to_float(DIGITS.train_images)
    error = state.model.error(x, (x,), state.model(x)).mean().item()
    assert error == pytest.approx(2 * x.var(0, correction=0).sum().item(), rel=1e-4)


@pytest.mark.parametrize("tied", [True, False])
def test_code_and_picture_are_linear_but_for_the_clipping(tied):
    torch.manual_seed(0)
    model = LinearConfig(image_shape=(1, 4, 4), hidden=3, tied=tied).build()
    x, y = torch.rand(2, 1, 4, 4), torch.rand(2, 1, 4, 4)
    with torch.no_grad():
        torch.testing.assert_close(model.codes((x + y) / 2), (model.codes(x) + model.codes(y)) / 2)
        torch.testing.assert_close(model((x + y) / 2), (model(x) + model(y)) / 2)
        far = torch.full((1, 3), 1e3)
        assert set(model.decode(far).unique().tolist()) <= {0.0, 1.0}
    assert sum(part.numel() for part in model.parameters()) == 16 * 3 * (1 if tied else 2) + 16


def test_the_shipped_one_is_the_plane_of_the_principal_components():
    opened, mnist = checkpoint.open_file(ROOT / "checkpoints" / "mnist-linear-2d"), load("mnist")
    pixels = mnist.train_images.flatten(1).numpy().astype(np.float32) / 255
    pca = PCA(2, svd_solver="covariance_eigh").fit(pixels)
    painted = opened.model.templates().flatten(1).T.numpy()
    assert np.degrees(subspace_angles(painted, pca.components_.T)).max() < 1
    error = evaluate.terms(opened.model, mnist.test_images)["loss"].mean().item()
    assert error == pytest.approx(opened.recipe.metrics["test_loss"], abs=0.05)
