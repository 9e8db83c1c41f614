"""Restore: damage a picture and see classic interpolation and learned models repair it, with honest scores."""

import streamlit as st

from latentscape.ui import address
from latentscape.ui.restore import address as restore_address
from latentscape.ui.restore import models as restore_models
from latentscape.ui.restore.curve import curve
from latentscape.ui.restore.source import source
from latentscape.ui.restore.view import LOOK, WHY, comparison
from latentscape.ui.shell import begin

begin("Restore a damaged picture")
st.markdown(LOOK)
address.read(restore_address.words())
words = address.as_they_stand(restore_address.words())
controls = st.container(key="restore_controls", horizontal=True, vertical_alignment="bottom", gap="xsmall")
desk = st.container(key="restore_desk", horizontal=True)
chosen = source(controls, desk)
with controls:
    models = restore_models.choose()
address.write(words)
comparison(chosen, models, desk if chosen.by_hand == 1 else None)
st.markdown(WHY)
curve(models)
