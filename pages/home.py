"""Home: what this is, a picture of a latent space, where to go next."""

import streamlit as st

from ui.picker import chosen
from ui.plane_picture import plane_picture
from ui.shell import inside_app
from vae_core.errors import BadInput

inside_app()
words, picture = st.columns([1, 1.15], gap="large")
with words:
    st.title("Latentscape")
    st.markdown(
        """
A variational autoencoder squeezes every image through a few numbers and learns to paint it again from them.
Train one here, in this tab, and watch the space of those numbers pull itself apart into shapes.
Everything is real: real data, real PyTorch, real losses in nats, and a checkpoint you can take with you.
"""
    )
    if st.button("Train a model and watch its map form", type="primary", icon=":material/model_training:", key="home_train"):
        st.switch_page("pages/train.py")
    if st.button("Drag through a trained one", icon=":material/touch_app:", key="home_explore"):
        st.switch_page("pages/explore.py")
    st.caption("A first model takes a minute or two. Nothing is downloaded, nothing leaves this server.")
with picture:
    try:
        model = chosen()
    except BadInput as error:
        model = None
        st.error("This model cannot be shown.")
        st.text(str(error))
    if model is not None:
        image, caption = plane_picture(model)
        st.image(image, width="stretch", alt=caption)
        st.caption(caption)
    else:
        st.info("No model to show yet: train one, or run `make checkpoints`.")
