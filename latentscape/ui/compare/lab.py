"""Reconstructs well, samples badly: one decoder, several places to draw its codes from."""

import streamlit as st

from latentscape.ui.compare.rows import DECODING, Chosen, asked_for
from latentscape.ui.computed import Request, computed
from latentscape.ui.controls import KEEP
from latentscape.ui.own import remembered
from latentscape.ui.picker import choices, opened
from latentscape.ui.pictures import sheet
from latentscape.work import analysis_worker
from vae_core import prior
from vae_core.checkpoint import Checkpoint
from vae_core.errors import BadInput

ACROSS = 10
USUAL = "mnist-20d-binary"  # the decoder that is shown first: a prior of it ships
LOOK = (
    "**Look for sheets that are worse than the reconstructions**: their decoder is the same, only where its codes come from "
    "differs. What is lost between the second sheet and one of the others is the prior's fault, not the decoder's."
)
ENDS = ("Real images", "Reconstructions")


def decoders(names: list[str]) -> list[str]:
    """Those of the models that the lab offers, its usual one first."""
    return sorted(names, key=lambda name: name != USUAL)


def section(of: Chosen, names: list[str]) -> None:
    """The decoder, and on request its sheets."""
    st.markdown(LOOK)
    offered = decoders(names)
    if not offered:
        st.info("No model of this data set both encodes and decodes; train an autoencoder, or choose another set.")
        return
    if st.session_state.get("compare_decoder") not in offered:
        st.session_state["compare_decoder"] = offered[0]
    labels = {name: choice.label for name, choice in choices(DECODING).items()}
    name = st.selectbox("Decoder of", offered, key="compare_decoder", format_func=labels.get, width=320, **KEEP)
    if of.images is None:
        st.text(of.reason)
        return
    model, asked = opened(name, DECODING), asked_for(of)
    ready = _ready(model)
    request = Request(
        "compare_lab", "Learn the priors",
        f"Four priors are learned from codes of training images, and {asked.count:,} draws of each are painted. Flow matching "
        "takes longest: ten seconds of a core that has nothing else to do.",
        analysis_worker.compare_priors,
        (model.model, of.judge, of.brief, asked.count, asked.seed, ready and ready.network),
        (model.digest, of.digest, of.judge and of.judge.digest, asked.count, asked.seed, ready and ready.digest),
    )
    with st.container(key="compare_lab"):
        computed(request, lambda told: (told.get("share", 0.0), told.get("doing", "")), _draw)


def _ready(model: Checkpoint) -> prior.Prior | None:
    """The prior of this model that ships."""
    try:
        return remembered(("prior that ships", model.digest), lambda: (prior.shipped(model),))[0]
    except BadInput:
        return None


def _draw(found: dict) -> None:
    sheets = found.get("sheets", [])
    measured = {each["name"]: each["frechet"] for each in sheets if each["frechet"] is not None}
    if (said := verdict(measured)) and found.get("share") == 1.0:
        st.markdown(said)
    beside = st.grid(2, min_column_width=300, gap="medium")
    for number, each in enumerate(sheets):
        with beside.cell():
            distance = "" if each["frechet"] is None else f" · Frechet distance **{each['frechet']:.1f}**"
            st.markdown(f"**{each['name']}**{distance}")
            pictures = found.get(f"pictures_{number}")
            if pictures is None:
                st.text(each["reason"])
            else:
                st.image(sheet(pictures, ACROSS, 3), width="stretch", alt=f"{len(pictures)} pictures: {each['name']}.")
    if sheets:
        st.caption(
            "The two ends first: training images and reconstructions of test images, both against test images, as all others "
            "are; then draws. Distances are by our classifier, lower is better, and compare at one number of draws."
        )


def verdict(measured: dict[str, float]) -> str:
    """What is to be seen, from the Frechet distances by name."""
    priors = {name: value for name, value in measured.items() if name not in ENDS}
    if "Reconstructions" not in measured or "N(0, I)" not in priors or len(priors) < 2:
        return ""
    rebuilt, plain = measured["Reconstructions"], priors["N(0, I)"]
    best = min(priors, key=priors.get)
    if plain <= 1.1 * rebuilt:
        return f"Draws of N(0, I), at {plain:.1f}, are about as good as the reconstructions, at {rebuilt:.1f}: nothing is lost."
    if best == "N(0, I)":
        return f"N(0, I), at {plain:.1f}, is as good as any prior here; the reconstructions are at {rebuilt:.1f}."
    return (
        f"The decoder rebuilds at {rebuilt:.1f}, and paints draws of N(0, I) at {plain:.1f}: it samples worse than it "
        f"reconstructs, because N(0, I) draws codes where no image has its own. Nearest comes {best}, at {priors[best]:.1f}."
    )
