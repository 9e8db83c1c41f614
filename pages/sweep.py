"""Sweep: the same training with several betas, and what each pays for a bit of detail."""

import streamlit as st

from latentscape.ui import address
from latentscape.ui.running import jobs
from latentscape.ui.shell import begin
from latentscape.ui.sweep import address as sweep_address
from latentscape.ui.sweep.form import settings_form
from latentscape.ui.sweep.view import compared, sweep_view
from latentscape.ui.visitor import session, visitor
from latentscape.ui.words import refused
from latentscape.work.runs import ACTIVE, PAUSED
from vae_core.errors import BadInput

begin("Sweep beta")
st.markdown("The same training with several weights β of the KL term: what does each pay for detail, and for order?")

words = sweep_address.words()
notice = st.empty()
address.read(words)
tokens = st.session_state.get("sweep", [])
found = [jobs().store.find(token, visitor(), session()) for token in tokens]
if tokens and not any(run for run, _ in found):
    notice.info("These trainings are no longer here: a run is kept until half an hour after its last viewer left.")
    tokens = st.session_state["sweep"] = found = []
    address.fill_in()

settings, view = st.columns([1, 2.6], gap="medium")
with settings:
    press = settings_form(any(run and controls and run.status in (*ACTIVE, PAUSED) for run, controls in found))
if press is not None:
    try:
        runs = jobs().submit_sweep(press.requests, visitor(), press.pictures)
        st.session_state["sweep"] = [run.view_id for run in runs]
        st.session_state["sweep_models"] = []  # nats of other pictures would not compare
        st.rerun()
    except BadInput as error:
        with settings:
            refused("Nothing is trained.", error)
with settings:
    models = compared()
address.write(words)
with view:
    sweep_view(jobs(), tokens, models)
