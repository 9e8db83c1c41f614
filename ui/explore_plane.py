"""Which plane of the latent space Explore shows, where the marker stands on it, and how both follow widgets and the address.

One record a browser tab: the point z and the plane through it. The pad moves z on the plane; a number box, a test image or a
link moves z anywhere, and the plane follows so that the point stays on it.
"""

import math
from dataclasses import dataclass

import numpy as np
import streamlit as st
from sklearn.decomposition import PCA

from latent_pad import Plane
from ui.explore_data import Encoded
from vae_core.checkpoint import Checkpoint

AXES, COMPONENTS, IMAGES = "Two dimensions", "Principal components", "Three test images"
KINDS = (AXES, COMPONENTS, IMAGES)
FAR = 20.0  # the largest coordinate that a link or a box may ask for; the prior's mass lies within 4


@dataclass
class Place:
    """Where a tab is: the model, the kind of plane and its parameters, the plane, the point z and its coordinates."""

    signature: tuple
    plane: Plane
    z: tuple[float, ...]
    position: tuple[float, float]


def place(model: Checkpoint, known: Encoded | None) -> Place:
    """Draw the choice of plane (for more than two dimensions) and return where this tab is."""
    latent_dim = model.model.config.latent_dim
    kind, parameters = AXES, (0, 1)
    if latent_dim > 2:
        kind, parameters = _choose(latent_dim, known)
    signature = (model.digest, kind, parameters)
    here: Place | None = st.session_state.get("explore_place")
    if here is None or here.signature != signature:
        same_model = here is not None and here.signature[0] == model.digest
        z = here.z if same_model else _from_address(latent_dim) or (0.0,) * latent_dim
        here = st.session_state["explore_place"] = _place(signature, known, z)
    return here


def move(z: tuple[float, ...], known: Encoded | None) -> None:
    """Put this tab at z (L,); the plane follows."""
    here: Place = st.session_state["explore_place"]
    st.session_state["explore_place"] = _place(here.signature, known, z)


def settled(z: tuple[float, ...]) -> None:
    """The pad came to rest at z, on the same plane: remember it, and say it in the address."""
    st.session_state["explore_place"].z = z
    st.query_params["checkpoint"] = st.session_state["checkpoint"]
    st.query_params["z"] = ",".join(f"{value:.4g}" for value in z)


def _place(signature: tuple, known: Encoded | None, z: tuple[float, ...]) -> Place:
    _, kind, parameters = signature
    u, v, base, labels = _directions(kind, parameters, known, len(z))
    point = np.array(z)
    if kind == IMAGES and not np.any(point):
        point = base  # start among the three images
    x, y = (point - base) @ u, 0.0 if v is None else (point - base) @ v
    origin = point - x * u - (0 if v is None else y * v)
    plane = Plane(origin.tolist(), u.tolist(), None if v is None else v.tolist(), labels)
    return Place(signature, plane, tuple(point.tolist()), (float(x), float(y)))


def _directions(kind: str, parameters: tuple, known: Encoded | None, latent_dim: int):
    """Orthonormal u and v (L,), a point (L,) that has the coordinates 0, 0, and the labels of the axes."""
    if kind == COMPONENTS:
        pca = PCA(2, svd_solver="full").fit(known.mu)
        shares = pca.explained_variance_ratio_
        return *pca.components_, pca.mean_, (f"PC 1 ({shares[0]:.0%})", f"PC 2 ({shares[1]:.0%})")
    if kind == IMAGES:
        plane = Plane.through(*(known.mu[index].tolist() for index in parameters))
        return np.array(plane.u), np.array(plane.v), np.array(plane.origin), plane.labels
    units = np.eye(latent_dim)
    first, second = parameters
    if latent_dim == 1:
        return units[0], None, np.zeros(1), ("z1", "")
    return units[first], units[second], np.zeros(latent_dim), (f"z{first + 1}", f"z{second + 1}")


def _choose(latent_dim: int, known: Encoded | None) -> tuple[str, tuple]:
    """Widgets for the plane; falls back to the first two dimensions where three points make no plane."""
    left, *rest = st.columns([2.6, 1, 1, 1])
    kind = left.segmented_control("Plane", KINDS if known else KINDS[:1], default=AXES, key="explore_plane", required=True)
    if kind == COMPONENTS:
        return kind, ()
    if kind == IMAGES:
        chosen = tuple(
            column.number_input(f"Image {name}", 0, len(known.images) - 1, index, key=f"explore_corner_{name}")
            for column, name, index in zip(rest, "ABC", (3, 2, 1), strict=True)
        )
        try:
            Plane.through(*(known.mu[index].tolist() for index in chosen))
            return kind, chosen
        except ValueError as error:
            st.warning(str(error))
            return AXES, (0, 1)
    order = list(range(latent_dim)) if known is None else np.argsort(-known.kl).tolist()
    label = lambda d: f"z{d + 1}" if known is None else f"z{d + 1} · {known.kl[d]:.2f} nats"  # noqa: E731
    first = rest[0].selectbox("Across", order, format_func=label, key="explore_first")
    second = rest[1].selectbox("Up", [d for d in order if d != first], format_func=label, key="explore_second")
    return AXES, (first, second)


def _from_address(latent_dim: int) -> tuple[float, ...] | None:
    """The point that the address names with ?z=..., if it is one of this space."""
    try:
        values = tuple(float(word) for word in st.query_params.get("z", "").split(","))
    except ValueError:
        return None
    fits = len(values) == latent_dim and all(math.isfinite(value) and abs(value) <= FAR for value in values)
    return values if fits else None
