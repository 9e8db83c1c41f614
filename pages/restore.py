"""Restore: damage a picture and see classic interpolation and learned models repair it, with honest scores."""

import streamlit as st

from ui.restore_curve import curve
from ui.restore_source import source
from ui.restore_view import WHY, comparison
from ui.shell import inside_app

inside_app()
st.title("Restore a damaged picture")
controls, view = st.columns([1, 3], gap="medium")
with controls:
    chosen = source()
with view:
    comparison(chosen)
    st.markdown(WHY)
curve()
