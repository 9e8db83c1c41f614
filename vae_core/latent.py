"""Where to look in a latent space: draws, paths and traversals to decode."""

import torch
from torch import Tensor


def prior_quantiles(count: int) -> Tensor:
    """count values between which N(0, 1) has equal probability, (count,), ascending: what Kingma & Welling 2014, appendix A,
    decode on a grid."""
    return torch.special.ndtri((torch.arange(count) + 0.5) / count)


def prior_draws(count: int, latent_dim: int, seed: int = 0) -> Tensor:
    """count seeded draws from N(0, I), (count, latent_dim)."""
    return torch.randn(count, latent_dim, generator=torch.Generator().manual_seed(seed))


def normal_draws(codes: Tensor, count: int, seed: int = 0) -> Tensor:
    """count seeded draws from the normal distribution that fits codes (N, L), their mean and covariance: (count, L)."""
    values, directions = torch.linalg.eigh(codes.double().T.cov())
    spread = directions * values.clamp(min=0).sqrt()  # a covariance of units that never move is singular
    return (codes.double().mean(0) + prior_draws(count, codes.shape[1], seed).double() @ spread.T).to(codes)


def box_draws(codes: Tensor, count: int, seed: int = 0) -> Tensor:
    """count seeded draws, uniform in the box that codes (N, L) fill, from the least to the greatest of each: (count, L)."""
    low, high = codes.amin(0), codes.amax(0)
    return low + (high - low) * torch.rand(count, codes.shape[1], generator=torch.Generator().manual_seed(seed))


def straight_path(start: Tensor, end: Tensor, steps: int) -> Tensor:
    """steps points from start to end, each (L,), on the straight line: (steps, L)."""
    share = torch.linspace(0, 1, steps)[:, None]
    return (1 - share) * start + share * end


def spherical_path(start: Tensor, end: Tensor, steps: int) -> Tensor:
    """steps points from start to end, each (L,), turning at a constant rate while the length changes evenly: (steps, L).

    Slerp (Shoemake 1985; for latent spaces White 2016, arXiv:1609.04468): in many dimensions the prior's mass lies on a
    shell that a straight line leaves. It is the directions that are turned: between points of different lengths that look
    in nearly opposite directions, Slerp of the points themselves runs far away. Where both have (nearly) one direction, or
    opposite ones, the straight line.
    """
    ends = torch.stack([start, end]).double()  # near a half turn the angle's cosine says little
    lengths = ends.norm(dim=1)
    ends = ends / lengths.clamp(min=1e-12)[:, None]
    angle = torch.acos(torch.dot(*ends).clamp(-1, 1))
    if lengths.min() == 0 or angle.sin() < 1e-4:
        return straight_path(start, end, steps)
    share = torch.linspace(0, 1, steps, dtype=ends.dtype)[:, None]
    turned = (torch.sin((1 - share) * angle) * ends[0] + torch.sin(share * angle) * ends[1]) / torch.sin(angle)
    return (turned * torch.lerp(*lengths, share)).to(start.dtype)


def traversal(z: Tensor, dimension: int, values: Tensor) -> Tensor:
    """z (L,) with one dimension set to each of values (K,): (K, L)."""
    points = z.repeat(len(values), 1)
    points[:, dimension] = values
    return points
