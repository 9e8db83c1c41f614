"""Map: where a model's encoder puts every test image."""

import streamlit as st

from latentscape.ui.codes import codes_of
from latentscape.ui.map.view import map_view
from latentscape.ui.picker import chosen
from latentscape.ui.shell import begin
from latentscape.ui.words import refused
from latentscape.work import analysis_worker
from latentscape.work.analyses import analyses
from vae_core.errors import BadInput

begin("Map the latent space")
try:
    model = chosen()
    if model is None:
        st.info("No model to map yet: train one, or run `make checkpoints`.")
        st.stop()
    codes = codes_of(model)
except BadInput as error:
    refused("This model cannot be mapped.", error)
    st.stop()
map_view(model, codes)
analyses().warm_up(analysis_worker.warm_up)  # last: the picture comes first, on a server that has just started too
