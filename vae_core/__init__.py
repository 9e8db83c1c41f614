"""The science of Latentscape: data, models, training, evaluation. Knows no screen.

    model = vae_core.load("mnist-2d")
    images = model.decode(model.codes(x))
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vae_core.models import Model


def load(source: "str | Path") -> "Model":
    """The model of a shipped checkpoint, by its name, or of a file: see checkpoint.load."""
    from vae_core import checkpoint  # here: not everything that knows an error of ours needs torch

    return checkpoint.load(source)
