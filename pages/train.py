"""Train: choose, press, watch a model learn."""

import streamlit as st

from ui.jobs import jobs
from ui.runs import PAUSED
from ui.shell import inside_app, tab
from ui.train_form import settings_form
from ui.train_view import run_view
from vae_core.errors import BadInput

inside_app()
st.title("Train a model")

token = st.query_params.get("run") or st.session_state.get("run")
run, controls = jobs().store.find(token)
if run is not None and controls:
    st.session_state["tab"] = run.owner  # a reload, or the same link elsewhere, goes on as this tab
elif token and run is None:
    st.info("This run is no longer here: a run is kept until half an hour after its last viewer left.")
    st.session_state.pop("run", None)
    st.query_params.pop("run", None)

settings, view = st.columns([1, 2.6], gap="medium")
with settings:
    press = settings_form(run.status if run is not None and controls else None)
if press.step and run is not None and controls and run.status == PAUSED:
    jobs().resume(run, one_epoch=True)
    st.rerun()
if press.request is not None:
    try:
        run, controls = jobs().submit(press.request, tab(), press.step, press.pictures), True
        st.session_state["run"] = st.query_params["run"] = run.id
        st.session_state["train_following"] = True
        st.rerun()
    except BadInput as error:
        settings.error(str(error))
if run is not None:
    st.session_state["run"] = st.query_params["run"] = run.id if controls else run.view_id
with view:
    run_view(jobs(), run, controls)
