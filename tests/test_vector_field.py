"""The toy denoiser's arrows lead to the curve, and are the score that a closed form gives."""

import pytest
import torch
import torch.nn.functional as F

from vae_core.vector_field import CURVES, SIGMA, best_denoiser, curve, fit_denoiser, grid


@pytest.fixture(scope="module", params=CURVES)
def learned(request):
    points = curve(request.param, 1000)
    return points, fit_denoiser(points, steps=1000)


def around(points: torch.Tensor, distance: float) -> torch.Tensor:
    """Points that lie `distance` from the curve's points, in seeded directions."""
    directions = torch.randn(len(points), 2, generator=torch.Generator().manual_seed(5))
    return points + distance * F.normalize(directions, dim=1)


@torch.no_grad()
def test_the_arrows_point_towards_the_curve(learned):
    points, model = learned
    x = around(points, 0.15)
    far = torch.cdist(x, points)
    distance, nearest = far.min(1)
    off = distance > 0.05  # where there is a way to go
    arrows = model(x) - x
    cosine = F.cosine_similarity(arrows, points[nearest] - x)[off]
    assert cosine.quantile(0.05) > 0.5
    after = torch.cdist(model(x), points).min(1).values
    assert (after < distance)[off].float().mean() > 0.97


@torch.no_grad()
def test_they_agree_with_the_posterior_mean_and_so_with_the_score(learned):
    points, model = learned
    x = around(points, 0.1)
    expected = best_denoiser(x, points, SIGMA)
    assert (model(x) - expected).norm(dim=1).mean() < 0.25 * (expected - x).norm(dim=1).mean()


def test_the_best_denoisers_arrow_is_the_gradient_of_the_log_density():
    points = curve("spiral", 50).double()
    x = torch.tensor([[0.3, -0.2], [0.9, 0.1]], dtype=torch.float64, requires_grad=True)
    density = torch.logsumexp(-(x[:, None] - points).square().sum(2) / (2 * 0.3**2), 1)
    (score,) = torch.autograd.grad(density.sum(), x)
    torch.testing.assert_close(best_denoiser(x, points, 0.3) - x, 0.3**2 * score)


def test_the_curves_stay_within_one_and_the_circle_is_round():
    assert curve("circle", 100).norm(dim=1).sub(1).abs().max() < 1e-6
    assert 0.2 < curve("spiral", 100).norm(dim=1).min() < curve("spiral", 100).norm(dim=1).max() < 1


def test_fitting_is_seeded_leaves_the_global_state_alone_and_can_be_stopped():
    points, before = curve("circle", 10), torch.get_rng_state()
    seen = []
    fits = [fit_denoiser(points, steps=9, each=lambda step, model: seen.append(step) or step < 3) for _ in range(2)]
    assert seen == [1, 2, 3] * 2
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(*(fit.parameters() for fit in fits), strict=True))


def test_the_grid_has_its_corners():
    assert grid(2, 3).tolist()[0] == [-2, -2]
    assert grid(2, 3).tolist()[-1] == [2, 2]
    assert len(grid(2, 3).unique(dim=0)) == 9
