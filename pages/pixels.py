"""Pixels: a model draws a digit pixel by pixel, says how surprised it is, and finishes half a digit twelve ways."""

import streamlit as st

from latent_pad.pixel_desk import pixel_desk
from latentscape.ui import address
from latentscape.ui.pixels import address as pixels_address
from latentscape.ui.pixels.models import choose, take_over
from latentscape.ui.pixels.start import start
from latentscape.ui.pixels.words import LOOK, RNN
from latentscape.ui.shell import begin

begin("Pixels")
st.markdown(LOOK)
address.read(pixels_address.words())
take_over()
words = address.as_they_stand(pixels_address.words())
controls = st.container(key="pixels_controls", horizontal=True, vertical_alignment="bottom", gap="xsmall")
model = choose(controls)
if model is not None:
    image, rows, speed = start(controls, model.model.levels)
address.write(words)
if model is not None:
    pixel_desk(model, image, rows, speed, key="pixels_desk")
st.markdown(RNN)
