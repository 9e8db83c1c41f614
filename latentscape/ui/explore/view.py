"""What Explore shows around the pad: coordinates, a test image, traversals, the decoded grid."""

import math

import numpy as np
import streamlit as st
import torch

from latent_pad import Plane
from latentscape.ui.codes import Codes, decode
from latentscape.ui.explore import plane as explore_plane
from latentscape.ui.pictures import SINGLE, png, sheet, single
from vae_core.checkpoint import Checkpoint
from vae_core.latent import prior_quantiles, traversal

STEPS = 11  # pictures of a traversal
ROWS = 12  # dimensions that are traversed, those with the most KL first
BOXES = 64  # dimensions that get a number box


def coordinates(here: explore_plane.Place, codes: Codes | None) -> None:
    """A number box for every dimension, in step with the pad: the way to each point without a mouse."""
    shown = here.z[:BOXES]
    for index, value in enumerate(shown):
        st.session_state[f"explore_z{index + 1}"] = round(value, 4)

    def moved():
        boxes = [st.session_state[f"explore_z{index + 1}"] for index in range(len(shown))]
        explore_plane.move(explore_plane.FIRST, (*boxes, *here.z[len(shown) :]), codes)

    limit = max(explore_plane.FAR, math.ceil(max(map(abs, shown))))  # an encoder may put an image farther out
    with st.grid(min(len(shown), 8), min_column_width=110):
        for index in range(len(shown)):
            st.number_input(
                f"z{index + 1}", -limit, limit, step=0.1, format="%.3f", key=f"explore_z{index + 1}",
                on_change=moved,
            )


def image_choice(codes: Codes) -> int | None:
    """The test image whose posterior, if it has one, is shown on the plane; choosing one moves the marker to its code."""
    posterior = "" if codes.sigma is None else " and its posterior q(z|x), to scale, with ten draws from it"
    return st.number_input(
        "Test image", 0, len(codes.images) - 1, value=None, key="explore_image", placeholder="none", persist_state="session",
        help=f"Shows its code on the plane{posterior}.",
    )


def image_hand(codes: Codes) -> int | None:
    """Which test image, what it shows, and its class."""
    index = image_choice(codes)
    if index is not None:
        with st.container(key="explore_seen"):  # side by side where there is little room: latentscape/ui/shell.py
            st.image(single(codes.images[index].numpy()), alt=f"Test image {index}.", width=SINGLE)
            if codes.classes:
                with st.container(key="explore_class", gap=None):  # as a metric looks
                    st.caption("Class")
                    st.text(codes.classes[int(codes.labels[index])])
    return index


def image_panel(codes: Codes, index: int) -> None:
    """The two terms of its ELBO; without a prior its error."""
    recon, kl = codes.terms.recon[index].item(), codes.terms.kl[index].item()
    with st.grid(3, min_column_width=150):
        if codes.sigma is None:
            st.metric("recon", f"{recon:.1f} nats", help="Half the squared error of pixels in [-1, 1], summed.")
            return
        for name, value in (("-ELBO", recon + kl), ("recon", recon), ("KL", kl)):
            st.metric(name, f"{value:.1f} nats")


def traversals(model: Checkpoint, z: tuple[float, ...], codes: Codes | None) -> None:
    """One row a dimension: all else stays as it is under the marker."""
    latent_dim = len(z)
    order = list(range(latent_dim)) if codes is None else codes.order
    reach, first = (3, "Most KL") if model.has_prior else (1, "Most variance")  # the codes of a tanh end at 1
    sorted_by = f" {first} first, at most {ROWS} rows." if codes else f" The first {ROWS} at most."
    st.caption(f"Each row moves one dimension from {-reach} to {reach} and keeps the others at the marker.{sorted_by}")
    values = torch.linspace(-reach, reach, STEPS)
    for dimension in order[:ROWS]:
        name, row = st.columns([1, 9], vertical_alignment="center")
        nats = "" if codes is None or codes.kl is None else f"{codes.kl[dimension]:.2f} nats"
        meaning = codes.meanings[dimension] if codes else None
        name.markdown("  \n".join(filter(None, [f"**z{dimension + 1}**", meaning, nats])))
        pictures = decode(model, traversal(torch.tensor(z), dimension, values))
        row.image(sheet(pictures, STEPS, 3), width="stretch", alt=f"Traversal of z{dimension + 1} from {-reach} to {reach}.")


def grid(model: Checkpoint, codes: Codes | None, plane: Plane) -> None:
    """The plane decoded on a grid, to look at and to take along."""
    asked = st.grid(2, min_column_width=260)
    side = asked.slider("Pictures a side", 5, 30, 15, key="explore_side", persist_state="session")
    (left_end, right_end), (bottom, top) = _window(model, codes, plane)
    across, up = torch.linspace(left_end, right_end, side), torch.linspace(bottom, top, side)
    if model.has_prior:
        spread = asked.segmented_control(
            "Spacing", ["Uniform", "Prior quantiles"], default="Uniform", key="explore_spacing", required=True,
            persist_state="session",
        )
        if spread != "Uniform":
            across = up = prior_quantiles(side)
    rows = [0.0] if plane.v is None else up.flip(0).tolist()
    z = torch.tensor([plane.point(x, y) for y in rows for x in across.tolist()])
    picture = sheet(decode(model, z), side, 2)
    st.image(picture, width="stretch" if side > 12 else "content", alt=f"The plane decoded on a grid, {side} pictures a side.")
    st.download_button("Download PNG", lambda: png(picture), "grid.png", "image/png", on_click="ignore", key="explore_png")


def _window(model: Checkpoint, codes: Codes | None, plane: Plane) -> tuple[tuple[float, float], tuple[float, float]]:
    """From where to where the grid goes across and up: to three sigmas of the prior; without one, over nearly all codes."""
    if model.has_prior or codes is None:
        reach = 3.0 if model.has_prior else 1.0
        return (-reach, reach), (-reach, reach)
    shown = (codes.mu - plane.origin) @ np.transpose([plane.u, plane.v or np.zeros_like(plane.u)])
    ends = np.quantile(shown, (0.02, 0.98), 0)
    return tuple(ends[:, 0].tolist()), tuple(ends[:, 1].tolist())
