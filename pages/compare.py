"""Compare: what each model of a data set draws, how good that is, and what a better prior is worth."""

import streamlit as st

from latentscape.ui import address
from latentscape.ui.compare import address as compare_address
from latentscape.ui.compare import lab as compare_lab
from latentscape.ui.compare import models as compare_models
from latentscape.ui.compare.rows import DECODING, DRAWING, chosen_set, data_sets
from latentscape.ui.compare.view import choose
from latentscape.ui.shell import begin
from latentscape.work import analysis_worker
from latentscape.work.analyses import analyses

SECTIONS = {"models": "Models", "priors": "Reconstructs well, samples badly"}

begin("Compare what models draw")
sets = data_sets((*DRAWING, *(kind for kind in DECODING if kind not in DRAWING)))
if not sets:
    st.info("No model that draws is here yet: train one, or run `make checkpoints`.")
    st.stop()
drawing, decoding = data_sets(DRAWING), data_sets(DECODING)
address.reopen("compare_section", SECTIONS.values())
everything = compare_lab.decoders([name for names in decoding.values() for name in names])
address.read(compare_address.words(SECTIONS, sets, everything))
digest = choose(sets)
of = chosen_set(digest, sets[digest])
address.write(address.as_they_stand(compare_address.words(SECTIONS, sets, everything)))
models, priors = st.tabs(list(SECTIONS.values()), key="compare_section", on_change="rerun")
if models.open:
    with models:
        compare_models.section(of, drawing.get(digest, []))
if priors.open:
    with priors:
        compare_lab.section(of, decoding.get(digest, []))
analyses().warm_up(analysis_worker.warm_up)
