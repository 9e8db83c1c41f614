"""A VAE as a prior for what is missing: search the codes whose pictures fit the pixels that are known.

For each picture a normal q(z) = N(mu, diag sigma^2) is fitted by maximising the ELBO of the known pixels alone, as the encoder
would if it could read a mask: variational inference without amortisation (Kingma & Welling 2014, equation 3; started from the
encoder as in Kim et al. 2018, arXiv:1802.02550). Its mean picture is the repair, its spread what the known pixels leave open.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from vae_core.models.vae import VAE, kl_per_image, pixel_nats, reparameterize

RESTARTS = 3  # draws from the prior beside the encoder's answer
SCOUTING, SEARCHING = 25, 60  # steps with all starts, then with the best of each picture
DRAWS = 12  # decoded draws from the fitted posterior
RATE = 0.1
BATCH = 500


class Found(NamedTuple):
    """The posterior's mean picture and the standard deviation of its draws, each (N, C, H, W); mu and logvar (N, L);
    loss (N,): -ELBO of the known pixels in nats, on fixed draws."""

    image: Tensor
    spread: Tensor
    mu: Tensor
    logvar: Tensor
    loss: Tensor


def search(
    model: VAE, image: Tensor, mask: Tensor, seed: int = 0, progress: Callable[[float], None] = lambda share: None
) -> Found:
    """Fit a posterior to the pixels outside mask, bool (N, 1, H, W); the holes of image (N, C, H, W) hold a first guess.

    The same seed, the same answer. `progress` is told the share that is done, from above 0 to 1.
    """
    parts, batches = [], max(-(-len(image) // BATCH), 1)
    for batch in range(batches):
        chosen = slice(batch * BATCH, (batch + 1) * BATCH)
        tell = partial(_tell, progress, batch, batches)
        parts.append(_search(model, image[chosen], ~mask[chosen], torch.Generator().manual_seed(seed + batch), tell))
    return Found(*(torch.cat(part) for part in zip(*parts, strict=True)))


def _tell(progress: Callable[[float], None], batch: int, batches: int, share: float) -> None:
    progress((batch + share) / batches)


def _search(model: VAE, image: Tensor, known: Tensor, generator: torch.Generator, tell: Callable[[float], None]) -> Found:
    count, latent_dim = len(image), model.config.latent_dim

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).to(image)

    with torch.no_grad():
        mu, logvar = model.encode(image)
    starts = torch.cat([mu[None], normal(RESTARTS, count, latent_dim)]), torch.cat([logvar[None]] * (RESTARTS + 1))
    total = SCOUTING + SEARCHING

    def loss_of(mu: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:  # (..., L) -> (...) nats
        logits = model.decode_logits(reparameterize(mu, logvar, noise).flatten(0, -2)).view(*mu.shape[:-1], *image.shape[1:])
        pixels = pixel_nats(logits, image.expand_as(logits), model.log_sigma) * known
        return pixels.flatten(-3).sum(-1) + kl_per_image(mu, logvar).sum(-1)

    def climb(mu: Tensor, logvar: Tensor, steps: int, done: int) -> tuple[Tensor, Tensor]:
        mu, logvar = mu.clone().requires_grad_(), logvar.clone().requires_grad_()
        optimizer = torch.optim.Adam([mu, logvar], lr=RATE)
        for step in range(steps):
            loss = loss_of(mu, logvar, normal(*mu.shape)).sum()
            mu.grad, logvar.grad = torch.autograd.grad(loss, [mu, logvar])  # the shared model's weights get none
            optimizer.step()
            tell((done + step + 1) / total)
        return mu.detach(), logvar.detach()

    mu, logvar = climb(*starts, SCOUTING, 0)
    with torch.no_grad():
        noise = normal(count, latent_dim)
        best = loss_of(mu, logvar, noise.expand_as(mu)).argmin(0)  # (N,)
    rows = torch.arange(count, device=image.device)
    mu, logvar = climb(mu[best, rows], logvar[best, rows], SEARCHING, SCOUTING)
    with torch.no_grad():
        draws = torch.stack([model.decode(reparameterize(mu, logvar, normal(*mu.shape))) for _ in range(DRAWS)])
        return Found(draws.mean(0), draws.std(0), mu, logvar, loss_of(mu, logvar, noise))
