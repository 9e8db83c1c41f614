"""Map: where a model's encoder puts every test image."""

import streamlit as st

from ui import analysis_worker
from ui.analyses import analyses
from ui.codes import codes_of
from ui.map_view import map_view
from ui.picker import chosen
from ui.shell import inside_app
from ui.words import refused
from vae_core.errors import BadInput

inside_app()
st.title("Map the latent space")
try:
    model = chosen()
    if model is None:
        st.info("No model to map yet: train one, or run `make checkpoints`.")
        st.stop()
    known = codes_of(model)
except BadInput as error:
    refused("This model cannot be mapped.", error)
    st.stop()
map_view(model, known)
analyses().warm_up(analysis_worker.warm_up)  # last: the picture comes first, on a server that has just started too
