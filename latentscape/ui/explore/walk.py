"""Walks between two test images: which way, what is seen on it, and how far that is in pictures."""

import io
from dataclasses import dataclass

import numpy as np
import streamlit as st
import torch
from PIL import Image

from latentscape.ui import figures
from latentscape.ui.address import remember
from latentscape.ui.codes import Codes, decode, is_own
from latentscape.ui.explore.plane import Place
from latentscape.ui.own import remembered
from latentscape.ui.pictures import png, sheet, single
from vae_core import geometry
from vae_core.checkpoint import Checkpoint
from vae_core.latent import spherical_path, straight_path

STRAIGHT, SPHERICAL, DECODER = "Straight", "Spherical", "Along the decoder"
FRAMES = 16  # pictures of a walk
END = 84  # screen pixels of the images at its ends
FINE = 65  # points of the line on the pad
LARGE = 4096  # numbers a picture: above it the net is coarser, or its pictures fill the memory
SAID = {
    STRAIGHT: "Even steps in z are not even steps in pictures: a peak is where the walk crosses from one shape to another.",
    SPHERICAL: "It turns at a constant rate, near where the prior has its mass; a straight line in many dimensions leaves it.",
    DECODER: (
        "The shortest way on the shown plane when a step is as long as the picture changes, between the points of it that "
        "are nearest to both codes. It goes around places where pictures change fast, at a constant pace in pictures; it may "
        "lead over holes, where nothing was encoded and the decoder knows no better than to change little."
    ),
}


@dataclass(frozen=True)
class Walk:
    """A way through the latent space."""

    start: int  # number of a test image
    end: int
    kind: str
    line: torch.Tensor  # (K, L), its shape in z
    frames: torch.Tensor  # (FRAMES, L)

    def on(self, place: Place) -> list[tuple[float, float]]:
        """The line on the pad's plane: projected, where it leaves the plane."""
        return [place.plane.coordinates(z) for z in self.line.tolist()]


def walk(model: Checkpoint, codes: Codes, here: Place) -> Walk:
    """The walk that the section's widgets ask for; they are drawn later, by `panel`."""
    _remember(codes, here)
    start, end, kind = (st.session_state[f"explore_{name}"] for name in ("from", "to", "path"))
    ends = torch.tensor(codes.mu[start]), torch.tensor(codes.mu[end])
    if kind == DECODER:
        line, frames = remembered(
            ("walk", model.digest, here.plane.identity, start, end), lambda: _along_decoder(start, end, model, codes, here),
            "Looking for the shortest way …", is_own(model),
        )
        return Walk(start, end, kind, line, frames)
    path = straight_path if kind == STRAIGHT else spherical_path
    return Walk(start, end, kind, path(*ends, FINE), path(*ends, FRAMES))


def _remember(codes: Codes, here: Place) -> None:
    count = len(codes.images)
    remember("explore_from", min(3, count - 1), range(count).__contains__)
    remember("explore_to", min(2, count - 1), range(count).__contains__)
    remember("explore_path", STRAIGHT, kinds(codes, here).__contains__)


def kinds(codes: Codes, here: Place) -> tuple[str, ...]:
    """The ways that there are: without a prior no shell of its mass, on a line no plane to walk around on."""
    shell = () if codes.kl is None else (SPHERICAL,)
    return (STRAIGHT, *shell) if here.plane.v is None else (STRAIGHT, *shell, DECODER)


def hand(codes: Codes, here: Place) -> None:
    """From which image to which, and on what path."""
    with st.grid(2, min_column_width=88, gap="small"):
        for name, word in (("from", "From"), ("to", "To")):
            with st.container(key=f"explore_walk_{name}", gap="xsmall"):
                _end(codes, f"explore_{name}", word)
    st.segmented_control("Path", kinds(codes, here), key="explore_path", required=True, persist_state="session", wrap=True)
    if here.plane.v is None:
        st.caption("This latent space is a line: there is no way around anything on it.")


def _end(codes: Codes, key: str, word: str) -> None:
    """The image at an end, the name of its class, and its number to change it."""
    index = st.session_state[key]
    st.image(single(codes.images[index].numpy()), alt=f"{word} test image {index}.", width=END)
    st.text(f"class {codes.classes[int(codes.labels[index])]}" if codes.classes else f"image {index}")
    st.number_input(f"{word} image", 0, len(codes.images) - 1, key=key, persist_state="session")


def panel(model: Checkpoint, way: Walk) -> None:
    """The strip, its length in pictures, the change of the picture at each step, and what to take along."""
    frames = decode(model, way.frames)
    strip = sheet(frames, FRAMES, 4)
    st.image(strip, width="stretch", alt=f"{FRAMES} pictures on the way from image {way.start} to image {way.end}.")
    own, straight = (geometry.pixel_length(model.model.decode, line) for line in (way.line, way.line[[0, -1]]))
    compared = "" if way.kind == STRAIGHT else f" The straight way between the same ends: **{straight:.1f}**."
    st.markdown(f"Length in pictures (L2 over pixels, summed over the whole way): **{own:.1f}**.{compared}")
    change = geometry.pixel_steps(model.model.decode, way.frames).numpy()
    alt = "Pixel distance of each step of the walk."
    st.plotly_chart(figures.step_curve(change), key="explore_walk_chart", config=figures.PLOT, alt=alt)
    st.caption(SAID[way.kind])
    with st.container(horizontal=True):
        st.download_button("Download GIF", lambda: gif(frames), "walk.gif", "image/gif", on_click="ignore", key="explore_gif")
        st.download_button(
            "Download PNG strip", lambda: png(strip), "walk.png", "image/png", on_click="ignore", key="explore_strip"
        )


def gif(frames: np.ndarray) -> bytes:
    """uint8 (N, C, H, W) -> an animated GIF that runs there and back, each pixel 6 x 6."""
    pictures = [Image.fromarray(sheet(frame[None], 1, 6)[..., :3]) for frame in (*frames, *frames[-2:0:-1])]
    packed = io.BytesIO()
    pictures[0].save(packed, "GIF", save_all=True, append_images=pictures[1:], duration=90, loop=0)
    return packed.getvalue()


def _along_decoder(
    start: int, end: int, model: Checkpoint, codes: Codes, here: Place
) -> tuple[torch.Tensor, torch.Tensor]:
    decoder, flat = model.model.decode, here.plane
    origin, axes = torch.tensor(flat.origin), torch.tensor([flat.u, flat.v])
    ends = [torch.tensor(flat.coordinates(codes.mu[index].tolist())) for index in (start, end)]
    side = 64 if model.model.config.pixels <= LARGE else 32
    way = origin + geometry.shortest_path(decoder, origin, axes, *ends, side) @ axes
    return way, geometry.evenly(decoder, way, FRAMES)
