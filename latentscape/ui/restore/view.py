"""What every method makes of one damaged picture, side by side, with error maps and scores."""

import hashlib
import math
from functools import partial

import cv2
import pandas as pd
import streamlit as st
import torch
from PIL import ImageColor

from latentscape.ui.own import remembered
from latentscape.ui.pictures import embedded, sheet
from latentscape.ui.restore.source import INK, Source
from vae_core import inpainting
from vae_core.checkpoint import Checkpoint
from vae_core.corruption import BLANK
from vae_core.inpainting import METHODS, asked_for
from vae_core.scores import Scores, scores

HOLE = torch.tensor(ImageColor.getrgb(INK)).view(1, 3, 1, 1) / 255
COLUMNS = {
    "psnr_hole": "PSNR in holes, dB", "psnr_image": "PSNR, dB", "ssim_image": "SSIM", "error_hole": "Error in holes",
    "error_image": "Error",
}
MEASURES = (
    "PSNR is 10 log10(1 / mean squared error), in dB: 10 more are a tenth of the error. SSIM compares the brightness, contrast "
    "and structure of small windows; 1 is the same picture. The spread is how much draws from the VAE's posterior differ: "
    "where it is bright, the known pixels leave open what belongs there."
)
SPREAD = 116  # screen pixels of its picture
BAR_STEP = 0.05  # of the search: a browser that redraws the bar at every step shows the other repairs later
LOOK = (
    "**Look for strokes that go on through the damage**: methods that learned digits know how. In the errors, light is wrong."
)
WHY = """
**What learning buys.** Telea, Navier-Stokes and the biharmonic equation carry the rim of a hole inwards: they know nothing of
digits. They win where that is all there is to know: thin scratches on smooth pictures, and anything that is no digit. Choose
the photograph, or upload one of yours, and see. The models fill a hole with what digits look like, so that a stroke goes on
through it, and they paint strokes into a photograph too. Learning alone does not win: the denoising autoencoder (DAE) is not
told where the damage is and repaints everything through its 500 units. Over many pictures it stays behind the biharmonic
equation where pixels were dropped (the curve below), though not on each of them. The restorer is told. The VAE was never
trained to repair: a code is searched whose picture fits the known pixels.
"""


def comparison(source: Source, models: dict[str, Checkpoint], aside=None) -> None:
    """A card a method: its score, its repair, its error; then the table, in the container `aside` where there is one."""
    if not source.truth.any():
        st.info("There is no picture yet: draw one, or choose a file.")
        return
    asked = asked_for(source.holes, models)
    scored = source.mask if source.holes else torch.zeros_like(source.mask)
    repaired = {  # all at once, before any is shown: the browser draws them in one go
        method: inpainting.restore(
            method, source.damaged, source.mask, models[method].model if method in models else None, source.holes
        )
        for method in asked
        if not METHODS[method].searches
    }
    found: dict[str, Scores] = {}
    spread = None
    with st.container(key="restore_methods", gap=None):  # a grid: latentscape/ui/shell.py
        with _card("given", "Damaged"):
            st.caption(f"{source.mask.float().mean():.0%} of pixels")
            lost = source.mask & (source.damaged == BLANK)  # on grey pictures a grey hole would not be seen
            _picture("Damaged picture", torch.where(lost, HOLE, source.damaged))
            _picture("The picture", source.truth, "The picture")
        for method in asked:
            with _card(method, METHODS[method].title):
                line = st.empty()
                if METHODS[method].searches:
                    repaired[method], spread = _searched(line, models[method], source)
                image = repaired[method]
                found[method] = scores(image, source.truth, scored)
                psnr = found[method].psnr_hole if source.holes else found[method].psnr_image
                line.caption("nothing to fill" if psnr.isnan() else f"{psnr.item():.1f} dB")
                _picture(f"Repair by {METHODS[method].title}", image)
                _heat(f"Error of {METHODS[method].title}", (image - source.truth).abs(), "Error")
    row = st.container(key="restore_words", horizontal=True)  # where the picture of the spread has no room, it stands below
    below = row.container()
    below.caption(
        "Each method with its PSNR, in the holes where there are some, its repair, and the absolute error of that: from 0 "
        "(black) to 1 (light yellow), one scale for all. Orange is lost."
    )
    if said := verdict(found, source.holes):
        below.markdown(said)
    below.caption(MEASURES)
    if others := [f"{METHODS[m].title}: {models[m].name}" for m in asked if m in models and models[m].name != METHODS[m].ships]:
        below.text(" · ".join(others))
    with aside or below:
        _table(found)
    if spread is not None:
        with row.container(width=SPREAD):
            _heat("Standard deviation of draws from the VAE's posterior, in the holes", 2 * spread, "Spread of the VAE")


def verdict(found: dict[str, Scores], holes: bool) -> str:
    """What this one picture says, from the numbers that are shown; empty where there is nothing to compare."""
    measured = {method: (each.psnr_hole if holes else each.psnr_image).item() for method, each in found.items()}
    ranked = sorted((m for m, psnr in measured.items() if not math.isnan(psnr)), key=measured.get, reverse=True)
    if len(ranked) < 2:
        return ""
    told = [f"{METHODS[method].title} ({measured[method]:.1f} dB)" for method in (ranked[0], ranked[-1])]
    said = f"**On this picture** {told[0]} comes closest, {told[1]} is farthest."
    learned, classic = (next((m for m in ranked if bool(METHODS[m].ships) == has), None) for has in (True, False))
    if learned and classic:
        lead = measured[learned] - measured[classic]
        said += (
            f" Of those that have learned digits the best, {METHODS[learned].title}, is {abs(lead):.1f} dB "
            f"{'ahead of' if lead > 0 else 'behind'} the best of those that have not, {METHODS[classic].title}."
        )
    return f"{said} One picture says little: the curve below is of many."


def _card(key: str, title: str):
    card = st.container(key=f"restore_card_{key}", gap="xxsmall")
    card.markdown(f"**{title}**")
    return card


def _searched(line, model: Checkpoint, source: Source) -> tuple[torch.Tensor, torch.Tensor]:
    """The VAE's answer, and the standard deviation of draws from its posterior in the holes. While its code is searched, a bar
    grows in the place of the score."""
    bar, shown = line.progress(0.0), 0.0

    def tell(share: float) -> None:
        nonlocal shown
        if share - shown >= BAR_STEP:
            bar.progress(share)
            shown = share

    search = partial(inpainting.posterior, model.model, source.damaged, source.mask, tell)
    if source.by_hand:  # nobody else will ask for what a hand has made
        found = search()
    else:
        asked = hashlib.sha256(source.damaged.numpy().tobytes() + source.mask.numpy().tobytes()).hexdigest()
        found = remembered(("posterior", model.digest, asked), search)
    return torch.where(source.mask, found.image, source.damaged), found.spread * source.mask


def _picture(words: str, image: torch.Tensor, caption: str | None = None) -> None:
    pixels = image.mul(255).round().byte().numpy()
    st.image(embedded(sheet(pixels, 1, 1)), width="stretch", caption=caption, alt=f"{words}, 28 x 28 pixels.")


def _heat(words: str, values: torch.Tensor, caption: str) -> None:
    """Values (1, 1, H, W) in [0, 1] in colours."""
    coloured = cv2.applyColorMap(values[0, 0].mul(255).round().byte().numpy(), cv2.COLORMAP_INFERNO)
    picture = sheet(coloured[..., ::-1].transpose(2, 0, 1)[None], 1, 1)
    st.image(embedded(picture), width="stretch", caption=caption, alt=f"{words}.")


def _table(found: dict[str, Scores]) -> None:
    rows = [
        {"Method": METHODS[method].title} | {title: getattr(values, name).item() for name, title in COLUMNS.items()}
        for method, values in found.items()
    ]
    table = pd.DataFrame(rows).dropna(axis=1, how="all")
    best = next(title for title in (COLUMNS["psnr_hole"], COLUMNS["psnr_image"]) if title in table)
    table = table.sort_values(best, ascending=False)
    with st.container(key="restore_scores"):
        st.dataframe(table, hide_index=True, width="stretch", column_config={
            title: st.column_config.NumberColumn(format="%.2f" if "dB" in title else "%.3f") for title in COLUMNS.values()
        })
        st.download_button(
            "Download CSV", table.to_csv(index=False), "restore.csv", "text/csv", key="restore_csv", on_click="ignore"
        )
