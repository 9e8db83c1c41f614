"""The plane of the first two components: scikit-learn's, with signs that hold still."""

import warnings

import numpy as np
import pytest
from sklearn.decomposition import PCA

from vae_core.projection import Plane


def cloud(count=300, dimensions=5, seed=0) -> np.ndarray:
    """Codes with a clear order of variances, turned at random."""
    random = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(random.normal(size=(dimensions, dimensions)))
    return (random.normal(size=(count, dimensions)) * 2.0 ** -np.arange(dimensions)) @ turn + 3


def test_the_plane_is_that_of_scikit_learn_but_for_signs():
    codes = cloud()
    expected = PCA(2, svd_solver="full").fit(codes)
    plane = Plane(codes)
    np.testing.assert_allclose(np.abs(plane(codes)), np.abs(expected.transform(codes)), atol=1e-9)
    np.testing.assert_allclose(plane.explained, expected.explained_variance_ratio_)


def test_the_plane_agrees_with_the_eigenvectors_of_the_covariance():
    codes = cloud(seed=4)
    values, vectors = np.linalg.eigh(np.cov(codes.T))
    plane = Plane(codes)
    points = plane(codes)
    np.testing.assert_allclose(points.var(0, ddof=1), values[::-1][:2])
    np.testing.assert_allclose(plane.explained, values[::-1][:2] / values.sum())
    np.testing.assert_allclose(np.abs(points), np.abs((codes - codes.mean(0)) @ vectors[:, [-1, -2]]), atol=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_turning_the_codes_around_does_not_flip_the_map_of_the_next_moment(seed):
    codes = cloud(seed=seed)
    before = Plane(codes)
    jittered = codes + np.random.default_rng(seed).normal(scale=0.01, size=codes.shape)
    after = Plane(jittered, like=before)
    assert (np.sign((before.pca.components_ * after.pca.components_).sum(1)) > 0).all()
    for axis in range(2):
        assert np.corrcoef(before(codes)[:, axis], after(jittered)[:, axis])[0, 1] > 0.99


def test_the_sign_follows_the_earlier_plane_even_where_that_was_flipped():
    codes = cloud()
    flipped = Plane(codes)
    flipped.pca.components_ = -flipped.pca.components_
    np.testing.assert_allclose(Plane(codes, like=flipped)(codes), -Plane(codes)(codes))


def test_the_first_plane_does_not_depend_on_the_order_of_the_images():
    codes = cloud()
    shuffled = codes[np.random.default_rng(1).permutation(len(codes))]
    np.testing.assert_allclose(Plane(shuffled)(codes), Plane(codes)(codes), atol=1e-9)


def test_two_dimensions_are_shown_as_they_are():
    codes = cloud(dimensions=2)
    plane = Plane(codes)
    np.testing.assert_array_equal(plane(codes), codes)
    assert plane.explained is None


def test_one_dimension_becomes_a_line():
    codes = cloud(dimensions=1)
    points = Plane(codes)(codes)
    np.testing.assert_array_equal(points[:, 0], codes[:, 0])
    assert (points[:, 1] == 0).all()
    assert points.shape == (300, 2)


@pytest.mark.parametrize("dimensions", [1, 2, 3, 64])
def test_new_codes_land_where_the_fit_would_put_them(dimensions):
    codes = cloud(dimensions=dimensions)
    plane = Plane(codes)
    np.testing.assert_allclose(plane(codes[:7]), plane(codes)[:7], atol=1e-9)
    assert plane(codes[:7]).shape == (7, 2)


@pytest.mark.parametrize(
    "codes", [np.zeros((50, 4)), np.full((50, 4), 7.5), np.eye(4)[[0, 1] * 25]], ids=["0", "7.5", "two points"]
)
def test_codes_without_spread_give_points_without_a_complaint(codes):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plane = Plane(codes, like=Plane(cloud(dimensions=4)))
        points = plane(codes)
    assert np.isfinite(points).all()
    assert np.isfinite(plane.explained).all()
    assert np.ptp(points, axis=0).max() == pytest.approx(np.sqrt(2) if codes[0, 0] == 1 else 0, abs=1e-9)


def test_a_collapsed_moment_can_be_followed_by_a_spread_one():
    collapsed = Plane(np.zeros((50, 4)))
    plane = Plane(cloud(dimensions=4), like=collapsed)
    assert np.isfinite(plane(cloud(dimensions=4))).all()
    assert sum(plane.explained) > 0.8
