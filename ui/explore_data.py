"""What Explore knows of a model's test images: their codes, their ELBO terms, and the parcel of points that the pad draws."""

import functools
from dataclasses import dataclass

import numpy as np
import streamlit as st
import torch

from latent_pad import PadPoints, Posterior, forget, pack_points, pad_decoder, shelf
from ui import codes, picker
from vae_core import evaluate
from vae_core.checkpoint import Checkpoint
from vae_core.errors import BadInput
from vae_core.evaluate import ELBOTerms

SHOWN = 2000  # test images on the plane; their pictures weigh 1.6 MB


@dataclass(frozen=True)
class Encoded:
    """The first SHOWN test images of the set that a model was trained on. Shared by visitors: never change it.

    Without a prior mu is the code itself, and there is neither sigma nor kl.
    """

    images: torch.Tensor  # uint8 (N, C, H, W)
    labels: torch.Tensor  # (N,)
    classes: tuple[str, ...]  # empty where there are none
    mu: np.ndarray  # (N, L)
    sigma: np.ndarray | None  # (N, L)
    terms: ELBOTerms  # (N,) nats each
    kl: np.ndarray | None  # (L,) nats, averaged over the images
    meanings: list[str | None]  # (L,): the known factor that a dimension tells most about
    points: PadPoints

    @functools.cached_property
    def order(self) -> list[int]:
        """The dimensions, those that tell most of an image first: by KL, or by variance where there is none."""
        return np.argsort(-(self.mu.var(0) if self.kl is None else self.kl)).tolist()


def encoded(model: Checkpoint) -> Encoded | None:
    """The encoded test images; None where the model's data set cannot be had here."""
    try:
        if not codes.is_own(model):
            return _encoded(model.digest, model)
        codes.data_set(model)  # what is gone is gone, whatever is remembered
        return _encoded_own(model.digest, model)
    except BadInput:
        return None


def first_parcels() -> list[str]:
    """The digests of what the pad is going to ask for first of the first model, all of which is served from now on."""
    try:
        model = picker.first()
    except BadInput:
        return []  # who opens it is told
    known = encoded(model) if model else None
    if not known:
        return []
    first = [parcel for parcel in (pad_decoder(model).parcel, known.points.parcel) if parcel]
    for parcel in (*first, known.points.pictures):
        shelf.keep(parcel)
    return [parcel.digest for parcel in first]


def forget_own() -> None:
    """Let go of what was made of this visitor's pictures for the pad."""
    _encoded_own.clear()
    forget()


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


@st.cache_resource(max_entries=6, show_spinner="Encoding the test images …")
def _encoded(digest: str, _model: Checkpoint) -> Encoded:
    return _encode(_model)


@st.cache_resource(max_entries=2, show_spinner="Encoding the test images …", scope="session")
def _encoded_own(digest: str, _model: Checkpoint) -> Encoded:
    return _encode(_model)


def _encode(model: Checkpoint) -> Encoded:
    found = codes.codes_of_test_images(model, SHOWN)
    mu, labels, images = found.mu.numpy(), found.labels, found.images
    sigma = kl = None
    if found.logvar is not None:
        sigma, kl = torch.exp(0.5 * found.logvar).numpy(), evaluate.kl_per_dimension(found.mu, found.logvar).numpy()
    points = pack_points(mu, labels.numpy() if found.classes else None, found.classes, images.numpy())
    return Encoded(images, labels, found.classes, mu, sigma, found.terms, kl, found.meanings, points)
