"""Does each latent dimension stand for one factor of the pictures? Only for data sets whose factors are known.

Source: mutual information gap, Chen, Li, Grosse & Duvenaud 2018 (arXiv:1802.04942), section 4; mu in 20 bins of equal width
instead of draws of z, as Locatello et al. 2019 (arXiv:1811.12359) estimate it.
"""

import numpy as np

BINS = 20
TELLING = 0.1  # share of a factor's entropy below which a dimension is not named after it


def shared_information(codes: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """I(z_j; v_k) / H(v_k): how much of each factor a dimension tells, (L, K) in [0, 1].

    Codes float (N, L), usually mu; factors int (N, K). A factor of one value tells nothing: 0.
    """
    shares = np.zeros((codes.shape[1], factors.shape[1]))
    for k, factor in enumerate(factors.T):
        _, values = np.unique(factor, return_inverse=True)
        entropy = _entropy(np.bincount(values))
        for j, code in enumerate(codes.T):
            joint = np.zeros((BINS, values.max() + 1))
            np.add.at(joint, (_binned(code), values), 1)
            if entropy > 0:
                shares[j, k] = (_entropy(joint.sum(1)) + entropy - _entropy(joint)) / entropy
    return shares


def mutual_information_gap(shares: np.ndarray) -> float:
    """MIG, 0 to 1: between the most and the second most telling dimension, averaged over factors; shares (L, K).

    With one dimension the second tells nothing.
    """
    ordered = np.sort(np.vstack([shares, np.zeros(shares.shape[1])]), axis=0)
    return float((ordered[-1] - ordered[-2]).mean())


def names_of_dimensions(shares: np.ndarray, factors: tuple[str, ...]) -> list[str | None]:
    """The factor that each dimension tells most about, (L,); None where that is next to nothing."""
    return [factors[row.argmax()] if row.max() >= TELLING else None for row in shares]


def _binned(code: np.ndarray) -> np.ndarray:
    """(N,) floats -> their bins, 0 to BINS - 1, of equal width over their range."""
    low, high = code.min(), code.max()
    if high <= low:
        return np.zeros(len(code), int)
    return np.minimum((BINS * ((code - low) / (high - low))).astype(int), BINS - 1)


def _entropy(counts: np.ndarray) -> float:
    """Of the distribution that counts of any shape describe, in nats."""
    p = counts[counts > 0] / counts.sum()
    return float(-(p * np.log(p)).sum())
