"""AE against VAE: codes that were drawn and not encoded, by one network that was trained twice, without and with a prior."""

from typing import NamedTuple

import numpy as np
import streamlit as st
import torch

from latentscape.ui.autoencoders.figures import drawn_among
from latentscape.ui.autoencoders.models import as_bytes, codes, models, test_images
from latentscape.ui.controls import control
from latentscape.ui.figures import PLOT
from latentscape.ui.own import remembered
from latentscape.ui.pictures import framed, sheet
from vae_core import data, energy
from vae_core.checkpoint import Checkpoint
from vae_core.latent import normal_draws, prior_draws
from vae_core.placing import QUANTILE, Judge, gap, reach
from vae_core.settings import Setting

AE, VAE = "mnist-2d-tutorial-beta0", "mnist-2d-tutorial"
SEED = Setting("seed", "seed", "Seed", "Another seed draws other codes.", int, 0, 0, 2**31 - 1)
SIDE = 6
DRAWS = 1000  # that are measured; the first SIDE x SIDE are shown
DOTS = 800  # codes in a chart
LOOK = (
    "**Look at the orange frames**, pictures unlike all that the model paints of real digits, and for digits that never come. "
    "The network and its training are the same; only beta differs."
)
RULE = (
    f"Of {DRAWS:,} draws. Distances are medians, in units of the median distance of a code to its nearest other code. A "
    "picture is *not placed* where it is farther in pixels from what the same model paints of 5,000 test digits than "
    f"{QUANTILE:.0%} of what it paints of the other 5,000: of real digits it would be {1 - QUANTILE:.0%}."
)
WHY = """
**Why.** With beta 0 nothing is asked of the codes but to rebuild: the noise shrinks to nothing, and what is left is a plain
autoencoder. Its codes spread as far as they like, in arms with gaps between, and nobody knows where to draw: N(0, I) only meets
the crowded middle, where arms of several digits begin, and a normal distribution fitted to the codes lands between the arms.
With beta 1 the KL pulls all codes together into the prior, so that a draw of it is near some code and its picture most often a
digit. Not always: digits must meet somewhere, and in two dimensions there is little room. Nor is it free: the reconstruction
is a little worse.
"""


class Drawn(NamedTuple):
    """Codes that were drawn, what is painted of them, and what that is worth."""

    z: torch.Tensor  # (DRAWS, L)
    images: np.ndarray  # uint8, of the first ones
    strange: np.ndarray  # bool, of the first ones: not placed
    gap: float
    not_placed: float


def asked() -> dict[str, Setting]:
    """What is chosen in this section: key -> setting."""
    return {"ae_seed": SEED}


def section() -> None:
    """Three ways to draw side by side: where the draws lie, their pictures, and the numbers."""
    found = models((AE, VAE))
    if len(found) < 2:
        st.info("The two models are not here: run `make checkpoints`.")
        return
    st.markdown(LOOK)
    seed = int(control(st, SEED, "ae_seed", width=160))
    told = {}
    with st.container(key="ae_latent"):
        ways = (
            ("Autoencoder (beta 0)", "N(0, I)", AE), ("Autoencoder (beta 0)", "a normal fitted to its codes", AE),
            ("VAE (beta 1)", "N(0, I), its prior", VAE),
        )
        beside = st.grid(len(ways), min_column_width=220, gap="medium")
        for name, source, model in ways:
            with beside.cell():
                fitted = source.startswith("a normal")
                told[name, source] = _column(f"**{name}**  \ndraws of {source}", found[model], fitted, seed)
    st.caption(RULE)
    st.markdown(verdict(*(told[name, source].not_placed for name, source, _ in ways)))
    st.markdown(WHY)


def verdict(by_prior: float, by_fit: float, of_vae: float) -> str:
    """What the shares of draws that are not placed say: the autoencoder's two ways, and the VAE's."""
    best = min(by_prior, by_fit)
    said = "fewer" if of_vae < best else "no fewer"
    return (
        f"Of the autoencoder's draws {by_prior:.0%} and {by_fit:.0%} are not placed, of the VAE's {of_vae:.0%}: with a prior "
        f"{said} draws are strangers."
    )


def _column(title: str, model: Checkpoint, fitted: bool, seed: int) -> Drawn:
    real = codes(model)
    drawn = remembered(("draws", model.digest, fitted, seed), lambda: _drawn(model, real, fitted, seed), "Drawing codes …")
    extent, labels = reach(real), data.load("mnist").test_labels.numpy()
    st.markdown(title)
    st.plotly_chart(
        drawn_among(real[:DOTS].numpy(), labels[:DOTS], drawn.z[: SIDE**2].numpy()), key=f"ae_latent_{model.name}_{fitted}",
        config=PLOT, alt=f"Codes of test digits, out to {extent:.1f}, and {SIDE**2} draws among them.",
    )
    count = int(drawn.strange.sum())
    st.image(
        sheet(framed(drawn.images, drawn.strange), SIDE, 3), width="stretch",
        alt=f"{SIDE**2} decoded draws, {count} of them not placed.",
    )
    st.markdown(
        f"nearest code **{drawn.gap:.2f}** × as far as usual  \n**{drawn.not_placed:.0%}** not placed  \n"
        f"codes reach out to **±{extent:.1f}**"
    )
    return drawn


def _drawn(model: Checkpoint, real: torch.Tensor, fitted: bool, seed: int) -> Drawn:
    z = normal_draws(real, DRAWS, seed) if fitted else prior_draws(DRAWS, real.shape[1], seed)
    with torch.no_grad():
        painted = model.model.decode(z)
    strange = _judge(model).cannot_place(painted)
    shown = SIDE**2
    return Drawn(z, as_bytes(painted[:shown]), strange[:shown].numpy(), gap(z, real), strange.float().mean().item())


def _judge(model: Checkpoint) -> Judge:
    """Of what the model paints of the test images."""
    make = lambda: Judge(energy.reconstruct(model.model, data.to_float(test_images())))  # noqa: E731
    return remembered(("judge", model.digest), make, "The judge looks at the digits …")
