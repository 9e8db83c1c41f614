"""One image as a model sees it."""

from dataclasses import dataclass

import torch

from latent_pad import Posterior
from latentscape.ui import codes
from vae_core.checkpoint import Checkpoint
from vae_core.errors import BadInput
from vae_core.evaluate import ELBOTerms


@dataclass(frozen=True)
class Seen:
    """One image as a model sees it: its code, its posterior (without a prior there is none), its ELBO terms, (1,) nats each."""

    image: torch.Tensor  # uint8 (C, H, W)
    mu: list[float]  # (L,)
    posterior: Posterior | None
    terms: ELBOTerms


def seen(model: Checkpoint, image: torch.Tensor) -> Seen:
    """A uint8 image (C, H, W) of the model's shape, encoded. Raises BadInput where that gives no finite numbers."""
    mu, logvar, terms = codes.encoded(model, image[None])
    sigma = None if logvar is None else torch.exp(0.5 * logvar)
    if not torch.isfinite(mu if sigma is None else torch.stack([mu, sigma])).all():
        raise BadInput(f"{model.name} encodes this image as no finite number.")
    code = mu[0].tolist()
    return Seen(image, code, None if sigma is None else Posterior(code, sigma[0].tolist()), terms)
