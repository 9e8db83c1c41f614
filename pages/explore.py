"""Explore: drag through a model's latent space and see at once what the decoder makes of each point."""

import streamlit as st

from latentscape.ui import address
from latentscape.ui.codes import known_codes
from latentscape.ui.explore import address as explore_address
from latentscape.ui.explore import draw as explore_draw
from latentscape.ui.explore import pads as explore_pads
from latentscape.ui.explore import plane as explore_plane
from latentscape.ui.explore import sections as explore_sections
from latentscape.ui.explore import view as explore_view
from latentscape.ui.explore import walk as explore_walk
from latentscape.ui.explore import words as explore_words
from latentscape.ui.explore.plane import FIRST
from latentscape.ui.explore.sections import DRAW, GRID, IMAGE, TRAVERSALS, WALK
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
if codes is None and model.family.encodes:
    notice.info("The images that this model was trained on are not on this machine: the plane is shown without them.")
sections = explore_sections.names(model, codes)
words = explore_address.words(model, codes, sections)
address.read(words)
image, drawn, is_new = subject(model, codes)
with st.sidebar:
    explore_pads.second_model(model)
with st.container(horizontal=True, horizontal_alignment="distribute", key="explore_controls"):
    section = explore_sections.choose(sections)
    explore_pads.layers(model)
with st.container():  # also where it has nothing to ask: else what is below it is drawn anew
    here = explore_plane.place(model, codes, FIRST, explore_plane.start(FIRST, model.model.config.latent_dim))
way = explore_walk.walk(model, codes, here) if section == WALK else None
st.markdown(explore_words.look_for(section, model, image is not None))

# What is asked stands left of the plane, what is told below it: explore_stage in latentscape/ui/shell.py.
with st.container(key="explore_stage"):
    with st.container(key="explore_hand"):
        with st.container(width=explore_sections.HAND):
            if section == IMAGE:
                index = explore_view.image_hand(codes)
            elif section == WALK:
                with st.container(key="explore_walk"):
                    explore_walk.hand(codes, here)
        if section == DRAW or explore_draw.is_begun():  # a drawing stays on its canvas
            with st.container(key="explore_canvas", width=explore_draw.WIDTH):
                explore_draw.hand()
    explore_sections.hide_what_is_idle(section)
    with st.container(key="explore_pads"):
        first = explore_pads.ready(FIRST, model, codes, here, image, is_new)
        explore_pads.pads(first, image, is_new, way.on(first.here) if way else None)
here = first.here
address.write(words)

with st.expander("Coordinates, as numbers", expanded=len(here.z) <= 2):
    explore_view.coordinates(here, codes)
with st.container(key=f"explore_told_{section}"):
    if section == IMAGE and index is not None:
        explore_view.image_panel(codes, index)
    elif section == DRAW:
        explore_draw.panel(model, codes, drawn)
    elif section == WALK:
        explore_walk.panel(model, way)
    elif section == TRAVERSALS:
        explore_view.traversals(model, here.z, codes)
    elif section == GRID:
        explore_view.grid(model, codes, here.plane)
