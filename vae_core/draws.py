"""How good are a model's draws: numbers from the features of real and drawn images, (N, D) and (M, D), whatever gave them.

Sources: Frechet distance of two normal distributions: Dowson & Landau 1982, of images' features: Heusel et al. 2017
(arXiv:1706.08500); precision and recall: Kynkaanniemi et al. 2019 (arXiv:1904.06991); density and coverage: Naeem et al. 2020
(arXiv:2002.09797). Distances of other features, as of ImageNet's Inception, do not compare with these.
Everything is computed in float64 on the CPU, and nothing is drawn.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from vae_core.errors import BadInput

NEIGHBOURS = 5  # k: how many of its own kind a point's neighbourhood reaches to
ROWS = 100  # of a matrix of distances at once: 8 MB against 10,000, which stay in the cache
NOTHING = 1e-13  # of two points' squared lengths: where their squared distance is less, it is rounding, and they are one


class Moments(NamedTuple):
    """Of features: mean (D,) and covariance (D, D), divided by N - 1; float64."""

    mean: Tensor
    covariance: Tensor


class Quality(NamedTuple):
    """Of draws among real images, k neighbours: each 0 to 1, but for density, which may be above 1."""

    precision: float  # share of draws in the neighbourhood of a real image: do they look real?
    recall: float  # share of real images in the neighbourhood of a draw: is everything drawn?
    density: float  # in how many neighbourhoods of real images a draw lies, over k: one odd image counts little
    coverage: float  # share of real images with a draw in their neighbourhood


def moments(features: Tensor) -> Moments:
    """What `frechet_distance` needs of features (N, D). Raises BadInput where they are fewer than two or not finite."""
    x = _checked(features, 2)
    return Moments(x.mean(0), torch.atleast_2d(x.T.cov()))


def frechet_distance(one: Tensor | Moments, other: Tensor | Moments) -> float:
    """Of the normal distributions that fit two sets, features (N, D) or their moments: 0 where they are the same.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1^1/2 C2 C1^1/2)^1/2): the middle matrix is symmetric, so that roots are of eigenvalues and a
    unit that never moves (a singular C) does no harm; the usual root of C1 C2 is the same number, and may come out complex.
    Of two sets of one distribution it is above 0, and falls as they grow: compare sets of one size. Raises BadInput.
    """
    one, other = (each if isinstance(each, Moments) else moments(each) for each in (one, other))
    _same_width(one.mean, other.mean)
    values, directions = torch.linalg.eigh(one.covariance)
    root = directions * values.clamp(min=0).sqrt() @ directions.T
    middle = torch.linalg.eigvalsh(root @ other.covariance @ root).clamp(min=0).sqrt().sum()
    spread = one.covariance.trace() + other.covariance.trace() - 2 * middle
    return max(0.0, ((one.mean - other.mean).square().sum() + spread).item())


def quality(real: Tensor, drawn: Tensor, neighbours: int = NEIGHBOURS) -> Quality:
    """Precision, recall, density and coverage of drawn (M, D) among real (N, D).

    A point's neighbourhood is the open ball as far as its k-th neighbour of its own kind, itself left out: the numbers are
    those of the package prdc. Raises BadInput where a set has not more than k points.
    """
    real, drawn = _checked(real, neighbours + 1), _checked(drawn, neighbours + 1)
    _same_width(real[0], drawn[0])
    reach, reach_drawn = neighbourhoods(real, neighbours), neighbourhoods(drawn, neighbours)
    around = torch.zeros(len(drawn))  # in how many neighbourhoods of real images each draw lies
    recalled, covered = 0, 0
    for rows, squared in _distances(real, drawn):
        inside = squared < reach[rows, None]
        around += inside.sum(0)
        covered += int(inside.any(1).sum())
        recalled += int((squared < reach_drawn).any(1).sum())
    return Quality(
        (around > 0).double().mean().item(), recalled / len(real), around.double().mean().item() / neighbours,
        covered / len(real),
    )


def neighbourhoods(points: Tensor, neighbours: int = NEIGHBOURS) -> Tensor:
    """The squared distance of each of points (N, D) to its k-th neighbour, itself left out: (N,) float64."""
    points = _checked(points, neighbours + 1)
    return torch.cat([squared.topk(neighbours + 1, largest=False).values[:, -1] for _, squared in _distances(points, points)])


def _distances(one: Tensor, other: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Squared distances of one (N, D) to other (M, D), some rows at a time: (ROWS, M), and which rows."""
    middle = one.mean(0)  # far from 0, differences of squares would lose their digits
    one, other = one - middle, other - middle
    lengths, others = one.square().sum(1), other.square().sum(1)
    for start in range(0, len(one), ROWS):
        rows = slice(start, start + ROWS)
        both = lengths[rows, None] + others
        squared = torch.addmm(both, one[rows], other.T, alpha=-2)
        yield rows, squared.masked_fill_(squared < NOTHING * both, 0)


def _checked(features: Tensor, least: int) -> Tensor:
    """Features (N, D) in float64 on the CPU. Raises BadInput where they are not that, too few, or not finite."""
    if features.ndim != 2 or len(features) < least:
        raise BadInput(
            f"Features are numbers of at least {least} images, a row each, not of shape {tuple(features.shape)}; "
            "take more images."
        )
    if not features.isfinite().all():
        raise BadInput("Some features are no finite numbers: the model that drew the images has diverged; take another.")
    return features.detach().to("cpu", torch.float64)


def _same_width(one: Tensor, other: Tensor) -> None:
    if one.shape != other.shape:
        raise BadInput(
            f"Features of {len(one)} and of {len(other)} numbers do not compare; take both from the same judge."
        )
