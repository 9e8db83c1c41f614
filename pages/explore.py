"""Explore: drag through a model's latent space and see at once what the decoder makes of each point."""

import streamlit as st

from latentscape.ui import address
from latentscape.ui.codes import known_codes
from latentscape.ui.explore import address as explore_address
from latentscape.ui.explore import draw as explore_draw
from latentscape.ui.explore import pads as explore_pads
from latentscape.ui.explore import plane as explore_plane
from latentscape.ui.explore import view as explore_view
from latentscape.ui.explore import walk as explore_walk
from latentscape.ui.explore.plane import FIRST
from latentscape.ui.explore.subject import subject
from latentscape.ui.picker import chosen
from latentscape.ui.shell import begin
from latentscape.ui.words import refused
from vae_core.errors import BadInput

begin("Explore the latent space")
try:
    model = chosen()
except BadInput as error:
    refused("This model cannot be explored.", error)
    st.stop()
if model is None:
    st.info("No model to explore yet: train one, or run `make checkpoints`.")
    st.stop()

codes, notice = known_codes(model), st.empty()
if codes is None:
    notice.info("The images that this model was trained on are not on this machine: the plane is shown without them.")
DRAW = explore_draw.section(model)
WALK = "Walk"
sections = {"image": "A test image", "draw": DRAW, "walk": WALK, "traversals": "Traversals", "grid": "Grid"}
if not codes:  # no test images to look at or to walk between
    del sections["image"], sections["walk"]
words = explore_address.words(model, codes, sections)
address.read(words)
image, drawn, is_new = subject(model, codes)
with st.container():  # also where it has nothing to ask: else what is below it is drawn anew
    here = explore_plane.place(model, codes, FIRST, explore_plane.start(FIRST, model.model.config.latent_dim))
explore_pads.controls()

way = explore_walk.walk(model, codes, here) if codes and st.session_state.get("explore_section") == WALK else None
path = way.on(here) if way else None
if st.session_state["explore_model"]:
    left, right = st.columns(2, gap="medium")
    with left:
        st.text(model.name)
        here = explore_pads.pad(FIRST, model, codes, here, image, is_new, path)
    with right:
        explore_pads.beside(image, is_new)
else:
    here = explore_pads.pad(FIRST, model, codes, here, image, is_new, path)
address.write(words)

with st.expander("Coordinates, as numbers", expanded=len(here.z) <= 2):
    explore_view.coordinates(here, codes)
for name, tab in zip(sections.values(), st.tabs([*sections.values()], key="explore_section", on_change="rerun"), strict=True):
    if not (tab.open or (name == DRAW and explore_draw.is_begun())):  # a drawing stays on its canvas
        continue
    with tab:
        if name == "A test image":
            index = explore_view.image_choice(codes)
            if index is not None:
                explore_view.image_panel(model, codes, index)
        elif name == DRAW:
            explore_draw.panel(model, codes, drawn)
        elif name == WALK:
            with st.container(key="explore_walk"):
                explore_walk.panel(model, codes, here, way)
        elif name == "Traversals":
            with st.container(key="explore_traversals"):
                explore_view.traversals(model, here.z, codes)
        else:
            explore_view.grid(model, codes, here.plane)
