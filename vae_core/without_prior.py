"""What models without a prior share: pixels in [-1, 1] inside, and the terms of their loss.

The loss is half the squared error summed over pixels: nats per image of a Gaussian of variance 1, its constant left out. The
course's MSELoss is 2 / D times this.
"""

import torch
from torch import Tensor

from vae_core.family import Loss, Term

TERMS = (Term("recon", "recon", "Half the squared error summed over pixels."),)


def signed(x: Tensor) -> Tensor:
    """[0, 1] -> [-1, 1]."""
    return 2 * x - 1


def unsigned(x: Tensor) -> Tensor:
    """[-1, 1] -> [0, 1]."""
    return (x + 1) / 2


def without_prior(recon: Tensor) -> Loss:
    """The terms of a batch from each image's error, (B,)."""
    recon = recon.sum() / max(len(recon), 1)
    return Loss(recon, recon, torch.zeros_like(recon))
