"""Restore: damage a picture and see classic interpolation and learned models repair it, with honest scores."""

import streamlit as st

from ui.restore_curve import curve
from ui.restore_source import source
from ui.restore_view import WHY, repairs, table
from ui.shell import inside_app

inside_app()
st.title("Restore a damaged picture")
pictures = st.container()
controls, scores = st.columns([1, 2.6], gap="large")
with controls:
    chosen = source()
with pictures:
    restored = repairs(chosen)
with scores:
    table(chosen, restored)
st.markdown(WHY)
curve()
