"""Between images and codes: the test images of the set that a model was trained on, encoded; and codes, decoded."""

from dataclasses import dataclass

import numpy as np
import torch

from vae_core import data, disentanglement, evaluate
from vae_core.checkpoint import Checkpoint
from vae_core.errors import BadInput
from vae_core.evaluate import ELBOTerms


@dataclass(frozen=True)
class Codes:
    """Test images, their posteriors and their terms of the ELBO. Shared by visitors: never change it."""

    name: str  # of the data set
    digest: str  # of the data set
    images: torch.Tensor  # uint8 (N, C, H, W)
    labels: torch.Tensor  # (N,)
    classes: tuple[str, ...]
    mu: torch.Tensor  # (N, L)
    logvar: torch.Tensor  # (N, L)
    terms: ELBOTerms  # (N,) nats each
    meanings: list[str | None]  # (L,): the known factor that a dimension tells most about


def codes_of_test_images(model: Checkpoint, count: int) -> Codes:
    """The first `count` test images as the model encodes them.

    Raises BadInput where the data set cannot be had here, is another one, or is encoded as no finite numbers.
    """
    image_set = data.load(model.recipe.data.name)
    if image_set.digest != model.recipe.data.digest:
        raise BadInput(f"The data set {image_set.name} is not the one that {model.name} was trained on.")
    images, labels = image_set.test_images[:count], image_set.test_labels[:count]
    mu, logvar = evaluate.encode(model.model, images)
    if not torch.isfinite(torch.stack([mu, logvar])).all():
        raise BadInput(f"{model.name} encodes some test images as no finite number: its training has diverged.")
    terms = evaluate.elbo_terms(model.model, images)
    meanings = _meanings(mu.numpy(), image_set)
    return Codes(image_set.name, image_set.digest, images, labels, image_set.classes, mu, logvar, terms, meanings)


def _meanings(mu: np.ndarray, image_set: data.ImageSet) -> list[str | None]:
    if image_set.test_factors is None:
        return [None] * mu.shape[1]
    shares = disentanglement.shared_information(mu, image_set.test_factors[: len(mu)].numpy())
    return disentanglement.names_of_dimensions(shares, image_set.factors)


@torch.no_grad()
def decode(model: Checkpoint, z: torch.Tensor) -> np.ndarray:
    """z (N, L) -> uint8 (N, C, H, W)."""
    return model.model.decode(z).mul(255).round().byte().numpy()
