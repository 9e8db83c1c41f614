"""A page whose chart of many points gets another figure several times a second."""

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from latentscape.ui.stills import stills

POINTS = np.random.default_rng(0).normal(size=(5000, 2))


@st.fragment(run_every=0.3)
def chart() -> None:
    st.session_state["turn"] = turn = st.session_state.get("turn", 0) + 1
    x, y = (POINTS * (1 + turn % 7)).T
    st.text("The line above comes and goes." if turn % 2 else "")
    st.plotly_chart(go.Figure(go.Scattergl(x=x, y=y, mode="markers"), {"height": 400, "meta": turn}), key="changing")


stills()
chart()
st.text("What stands below.")
