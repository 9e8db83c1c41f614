"""The pad: drag through a latent space in the browser, decoding at every animation frame.

    settled = latent_pad(checkpoint, key="explore_pad")
    st.write(settled.z)

Python hears of the point where a drag or a run of key presses ends, never of the movement. The browser fetches the decoder
(and the encoded images) once, as parcels that `routes()` serve; everything else is a few hundred bytes of JSON.
"""

import base64
import functools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import streamlit as st
import torch

from latent_pad import shelf
from latent_pad.heat import Heat
from latent_pad.marks import COLOURS, SHAPES
from latent_pad.memory import forget, keep_with, remembered
from latent_pad.parcel import PadDecoder, PadPoints, pack_decoder, pack_points
from latent_pad.plane import Encoded, Plane, Posterior, numbers
from latent_pad.shelf import routes

if TYPE_CHECKING:
    from vae_core.checkpoint import Checkpoint

__all__ = [
    "Encoded",
    "Heat",
    "PadDecoder",
    "PadPoints",
    "Plane",
    "Posterior",
    "Settled",
    "forget",
    "keep_with",
    "latent_pad",
    "pack_decoder",
    "pack_points",
    "pad_decoder",
    "place_anew",
    "routes",
]

LAYERS = ("images", "codes", "both", "heat")
LATEST = 2**53
MOST_BENDS = 1000
FARTHEST = 1e6  # of a coordinate: what the browser reports is checked like any other input


class Settled(NamedTuple):
    """Where the marker came to rest: coordinates on the plane, and the latent vector (L,)."""

    x: float
    y: float
    z: tuple[float, ...]


def latent_pad(
    model: "Checkpoint | PadDecoder",
    plane: Plane | None = None,
    points: PadPoints | None = None,
    *,
    key: str,
    position: tuple[float, float] | None = None,
    posterior: Posterior | None = None,
    encoded: Encoded | None = None,
    layers: str = "both",
    path: Sequence[tuple[float, float]] | None = None,
    heat: Heat | None = None,
    prior: bool = True,
    window: tuple[float, float, float] | None = None,
    decode: Callable[[tuple[float, ...]], np.ndarray] | None = None,
    on_change: Callable[[], None] | None = None,
) -> Settled:
    """Draw the pad and return the point where it last settled (before any: `position`).

    model           a Checkpoint, or what pack_decoder made (cache it by the checkpoint's digest).
    plane           which plane of the latent space; default: its first two dimensions.
    points          encoded images, from pack_points (cache it): dots, nearest image.
    key             the widget key; the settled point is also st.session_state[key]["point"], with x and y.
    position        (x, y) of the marker on the plane, each within a million. A new value moves the marker, unless the
                    visitor has moved it since; None leaves it where it is and starts at (0, 0). After a None the same
                    value counts as new.
    posterior       of the chosen image: its 1- and 2-sigma ellipses on the plane, and draws from it.
    encoded         the chosen image and its code: the network from the image to its code and back is shown with their values,
                    and with those of the posterior where there is one.
    layers          "images": the plane decoded on a grid; "codes": the encoded images; "both"; "heat": the heat-map.
    path            a way over the plane, drawn as a line: 2 to 1,000 points (x, y).
    heat            a heat-map of the plane, shown by the layer "heat".
    prior           whether the model has the prior N(0, I): contours and log density are shown.
    window          (x, y, half width) of the part of the plane to show, half width above 0; default: the codes.
    decode          for a decoder that the browser cannot run: z (L,) -> uint8 (C, H, W), called here with the settled
                    point; the pad says so. A Checkpoint brings its own.
    on_change       called before the rerun that follows a settled point.

    Raises ValueError where sizes do not fit each other.
    """
    if isinstance(model, PadDecoder):
        decoder = model
    else:
        decoder, decode = pad_decoder(model), decode or functools.partial(_decode, model.model)
    plane = plane or Plane.axes(decoder.latent_dim)
    if plane.latent_dim != decoder.latent_dim:
        raise ValueError(f"The plane lies in {plane.latent_dim} dimensions, the decoder reads {decoder.latent_dim}.")
    if points is not None and points.latent_dim != decoder.latent_dim:
        raise ValueError(f"The points have {points.latent_dim} dimensions, the decoder reads {decoder.latent_dim}.")
    if posterior is not None and len(posterior.mu) != decoder.latent_dim:
        raise ValueError(f"The posterior has {len(posterior.mu)} dimensions, the decoder reads {decoder.latent_dim}.")
    if encoded is not None and (len(encoded.code), encoded.shape) != (decoder.latent_dim, tuple(decoder.image_shape)):
        raise ValueError(f"The encoded image must be {decoder.image_shape} with a code of {decoder.latent_dim} dimensions.")
    if layers not in LAYERS:
        raise ValueError(f"The layers must be one of {', '.join(LAYERS)}, not {layers!r}.")
    if (layers == "heat") != (heat is not None):
        raise ValueError("A heat-map must come with the layer heat, and the layer with a heat-map.")
    if path is not None and not 2 <= len(path) <= MOST_BENDS:
        raise ValueError(f"The path must have 2 to {MOST_BENDS:,} points, not {len(path)}.")
    if position is not None and max(map(abs, numbers("position", position, 2))) > FARTHEST:
        raise ValueError("The position must lie within a million of the plane's origin.")
    if window is not None and numbers("window", window, 3)[2] <= 0:
        raise ValueError("The window's half width must be above 0.")

    heard = _heard(st.session_state.get(key))
    x, y, moves = _standing(key, plane, position, heard)
    z = plane.point(x, y)
    by_server = decoder.parcel is None and decode is not None
    data = {
        "latentDim": decoder.latent_dim,
        "imageShape": list(decoder.image_shape),
        "decoder": decoder.parcel.digest if decoder.parcel else None,
        "missing": decoder.missing,
        "points": points.parcel.digest if points else None,
        "pictures": points.pictures.digest if points and points.pictures else None,
        "classes": list(points.classes) if points else [],
        "plane": {
            "id": plane.identity, "origin": plane.origin, "u": plane.u, "v": plane.v, "labels": list(plane.labels),
        },
        "position": [x, y],
        "moves": moves,
        "heard": heard["number"] if heard else 0,
        "posterior": None if posterior is None else {"mu": posterior.mu, "sigma": posterior.sigma},
        "encoded": None if encoded is None else {"code": encoded.code, "pixels": base64.b64encode(encoded.pixels).decode()},
        "layers": layers,
        "path": None if path is None else [list(numbers("path", point, 2)) for point in path],
        "heat": None if heat is None else heat.message(),
        "prior": prior,
        "window": None if window is None else [float(value) for value in window],
        "colours": list(COLOURS),
        "shapes": list(SHAPES),
        "fallback": _picture(decode(z), decoder.image_shape) if by_server else None,
    }
    for parcel in (decoder.parcel, points and points.parcel, points and points.pictures):
        if parcel:
            remembered(("parcel", parcel.digest), lambda parcel=parcel: shelf.put(parcel))  # while somebody may ask for it
    _component()(key=key, data=data, default={"point": None}, on_point_change=on_change or _nothing)
    return Settled(x, y, z)


def _standing(key: str, plane: Plane, position: tuple[float, float] | None, heard: dict | None) -> tuple[float, float, int]:
    """Where the marker stands, and how often Python has moved it: a new plane or position wins over what was heard before
    it, a later report wins over both. The browser goes by the same rule, so the two agree."""
    asked = None if position is None else (float(position[0]), float(position[1]))
    number = heard["number"] if heard else 0
    fits = heard is not None and heard["plane"] in (plane.identity, "")
    memory = st.session_state.get(f"{key}--moved")
    if memory is None:  # a report may be here already: the page was left and the key kept, or a test wrote it
        memory = {"plane": plane.identity, "asked": asked, "at": asked or (0.0, 0.0), "number": number - fits, "moves": 0}
    elif memory["plane"] != plane.identity or asked not in (None, memory["asked"]):
        memory = {
            "plane": plane.identity, "asked": asked, "at": asked or (0.0, 0.0), "number": number, "moves": memory["moves"] + 1,
        }
    elif asked is None:
        memory = memory | {"asked": None}
    st.session_state[f"{key}--moved"] = memory
    x, y = (heard["x"], heard["y"]) if fits and number > memory["number"] else memory["at"]
    return x, y, memory["moves"]


def place_anew(key: str) -> None:
    """The next position of this pad counts as new, whatever it was before."""
    if memory := st.session_state.get(f"{key}--moved"):
        st.session_state[f"{key}--moved"] = memory | {"asked": None}


@functools.cache
def _component() -> Callable:
    """Made at the first use: Streamlit knows the assets only inside a running app, by this package's pyproject.toml. Styles are
    not isolated: the pad's nodes are in the page's document."""
    return st.components.v2.component("latent_pad.latent_pad", js="pad.js", css="style.css", isolate_styles=False)


def pad_decoder(checkpoint: "Checkpoint") -> PadDecoder:
    """The decoder of a checkpoint as the pad has it, packed once."""
    return remembered(("decoder", checkpoint.digest), lambda: _packed(checkpoint))


OF_PIXELS = {"logits": "sigmoid", "signed": "signed"}  # what a family's decoder says -> the last step


def _packed(checkpoint: "Checkpoint") -> PadDecoder:
    config, output = checkpoint.model.config, OF_PIXELS[checkpoint.family.pixels]
    return pack_decoder(checkpoint.model.decoder, config.latent_dim, config.image_shape, checkpoint.half, output)


def _heard(state) -> dict | None:
    """The last report of the browser, checked: x, y, its number (later is larger), the plane it was made on.

    A report without number and plane, as a test writes it, counts as the latest and for any plane.
    """
    point = state.get("point") if hasattr(state, "get") else None
    if not hasattr(point, "get"):
        return None
    x, y, number, plane = point.get("x"), point.get("y"), point.get("number", LATEST), point.get("plane", "")
    if not all(isinstance(value, int | float) and math.isfinite(value) and abs(value) <= FARTHEST for value in (x, y)):
        return None
    if not isinstance(number, int) or not isinstance(plane, str):
        return None
    return {"x": float(x), "y": float(y), "number": number, "plane": plane}


@torch.no_grad()
def _decode(model: torch.nn.Module, z: tuple[float, ...]) -> np.ndarray:
    return model.decode(torch.tensor([z], dtype=torch.float32))[0].mul(255).round().byte().numpy()


def _picture(image: np.ndarray, shape: tuple[int, int, int]) -> str:
    if image.dtype != np.uint8 or image.size != math.prod(shape):
        raise ValueError(f"The fallback image must be uint8 of shape {shape}, not {image.dtype} {image.shape}.")
    return base64.b64encode(np.ascontiguousarray(image).tobytes()).decode()


def _nothing() -> None:
    """A state key appears in the result only if it has a callback."""
