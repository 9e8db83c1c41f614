"""What Map knows of a model: its test images encoded; draws of the prior, decoded and encoded again; their sprites."""

from dataclasses import dataclass

import numpy as np
import streamlit as st
import torch

from latent_pad.hover import Sprite, pack_sprite
from ui.codes import codes_of_test_images, decode
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
    classes: tuple[str, ...]
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
    return _mapped(model.digest, model)


@st.cache_resource(max_entries=6, show_spinner="Encoding the test images …")
def _mapped(digest: str, _model: Checkpoint) -> Mapped:
    codes = codes_of_test_images(_model, SHOWN)
    images, mu = codes.images.numpy(), codes.mu
    draws = decode(_model, prior_draws(DRAWS, mu.shape[1]))
    return Mapped(
        codes.name, images, codes.labels.numpy(), codes.classes, mu.numpy(), codes.terms.recon.numpy(), codes.terms.kl.numpy(),
        evaluate.kl_per_dimension(mu, codes.logvar).numpy(), evaluate.active_units(mu), draws,
        evaluate.encode(_model.model, torch.from_numpy(draws))[0].numpy(), _sprite(codes.digest, images), pack_sprite(draws),
    )  # fmt: skip


@st.cache_resource(max_entries=6, show_spinner=False)
def _sprite(digest: str, _images: np.ndarray) -> Sprite:
    return pack_sprite(_images)
