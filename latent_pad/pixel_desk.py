"""A desk in the browser for a model that goes pixel by pixel: see assets/pixel_desk.js."""

import functools
import math
from collections.abc import Callable

import streamlit as st
import torch

from latent_pad import shelf
from latent_pad.memory import remembered
from latent_pad.painter import pack_painter
from vae_core.checkpoint import Checkpoint


def pixel_desk(checkpoint: Checkpoint, image: torch.Tensor | None, rows: int, speed: int, *, key: str) -> None:
    """Draw it. image (1, H, W) with levels is where it starts, of which the first `rows` are known; speed in pixels a second,
    0 for at once. The pixel that is asked about comes with the next run."""
    parcel = remembered(("painter", checkpoint.digest), lambda: shelf.put(pack_painter(checkpoint.model, checkpoint.half)))
    data = {
        "painter": parcel.digest, "image": None if image is None else image.flatten().tolist(), "rows": rows, "speed": speed,
        "field": _field(checkpoint, st.session_state.get(key)),
    }
    _component()(key=key, data=data, default={"asked": None}, on_asked_change=lambda: None)


def _field(checkpoint: Checkpoint, state) -> dict | None:
    """What the pixel that was asked about looks at: |d logit / d pixel|, as a share of the largest."""
    asked = state.get("asked") if hasattr(state, "get") else None
    shape = checkpoint.model.config.image_shape
    if not hasattr(asked, "get") or not isinstance(pixel := asked.get("pixel"), int) or not 0 <= pixel < math.prod(shape):
        return None
    values = asked.get("image")
    if not isinstance(values, list) or len(values) != math.prod(shape):
        return None
    picture = torch.tensor(values, dtype=torch.float32).clamp(0, 1).view(1, *shape).requires_grad_()
    with torch.enable_grad():
        logits = checkpoint.model(picture).flatten(2)[0, :, pixel]
        slopes = torch.autograd.grad(logits.sum() if len(logits) == 1 else logits.max(), picture)[0].abs().flatten()
    return {"number": asked.get("number"), "pixel": pixel, "values": (slopes / slopes.max().clamp(min=1e-12)).sqrt().tolist()}


@functools.cache
def _component() -> Callable:
    return st.components.v2.component("latent_pad.pixel_desk", js="pixel_desk.js", css="pixel_desk.css", isolate_styles=False)
