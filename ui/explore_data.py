"""What Explore knows of a model's test images: their codes, their ELBO terms, and the parcel of points that the pad draws."""

from dataclasses import dataclass

import numpy as np
import streamlit as st
import torch

from latent_pad import PadPoints, Posterior, pack_points
from vae_core import data, evaluate
from vae_core.checkpoint import Checkpoint
from vae_core.errors import BadInput
from vae_core.evaluate import ELBOTerms

SHOWN = 2000  # test images on the plane; their pictures weigh 1.6 MB


@dataclass(frozen=True)
class Encoded:
    """The first SHOWN test images of the set that a model was trained on. Shared by visitors: never change it."""

    images: torch.Tensor  # uint8 (N, C, H, W)
    labels: torch.Tensor  # (N,)
    classes: tuple[str, ...]
    mu: np.ndarray  # (N, L)
    sigma: np.ndarray  # (N, L)
    terms: ELBOTerms  # (N,) nats each
    kl: np.ndarray  # (L,) nats, averaged over the images
    points: PadPoints


def encoded(model: Checkpoint) -> Encoded | None:
    """The encoded test images; None where the model's data set cannot be had here."""
    try:
        return _encoded(model.digest, model)
    except BadInput:
        return None


@dataclass(frozen=True)
class Seen:
    """One image as a model sees it: its posterior, and its ELBO terms, (1,) nats each."""

    image: torch.Tensor  # uint8 (C, H, W)
    posterior: Posterior
    terms: ELBOTerms


def seen(model: Checkpoint, image: torch.Tensor) -> Seen:
    """A uint8 image (C, H, W) of the model's shape, encoded. Raises BadInput where that gives no finite numbers."""
    mu, logvar = evaluate.encode(model.model, image[None])
    if not torch.isfinite(torch.stack([mu, logvar])).all():
        raise BadInput(f"{model.name} encodes this image as no finite number.")
    posterior = Posterior(mu[0].tolist(), torch.exp(0.5 * logvar[0]).tolist())
    return Seen(image, posterior, evaluate.elbo_terms(model.model, image[None]))


@torch.no_grad()
def decode(model: Checkpoint, z: torch.Tensor) -> np.ndarray:
    """z (N, L) -> uint8 (N, C, H, W)."""
    return model.model.decode(z).mul(255).round().byte().numpy()


@st.cache_resource(max_entries=6, show_spinner="Encoding the test images …")
def _encoded(digest: str, _model: Checkpoint) -> Encoded:
    image_set = data.load(_model.recipe.data.name)
    if image_set.digest != _model.recipe.data.digest:
        raise BadInput(f"The data set {image_set.name} is not the one that {_model.name} was trained on.")
    images, labels = image_set.test_images[:SHOWN], image_set.test_labels[:SHOWN]
    mu, logvar = evaluate.encode(_model.model, images)
    if not torch.isfinite(mu).all():
        raise BadInput(f"{_model.name} encodes some test images as no finite number.")
    return Encoded(
        images,
        labels,
        image_set.classes,
        mu.numpy(),
        torch.exp(0.5 * logvar).numpy(),
        evaluate.elbo_terms(_model.model, images),
        evaluate.kl_per_dimension(mu, logvar).numpy(),
        pack_points(mu.numpy(), labels.numpy(), image_set.classes, images.numpy()),
    )
