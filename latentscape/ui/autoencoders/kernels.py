"""Kernels: what each unit of an autoencoder looks at and what it paints, and what the whole makes of test images."""

from functools import partial

import numpy as np
import streamlit as st
import torch

from latentscape.ui.autoencoders.models import as_bytes, codes, heading, models, others, shipped, test_images, title
from latentscape.ui.controls import KEEP, control
from latentscape.ui.own import remembered
from latentscape.ui.pictures import embedded, framed, sheet
from latentscape.ui.words import refused
from vae_core import energy
from vae_core.checkpoint import Checkpoint
from vae_core.corruption import Corruption
from vae_core.errors import BadInput
from vae_core.evaluate import is_active
from vae_core.settings import Setting

SHOWN, ACROSS = 30, 6  # units of a model on one page
IMAGES = 8
IMAGE = Setting("image", "first test image", "First test image", "", int, 0, 0, 10_000 - IMAGES)
EACH = Setting(
    "each", "scale of each kernel", "A scale for each kernel", "Shows what weak kernels look like, not how weak they are.",
    bool, False,
)
SPOILED = Setting("dropped", "dropped", "Drop half of the pixels first", "", bool, False)
LOOK = "**Look for strokes.** Few units must share them, many need not, and noise in the training makes them local."
WHY = """
Red is positive, blue is negative, white is zero. Each picture of kernels has one scale, as wide as the largest weight of that
model, so nothing is clipped; with *A scale for each kernel* each is as wide as its own largest weight. An orange frame marks
a **dead** unit: its value hardly changes from one test image to the next (variance below 0.01), so it carries no information
and only works as a constant.

**Under-complete** (30 units): nearly all units are used, and its decoder paints with coarse patterns of strokes.
**Over-complete** (500 units): nothing forces it to find strokes; many kernels look like noise, and a third of the units are
dead. **Denoising** (500 units): it has to fill in what is missing, so its kernels become local pieces of strokes, and few units
are dead.
"""


def asked() -> dict[str, Setting]:
    """What is chosen in this section: key -> setting."""
    return {"ae_first": first_unit(shipped()), "ae_each": EACH, "ae_image": IMAGE, "ae_spoiled": SPOILED}


def first_unit(shown: dict[str, Checkpoint]) -> Setting:
    """From which unit on the kernels of these models are shown."""
    most = max(model.model.config.hidden for model in shown.values())
    about = "Smaller models show all of their units."
    return Setting("first", "first unit", "Units from", about, int, 1, 1, max(most - SHOWN + 1, 2))


def section() -> None:
    """The kernels side by side, then the reconstructions."""
    shown = shipped()
    if names := others():
        extra = st.selectbox(
            "Beside them", names, index=None, key="ae_other", format_func=title, placeholder="a model of yours",
            **KEEP,
        )
        shown |= models((extra,)) if extra else {}
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        start = control(st, first_unit(shown), "ae_first", slider=True, width=480)
        each = control(st, EACH, "ae_each")
    st.markdown(LOOK)
    with st.container(key="ae_kernels"):
        models_beside = st.grid(len(shown), min_column_width=200, gap="medium")
        for name, model in shown.items():
            with models_beside.cell():
                _kernels(name, model, start - 1, each)
    st.markdown(WHY)
    st.header("What they return")
    _reconstructions(shown)


def _kernels(name: str, model: Checkpoint, start: int, each: bool) -> None:
    try:
        dead = ~is_active(codes(model))
    except BadInput as error:
        refused("Its kernels are not shown.", error)
        return
    first = min(start, max(len(dead) - SHOWN, 0))
    st.markdown(f"**{heading(name)}** · {int(dead.sum())} dead")
    for what, weights in (("Encoder", model.model.kernels()), ("Decoder", model.model.templates())):
        part = slice(first, first + SHOWN)
        scales = weights[part].abs().amax((1, 2, 3)) if each else weights.abs().max().expand(len(weights[part]))
        make = partial(_picture, weights[part], scales, dead[part])
        picture = remembered(("kernels", model.digest, what, first, each), make)
        st.image(picture, width="stretch", alt=f"{what} kernels of {title(name)}.")
        last, low, high = min(first + SHOWN, len(dead)), scales.min(), scales.max()
        told = f"Largest weights from {low:.2f} to {high:.2f}." if each else f"Weights from {-high:.2f} to {high:.2f}."
        st.caption(f"{what}, units {first + 1} to {last}. {told}")


def _picture(weights: torch.Tensor, scales: torch.Tensor, dead: torch.Tensor) -> str:
    """Kernels, their scales and which are dead -> the address of their picture."""
    return embedded(sheet(framed(coloured(weights, scales), dead), ACROSS, 3))


def coloured(weights: torch.Tensor, scales: torch.Tensor) -> np.ndarray:
    """Weights (K, 1, H, W), each kernel from minus to plus its scale, (K,) -> uint8 (K, 3, H, W): blue, white, red."""
    share = (weights[:, 0] / scales.clamp(min=torch.finfo(scales.dtype).tiny)[:, None, None]).clamp(-1, 1).numpy()
    fade = 1 - np.abs(share)
    red, blue = np.where(share > 0, 1, fade), np.where(share < 0, 1, fade)
    return np.round(255 * np.stack([red, fade, blue], 1)).astype(np.uint8)


def _reconstructions(shown: dict[str, Checkpoint]) -> None:
    left, right = st.columns([1, 1], vertical_alignment="bottom")
    first, spoiled = control(left, IMAGE, "ae_image"), control(right, SPOILED, "ae_spoiled")
    truth = test_images()[int(first) : int(first) + IMAGES].float() / 255
    given = Corruption("dropout", 0.5)(truth).image if spoiled else truth
    rows = [("What they are shown", "What they are shown", given, "")]
    for name, model in shown.items():
        returned = energy.reconstruct(model.model, given)
        error = 2 * (returned - truth).square().flatten(1).sum(1).mean().item()
        rows.append((heading(name), title(name), returned, f"error {error:.1f} nats"))
    for said, name, images, words in rows:
        label, row = st.columns([1, 4], vertical_alignment="center")
        label.markdown(f"**{said}**  \n{words}")
        row.image(sheet(as_bytes(images), IMAGES, 4), width="stretch", alt=f"{name}: {IMAGES} digits. {words}")
    st.caption(
        "The error is half the squared difference from the undamaged digits, pixels in [-1, 1], summed over a picture; mean of "
        f"these {IMAGES}. On whole digits the over-complete one is best: it has learned to copy. Drop half of the pixels, and "
        "it copies the holes too; the denoising one fills them."
    )
