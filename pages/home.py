"""Home: what this is, a latent space to drag through at once, where to go next."""

import streamlit as st

from latent_pad import latent_pad
from latentscape.ui import address
from latentscape.ui.codes import known_codes
from latentscape.ui.explore import plane as explore_plane
from latentscape.ui.picker import chosen
from latentscape.ui.shell import begin
from latentscape.ui.words import in_markdown, refused
from vae_core.errors import BadInput

SHAPES = {1: "The latent line", 2: "The latent plane"}

begin("Latentscape")
address.say_nothing()
with st.container(key="home_words"):  # on a telephone below the pad: latentscape/ui/shell.py
    words, doors = st.columns([1.7, 1], gap="large", vertical_alignment="center")
    words.markdown(
        """
A variational autoencoder squeezes every image through a few numbers and learns to paint it again from them.
Train one here, in this tab, and watch the space of those numbers pull itself apart into shapes.
Everything is real: real data, real PyTorch, real losses in nats, and a checkpoint you can take with you.
"""
    )
    with doors:
        if st.button(
            "Train a model and watch its map form", type="primary", icon=":material/model_training:", key="home_train",
            wrap=True,
        ):
            st.switch_page("pages/train.py")
        if st.button("Drag through a trained one", icon=":material/touch_app:", key="home_explore", wrap=True):
            st.switch_page("pages/explore.py")
try:
    model = chosen()
except BadInput as error:
    model = None
    refused("This model cannot be shown.", error)
else:
    if model is None:
        st.info("No model to show yet: train one, or run `make checkpoints`.")
if model is not None:
    codes = known_codes(model)
    latent_dim = model.model.config.latent_dim
    shown = SHAPES.get(latent_dim, f"A plane through the {latent_dim}-dimensional latent space")
    st.caption(
        f"{shown} of {in_markdown(model.name)}. Drag in it: every point on the way is decoded in your browser. **What to look "
        "for:** how one thing turns into another, and the places between, where the picture is none."
    )
    here = explore_plane.place(model, codes, "home")
    latent_pad(
        model, here.plane, codes.points if codes else None, key="home_pad", position=here.position, prior=model.has_prior
    )
st.caption("A first model takes a minute or two. Nothing is downloaded, nothing leaves this server.")
