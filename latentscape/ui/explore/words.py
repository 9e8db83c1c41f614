"""What to look for, in one or two short lines above the pad."""

import streamlit as st

from latentscape.ui.explore import heat as explore_heat
from latentscape.ui.explore.draw import wanted
from latentscape.ui.explore.sections import DRAW, GRID, IMAGE, TRAVERSALS, WALK
from vae_core.checkpoint import Checkpoint

DRAG = "Drag in the plane: every point is a code z, and the decoder paints at once what it stands for."
CIRCLES = " The dotted circles are one, two and three sigma of the prior."
IN_SECTION = {
    WALK: "Follow the line: where does one shape turn into another, and does what lies between look like anything real?",
    TRAVERSALS: "Below, each row moves one dimension alone: what does it stand for? One that tells nothing changes nothing.",
    GRID: "Below, the plane as pictures: neighbours look alike, and each kind of picture has a region of its own.",
}


def look_for(section: str, model: Checkpoint, has_image: bool) -> str:
    """has_image: whether the code of a test image or of the visitor's own is shown."""
    layer = st.session_state["explore_layers"]
    if layer in explore_heat.SAID:
        shared = layer == explore_heat.MAGNIFICATION and st.session_state["explore_model"]
        said = explore_heat.said(layer, model.model.config.latent_dim)
        return f"{said} Both models have one scale." if shared else said
    if section in IN_SECTION:
        return IN_SECTION[section]
    if not has_image:
        ask = {IMAGE: " Choose a test image", DRAW: f" Draw a {wanted(model)}"}[section]
        return f"{DRAG}{ask}, and see where the encoder puts it.{CIRCLES if model.has_prior else ''}"
    if model.has_prior:
        return "The glow is q(z|x), where the encoder believes the image to be: press *Draw z*, and see what changes within it."
    return "The marker went to the code of the image, a single point: drag away from it, and see how soon the picture changes."
