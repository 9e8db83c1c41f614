"""The numbers of draws agree with closed forms, with scipy's matrix root, and with a plain count of neighbours."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from vae_core import draws
from vae_core.errors import BadInput

GENERATOR = torch.Generator().manual_seed(0)


@pytest.fixture(autouse=True)
def own_draws():
    """Each test has its own draws, whichever ran before."""
    GENERATOR.manual_seed(0)


def normal(count: int, width: int, spread: float = 1.0, at: float = 0.0) -> torch.Tensor:
    return at + spread * torch.randn(count, width, generator=GENERATOR)


# Frechet distance.


def by_scipy(one: torch.Tensor, other: torch.Tensor) -> float:
    """The usual formula, with the root of a matrix that is not symmetric."""
    (m1, c1), (m2, c2) = ((x.mean(0), np.cov(x, rowvar=False)) for x in (one.double().numpy(), other.double().numpy()))
    return ((m1 - m2) ** 2).sum() + np.trace(c1 + c2 - 2 * sqrtm(c1 @ c2).real)


def test_the_frechet_distance_is_that_of_scipys_root():
    mixing = torch.randn(2, 12, 12, generator=GENERATOR)
    one, other = normal(300, 12) @ mixing[0] + 1, normal(200, 12) @ mixing[1]
    assert draws.frechet_distance(one, other) == pytest.approx(by_scipy(one, other), rel=1e-6)
    assert draws.frechet_distance(other, one) == pytest.approx(draws.frechet_distance(one, other), rel=1e-9)


def test_the_frechet_distance_of_normal_distributions_in_closed_form():
    zero, eye = torch.zeros(3, dtype=torch.float64), torch.eye(3, dtype=torch.float64)
    wide = torch.diag(torch.tensor([4.0, 9.0, 1.0], dtype=torch.float64))
    one, other = draws.Moments(zero, eye), draws.Moments(zero + 2, wide)
    assert draws.frechet_distance(one, other) == pytest.approx(3 * 4 + (2 - 1) ** 2 + (3 - 1) ** 2)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=GENERATOR, dtype=torch.float64)).Q  # it does not depend on the axes
    turned = draws.Moments(other.mean @ turn, turn.T @ wide @ turn)
    assert draws.frechet_distance(one, turned) == pytest.approx(17)


def test_a_set_is_at_no_distance_from_itself_and_a_unit_that_never_moves_does_no_harm():
    x = normal(50, 8)
    x[:, 3:] = 1.0  # a singular covariance
    assert draws.frechet_distance(x, x) == pytest.approx(0, abs=1e-6)
    assert draws.frechet_distance(x, x + 1) == pytest.approx(8)
    few = normal(4, 8), normal(4, 8)  # fewer images than numbers
    assert draws.frechet_distance(*few) == pytest.approx(by_scipy(*few), rel=1e-3)


def test_the_frechet_distance_of_one_distribution_falls_with_the_number_of_draws():
    small, large = (draws.frechet_distance(normal(count, 16), normal(count, 16)) for count in (100, 4000))
    assert 0 < large < small / 10


# Precision, recall, density, coverage.


def counted(real: torch.Tensor, drawn: torch.Tensor, k: int) -> tuple[float, float, float, float]:
    """All distances at once, each from its differences, and the papers' sums: what the package prdc computes."""
    apart = lambda a, b: np.sqrt(((a[:, None] - b[None]) ** 2).sum(2))  # noqa: E731
    real, drawn = real.double().numpy(), drawn.double().numpy()
    reach, reach_drawn = (np.sort(apart(x, x), axis=1)[:, k] for x in (real, drawn))
    between = apart(real, drawn)  # (N, M)
    return (
        (between < reach[:, None]).any(0).mean(), (between < reach_drawn).any(1).mean(),
        (between < reach[:, None]).sum(0).mean() / k, (between.min(1) < reach).mean(),
    )


@pytest.mark.parametrize(("spread", "at", "k"), [(1.0, 0.0, 5), (0.5, 0.0, 5), (1.5, 0.3, 3), (1.0, 100.0, 1)])
def test_they_are_those_of_a_plain_count(monkeypatch, spread, at, k):
    monkeypatch.setattr(draws, "ROWS", 64)  # blocks that do not divide the set
    real, drawn = normal(230, 6, at=at), normal(170, 6, spread, at)
    assert draws.quality(real, drawn, k) == pytest.approx(counted(real, drawn, k))


def test_what_each_of_them_sees():
    real = torch.cat([normal(300, 4), normal(300, 4, at=20)])  # two classes
    one_class, far = normal(600, 4), normal(600, 4, at=50)
    collapsed = draws.quality(real, one_class)
    assert collapsed.precision > 0.8
    assert collapsed.recall < 0.55
    assert collapsed.coverage < 0.55
    assert draws.quality(real, far) == (0, 0, 0, 0)
    odd = torch.cat([real, normal(6, 4, 30)])  # a few odd images, whose neighbourhoods are large
    noise = normal(600, 4, 10)
    seen, misled = draws.quality(real, noise), draws.quality(odd, noise)
    assert misled.precision > seen.precision + 0.1  # what density was made for: it is misled less
    assert misled.density < misled.precision


def test_one_image_drawn_again_and_again_is_no_cloud():
    real = normal(100, 64, at=3).float()
    same = real[:1].repeat(50, 1)
    quality = draws.quality(real, same)
    assert (draws.neighbourhoods(same) == 0).all()  # not what rounding leaves of it
    assert quality.precision == 1
    assert quality.recall == 0
    assert quality == pytest.approx(counted(real, same, 5))


def test_the_golden_values_of_ten_thousand_draws_in_a_thousand_dimensions():
    """A published run's. Between seeds they differ much in so many dimensions, where few points are the neighbours of many:
    four gave .463 to .495, .457 to .480, .946 to 1.129, .962 to .981. The tolerances are three standard deviations of these."""
    generator = torch.Generator().manual_seed(3)
    real, drawn = torch.randn(2, 10_000, 1_000, generator=generator)
    quality = draws.quality(real, drawn)
    assert quality.precision == pytest.approx(0.4772, abs=0.04)
    assert quality.recall == pytest.approx(0.4705, abs=0.03)
    assert quality.density == pytest.approx(1.0555, abs=0.23)
    assert quality.coverage == pytest.approx(0.9735, abs=0.025)


# What is refused.


@pytest.mark.parametrize(
    ("real", "drawn", "said"),
    [
        (torch.zeros(5, 3), torch.zeros(9, 3), "at least 6 images"),
        (torch.zeros(9, 3), torch.zeros(9), "at least 6 images"),
        (torch.zeros(9, 3), torch.full((9, 3), torch.nan), "no finite numbers"),
        (torch.zeros(9, 3), torch.zeros(9, 4), "the same judge"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_a_sentence(real, drawn, said):
    with pytest.raises(BadInput, match=said) as refused:
        draws.quality(real, drawn)
    assert str(refused.value).endswith(".")
    with pytest.raises(BadInput):
        draws.frechet_distance(torch.zeros(1, 3), torch.zeros(9, 3))
