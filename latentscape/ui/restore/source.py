"""What is restored on the Restore page: a test image, a drawing, a tile of a photograph or an upload, 28 x 28 grey, and the
damage done to it."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import streamlit as st
import torch

from latentscape.ui.canvas import ZOOM, canvas, digit, shrunk
from latentscape.ui.controls import KEEP, control
from latentscape.ui.pictures import embedded, sheet
from latentscape.ui.words import refused
from vae_core import data, picture
from vae_core.corruption import KINDS, Corruption, blank
from vae_core.errors import BadInput
from vae_core.settings import Setting

SIDE = 28  # pixels: what the shipped models read
NOTHING = torch.zeros(1, 1, SIDE, SIDE)
PAINTED = "painted"
DAMAGES = [name for name, kind in KINDS.items() if name != "mixed"]
TEST, DRAWING, PHOTOGRAPH, UPLOAD = SOURCES = ("Digit", "Drawing", "Photo", "Upload")
TILE = 100  # pixels a side of a photograph's tile
COVERED = 0.4  # of a pixel: from there on it counts as painted; a line of one pixel's width between two pixels takes both
INK = "#e07a1f"
HAND = 300  # screen pixels of the place for canvases and uploads
RESCALED = (
    "Kept pixels keep their value. *Rescaled* ones are moved away from mid-grey by 1 / (1 - rate), as torch's nn.Dropout does, "
    "so that each pixel's mean stays; then no pixel is as it was, and only methods that repair whole pictures are asked."
)
SEED = Setting("seed", "seed", "Seed", "Another seed damages other pixels.", int, 0, 0, 2**31 - 1)
IMAGE = Setting("image", "test image", "Test image", "No model was trained on these.", int, 0, 0, 9999)
BRUSH = Setting("brush", "brush's width", "Brush, pixels", "1 makes a scratch.", int, 2, 1, 6)  # of a picture's pixels


class Source(NamedTuple):
    """Picture and damaged picture, float (1, 1, 28, 28) in [0, 1]; mask bool (1, 1, 28, 28); whether it leaves holes; the
    places where they are painted or uploaded (none where both come from a control)."""

    truth: torch.Tensor
    damaged: torch.Tensor
    mask: torch.Tensor
    holes: bool
    by_hand: int


def source(controls, hand) -> Source:
    """Draw the controls in one container, canvas and uploader in the other, and return what they say."""
    st.session_state.setdefault("restore_source", TEST)
    where = controls.segmented_control("Picture", SOURCES, key="restore_source", required=True, **KEEP)
    find: dict[str, Callable] = {
        TEST: lambda: _digit(controls), DRAWING: lambda: _in(hand, digit, "restore_drawing"),
        PHOTOGRAPH: lambda: _photograph(controls), UPLOAD: lambda: _in(hand, _upload),
    }
    truth, by_hand = find[where](), int(where in (DRAWING, UPLOAD))
    label = {name: KINDS[name].title for name in DAMAGES} | {PAINTED: "Paint it by hand"}
    kind = controls.selectbox(
        "Damage", [*DAMAGES, PAINTED], format_func=label.get, key="restore_damage", width=200, help=RESCALED, **KEEP
    )
    if kind == PAINTED:
        brush = control(controls, BRUSH, "restore_brush", slider=True, width=120)
        mask = _in(hand, _painted, truth, brush, where)
        return Source(truth, blank(truth, mask), mask, True, by_hand + 1)
    strength = amount_of(kind)
    amount = control(controls, strength, f"restore_amount_{kind}", slider=True, width=120) if strength else None
    corruption = Corruption(kind, amount)
    damaged, mask = corruption(truth, int(control(controls, SEED, "restore_seed", width=120)))
    return Source(truth, damaged.clamp(0, 1), mask, corruption.holes, by_hand)


def asked() -> dict[str, Setting]:
    """The numbers that this picture and this damage have: key of the widget -> setting."""
    where, kind = st.session_state.get("restore_source", TEST), st.session_state.get("restore_damage", DAMAGES[0])
    numbers = {"restore_image": IMAGE} if where == TEST else {"restore_tile": tile()} if where == PHOTOGRAPH else {}
    if kind == PAINTED:
        return numbers | {"restore_brush": BRUSH}
    strength = amount_of(kind)
    return numbers | ({f"restore_amount_{kind}": strength} if strength else {}) | {"restore_seed": SEED}


def amount_of(kind: str) -> Setting | None:
    """How strong a damage of this kind is; None where there is nothing to say."""
    about = KINDS[kind]
    if not about.amount:
        return None
    return Setting(
        "amount", f"{about.amount} of the damage", about.amount.capitalize(), "", type(about.default), about.default, about.low,
        min(about.high, SIDE),
    )


def tile() -> Setting:
    """Which part of the photograph."""
    count = len(photograph())
    about = "Chelsea the cat, by Stefan van der Walt, in tiles: no digit, and smooth."
    return Setting("tile", "tile", "Tile", about, int, count // 2 - 1, 0, count - 1)


def _in(container, draw: Callable, *arguments) -> torch.Tensor:
    with container, st.container(width=HAND):
        return draw(*arguments)


def _digit(controls) -> torch.Tensor:
    index = control(controls, IMAGE, "restore_image", width=140)
    return data.load("mnist").test_images[int(index)][None].float() / 255


def _photograph(controls) -> torch.Tensor:
    return photograph()[int(control(controls, tile(), "restore_tile", width=140))][None].float() / 255


@st.cache_resource(show_spinner=False)
def photograph() -> torch.Tensor:
    """A photograph that comes with scikit-image, cut into tiles: uint8 (N, 1, 28, 28), row by row."""
    from skimage.data import chelsea

    whole = chelsea()
    rows, columns = (size // TILE for size in whole.shape[:2])
    tiles = [whole[TILE * r : TILE * (r + 1), TILE * c : TILE * (c + 1)] for r in range(rows) for c in range(columns)]
    return torch.stack([picture.fitted(np.ascontiguousarray(tile), (1, SIDE, SIDE), on_black=False) for tile in tiles])


def _painted(truth: torch.Tensor, brush: int, where: str) -> torch.Tensor:
    """The mask that is painted over the picture; each source of pictures has a canvas of its own, which begins empty."""
    st.caption("Paint what is to be lost.")
    with st.container(key="restore_mask"):
        ink = {"stroke_width": brush * ZOOM, "stroke_color": INK}
        backdrop = _backdrop(truth.mul(255).byte().numpy().tobytes())
        painted = canvas(f"restore_canvas_{where.lower()}", SIDE, background_image=backdrop, **ink)
    return shrunk(painted, 3, SIDE) > COVERED


@functools.lru_cache(maxsize=64)  # the same picture at every stroke
def _backdrop(pixels: bytes) -> str:
    return embedded(sheet(np.frombuffer(pixels, np.uint8).reshape(1, 1, SIDE, SIDE), 1, ZOOM))


def _upload() -> torch.Tensor:
    file = st.file_uploader(
        "A picture", type=picture.SUFFIXES, key="restore_upload",
        max_upload_size=picture.MAX_FILE // 2**20, help="Its middle becomes 28 x 28 grey pixels, and stays in this tab.",
    )
    if file is None:
        return NOTHING
    try:
        opened = middle(picture.open_picture(file.getvalue()))
        return picture.fitted(opened, (1, SIDE, SIDE), on_black=False)[None].float() / 255
    except BadInput as problem:
        refused("The picture was not opened.", problem)
        return NOTHING


def middle(rgb: np.ndarray) -> np.ndarray:
    """The square in the middle of a picture (H, W, 3): black margins would be edges that no photograph has."""
    side = min(rgb.shape[:2])
    top, left = ((size - side) // 2 for size in rgb.shape[:2])
    return np.ascontiguousarray(rgb[top : top + side, left : left + side])
