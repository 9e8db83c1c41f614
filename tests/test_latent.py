"""Points to decode: quantiles and seeded draws of the prior, paths, traversals."""

import math

import pytest
import torch
from scipy.spatial import geometric_slerp
from torch.distributions import Normal

from vae_core import latent
from vae_core.latent import prior_draws, prior_quantiles


@pytest.mark.parametrize("count", [1, 2, 5, 100])
def test_between_neighbouring_quantiles_the_prior_is_equally_probable(count):
    quantiles = prior_quantiles(count)
    torch.testing.assert_close(Normal(0.0, 1.0).cdf(quantiles), (torch.arange(count) + 0.5) / count)
    torch.testing.assert_close(quantiles, -quantiles.flip(0), atol=1e-5, rtol=0)
    assert quantiles.dtype == torch.float32


def test_draws_come_from_the_standard_normal():
    draws = prior_draws(20_000, 4)
    assert draws.shape == (20_000, 4)
    assert draws.mean(0).abs().max() < 4 / math.sqrt(20_000)
    assert (draws.var(0) - 1).abs().max() < 0.05


def test_the_same_seed_gives_the_same_draws_and_leaves_the_global_state_alone():
    state = torch.get_rng_state()
    assert torch.equal(prior_draws(5, 3, seed=1), prior_draws(5, 3, seed=1))
    assert not torch.equal(prior_draws(5, 3, seed=1), prior_draws(5, 3, seed=2))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("path", [latent.straight_path, latent.spherical_path])
def test_a_path_runs_from_start_to_end(path):
    start, end = torch.tensor([1.0, 2.0, -1.0]), torch.tensor([-2.0, 0.5, 3.0])
    points = path(start, end, 9)
    assert points.shape == (9, 3)
    torch.testing.assert_close(points[[0, -1]], torch.stack([start, end]))


def test_the_spherical_path_keeps_the_radius_and_turns_at_a_constant_rate():
    start, end = torch.tensor([2.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, 2.0])
    points = latent.spherical_path(start, end, 7)
    torch.testing.assert_close(points.norm(dim=1), torch.full((7,), 2.0))
    angles = torch.acos((points[1:] * points[:-1]).sum(1) / 4)
    torch.testing.assert_close(angles, torch.full((6,), math.pi / 12), atol=1e-4, rtol=0)


@pytest.mark.parametrize("end", [[1.23, 1.21], [1.15, 1.1], [-0.2, 3.0]])  # the first two nearly opposite, one of them longer
def test_the_spherical_path_turns_as_scipy_does_and_its_length_changes_evenly(end):
    start, end = torch.tensor([-1.15, -1.09]), torch.tensor(end)
    points = latent.spherical_path(start, end, 33)
    share = torch.linspace(0, 1, 33)
    torch.testing.assert_close(points.norm(dim=1), (1 - share) * start.norm() + share * end.norm(), atol=1e-5, rtol=0)
    unit = [(vector.double() / vector.double().norm()).numpy() for vector in (start, end)]
    expected = torch.tensor(geometric_slerp(*unit, share.numpy(), tol=1e-9), dtype=torch.float32)
    torch.testing.assert_close(points / points.norm(dim=1, keepdim=True), expected, atol=1e-5, rtol=0)


def test_the_spherical_path_between_points_of_one_direction_is_straight():
    start = torch.tensor([1.0, 1.0])
    torch.testing.assert_close(latent.spherical_path(start, 3 * start, 5), latent.straight_path(start, 3 * start, 5))
    assert torch.isfinite(latent.spherical_path(start * 0, start, 5)).all()


def test_a_traversal_changes_one_dimension_only():
    points = latent.traversal(torch.tensor([5.0, 6.0, 7.0]), 1, torch.tensor([-1.0, 0.0, 1.0]))
    assert points.tolist() == [[5.0, -1.0, 7.0], [5.0, 0.0, 7.0], [5.0, 1.0, 7.0]]


def test_normal_draws_have_the_mean_and_covariance_of_the_codes():
    generator = torch.Generator().manual_seed(1)
    codes = torch.randn(500, 3, generator=generator) @ torch.tensor([[1.0, 0.5, 0], [0, 0.3, 0], [0, 0, 0]]) + 2
    drawn = latent.normal_draws(codes, 200_000)
    torch.testing.assert_close(drawn.mean(0), codes.mean(0), atol=0.02, rtol=0)
    torch.testing.assert_close(drawn.T.cov(), codes.T.cov(), atol=0.03, rtol=0)
    assert torch.equal(drawn, latent.normal_draws(codes, 200_000))


def test_box_draws_fill_the_box_of_the_codes_and_no_more():
    codes = torch.tensor([[0.0, -1.0], [1.0, 3.0], [0.2, 0.0]])
    drawn = latent.box_draws(codes, 5000, seed=2)
    assert (drawn >= codes.amin(0)).all()
    assert (drawn <= codes.amax(0)).all()
    torch.testing.assert_close(drawn.mean(0), torch.tensor([0.5, 1.0]), atol=0.1, rtol=0)
    assert abs(torch.corrcoef(drawn.T)[0, 1]) < 0.05
