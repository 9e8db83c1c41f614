"""The decoder's geometry against surfaces whose lengths and slopes are known."""

import math

import numpy as np
import pytest
import torch
from conftest import ROOT
from scipy.optimize import minimize
from scipy.stats import norm

from vae_core import checkpoint, geometry
from vae_core.errors import BadInput
from vae_core.geometry import code_density, evenly, magnification, pixel_length, pixel_steps, shortest_path
from vae_core.latent import straight_path
from vae_core.models.vae import VAE, VAEConfig

ORIGIN, AXES = torch.zeros(2), torch.eye(2)


def linear(z):
    """(x, y) on a flat sheet in five dimensions."""
    return z @ torch.tensor([[1.0, 0.5, 0, -1, 0], [0.2, -1, 0.3, 0, 2]])


def bump(z, height=6.0, width=0.8):
    """A hill over a flat sheet: (x, y, h exp(-r^2 / w^2))."""
    return torch.cat([z, height * torch.exp(-z.square().sum(1, keepdim=True) / width**2)], 1)


def random_decoder(latent_dim: int):
    torch.manual_seed(latent_dim)
    model = VAE(VAEConfig("residual", image_shape=(1, 8, 8), latent_dim=latent_dim, hidden=16)).eval()
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.mul_(3)
    return model.decode


@pytest.mark.parametrize(("start", "end"), [((-2.0, -1.0), (1.5, 2.2)), ((0.0, 0.0), (5.0, -7.0)), ((1.0, 1.0), (1.0, 1.001))])
def test_over_a_flat_sheet_the_shortest_way_is_straight(start, end):
    start, end = torch.tensor(start), torch.tensor(end)
    way = shortest_path(linear, ORIGIN, AXES, start, end, side=32)
    assert torch.equal(way[[0, -1]], torch.stack([start, end]))
    across = torch.tensor([-(end - start)[1], (end - start)[0]]) / (end - start).norm()
    assert ((way - start) @ across).abs().max() < 1e-4
    assert pixel_length(linear, way) == pytest.approx((linear(end[None]) - linear(start[None])).norm().item(), rel=1e-4)


def test_the_shortest_way_leads_around_a_hill():
    start, end = torch.tensor([-2.0, 0.05]), torch.tensor([2.0, 0.0])
    way = shortest_path(bump, ORIGIN, AXES, start, end)
    assert way.norm(dim=1).min() > 0.8
    assert pixel_length(bump, way) < 0.5 * pixel_length(bump, torch.stack([start, end]))

    def length(inner):  # an independent search: the ordinates of 40 points, from a detour on the same side
        bent = np.column_stack([np.linspace(-2, 2, 42), [0.05, *inner, 0.0]])
        sheet = np.column_stack([bent, 6 * np.exp(-(bent**2).sum(1) / 0.64)])
        return np.linalg.norm(np.diff(sheet, axis=0), axis=1).sum()

    side = 1 if way[len(way) // 2, 1] > 0 else -1
    best = minimize(length, side * 1.5 * np.sin(np.linspace(0, math.pi, 42)[1:-1]), method="L-BFGS-B").fun
    assert pixel_length(bump, way) == pytest.approx(best, rel=0.02)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("latent_dim", [2, 5])
def test_it_is_never_longer_than_the_straight_way(latent_dim, seed):
    decode = random_decoder(latent_dim)
    generator = torch.Generator().manual_seed(seed)
    axes = torch.linalg.qr(torch.randn(latent_dim, 2, generator=generator))[0].T
    origin = torch.randn(latent_dim, generator=generator)
    start, end = 2 * torch.randn(2, 2, generator=generator)
    way = shortest_path(decode, origin, axes, start, end, side=24)
    straight = torch.stack([start, end])
    assert torch.equal(way[[0, -1]], straight)
    assert pixel_length(decode, origin + way @ axes) <= pixel_length(decode, origin + straight @ axes) * (1 + 1e-6)


def test_on_a_shipped_decoder_it_is_shorter():
    model = checkpoint.open_file(ROOT / "checkpoints" / "mnist-2d").model
    start, end = torch.tensor([-1.5, -1.0]), torch.tensor([1.0, 2.0])
    way = shortest_path(model.decode, ORIGIN, AXES, start, end)
    assert pixel_length(model.decode, way) < 0.97 * pixel_length(model.decode, torch.stack([start, end]))


@pytest.mark.parametrize("decode", [lambda z: 0 * z, lambda z: torch.sigmoid(50 * z)])
def test_where_nothing_changes_there_is_a_way_too(decode):
    start, end = torch.tensor([-2.0, 1.0]), torch.tensor([2.0, 0.5])
    way = shortest_path(decode, ORIGIN, AXES, start, end, side=16)
    assert torch.isfinite(way).all()
    assert torch.equal(way[[0, -1]], torch.stack([start, end]))
    assert torch.equal(shortest_path(decode, ORIGIN, AXES, start, start), torch.stack([start, start]))


def test_lengths_and_even_steps():
    def circle(z):
        return torch.cat([torch.cos(z), torch.sin(z)], 1)

    way = torch.tensor([[0.0], [math.pi]])
    assert pixel_length(circle, way) == pytest.approx(math.pi, rel=1e-4)
    assert pixel_steps(circle, way).tolist() == pytest.approx([2.0])

    def steep(z):
        return z**3

    even = evenly(steep, torch.tensor([[0.0], [2.0]]), 9)
    assert pixel_steps(steep, even).numpy() == pytest.approx(1.0, rel=0.02)
    assert evenly(lambda z: z * 0, torch.tensor([[0.0], [2.0]]), 3).flatten().tolist() == pytest.approx([0, 1, 2])


@pytest.mark.parametrize(("latent_dim", "directions"), [(1, 1), (2, 2), (3, 2), (64, 2), (64, 1)])
def test_magnification_is_that_of_the_whole_jacobian(latent_dim, directions):
    decode = random_decoder(latent_dim)
    axes = torch.linalg.qr(torch.randn(latent_dim, directions))[0].T
    z = torch.randn(7, latent_dim)
    found = magnification(decode, z, axes)
    for point, value in zip(z, found, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda p: decode(p[None]).flatten(), point) @ axes.T  # (pixels, k)
        singular = torch.linalg.svdvals(jacobian)
        assert value.item() == pytest.approx(singular.prod().item() ** (1 / directions), rel=1e-3)


def test_magnification_of_a_flat_sheet_is_everywhere_its_area():
    rows = linear(torch.eye(2))
    area = math.sqrt(torch.linalg.det(rows @ rows.T))
    assert magnification(linear, torch.randn(50, 2), AXES).numpy() == pytest.approx(math.sqrt(area), rel=1e-4)


@pytest.mark.parametrize("k", [1, 2])
def test_the_density_of_a_normal_sample_is_normal(k):
    codes = np.random.default_rng(0).normal(size=(20_000, k))
    points = np.array([[0.0] * k, [1.0] * k, [6.0] * k])
    density = code_density(codes, points)
    assert density[:2] == pytest.approx(norm.pdf(points[:2]).prod(1), rel=0.12)
    assert density[2] < 1e-9


def test_it_adds_up_to_one_and_keeps_a_gap_open():
    codes = np.random.default_rng(0).normal(size=(2000, 2)) * 0.3
    codes[:1000, 0] += 2
    ticks = np.linspace(-3, 5, 121)
    grid = np.stack(np.meshgrid(ticks, ticks), -1).reshape(-1, 2)
    density = code_density(codes, grid)
    assert density.sum() * (ticks[1] - ticks[0]) ** 2 == pytest.approx(1, abs=0.01)
    assert code_density(codes, np.array([[1.0, 0.0]]))[0] < 0.05 * density.max()


@pytest.mark.parametrize("codes", [np.zeros((50, 2)), np.ones((50, 1)), np.column_stack([np.arange(50.0), np.zeros(50)])])
def test_codes_without_spread_are_a_sentence(codes):
    with pytest.raises(BadInput, match="collapse"):
        code_density(codes, codes)


def test_straight_path_is_what_the_net_holds():
    start, end = torch.tensor([-1.0, -1.0]), torch.tensor([1.0, 1.0])
    way = geometry._net_path(linear, start, end, torch.tensor([-3.0, -3.0]), torch.tensor([3.0, 3.0]), 13)
    assert torch.allclose(way, straight_path(start, end, len(way)), atol=1e-5)
