"""Autoencoders: what is inside one, and what it can and cannot tell."""

import streamlit as st

from ui import ae_bottleneck, ae_field, ae_kernels, ae_latent, ae_merge
from ui.ae_models import shipped
from ui.shell import inside_app

SECTIONS = {
    "Kernels": ae_kernels.section, "Bottleneck": ae_bottleneck.section, "Merged digits": ae_merge.section,
    "Vector field": ae_field.section, "AE against VAE": ae_latent.section,
}  # fmt: skip

inside_app()
st.title("Look inside autoencoders")
st.page_link(
    "pages/train.py", label="Train one of your own: choose *Autoencoder* or *Denoise* on Train, keep it, and compare it here.",
    icon=":material/model_training:",
)  # fmt: skip
if not shipped():
    st.info("No autoencoder is here yet: run `make checkpoints`.")
    st.stop()
for tab, section in zip(st.tabs(list(SECTIONS), key="ae_section", on_change="rerun"), SECTIONS.values(), strict=True):
    if tab.open:
        with tab:
            section()
