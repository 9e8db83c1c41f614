"""Reconstruction energy: how badly a model rebuilds a picture, and whether that tells digits from what is none.

Sources: energies of autoencoders: LeCun et al. 2006 ("A tutorial on energy-based learning") and the course "Deep Learning" by
LeCun and Canziani (2021), week 7. Images are float (N, C, H, W) in [0, 1].
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from vae_core.models import Model

BATCH = 1000


def codes(model: Model, images: Tensor) -> Tensor:
    """The codes of images, (N, L); of a VAE the means of its posteriors, so that nothing is drawn."""
    return _batched(model.codes, images)


def reconstruct(model: Model, images: Tensor) -> Tensor:
    """What the model returns, (N, C, H, W) in [0, 1]: those codes decoded."""
    return _batched(model.decode, codes(model, images))


def energies(model: Model, images: Tensor) -> Tensor:
    """Half the squared error of pixels in [-1, 1], summed over pixels: (N,) nats as in without_prior.py, the same for a VAE."""
    return 2 * (reconstruct(model, images) - images).square().flatten(1).sum(1)


def separation(usual: Tensor, odd: Tensor) -> float:
    """ROC-AUC of energy as a detector: the chance that an odd picture's energy (M,) is above a usual one's (N,), ties half."""
    from sklearn.metrics import roc_auc_score

    is_odd = np.concatenate([np.zeros(len(usual)), np.ones(len(odd))])
    return float(roc_auc_score(is_odd, torch.cat([usual, odd]).numpy()))


def noise(count: int, image_shape: tuple[int, int, int], seed: int = 0) -> Tensor:
    """Seeded pictures (count, C, H, W) of which every pixel is uniform in [0, 1]."""
    return torch.rand(count, *image_shape, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def _batched(function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    return torch.cat([function(part) for part in images.split(BATCH)])
