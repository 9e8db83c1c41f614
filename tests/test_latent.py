"""Points to decode: the grid has the prior's quantiles, the right way up; draws are seeded."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from vae_core import latent
from vae_core.latent import plane_grid, prior_draws


@pytest.mark.parametrize("side", [1, 2, 5, 20])
def test_neighbours_on_the_grid_are_equally_probable(side):
    grid = plane_grid(side)
    columns = Normal(0.0, 1.0).cdf(grid[:side, 0])
    torch.testing.assert_close(columns, (torch.arange(side) + 0.5) / side)
    rows = Normal(0.0, 1.0).cdf(grid[::side, 1])
    torch.testing.assert_close(rows, 1 - (torch.arange(side) + 0.5) / side)


def test_the_grid_reads_like_a_page_and_its_second_axis_points_upwards():
    grid = plane_grid(3)
    a = Normal(0.0, 1.0).icdf(torch.tensor(5 / 6)).item()
    expected = [(x, y) for y in (a, 0, -a) for x in (-a, 0, a)]
    np.testing.assert_allclose(grid, expected, atol=1e-6)


def test_dimensions_beyond_the_plane_stay_at_zero():
    grid = plane_grid(4, latent_dim=7)
    assert grid.shape == (16, 7)
    assert torch.equal(grid[:, :2], plane_grid(4))
    assert (grid[:, 2:] == 0).all()


def test_one_latent_dimension_gives_a_rising_line_over_the_prior():
    line = plane_grid(5, latent_dim=1)
    assert line.shape == (25, 1)
    torch.testing.assert_close(Normal(0.0, 1.0).cdf(line[:, 0]), (torch.arange(25) + 0.5) / 25)


@pytest.mark.parametrize("latent_dim", [1, 2, 64])
@pytest.mark.parametrize("side", [1, 30, 100])
def test_the_grid_is_finite_and_centred(side, latent_dim):
    grid = plane_grid(side, latent_dim)
    assert torch.isfinite(grid).all()
    assert grid.mean(0).abs().max() < 1e-4
    assert grid.dtype == torch.float32


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
