"""The vector field that a denoiser learns: from each point x an arrow to r(x), what it returns.

Source: Alain & Bengio 2014 (arXiv:1211.4246): with little Gaussian noise of variance sigma^2, r(x) - x tends to sigma^2 times
the score, the gradient of the log-density: arrows point to where data are more likely. For any sigma the best denoiser is the
posterior mean, and (r(x) - x) / sigma^2 the score of the blurred density (Vincent 2011, Neural Computation 23).
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

CURVES = ("spiral", "circle")
SIGMA = 0.1  # of the noise that the toy denoiser learns to undo; the curves have a radius of 1
WIDTH, BATCH, RATE = 128, 256, 1e-2
FREQUENCY = 3.0  # standard deviation of the waves' frequencies, in radians
STEPS = 1200


def curve(name: str, count: int) -> Tensor:
    """count points along one of CURVES, evenly in angle, at most 1 from the origin: (count, 2)."""
    along = torch.arange(count) / count
    angle = (2 if name == "spiral" else 1) * 2 * math.pi * along
    radius = 0.25 + 0.75 * along if name == "spiral" else torch.ones(count)
    return radius[:, None] * torch.stack([angle.cos(), angle.sin()], 1)


class ToyDenoiser(nn.Module):
    """r: (B, 2) -> (B, 2), two layers on fixed random waves: without those a small network learns the curls of a spiral
    slowly (Fourier features, Tancik et al. 2020, arXiv:2006.10739)."""

    def __init__(self):
        super().__init__()
        self.register_buffer("waves", FREQUENCY * torch.randn(2, WIDTH // 2))
        self.net = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 2))

    def forward(self, x: Tensor) -> Tensor:
        angles = x @ self.waves
        return self.net(torch.cat([angles.sin(), angles.cos()], 1))


def fit_denoiser(
    points: Tensor, sigma: float = SIGMA, steps: int = STEPS, seed: int = 0,
    each: Callable[[int, ToyDenoiser], bool] = lambda step, model: True,
) -> ToyDenoiser:
    """A denoiser that learns to undo Gaussian noise on points (N, 2).

    `each(step, model)` is called after every step, from 1, and says whether to go on.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = ToyDenoiser()
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for step in range(1, steps + 1):
        clean = points[torch.randint(len(points), (BATCH,), generator=generator)]
        noisy = clean + sigma * torch.randn(clean.shape, generator=generator)
        optimizer.zero_grad()
        (model(noisy) - clean).square().sum(1).mean().backward()
        optimizer.step()
        schedule.step()
        if not each(step, model):
            break
    return model


def best_denoiser(x: Tensor, points: Tensor, sigma: float) -> Tensor:
    """The mean of points (N, 2) given that one of them plus Gaussian noise is x (M, 2): what r(x) should be, (M, 2)."""
    return torch.softmax(-torch.cdist(x, points).square() / (2 * sigma**2), 1) @ points


def grid(reach: float, side: int) -> Tensor:
    """side x side points of the square from -reach to reach, (side^2, 2)."""
    ticks = torch.linspace(-reach, reach, side)
    return torch.cartesian_prod(ticks, ticks)
