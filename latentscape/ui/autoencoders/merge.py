"""Merged digits: what each model makes of two digits in one, and whether its error tells that this is no digit."""

import contextlib

import pandas as pd
import streamlit as st
import torch

from latentscape.ui.autoencoders.figures import energy_histogram
from latentscape.ui.autoencoders.models import TITLES, as_bytes, models, test_images
from latentscape.ui.canvas import digit
from latentscape.ui.controls import KEEP, control
from latentscape.ui.figures import PLOT
from latentscape.ui.own import remembered
from latentscape.ui.pictures import single
from vae_core import data, energy
from vae_core.checkpoint import Checkpoint
from vae_core.corruption import merge
from vae_core.data import to_float
from vae_core.errors import BadInput
from vae_core.settings import Setting

WIDTH = 124  # screen pixels of a picture: seven in a row, two on a telephone
CANVAS = 300  # of the place for the scribble
SAMPLE = 1000  # pictures of each kind that is no digit
DIGITS, MERGED, OVERLAID, EMPTY, NOISE, FASHION = (
    "Test digits", "Merged half and half", "Overlaid", "Nearly empty", "Noise", "Fashion-MNIST",
)
ONE = Setting("one", "first test image", "First test image", "", int, 0, 0, 9999)
TWO = Setting("two", "second test image", "Second test image", "", int, 1, 0, 9999)
SECOND = Setting("share", "share of the second", "Share of the second", "", float, 0.5, 0, 1)
GOOD, COIN = 0.9, 0.65  # ROC-AUC: above it a detector is of use; below, hardly better than a coin


def asked() -> dict[str, Setting]:
    """What is chosen in this section: key -> setting."""
    return {"ae_one": ONE, "ae_two": TWO, "ae_share": SECOND}


def section() -> None:
    """The two digits and their blend; the models' answers; the histogram; the table."""
    found = models(tuple(TITLES))
    st.markdown(
        "**Look for who returns the blend as it is**: a model that only knew digits could not, and its error would tell."
    )
    one, other, blend = _choose()
    with st.container(key="ae_merge"):
        _answers(found, [("First", one), ("Second", other), ("Merged", blend)])
        st.caption(
            "Under each answer its **reconstruction energy**: half the squared difference from the merged picture, pixels in "
            "[-1, 1], summed."
        )
    with st.expander("Your own scribble", expanded=False), st.container(horizontal=True):
        with st.container(width=CANVAS):
            scribble = digit("ae_scribble")
        if scribble.any():
            with st.container(key="ae_scribbled"):
                _answers(found, [("Your scribble", scribble)])
    _histogram(found, blend, scribble if scribble.any() else None)
    _table(found)


def _choose() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    images = test_images()
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        numbers = [control(st, each, key, width=160) for key, each in (("ae_one", ONE), ("ae_two", TWO))]
        share = control(st, SECOND, "ae_share", slider=True, width=320)
    one, other = (images[int(number)][None].float() / 255 for number in numbers)
    return one, other, merge(one, other, share)


def _answers(found: dict[str, Checkpoint], given: list[tuple[str, torch.Tensor]]) -> None:
    """The given pictures, and what each model makes of the last of them."""
    pictures, asked = list(given), given[-1][1]
    for name, model in found.items():
        nats = energy.energies(model.model, asked).item()
        pictures.append((f"{TITLES[name]}: {nats:.1f} nats", energy.reconstruct(model.model, asked)))
    with st.container(horizontal=True, gap="small"):
        for words, picture in pictures:
            st.image(single(as_bytes(picture)[0]), width=WIDTH, caption=words, alt=words)


def _histogram(found: dict[str, Checkpoint], blend: torch.Tensor, scribble: torch.Tensor | None) -> None:
    name = st.segmented_control(
        "Energies by", list(found), format_func=TITLES.get, default=next(iter(found)), key="ae_judge", required=True, **KEEP
    )
    spread = {kind: values.numpy() for kind, values in _energies(found[name]).items()}
    points = {"this merged picture": energy.energies(found[name].model, blend).item()}
    if scribble is not None:
        points["your scribble"] = energy.energies(found[name].model, scribble).item()
    with st.container(key="ae_energy"):
        for words, value in points.items():
            above = (spread[DIGITS] > value).mean()
            st.text(f"{words.capitalize()}: {value:.1f} nats. {above:.0%} of the test digits have more.")
        st.plotly_chart(
            energy_histogram(spread, points), key="ae_energy_chart", config=PLOT,
            alt=f"Reconstruction energies by {TITLES[name]}: {', '.join(spread)}; marked: {', '.join(points)}.",
        )


def _table(found: dict[str, Checkpoint]) -> None:
    rows = {}
    for name, model in found.items():
        by_kind = _energies(model)
        usual = by_kind[DIGITS]
        rows[TITLES[name]] = {kind: energy.separation(usual, odd) for kind, odd in by_kind.items() if kind != DIGITS}
    table = pd.DataFrame(rows).T.rename_axis("Model")
    st.markdown("**Does a high energy mean: no digit?** ROC-AUC, test digits against each kind: 1 finds all, 0.5 is a coin.")
    three = st.column_config.NumberColumn(format="%.3f")
    st.dataframe(table, width="stretch", key="ae_auc", column_config=dict.fromkeys(table.columns, three))
    st.markdown(honest(table))
    if FASHION not in table:
        st.caption("Fashion-MNIST is not on this machine and is left out; DATASETS.md says where its files go.")


def honest(table: pd.DataFrame) -> str:
    """Where energy fails as a detector, in words: from the ROC-AUC of each model (rows) on each kind (columns)."""
    lines = []
    for kind in table:
        weak = [name for name, value in table[kind].items() if value < COIN]
        if weak:
            lines.append(f"- **{kind}**: passes as a digit with {' and '.join(weak)}.")
        elif (table[kind] > GOOD).all():
            lines.append(f"- **{kind}**: every model here tells it from digits.")
    why = (
        "Energy asks whether a picture is hard to rebuild, not whether it is a digit. So it fails on what is simpler than a "
        "digit: an (almost) empty picture costs nearly nothing. And it may be right for a wrong reason: half-and-half pictures "
        "have many grey pixels, which digits lack, and a network whose last tanh has learned black and white cannot paint "
        "them; two digits overlaid have none. A threshold that was good against one kind says little about the next."
    )
    return "\n".join([*lines, "", why])


def _energies(model: Checkpoint) -> dict[str, torch.Tensor]:
    """Energies of each kind of picture, (N,) nats. Shared by visitors: never change them."""
    make = lambda: {kind: energy.energies(model.model, images) for kind, images in _kinds().items()}  # noqa: E731
    return remembered(("energies", model.digest), make, "Rebuilding digits, clothes and noise …")


@st.cache_resource(show_spinner=False)
def _kinds() -> dict[str, torch.Tensor]:
    """Pictures of each kind, float (N, 1, 28, 28) in [0, 1]; the clothes only where they lie on this machine."""
    digits = to_float(test_images())
    kinds = {
        DIGITS: digits, MERGED: merge(digits[:SAMPLE], digits[-SAMPLE:]),
        OVERLAID: merge(digits[:SAMPLE], digits[-SAMPLE:], None),
        EMPTY: 0.1 * energy.noise(SAMPLE, digits.shape[1:], seed=1), NOISE: energy.noise(SAMPLE, digits.shape[1:]),
    }
    if data.fashion_is_here():
        with contextlib.suppress(BadInput):
            kinds[FASHION] = to_float(data.load("fashion-mnist").test_images[:SAMPLE])
    return kinds
