"""What the Autoencoders page knows: its models, the test images, and what each model makes of them."""

import numpy as np
import torch

from latentscape.ui.codes import codes_of
from latentscape.ui.picker import choices, opened
from latentscape.ui.words import in_markdown
from vae_core import data
from vae_core.checkpoint import Checkpoint
from vae_core.errors import BadInput
from vae_core.models import FAMILIES

FAMILY_NAMES = tuple(name for name, family in FAMILIES.items() if family.decodes and not family.has_prior)
VAE = "mnist-20d"
TITLES = {
    "mnist-ae-30": "Under-complete, 30 units", "mnist-ae-500": "Over-complete, 500 units",
    "mnist-dae-500": "Denoising, 500 units", VAE: "VAE, 20 dimensions",
}
SHAPE = (1, 28, 28)


def models(names: tuple[str, ...]) -> dict[str, Checkpoint]:
    """Those of the models called so that can be opened and read MNIST's pictures."""
    found = {}
    for name in names:
        try:
            model = opened(name)
        except (BadInput, KeyError):
            continue
        if model.model.config.image_shape == SHAPE:
            found[name] = model
    return found


def shipped() -> dict[str, Checkpoint]:
    """The course's three autoencoders."""
    return models(tuple(name for name in TITLES if name != VAE))


def others() -> tuple[str, ...]:
    """Names of the visitor's own autoencoders and of those kept here."""
    return tuple(name for name in choices(FAMILY_NAMES, SHAPE) if "/" in name)


def title(name: str) -> str:
    """How a person calls the model."""
    return TITLES.get(name) or choices(FAMILY_NAMES)[name].label


def heading(name: str) -> str:
    """The title in markdown: whoever kept a model called it."""
    return TITLES.get(name) or in_markdown(title(name))


def test_images() -> torch.Tensor:
    """MNIST's, uint8 (10000, 1, 28, 28)."""
    return data.load("mnist").test_images


def as_bytes(images: torch.Tensor) -> np.ndarray:
    """Images in [0, 1] -> uint8, of the same shape."""
    return images.mul(255).round().byte().numpy()


def codes(model: Checkpoint) -> torch.Tensor:
    """The codes of the test images, (10000, d). Shared by visitors: never change them. Raises BadInput where they are no
    finite numbers."""
    return torch.from_numpy(codes_of(model, data.load("mnist")).mu)
