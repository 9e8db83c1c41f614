"""Gaussian mixtures by EM, one step at a time: log p(x) = bound(q) + KL(q || p(z|x)) in numbers.

Sources: EM: Dempster, Laird & Rubin 1977; as two halves that climb one bound: Neal & Hinton 1998, "A view of the EM
algorithm that justifies incremental, sparse, and other variants". Points are (N, d) with d >= 1, q is (N, K), all numbers
are nats, summed over the points.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from vae_core.errors import BadInput, shortly
from vae_core.settings import listed

KINDS = {"full": "full", "diagonal": "diagonal", "spherical": "spherical"}  # covariances -> what they are called
REG = 1e-6  # what is added to each variance, as scikit-learn's reg_covar: a component that is left one point has no other


class Mixture(NamedTuple):
    """weights (K,), means (K, d), covariances (K, d, d); every kind is held as full matrices."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray


def check(points: np.ndarray, components: int) -> None:
    """Raise BadInput where so many components cannot be fitted to these points."""
    if points.ndim != 2 or not points.size or not np.isfinite(points).all():
        raise BadInput("A mixture is fitted to points of finite coordinates, (N, d); give such.")
    if not 1 <= components <= len(points):
        raise BadInput(f"{len(points):,} points have room for 1 to {len(points):,} components, not for {shortly(components)}.")


def log_joint(points: np.ndarray, mixture: Mixture) -> np.ndarray:
    """log pi_k N(x_n | k) in nats, (N, K)."""
    d = points.shape[1]
    columns = []
    for weight, mean, covariance in zip(*mixture, strict=True):
        root = np.linalg.cholesky(covariance)
        white = np.linalg.solve(root, (points - mean).T)
        log_det = 2 * np.log(np.diag(root)).sum()
        columns.append(np.log(weight) - 0.5 * (d * np.log(2 * np.pi) + log_det + (white**2).sum(0)))
    return np.stack(columns, axis=1)


def log_likelihood(points: np.ndarray, mixture: Mixture) -> float:
    """sum_n log p(x_n) in nats."""
    return float(np.logaddexp.reduce(log_joint(points, mixture), axis=1).sum())


def e_step(points: np.ndarray, mixture: Mixture, hard: bool = False) -> np.ndarray:
    """q (N, K): the true posterior p(z|x), or all of it on the likeliest component where hard."""
    joint = log_joint(points, mixture)
    if hard:
        return np.eye(joint.shape[1])[joint.argmax(axis=1)]
    return np.exp(joint - np.logaddexp.reduce(joint, axis=1)[:, None])


def m_step(points: np.ndarray, q: np.ndarray, kind: str = "full", reg: float = REG) -> Mixture:
    """The mixture that has the highest bound for this q; reg is added to each variance, so that none falls to zero, and the
    bound is the highest but for that. Raises BadInput where there is no such kind."""
    if kind not in KINDS:
        raise BadInput(f"There is no kind of covariance called {shortly(kind)}; choose {listed(KINDS)}.")
    d = points.shape[1]
    counts = q.sum(axis=0) + 10 * np.finfo(q.dtype).eps
    means = q.T @ points / counts[:, None]
    covariances = []
    for k, mean in enumerate(means):
        away = points - mean
        full = (q[:, k, None] * away).T @ away / counts[k]
        if kind == "diagonal":
            full = np.diag(np.diag(full))
        elif kind == "spherical":
            full = np.eye(d) * np.trace(full) / d
        covariances.append(full + reg * np.eye(d))
    return Mixture(counts / counts.sum(), means, np.stack(covariances))


def bound(points: np.ndarray, q: np.ndarray, mixture: Mixture) -> float:
    """sum_nk q_nk (log pi_k N(x_n|k) - log q_nk) in nats; 0 log 0 is 0."""
    return float((q * (log_joint(points, mixture) - np.log(np.where(q > 0, q, 1)))).sum())


def divergence(points: np.ndarray, q: np.ndarray, mixture: Mixture) -> float:
    """KL(q || p(z|x)) in nats, summed over the points."""
    joint = log_joint(points, mixture)
    posterior = joint - np.logaddexp.reduce(joint, axis=1)[:, None]
    return float((q * (np.log(np.where(q > 0, q, 1)) - posterior)).sum())


def matched(mixture: Mixture, other: Mixture) -> Mixture:
    """The same mixture with its components in the order of those of another one that their means are nearest to, all together:
    which is called which is an accident of the start (label switching)."""
    far = np.square(other.means[:, None] - mixture.means[None]).sum(2)
    _, order = linear_sum_assignment(far)
    return Mixture(*(part[order] for part in mixture))
