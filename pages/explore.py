"""Explore: drag through a model's latent space and see at once what the decoder makes of each point."""

import streamlit as st

from latent_pad import Posterior, latent_pad
from ui import explore_plane, explore_view
from ui.explore_data import encoded
from ui.picker import chosen
from ui.shell import inside_app
from vae_core.errors import BadInput

inside_app()
st.title("Explore the latent space")
try:
    model = chosen()
except BadInput as error:
    st.error("This model cannot be explored.")
    st.text(str(error))
    st.stop()
if model is None:
    st.info("No model to explore yet: train one, or run `make checkpoints`.")
    st.stop()

known = encoded(model)
if known is None:
    st.info("The images that this model was trained on are not on this machine: the plane is shown without them.")
here = explore_plane.place(model, known)
layers = st.segmented_control(
    "Show", ["both", "images", "codes"], default="both", key="explore_layers", required=True, label_visibility="collapsed",
    format_func={"both": "Pictures and codes", "images": "Decoded pictures", "codes": "Codes of test images"}.get,
)  # fmt: skip
image = st.session_state.get("explore_image") if known else None
posterior = Posterior(known.mu[image].tolist(), known.sigma[image].tolist()) if image is not None else None
points = known.points if known else None
rest = latent_pad(model, here.plane, points, key="explore_pad", position=here.position, posterior=posterior, layers=layers)
explore_plane.settled(rest.z)

with st.expander("Coordinates, as numbers", expanded=len(rest.z) <= 2):
    explore_view.coordinates(here, known)
names = ["A test image", "Walk", "Traversals", "Grid"] if known else ["Traversals", "Grid"]
for name, tab in zip(names, st.tabs(names), strict=True):
    with tab:
        if name == "A test image":
            index = explore_view.image_choice(known)
            if index is not None:
                explore_view.image_panel(model, known, index)
        elif name == "Walk":
            explore_view.walk(model, known)
        elif name == "Traversals":
            explore_view.traversals(model, rest.z, known)
        else:
            explore_view.grid(model, here.plane)
