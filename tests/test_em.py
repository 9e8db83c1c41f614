"""EM against scikit-learn step by step, and the identity it climbs."""

import warnings

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from vae_core import em
from vae_core.errors import BadInput

NAMES = {"full": "full", "diagonal": "diag", "spherical": "spherical"}


def start(seed, d, components=3, count=120):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(count, d)) + rng.integers(0, 3, size=(count, 1)) * 3
    means = points[rng.choice(count, components, replace=False)]
    return points, em.Mixture(np.full(components, 1 / components), means, np.stack([np.eye(d)] * components))


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("kind", em.KINDS)
def test_every_step_is_scikit_learns(kind, d):
    points, mixture = start(0, d)
    ones = {"full": np.stack([np.eye(d)] * 3), "diagonal": np.ones((3, d)), "spherical": np.ones(3)}[kind]
    first = mixture
    for step in range(1, 8):
        mixture = em.m_step(points, em.e_step(points, mixture), kind)
        theirs = GaussianMixture(3, covariance_type=NAMES[kind], weights_init=first.weights, means_init=first.means,
                                 precisions_init=ones, max_iter=step, tol=0, reg_covar=em.REG)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs.fit(points)
        ours = mixture.covariances
        if kind == "diagonal":
            ours = np.diagonal(ours, axis1=1, axis2=2)
        elif kind == "spherical":
            ours = ours[:, 0, 0]
        np.testing.assert_allclose(mixture.weights, theirs.weights_, atol=1e-6)
        np.testing.assert_allclose(mixture.means, theirs.means_, atol=1e-6)
        np.testing.assert_allclose(ours, theirs.covariances_, atol=1e-6)


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("d", [1, 3])
def test_log_likelihood_is_bound_and_divergence(d, hard):
    points, mixture = start(1, d)
    q = em.e_step(points, mixture, hard)
    total = em.log_likelihood(points, mixture)
    assert abs(em.bound(points, q, mixture) + em.divergence(points, q, mixture) - total) < 1e-9
    assert (em.divergence(points, q, mixture) > 1) is hard


@pytest.mark.parametrize("kind", em.KINDS)
def test_each_half_step_climbs_from_a_thousand_starts_and_the_bound_touches_after_each_e_step(kind):
    """Without the floor under variances, which is no part of the bound; a component that is left one point has none then."""
    collapsed = 0
    for seed in range(1000):
        points, mixture = start(seed, d=1 + seed % 3, count=40)
        before = -np.inf
        for _ in range(3):
            q = em.e_step(points, mixture)
            total = em.log_likelihood(points, mixture)
            touching = em.bound(points, q, mixture)
            assert abs(total - touching) < 1e-9
            assert total > before - 1e-9
            mixture = em.m_step(points, q, kind, reg=0)
            if np.linalg.eigvalsh(mixture.covariances).min() < 1e-9:
                collapsed += 1
                break
            before = em.bound(points, q, mixture)
            assert before > touching - 1e-9, seed
    assert collapsed < 10


def test_a_component_on_one_point_has_no_other_variance_than_the_floor():
    points = np.array([[0.0, 0.0], [5.0, 5.0], [5.0, 6.0]])
    q = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    np.testing.assert_allclose(em.m_step(points, q).covariances[0], em.REG * np.eye(2), atol=1e-12)


def test_points_that_are_all_alike_leave_finite_numbers():
    points = np.ones((20, 2))
    mixture = em.Mixture(np.array([0.4, 0.6]), np.array([[1.0, 1.0], [2.0, 2.0]]), np.stack([np.eye(2)] * 2))
    for _ in range(5):
        mixture = em.m_step(points, em.e_step(points, mixture))
    assert all(np.isfinite(part).all() for part in mixture)
    assert np.isfinite(em.log_likelihood(points, mixture))


def test_components_are_matched_whatever_they_are_called():
    _, mixture = start(3, 2)
    shuffled = em.Mixture(*(part[[2, 0, 1]] for part in mixture))
    for ours, theirs in zip(em.matched(shuffled, mixture), mixture, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("points", "components"), [(np.zeros((3, 2)), 4), (np.zeros((3, 2)), 0), (np.full((3, 2), np.nan), 1), (np.zeros(3), 1)]
)
def test_what_cannot_be_fitted_is_refused(points, components):
    with pytest.raises(BadInput):
        em.check(points, components)


def test_a_kind_that_is_not_there_is_refused():
    points, mixture = start(0, 2)
    with pytest.raises(BadInput, match="choose one of full, diagonal, spherical"):
        em.m_step(points, em.e_step(points, mixture), "tied")
