"""Train: choose, press, watch a model learn."""

import streamlit as st

from latentscape.ui import address
from latentscape.ui.arrive import arrive, pressed
from latentscape.ui.running import jobs
from latentscape.ui.shell import begin
from latentscape.ui.train import address as train_address
from latentscape.ui.train import replay
from latentscape.ui.train.form import Press, fill_in, settings_form
from latentscape.ui.train.trainings import second, trainings
from latentscape.ui.train.view import run_view
from latentscape.ui.visitor import session, visitor

begin("Train a model")

fill_in()
notice = st.empty()
address.read(train_address.words())
token = st.session_state.get("run")
run, controls = jobs().store.find(token, visitor(), session())
if token and run is None:
    notice.info("This run is no longer here: a run is kept until half an hour after its last viewer left.")
if run is None:  # a training of theirs that is under way is found again from any tab
    run = jobs().store.current(visitor(), session())
    controls = run is not None
shown = run.view_id if run is not None else None  # a copied address looks, and does no more
if shown != token:
    st.session_state["run"] = shown
    address.fill_in()
other = second(jobs().store, run)
words = address.as_they_stand(train_address.words())


def start(press: Press) -> None:
    """Train what the form says. Raises BadInput where that cannot be."""
    submitted = jobs().submit(press.request, visitor(), press.step, press.pictures)
    st.session_state["run"] = submitted.view_id
    replay.follow()
    pressed("train_view")
    st.rerun()


def resume() -> None:
    """One more epoch of the run, which is paused."""
    jobs().resume(run, one_epoch=True)
    st.rerun()


settings, view = st.columns([1, 2.6], gap="medium")
with settings:
    settings_form(run.status if run is not None and controls else None, start, resume)
    trainings(jobs().store, run, other)
address.write(words)
with view, st.container(key="train_view"):
    run_view(jobs(), run, controls, other)
arrive("train_view")
