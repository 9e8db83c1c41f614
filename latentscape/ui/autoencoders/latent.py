"""AE against VAE: pictures of codes that were drawn, not encoded."""

import streamlit as st
import torch

from latentscape.ui.autoencoders.models import VAE, as_bytes, codes, models, title
from latentscape.ui.controls import control
from latentscape.ui.pictures import sheet
from vae_core.latent import box_draws, normal_draws, prior_draws
from vae_core.settings import Setting

AE = "mnist-ae-30"
SEED = Setting("seed", "seed", "Seed", "Another seed draws other codes.", int, 0, 0, 2**31 - 1)
SIDE = 6
WHY = """
**Holes.** The autoencoder was only asked to rebuild; where in its space codes lie, nobody told it. A box around all codes is
nearly empty: a draw from it is far from every code, and its picture is no digit. A normal distribution that fits the codes
knows which units move together, and still lands between the clusters. The VAE was trained so that its codes together fill the
prior, N(0, I): a draw from the prior is near some code, and most pictures are digits (not all: it has holes too).
"""


def asked() -> dict[str, Setting]:
    """What is chosen in this section: key -> setting."""
    return {"ae_seed": SEED}


def section() -> None:
    """Draws side by side."""
    found = models((AE, VAE))
    draws = {}
    seed = control(st, SEED, "ae_seed", width=160)
    if AE in found:
        real = codes(found[AE])
        draws[f"{title(AE)}: uniform in the box of its codes"] = found[AE], box_draws(real, SIDE**2, int(seed))
        draws[f"{title(AE)}: a normal distribution fitted to its codes"] = found[AE], normal_draws(real, SIDE**2, int(seed))
    if VAE in found:
        z = prior_draws(SIDE**2, found[VAE].model.config.latent_dim, int(seed))
        draws[f"{title(VAE)}: its prior"] = found[VAE], z
    with st.container(key="ae_latent"):
        columns = st.columns(max(len(draws), 1), gap="medium", vertical_alignment="bottom")
        for column, (name, (model, z)) in zip(columns, draws.items(), strict=False):
            with torch.no_grad():
                pictures = model.model.decode(z)
            column.markdown(f"**{name}**")
            column.image(sheet(as_bytes(pictures), SIDE, 3), width="stretch", alt=f"{SIDE**2} decoded draws. {name}.")
    st.markdown(WHY)
