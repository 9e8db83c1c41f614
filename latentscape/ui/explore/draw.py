"""The visitor's own picture: drawn or uploaded, made like the model's images, encoded, compared with the test images."""

import hashlib

import numpy as np
import streamlit as st
import torch
from PIL import Image

from latentscape.ui.canvas import DIGIT, ZOOM, canvas, png_of
from latentscape.ui.codes import Codes, decode
from latentscape.ui.explore.seen import Seen, seen
from latentscape.ui.pictures import SINGLE, single
from latentscape.ui.words import refused
from vae_core import photographed, picture
from vae_core.checkpoint import Checkpoint
from vae_core.errors import BadInput
from vae_core.evaluate import ELBOTerms

WIDTH = picture.MNIST_SIDE * ZOOM  # of the canvas, pixels
MNIST_LIKE = ("mnist",)  # sets whose images were made by MNIST's recipe
DIGITS = (*MNIST_LIKE, "digits")  # sets of digits


def own(model: Checkpoint, codes: Codes | None) -> tuple[Seen | None, bool]:
    """What was drawn or uploaded last, as the model sees it, and whether it is new in this run of the page.

    Read before the widgets are drawn, so that the pad above them shows it in the same run. A model that encodes nothing sees
    none.
    """
    if not model.family.encodes:
        return None, False
    raw, digest, is_new = _latest()
    memory = st.session_state["explore_own"]
    key = (digest, model.digest)
    if raw is not None and memory["made"][0] != key:
        try:
            rgb = picture.open_picture(raw)
            memory["photo"] = _thumbnail(rgb) if memory["source"] == "upload" else None
            if memory["photo"] is not None and wanted(model) == "digit":
                rgb = photographed.drawing(rgb)
            memory["made"] = (key, seen(model, _prepared(rgb, model, codes)), None)
        except BadInput as problem:
            memory["made"] = (key, None, str(problem))
    drawn = memory["made"][1] if raw is not None else None
    return drawn, is_new and drawn is not None


def section(model: Checkpoint) -> str:
    """What the panel is called: to a model of other things a digit would be a strange picture."""
    return f"Your own {wanted(model)}"


def wanted(model: Checkpoint) -> str:
    """What the visitor may draw."""
    return "digit" if model.recipe.data.name in DIGITS else "picture"


def is_begun() -> bool:
    """Whether something is drawn or uploaded, which would be lost if the panel went away."""
    return bool(png_of("explore_draw") or _uploaded())


def hand() -> None:
    """The canvas and the uploader."""
    st.caption("Draw here.")
    canvas("explore_draw", picture.MNIST_SIDE, **DIGIT)
    st.file_uploader(
        "Or a picture of yours", type=picture.SUFFIXES, key="explore_upload",
        max_upload_size=picture.MAX_FILE // 2**20, help="It stays in this tab: it is not stored.",
    )


def panel(model: Checkpoint, codes: Codes | None, drawn: Seen | None) -> None:
    """What the model makes of the picture."""
    problem = st.session_state["explore_own"]["made"][2]
    if drawn is None and problem:
        refused("The picture is not on the plane.", problem, st.warning)
    elif drawn is None:
        st.markdown(
            f"Draw a {wanted(model)} with mouse, pen or finger, or upload one. The model encodes it, and it appears on the "
            f"plane{', with its posterior: one and two sigma, to scale' * model.has_prior}. Drag on from there."
        )
    else:
        _results(model, codes, drawn)
    st.caption(_recipe(model, codes))


def _results(model: Checkpoint, codes: Codes | None, drawn: Seen) -> None:
    again = decode(model, torch.tensor([drawn.mu]))[0]
    pictures = [(single(drawn.image.numpy()), "What the model sees"), (single(again), "Its reconstruction")]
    photo = st.session_state["explore_own"]["photo"]
    if photo is not None:
        pictures.insert(0, (photo, "Your picture"))
    with st.container(horizontal=True):
        for image, caption in pictures:
            st.image(image, caption=caption, alt=f"{caption}.", width=SINGLE)
    own_terms = _terms(model, drawn.terms)
    if codes is None:
        with st.grid(3, min_column_width=150):
            for name, value in own_terms.items():
                st.metric(name, f"{value.item():.1f} nats")
        return
    typical = _terms(model, codes.terms)
    rows = ["| nats | yours | test images: median | 5 to 95 % of them |", "|---|---:|---:|---:|"]
    for name, value in own_terms.items():
        low, median, high = np.quantile(typical[name].numpy(), (0.05, 0.5, 0.95))
        rows.append(f"| {name} | **{value.item():.1f}** | {median:.1f} | {low:.1f} to {high:.1f} |")
    st.markdown("\n".join(rows))
    unusual = (codes.terms.loss < drawn.terms.loss).float().mean().item()
    st.markdown(f"The model finds {unusual:.0%} of the test images easier to describe than yours.")


def _terms(model: Checkpoint, terms: ELBOTerms) -> dict[str, torch.Tensor]:
    """The terms that the model has, in nats by name."""
    return {"recon": terms.recon} | ({"KL": terms.kl, "-ELBO": terms.loss} if model.has_prior else {})


def _like_mnist(model: Checkpoint) -> bool:
    return model.recipe.data.name in MNIST_LIKE and model.model.config.image_shape == (
        1,
        picture.MNIST_SIDE,
        picture.MNIST_SIDE,
    )


def _on_black(model: Checkpoint, codes: Codes | None) -> bool:
    return picture.drawn_on_black(codes.images) if codes else model.model.config.image_shape[0] == 1


def _recipe(model: Checkpoint, codes: Codes | None) -> str:
    """How `_prepared` makes a picture like the model's images, in words."""
    if _like_mnist(model):
        return (
            "It is made like MNIST's digits: white on black, fitted into 20 x 20 pixels, then moved so that its centre of "
            "mass lies in the middle of 28 x 28. Of a photograph only the stroke counts, not the paper with its shadows and "
            "lines."
        )
    _, height, width = model.model.config.image_shape
    cut = "It is made white on black, cut to what is drawn, and" if _on_black(model, codes) else "It is"
    return f"{cut} fitted into {width} x {height} pixels, its sides kept in proportion."


def _prepared(rgb: np.ndarray, model: Checkpoint, codes: Codes | None) -> torch.Tensor:
    if _like_mnist(model):
        return picture.like_mnist(rgb)
    return picture.fitted(rgb, model.model.config.image_shape, _on_black(model, codes))


def _thumbnail(rgb: np.ndarray) -> np.ndarray:
    """The visitor's picture, small, to be shown beside what becomes of it."""
    small = Image.fromarray(rgb)
    small.thumbnail((SINGLE, SINGLE))
    return single(np.asarray(small).transpose(2, 0, 1))


def _latest() -> tuple[bytes | None, str, bool]:
    """The file of the source that changed last, canvas or upload, its SHA-256, and whether it changed since the last run."""
    sources = {"canvas": png_of("explore_draw"), "upload": _uploaded()}
    nothing = {"digests": {}, "source": None, "made": (None, None, None), "photo": None}
    memory = st.session_state.setdefault("explore_own", nothing)
    digests = {name: hashlib.sha256(raw).hexdigest() if raw else "" for name, raw in sources.items()}
    changed = [name for name, digest in digests.items() if digest != memory["digests"].get(name, "")]
    memory["digests"] = digests
    memory["source"] = source = next((name for name in changed if sources[name]), memory["source"])
    if not sources.get(source):
        memory["made"] = (None, None, None)
        return None, "", False
    return sources[source], digests[source], source in changed


def _uploaded() -> bytes | None:
    file = st.session_state.get("explore_upload")
    return file.getvalue() if file is not None else None
