"""What is restored on the Restore page: a test image, an upload or a drawing, 28 x 28 grey, and the damage done to it."""

from typing import NamedTuple

import streamlit as st
import torch
from PIL import Image

from ui.canvas import BRUSH, ZOOM, canvas, digit, shrunk
from vae_core import data, picture
from vae_core.corruption import KINDS, Corruption, blank
from vae_core.errors import BadInput

SIDE = 28  # pixels: what the shipped models read
NOTHING = torch.zeros(1, 1, SIDE, SIDE)
PAINTED = "painted"
DAMAGES = [name for name, kind in KINDS.items() if name != "mixed"]
SOURCES = ("Test digit", "Drawing", "Upload")


class Source(NamedTuple):
    """Picture and damaged picture, float (1, 1, 28, 28) in [0, 1]; mask bool (1, 1, 28, 28); whether it leaves holes."""

    truth: torch.Tensor
    damaged: torch.Tensor
    mask: torch.Tensor
    holes: bool


def source() -> Source:
    """Draw the controls and return what they say."""
    where = st.segmented_control("Picture", SOURCES, default=SOURCES[0], key="restore_source", required=True)
    truth = {SOURCES[0]: _digit, SOURCES[1]: lambda: digit("restore_drawing"), SOURCES[2]: _upload}[where]()
    label = {name: KINDS[name].title for name in DAMAGES} | {PAINTED: "Paint it by hand"}
    kind = st.selectbox("Damage", [*DAMAGES, PAINTED], format_func=label.get, key="restore_damage")
    if kind == PAINTED:
        mask = _painted(truth)
        return Source(truth, blank(truth, mask), mask, True)
    about, amount = KINDS[kind], None
    if about.amount:
        high = min(about.high, SIDE)
        amount = st.slider(
            about.amount.capitalize(), type(about.default)(about.low), type(about.default)(high), about.default,
            key=f"restore_amount_{kind}",
        )  # fmt: skip
    seed = st.number_input("Seed", 0, 2**31 - 1, 0, key="restore_seed", help="Another seed damages other pixels.")
    corruption = Corruption(kind, amount)
    damaged, mask = corruption(truth, int(seed))
    return Source(truth, damaged.clamp(0, 1), mask, corruption.holes)


def _digit() -> torch.Tensor:
    images = data.load("mnist").test_images
    index = st.number_input("Test image", 0, len(images) - 1, 0, key="restore_image", help="No model was trained on these.")
    return images[int(index)][None].float() / 255


def _painted(truth: torch.Tensor) -> torch.Tensor:
    """The mask that is painted over the picture."""
    st.caption("Paint what is to be lost.")
    large = truth[0, 0].mul(255).byte().numpy().repeat(ZOOM, 0).repeat(ZOOM, 1)
    with st.container(key="restore_mask"):
        brush = {"stroke_width": BRUSH, "stroke_color": "#e07a1f"}
        painted = canvas("restore_canvas", SIDE, background_image=Image.fromarray(large), **brush)
    return shrunk(painted, 3, SIDE) > 0.5


def _upload() -> torch.Tensor:
    file = st.file_uploader(
        "A picture", type=[*(kind.lower() for kind in picture.FORMATS), "jpg"], key="restore_upload",
        max_upload_size=picture.MAX_FILE // 2**20, help="It becomes 28 x 28 grey pixels, and stays in this tab.",
    )  # fmt: skip
    if file is None:
        return NOTHING
    try:
        opened = picture.open_picture(file.getvalue())
        return picture.fitted(opened, (1, SIDE, SIDE), on_black=False)[None].float() / 255
    except BadInput as problem:
        st.error("The picture was not opened.")
        st.text(str(problem))
        return NOTHING
