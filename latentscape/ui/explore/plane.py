"""Which plane of the latent space Explore shows, where the marker stands on it, and how both follow widgets and the address.

One record a pad of a browser tab: the point z and the plane through it. The pad moves z on the plane; a number box, an
image or a link moves z anywhere, and the plane follows so that the point stays on it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from latent_pad import Plane, place_anew
from latentscape.ui.address import remember
from latentscape.ui.codes import Codes
from vae_core.checkpoint import Checkpoint
from vae_core.latent import prior_draws

AXES, COMPONENTS, IMAGES = "Two dimensions", "Principal components", "Three test images"
PLANES = (AXES, COMPONENTS, IMAGES)
CORNERS = (3, 2, 1)  # the test images that a plane goes through at first
FIRST, SECOND = "explore", "explore_beside"  # the pads of a page
FAR = 20.0  # the largest coordinate that a link or a box may ask for; the prior's mass lies within 4


@dataclass
class Place:
    """Where a pad is: the model, the kind of plane and its parameters, the plane, the point z, and the coordinates that the
    marker was put to (None once the visitor has moved it)."""

    signature: tuple
    plane: Plane
    z: tuple[float, ...]
    position: tuple[float, float] | None


def place(model: Checkpoint, codes: Codes | None, slot: str, start: tuple[float, ...] | None = None) -> Place:
    """Where this tab's pad called `slot` is. The first one has widgets for its plane (with more than two dimensions); a
    second one shows the principal components. `start`: z (L,) where a link puts it when it is opened."""
    latent_dim = model.model.config.latent_dim
    kind, parameters = AXES, (0, 1)
    if latent_dim > 2 and slot == FIRST:
        kind, parameters = _choose(model, codes)
    elif latent_dim > 2 and codes:
        kind, parameters = COMPONENTS, ()
    signature = (model.digest, kind, parameters)
    here: Place | None = st.session_state.get(f"{slot}_place")
    if here is None or here.signature != signature:
        same_model = here is not None and here.signature[0] == model.digest
        z = here.z if same_model else start or _first_point(model)
        here = st.session_state[f"{slot}_place"] = _place(signature, codes, z)
    return here


def _first_point(model: Checkpoint) -> tuple[float, ...]:
    """Where a pad begins: in the middle; of a model that has no codes of images at a draw of the prior, for in many dimensions
    the middle is far from all draws, and painting there was never practised."""
    latent_dim = model.model.config.latent_dim
    return (0.0,) * latent_dim if model.family.encodes else tuple(prior_draws(1, latent_dim, seed=1)[0].tolist())


def arrive(slot: str, z: tuple[float, ...] | None) -> None:
    """The address says where this tab's pad is: `start` of the next `place`, whatever was there before."""
    st.session_state.pop(f"{slot}_place", None)
    st.session_state[f"{slot}_start"] = z
    place_anew(f"{slot}_pad")


def start(slot: str, latent_dim: int) -> tuple[float, ...] | None:
    """The point z (L,) where the address puts the pad `slot`, once; None where it names no point of this space."""
    z = st.session_state.pop(f"{slot}_start", None)
    return z if z and len(z) == latent_dim else None


def move(slot: str, z: Sequence[float], codes: Codes | None) -> Place:
    """Put this tab's pad at z (L,); the plane follows."""
    here: Place = st.session_state[f"{slot}_place"]
    here = st.session_state[f"{slot}_place"] = _place(here.signature, codes, tuple(z))
    return here


def settled(slot: str, z: tuple[float, ...]) -> None:
    """The pad came to rest at z, on the same plane: remember it."""
    here: Place = st.session_state[f"{slot}_place"]
    if here.position is not None and math.dist(here.plane.point(*here.position), z) > 1e-9:
        here.position = None  # the visitor moved it: from now on the pad knows best
    here.z = z


def _place(signature: tuple, codes: Codes | None, z: tuple[float, ...]) -> Place:
    _, kind, parameters = signature
    u, v, base, labels = _directions(kind, parameters, codes, len(z))
    point = np.array(z)
    if not np.any(point) and (kind == IMAGES or not _has_prior(codes)):
        point = base if kind == IMAGES else codes.mu.mean(0)  # start among the three images, or where codes without a prior are
    x, y = (point - base) @ u, 0.0 if v is None else (point - base) @ v
    origin = point - x * u - (0 if v is None else y * v)
    plane = Plane(origin.tolist(), u.tolist(), None if v is None else v.tolist(), labels)
    return Place(signature, plane, tuple(point.tolist()), (float(x), float(y)))


def _directions(kind: str, parameters: tuple, codes: Codes | None, latent_dim: int):
    """Orthonormal u and v (L,), a point (L,) that has the coordinates 0, 0, and the labels of the axes."""
    if kind == COMPONENTS:
        plane = codes.plane
        shares = plane.explained or (0.0, 0.0)  # a single code has none
        return *plane.components, plane.mean, (f"PC 1 ({shares[0]:.0%})", f"PC 2 ({shares[1]:.0%})")
    if kind == IMAGES:
        plane = Plane.through(*(codes.mu[index].tolist() for index in parameters))
        return np.array(plane.u), np.array(plane.v), np.array(plane.origin), plane.labels
    units = np.eye(latent_dim)
    first, second = parameters
    if latent_dim == 1:
        return units[0], None, np.zeros(1), ("z1", "")
    return units[first], units[second], np.zeros(latent_dim), (f"z{first + 1}", f"z{second + 1}")


def _has_prior(codes: Codes | None) -> bool:
    """Whether zero is where codes are most likely."""
    return codes is None or codes.kl is not None


def choose_axes(model: Checkpoint, axes: tuple[int, int] | None) -> None:
    """The axes of this model, as somebody chose them; None takes those that tell most."""
    st.session_state["explore_axes_of"] = model.digest
    for key, axis in zip(("explore_first", "explore_second"), axes or (None, None), strict=True):
        st.session_state.pop(key, None)
        if axis is not None:
            st.session_state[key] = axis


def _choose(model: Checkpoint, codes: Codes | None) -> tuple[str, tuple]:
    """Widgets for the plane; falls back to the first two dimensions where three points make no plane."""
    latent_dim = model.model.config.latent_dim
    if st.session_state.get("explore_axes_of") != model.digest:  # those of another model may tell nothing here
        choose_axes(model, None)
    kinds = PLANES if codes else PLANES[:1]
    remember("explore_plane", AXES if _has_prior(codes) else COMPONENTS, kinds.__contains__)
    row = st.container(horizontal=True, vertical_alignment="bottom")
    kind = row.segmented_control("Plane", kinds, key="explore_plane", required=True, persist_state="session", wrap=True)
    if kind == COMPONENTS:
        return kind, ()
    if kind == IMAGES:
        count = len(codes.images)
        for name, index in zip("ABC", CORNERS, strict=True):
            remember(f"explore_corner_{name}", index, range(count).__contains__)
        chosen = tuple(
            row.number_input(f"Image {name}", 0, count - 1, key=f"explore_corner_{name}", persist_state="session", width=130)
            for name in "ABC"
        )
        try:
            Plane.through(*(codes.mu[index].tolist() for index in chosen))
            return kind, chosen
        except ValueError as error:
            st.warning(str(error))
            return AXES, (0, 1)
    order = list(range(latent_dim)) if codes is None else codes.order
    label = lambda d: f"z{d + 1}" + (f" · {codes.kl[d]:.2f} nats" if codes and codes.kl is not None else "")  # noqa: E731
    remember("explore_first", order[0], order.__contains__)
    axis = {"format_func": label, "persist_state": "session", "width": 170}
    first = row.selectbox("Across", order, key="explore_first", **axis)
    others = [d for d in order if d != first]
    remember("explore_second", others[0], others.__contains__)
    second = row.selectbox("Up", others, key="explore_second", **axis)
    return AXES, (first, second)
