"""What Explore knows of a model's test images: their codes, their ELBO terms, and the parcel of points that the pad draws."""

from dataclasses import dataclass

import numpy as np
import streamlit as st
import torch

from latent_pad import PadPoints, Posterior, pack_points
from ui.codes import codes_of_test_images, data_set, is_own
from vae_core import evaluate
from vae_core.checkpoint import Checkpoint
from vae_core.errors import BadInput
from vae_core.evaluate import ELBOTerms

SHOWN = 2000  # test images on the plane; their pictures weigh 1.6 MB


@dataclass(frozen=True)
class Encoded:
    """The first SHOWN test images of the set that a model was trained on. Shared by visitors: never change it."""

    images: torch.Tensor  # uint8 (N, C, H, W)
    labels: torch.Tensor  # (N,)
    classes: tuple[str, ...]  # empty where there are none
    mu: np.ndarray  # (N, L)
    sigma: np.ndarray  # (N, L)
    terms: ELBOTerms  # (N,) nats each
    kl: np.ndarray  # (L,) nats, averaged over the images
    meanings: list[str | None]  # (L,): the known factor that a dimension tells most about
    points: PadPoints


def encoded(model: Checkpoint) -> Encoded | None:
    """The encoded test images; None where the model's data set cannot be had here."""
    try:
        if not is_own(model):
            return _encoded(model.digest, model)
        data_set(model)  # what is gone is gone, whatever is remembered
        return _encoded_own(model.digest, model)
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
    sigma = torch.exp(0.5 * logvar)
    if not torch.isfinite(torch.stack([mu, sigma])).all():
        raise BadInput(f"{model.name} encodes this image as no finite number.")
    posterior = Posterior(mu[0].tolist(), sigma[0].tolist())
    return Seen(image, posterior, evaluate.elbo_terms(model.model, image[None]))


@st.cache_resource(max_entries=6, show_spinner="Encoding the test images …")
def _encoded(digest: str, _model: Checkpoint) -> Encoded:
    return _encode(_model)


@st.cache_resource(max_entries=2, show_spinner="Encoding the test images …", scope="session")
def _encoded_own(digest: str, _model: Checkpoint) -> Encoded:
    return _encode(_model)


def _encode(model: Checkpoint) -> Encoded:
    codes = codes_of_test_images(model, SHOWN)
    mu, labels, images = codes.mu.numpy(), codes.labels, codes.images
    return Encoded(
        images, labels, codes.classes, mu, torch.exp(0.5 * codes.logvar).numpy(), codes.terms,
        evaluate.kl_per_dimension(codes.mu, codes.logvar).numpy(), codes.meanings,
        pack_points(mu, labels.numpy() if codes.classes else None, codes.classes, images.numpy()),
    )  # fmt: skip
