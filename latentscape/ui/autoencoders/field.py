"""Vector field: where a denoiser sends what it is shown, on digits and on a curve in the plane."""

import numpy as np
import streamlit as st

from latentscape.ui.autoencoders.figures import arrows
from latentscape.ui.autoencoders.models import models, test_images
from latentscape.ui.computed import Request, computed
from latentscape.ui.controls import KEEP, control
from latentscape.ui.figures import PLOT
from latentscape.work import analysis_worker
from vae_core import energy
from vae_core.corruption import Corruption
from vae_core.data import to_float
from vae_core.projection import PrincipalPlane
from vae_core.settings import Setting
from vae_core.vector_field import CURVES, SIGMA, curve, grid

DAE = "mnist-dae-500"
ARROWS, POINTS = 200, 2000
REACH, SIDE = 1.25, 21  # of the toy's grid
SHARE = 0.4  # of the way at which a toy arrow is drawn, lest they cover each other
RATE = Setting("rate", "share of dropped pixels", "Share of dropped pixels", "", float, 0.5, 0, 1)
CURVE = Setting("curve", "curve", "Curve", "", str, CURVES[0], choices=dict(zip(CURVES, CURVES, strict=True)))
WHY = """
Each arrow starts at a damaged point x and ends at r(x), what the denoiser returns. It learned to undo damage, and so the arrows
lead to where data lie. For little Gaussian noise of variance σ², (r(x) - x) / σ² is the **score**, the gradient of the
log-density: the way uphill to more likely pictures ([Alain & Bengio 2014](https://arxiv.org/abs/1211.4246)). A diffusion
model follows such arrows step by step.
"""


def asked() -> dict[str, Setting]:
    """What is chosen in this section: key -> setting."""
    return {"ae_rate": RATE, "ae_curve": CURVE}


def section() -> None:
    """Digits on the left, the toy on the right."""
    st.markdown("**Look for where arrows lead**: from a damaged point to what the denoiser returns, back to where data lie.")
    left, right = st.columns(2, gap="large")
    with left:
        st.header("Digits")
        _digits()
    with right:
        st.header("A curve in the plane")
        _toy()
    st.markdown(WHY)


@st.cache_resource(show_spinner="Principal components of the digits …")
def _plane() -> tuple[PrincipalPlane, np.ndarray]:
    """The plane of the test images' pixels, and the first POINTS of them in it."""
    pixels = to_float(test_images()).flatten(1).numpy()
    plane = PrincipalPlane(pixels)
    return plane, plane(pixels[:POINTS])


def _digits() -> None:
    found = models((DAE,))
    if not found:
        st.info("The denoising autoencoder is not here: run `make checkpoints`.")
        return
    rate = control(st, RATE, "ae_rate", slider=True)
    plane, points = _plane()
    damaged = Corruption("dropout", rate)(to_float(test_images()[:ARROWS])).image
    returned = energy.reconstruct(found[DAE].model, damaged)
    tails, heads = (plane(images.flatten(1).numpy()) for images in (damaged, returned))
    titles = [f"principal component {i} ({share:.0%} of variance)" for i, share in enumerate(plane.explained, start=1)]
    st.plotly_chart(
        arrows(points, tails, heads, titles, "test images"), key="ae_field_digits", config=PLOT,
        alt=f"Arrows from {ARROWS} damaged digits back to the cloud of digits, in the plane of two principal components.",
    )
    st.caption(
        f"{ARROWS} test images with that share of their pixels grey, in the plane in which digits vary most. Grey pixels bring "
        "them together near one point; the denoiser sends them back into the cloud. All but two of 784 directions are not seen."
    )


def _toy() -> None:
    st.session_state.setdefault("ae_curve", CURVE.default)
    name = st.segmented_control(CURVE.label, CURVES, key="ae_curve", required=True, **KEEP)
    request = Request(
        "ae_toy", "Train the denoiser",
        f"A small network learns to undo Gaussian noise (σ = {SIGMA:g}) on points of the curve: some seconds.",
        analysis_worker.toy_field, (name, REACH, SIDE),
    )
    computed(request, lambda told: (told["step"] / told["steps"], f"step {told['step']} of {told['steps']}"),
             lambda found: _draw(name, grid(REACH, SIDE).numpy(), found["returned"]))


def _draw(name: str, places: np.ndarray, returned: np.ndarray) -> None:
    heads = places + SHARE * (returned - places)
    st.plotly_chart(
        arrows(curve(name, 600).numpy(), places, heads, ("x1", "x2"), f"the {name}"), key="ae_field_toy", config=PLOT,
        alt=f"Arrows from the points of a grid to the {name}.",
    )
    st.caption(
        f"From every point of a grid towards what the denoiser returns, drawn {SHARE:.0%} of the way. Far from the curve it "
        "has seen nothing and guesses."
    )
