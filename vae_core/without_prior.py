"""What models without a prior share: pixels in [-1, 1] inside, the terms of their loss, and what they cannot say.

The loss is half the squared error summed over pixels: nats per image of a Gaussian of variance 1, its constant left out. The
course's MSELoss is 2 / D times this.
"""

from torch import Tensor

from vae_core.family import Loss, Term

TERMS = (Term("loss", "error", "Test error", "Half the squared error of what the model returns, lower is better."),)
FACTS = {"has_prior": False, "has_posterior": False, "likelihood": "none", "pixels": "signed", "terms": TERMS}  # of a Family


def signed(x: Tensor) -> Tensor:
    """[0, 1] -> [-1, 1]."""
    return 2 * x - 1


def unsigned(x: Tensor) -> Tensor:
    """[-1, 1] -> [0, 1]."""
    return (x + 1) / 2


def mean_error(error: Tensor) -> Loss:
    """The loss of a batch from each image's error, (B,)."""
    mean = error.sum() / max(len(error), 1)
    return Loss(mean, {"loss": mean})
