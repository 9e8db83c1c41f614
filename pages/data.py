"""Your pictures: a zip file or a folder of somebody's own becomes a data set to train on."""

import streamlit as st

from latentscape.ui import address
from latentscape.ui.data.view import data_view
from latentscape.ui.shell import inside_app

inside_app()
st.title("Your pictures")
address.say_nothing()
data_view()
