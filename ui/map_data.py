"""What Map knows of a model: its test images encoded; draws of the prior, decoded and encoded again; their sprites.

A model without a prior has codes and errors only: the rest is None, and `words` say what its map shows instead.
"""

from dataclasses import dataclass
from typing import NamedTuple

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


class Words(NamedTuple):
    """How the map of a kind of model is put into words."""

    point: str  # what a point is
    measure: str  # what is told of each dimension
    unit: str  # of it, where it has one
    active: str  # what the dimensions that carry information do
    collapsed: str  # said where none does


WITH_PRIOR = Words(
    "the mean of one test image's posterior", "KL", " nats", "active",
    "No dimension is active: posterior collapse. Every image gets (nearly) the same code. Train with a smaller beta or a KL "
    "warm-up.",
)  # fmt: skip
WITHOUT_PRIOR = Words(
    "the code of one test image", "Variance", "", "vary (variance above 0.01)",
    "No dimension varies: every image gets (nearly) the same code.",
)  # fmt: skip


class Draws(NamedTuple):
    """Of the prior: decoded, and encoded again."""

    images: np.ndarray  # uint8 (DRAWS, C, H, W)
    mu: np.ndarray  # (DRAWS, L)
    sprite: Sprite


@dataclass(frozen=True)
class Mapped:
    """The test images of the set that a model was trained on, the first SHOWN. Shared by visitors: never change it."""

    name: str  # of the data set
    images: np.ndarray  # uint8 (N, C, H, W)
    labels: np.ndarray  # (N,)
    classes: tuple[str, ...]  # empty where there are none
    mu: np.ndarray  # (N, L); without a prior the codes themselves
    terms: dict[str, np.ndarray]  # recon and, with a prior, KL: (N,) nats each
    measure: np.ndarray  # (L,): the KL of each dimension averaged over the images; without a prior its variance
    active: int  # dimensions that carry information
    draws: Draws | None
    sprite: Sprite
    words: Words


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
    sprite = pack_sprite(images) if is_own(model) else _sprite(codes.digest, images)
    terms = {"recon": codes.terms.recon.numpy()}
    if codes.logvar is None:
        measure, draws, words = mu.var(0), None, WITHOUT_PRIOR
    else:
        terms["KL"] = codes.terms.kl.numpy()
        measure, draws, words = evaluate.kl_per_dimension(mu, codes.logvar), _draws(model), WITH_PRIOR
    return Mapped(
        codes.name, images, codes.labels.numpy(), codes.classes, mu.numpy(), terms, measure.numpy(),
        evaluate.active_units(mu), draws, sprite, words,
    )  # fmt: skip


def _draws(model: Checkpoint) -> Draws:
    images = decode(model, prior_draws(DRAWS, model.model.config.latent_dim))
    return Draws(images, evaluate.encode(model.model, torch.from_numpy(images))[0].numpy(), pack_sprite(images))


@st.cache_resource(max_entries=6, show_spinner=False)
def _sprite(digest: str, _images: np.ndarray) -> Sprite:
    """Of a data set with a name, for all models of it."""
    return pack_sprite(_images)
