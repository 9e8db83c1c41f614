"""What Map knows of a model: its test images encoded; draws of the prior, decoded and encoded again; their sprites."""

from dataclasses import dataclass

import numpy as np
import streamlit as st
import torch

from latent_pad.hover import Sprite, pack_sprite
from ui.codes import codes_of_test_images, data_set, decode, is_own
from vae_core import evaluate
from vae_core.checkpoint import Checkpoint
from vae_core.latent import prior_draws

SHOWN = 10_000  # test images on the map
DRAWS = 1000  # of the prior


@dataclass(frozen=True)
class Mapped:
    """The test images of the set that a model was trained on, the first SHOWN. Shared by visitors: never change it."""

    name: str  # of the data set
    images: np.ndarray  # uint8 (N, C, H, W)
    labels: np.ndarray  # (N,)
    classes: tuple[str, ...]  # empty where there are none
    mu: np.ndarray  # (N, L)
    recon: np.ndarray  # (N,) nats
    kl: np.ndarray  # (N,) nats
    kl_per_dimension: np.ndarray  # (L,) nats, averaged over the images
    active: int  # dimensions that carry information
    draws: np.ndarray  # uint8 (DRAWS, C, H, W): decoded draws of the prior
    draws_mu: np.ndarray  # (DRAWS, L): those, encoded
    sprite: Sprite
    draws_sprite: Sprite


def mapped(model: Checkpoint) -> Mapped:
    """The encoded test images. Raises BadInput where the data set cannot be had here or the codes are no numbers."""
    if not is_own(model):
        return _mapped(model.digest, model)
    data_set(model)  # what is gone is gone, whatever is remembered
    return _mapped_own(model.digest, model)


@st.cache_resource(max_entries=6, show_spinner="Encoding the test images …")
def _mapped(digest: str, _model: Checkpoint) -> Mapped:
    return _map(_model)


@st.cache_resource(max_entries=2, show_spinner="Encoding the test images …", scope="session")
def _mapped_own(digest: str, _model: Checkpoint) -> Mapped:
    return _map(_model)


def _map(model: Checkpoint) -> Mapped:
    codes = codes_of_test_images(model, SHOWN)
    images, mu = codes.images.numpy(), codes.mu
    draws = decode(model, prior_draws(DRAWS, mu.shape[1]))
    sprite = pack_sprite(images) if is_own(model) else _sprite(codes.digest, images)
    return Mapped(
        codes.name, images, codes.labels.numpy(), codes.classes, mu.numpy(), codes.terms.recon.numpy(), codes.terms.kl.numpy(),
        evaluate.kl_per_dimension(mu, codes.logvar).numpy(), evaluate.active_units(mu), draws,
        evaluate.encode(model.model, torch.from_numpy(draws))[0].numpy(), sprite, pack_sprite(draws),
    )  # fmt: skip


@st.cache_resource(max_entries=6, show_spinner=False)
def _sprite(digest: str, _images: np.ndarray) -> Sprite:
    """Of a data set with a name, for all models of it."""
    return pack_sprite(_images)
