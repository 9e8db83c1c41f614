"""Autoencoders: what is inside one, and what it can and cannot tell."""

import streamlit as st

from latentscape.ui import address
from latentscape.ui.autoencoders import address as ae_address
from latentscape.ui.autoencoders import bottleneck as ae_bottleneck
from latentscape.ui.autoencoders import field as ae_field
from latentscape.ui.autoencoders import kernels as ae_kernels
from latentscape.ui.autoencoders import latent as ae_latent
from latentscape.ui.autoencoders import merge as ae_merge
from latentscape.ui.autoencoders.models import shipped
from latentscape.ui.shell import begin

SECTIONS = {
    "Kernels": ae_kernels, "Bottleneck": ae_bottleneck, "Merged digits": ae_merge, "Vector field": ae_field,
    "AE against VAE": ae_latent,
}

begin("Look inside autoencoders")
with st.container(gap=None):  # the link alone is short: on a telephone a longer one would be cut off
    st.page_link("pages/train.py", label="Train one of your own", icon=":material/model_training:")
    st.caption("Choose *Autoencoder* or *Denoise* on Train, keep it, and compare it here.")
if not shipped():
    st.info("No autoencoder is here yet: run `make checkpoints`.")
    st.stop()
asked = {name: room.asked for name, room in SECTIONS.items()}
address.reopen("ae_section", SECTIONS)
address.read(ae_address.words(asked))
address.write(address.as_they_stand(ae_address.words(asked)))
for tab, room in zip(st.tabs(list(SECTIONS), key="ae_section", on_change="rerun"), SECTIONS.values(), strict=True):
    if tab.open:
        with tab:
            room.section()
