"""Latentscape: train a small autoencoder in a browser tab, then walk through the space it learned."""

import streamlit as st

from ui.jobs import jobs
from ui.picker import checkpoint_picker
from ui.shell import ICON, page_style

st.set_page_config(page_title="Latentscape", page_icon=ICON, layout="wide")
page = st.navigation([
    st.Page("pages/home.py", title="Home", icon=":material/home:", default=True),
    st.Page("pages/train.py", title="Train", icon=":material/model_training:", url_path="train"),
])  # fmt: skip
page_style()
checkpoint_picker()
page.run()
jobs().warm_up()  # after the first page is on its way
