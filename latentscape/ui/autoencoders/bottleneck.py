"""Bottleneck: how much smaller the error gets with every unit more."""

import streamlit as st

from latentscape.ui.autoencoders.figures import size_curve
from latentscape.ui.autoencoders.models import shipped, title
from latentscape.ui.computed import Request, computed
from latentscape.ui.figures import PLOT
from latentscape.work import analysis_worker
from vae_core import data
from vae_core.bottleneck import pca_errors
from vae_core.settings import Setting

SIZES = (2, 5, 10, 20, 30, 50, 100, 200, 500)
EPOCHS, IMAGES = 3, 20_000


def asked() -> dict[str, Setting]:
    """What is chosen in this section: nothing."""
    return {}


def section() -> None:
    """The curve of principal components at once, that of autoencoders trained on request."""
    request = Request(
        "ae_sizes", "Train them",
        f"An autoencoder of each of {len(SIZES)} sizes is trained for {EPOCHS} epochs on {IMAGES:,} digits: a few minutes.",
        analysis_worker.bottleneck, (SIZES, EPOCHS, IMAGES),
    )
    st.markdown(
        "**Look for the gap between the lines**: principal components are the best that a code can do linearly, and what the "
        "autoencoder's tanh gains, or does not, is between. The fewer units, the more of a digit is lost."
    )
    with st.container(key="ae_bottleneck"):
        computed(request, _progress, _draw, {"trained": []})


def _progress(told: dict) -> tuple[float, str]:
    done = len(told["trained"])
    return done / len(SIZES), f"{done} of {len(SIZES)} sizes"


@st.cache_resource(show_spinner="Principal components of the digits …")
def _linear(sizes: tuple[int, ...], images: int) -> list[tuple[int, float]]:
    mnist = data.load("mnist")
    return pca_errors(mnist.train_images[:images], mnist.test_images, sizes)


def _draw(found: dict) -> None:
    curves = {"Principal components": _linear(SIZES, IMAGES)}
    for name, model in shipped().items():
        if not model.family.has("corruption"):
            curves[f"Ships: {title(name)}"] = [(model.model.config.hidden, model.recipe.metrics["test_loss"])]
    if found["trained"]:
        curves["Autoencoders, trained quickly"] = found["trained"]
    st.plotly_chart(size_curve(curves), key="ae_sizes_chart", config=PLOT, alt=_in_words(found))
    st.caption(
        "Mean over MNIST's test images; half the squared error of pixels in [-1, 1], summed. The quick ones have seen each of "
        f"{IMAGES:,} digits {EPOCHS} times and are not done; those that ship were trained longer, on all. Above the line of "
        "the principal components a longer training would help as well as a larger code."
    )


def _in_words(found: dict) -> str:
    if not found["trained"]:
        return "Error of principal components against the size of the code."
    (small, high), (large, low) = found["trained"][0], found["trained"][-1]
    return f"Error on test images against the size of the code: {high:.1f} nats with {small} units, {low:.1f} with {large}."
