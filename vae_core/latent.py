"""Where to look in a latent space: grids of points to decode."""

import torch
from torch import Tensor


def plane_grid(side: int, latent_dim: int = 2) -> Tensor:
    """side x side points, (side^2, latent_dim), row by row from the top left: the prior's quantiles in the first two
    dimensions (equal probability between neighbours, Kingma & Welling 2014, appendix A), zero in all others.

    With latent_dim 1, a line of side^2 points at the quantiles.
    """
    if latent_dim == 1:
        return torch.special.ndtri((torch.arange(side * side) + 0.5) / (side * side))[:, None]
    quantiles = torch.special.ndtri((torch.arange(side) + 0.5) / side)
    grid = torch.zeros(side * side, latent_dim)
    grid[:, 0] = quantiles.repeat(side)
    grid[:, 1] = quantiles.flip(0).repeat_interleave(side)  # upwards on the page is upwards on the axis
    return grid


def prior_draws(count: int, latent_dim: int, seed: int = 0) -> Tensor:
    """count seeded draws from N(0, I), (count, latent_dim)."""
    return torch.randn(count, latent_dim, generator=torch.Generator().manual_seed(seed))
