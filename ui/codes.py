"""Between images and codes: the test images of the set that a model was trained on, encoded; and codes, decoded."""

from dataclasses import dataclass

import numpy as np
import torch

from ui.own import mine
from vae_core import data, disentanglement, energy, evaluate
from vae_core.checkpoint import Checkpoint
from vae_core.data import ImageSet
from vae_core.errors import BadInput
from vae_core.evaluate import ELBOTerms


@dataclass(frozen=True)
class Codes:
    """Test images, their posteriors and their terms of the ELBO. Shared by visitors: never change it.

    Without a prior mu is the code itself, there is no logvar, and the terms hold the reconstruction energy and no KL.
    """

    name: str  # of the data set
    digest: str  # of the data set
    images: torch.Tensor  # uint8 (N, C, H, W)
    labels: torch.Tensor  # (N,)
    classes: tuple[str, ...]  # empty where there are none
    mu: torch.Tensor  # (N, L)
    logvar: torch.Tensor | None  # (N, L)
    terms: ELBOTerms  # (N,) nats each
    meanings: list[str | None]  # (L,): the known factor that a dimension tells most about


def codes_of_test_images(model: Checkpoint, count: int) -> Codes:
    """The first `count` test images as the model encodes them.

    Raises BadInput where the data set cannot be had here, is another one, or is encoded as no finite numbers.
    """
    image_set = data_set(model)
    images, labels = image_set.test_images[:count], image_set.test_labels[:count]
    if is_own(model):
        images = images.clone()  # a view would keep all of them
    mu, logvar, terms = encoded(model, images)
    if not torch.isfinite(mu if logvar is None else torch.stack([mu, logvar])).all():
        raise BadInput(f"{model.name} encodes some test images as no finite number: its training has diverged.")
    meanings = _meanings(mu.numpy(), image_set)
    return Codes(image_set.name, image_set.digest, images, labels, image_set.classes, mu, logvar, terms, meanings)


def _meanings(mu: np.ndarray, image_set: ImageSet) -> list[str | None]:
    if image_set.test_factors is None:
        return [None] * mu.shape[1]
    shares = disentanglement.shared_information(mu, image_set.test_factors[: len(mu)].numpy())
    return disentanglement.names_of_dimensions(shares, image_set.factors)


def data_set(model: Checkpoint) -> ImageSet:
    """The data set that the model was trained on: one with a name, or this visitor's own pictures.

    Raises BadInput where it cannot be had here, or is another one.
    """
    name, digest = model.recipe.data.name, model.recipe.data.digest
    if is_own(model):
        own = next((pictures.images for pictures in mine() if pictures.images.digest == digest), None)
        if own is None:
            raise BadInput(
                f"{model.name} was trained on somebody's own pictures ({name.removeprefix('folder:')}), which are not "
                "here now; upload them on Your pictures, read in the same way, to see them."
            )
        return own
    image_set = data.load(name)
    if image_set.digest != digest:
        raise BadInput(f"The data set {image_set.name} is not the one that {model.name} was trained on.")
    return image_set


def is_own(model: Checkpoint) -> bool:
    """Whether the model was trained on somebody's own pictures: what is made of them is for one visitor's eyes."""
    return model.recipe.data.name.startswith("folder:")


def encoded(model: Checkpoint, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None, ELBOTerms]:
    """mu and logvar (N, L) of uint8 images (N, C, H, W) and their terms, as Codes has them. May not be finite."""
    if model.has_prior:
        return *evaluate.encode(model.model, images), evaluate.elbo_terms(model.model, images)
    x = data.to_float(images)
    recon = energy.energies(model.model, x)
    return energy.codes(model.model, x), None, ELBOTerms(recon, torch.zeros_like(recon))


@torch.no_grad()
def decode(model: Checkpoint, z: torch.Tensor) -> np.ndarray:
    """z (N, L) -> uint8 (N, C, H, W)."""
    return model.model.decode(z).mul(255).round().byte().numpy()
