"""A model's latent space in one still picture: its plane decoded on a grid, or samples where it has no plane."""

import numpy as np
import streamlit as st
import torch

from ui.pictures import sheet
from vae_core.checkpoint import Checkpoint
from vae_core.latent import plane_grid, prior_draws

SIDE = 17


def plane_picture(model: Checkpoint) -> tuple[np.ndarray, str]:
    """RGBA picture and what it shows, in words."""
    latent_dim = model.model.config.latent_dim
    if latent_dim > 2:
        caption = f"{SIDE * SIDE} samples from {model.name}: draws from the prior, decoded."
    else:
        caption = f"The latent {'line' if latent_dim == 1 else 'plane'} of {model.name}, decoded at the prior's quantiles."
    return _picture(model.digest, model), caption


@st.cache_data(max_entries=16, show_spinner="Decoding the latent plane …")
def _picture(digest: str, _model: Checkpoint) -> np.ndarray:
    vae = _model.model
    latent_dim = vae.config.latent_dim
    z = plane_grid(SIDE, latent_dim) if latent_dim <= 2 else prior_draws(SIDE * SIDE, latent_dim)
    with torch.no_grad():
        images = vae.decode(z).mul(255).round().byte().numpy()
    return sheet(images, SIDE, scale=2)
