"""What every method makes of one damaged picture, side by side, with error maps and scores."""

import cv2
import numpy as np
import pandas as pd
import streamlit as st
import torch

from ui.pictures import sheet
from ui.restore_source import Source
from vae_core import inpainting
from vae_core.errors import BadInput
from vae_core.inpainting import DENOISERS, METHODS, MODELS
from vae_core.latent_search import Found
from vae_core.scores import scores

TITLES = {
    "telea": "Telea", "navier-stokes": "Navier-Stokes", "biharmonic": "Biharmonic", "median": "Median",
    "dae": "DAE", "restorer": "Restorer", "vae": "VAE prior",
}  # fmt: skip
COLUMNS = {
    "psnr_hole": "PSNR in holes, dB", "psnr_image": "PSNR, dB", "ssim_image": "SSIM", "error_hole": "Error in holes",
    "error_image": "Error",
}  # fmt: skip
WHY = """
**What learning buys.** Telea, Navier-Stokes and the biharmonic equation carry the rim of a hole inwards: they know nothing of
digits. They win where that is all there is to know: thin scratches on smooth pictures, and anything that is no digit. Upload a
photograph and see. The models fill a hole with what digits look like, so that a stroke goes on through it, and they paint
strokes into a photograph too. The denoising autoencoder (DAE) is not told where the damage is; the restorer is. The VAE was
never trained to repair: a code is searched whose picture fits the known pixels.
"""


@st.cache_resource(show_spinner="Opening the models …")
def models() -> dict:
    """The shipped models that can be opened: method -> model. Shared by visitors: never change them."""
    found = {}
    for method in MODELS:
        try:
            found |= inpainting.load_models([method])
        except BadInput:
            continue
    return found


def comparison(source: Source) -> None:
    """The row of pictures, the row of their errors, and the table."""
    asked = [m for m in (METHODS if source.holes else DENOISERS) if m not in MODELS or m in models()]
    restored: dict[str, torch.Tensor] = {}
    with st.container(key="restore_methods"):
        given, *columns = st.columns(len(asked) + 1, gap="small")
        _picture(given, "Damaged", source.damaged)
        _picture(given, "The picture", source.truth)
        for column, method in zip(columns, asked, strict=True):
            if method == "vae":
                found = _searched(column, source)
                restored[method] = torch.where(source.mask, found.image, source.damaged)
            else:
                restored[method] = inpainting.restore(method, source.damaged, source.mask, models().get(method), source.holes)
            _picture(column, TITLES[method], restored[method])
            error = (restored[method] - source.truth).abs()
            column.image(sheet(_heat(error), 1, 6), width="stretch", alt=f"Error map of {TITLES[method]}.")
            if method == "vae":
                column.image(
                    sheet(_heat(2 * found.spread * source.mask), 1, 6), width="stretch", caption="Its spread",
                    alt="Standard deviation of draws from the VAE's posterior, in the holes.",
                )  # fmt: skip
        st.caption(
            "Below each repair its absolute error, from 0 (black) to 1 (light yellow): one scale for all."
            + " The spread is what the known pixels leave open: the standard deviation of draws from the VAE's posterior; "
            "light yellow is 0.5." * ("vae" in asked)
        )
    _table(source, restored)


def _searched(column, source: Source) -> Found:
    """The VAE's answer; while its code is searched, a bar grows in its column."""
    bar = column.progress(0.0)
    found = inpainting.posterior(models()["vae"], source.damaged, source.mask, bar.progress)
    bar.empty()
    return found


def _picture(column, title: str, image: torch.Tensor) -> None:
    pixels = image.mul(255).round().byte().numpy()
    column.image(sheet(pixels, 1, 6), width="stretch", caption=title, alt=f"{title}, 28 x 28 pixels.")


def _heat(error: torch.Tensor) -> np.ndarray:
    """(1, 1, H, W) in [0, 1] -> uint8 (1, 3, H, W)."""
    coloured = cv2.applyColorMap(error[0, 0].mul(255).round().byte().numpy(), cv2.COLORMAP_INFERNO)
    return coloured[..., ::-1].transpose(2, 0, 1)[None]


def _table(source: Source, restored: dict[str, torch.Tensor]) -> None:
    scored = source.mask if source.holes else torch.zeros_like(source.mask)
    rows = []
    for method, image in restored.items():
        values = scores(image, source.truth, scored)
        rows.append({"Method": TITLES[method]} | {title: getattr(values, name).item() for name, title in COLUMNS.items()})
    table = pd.DataFrame(rows).dropna(axis=1, how="all")
    best = next(title for title in (COLUMNS["psnr_hole"], COLUMNS["psnr_image"]) if title in table)
    table = table.sort_values(best, ascending=False)
    with st.container(key="restore_scores"):
        st.dataframe(table, hide_index=True, width="stretch", column_config={
            title: st.column_config.NumberColumn(format="%.2f" if "dB" in title else "%.3f") for title in COLUMNS.values()
        })  # fmt: skip
        st.download_button(
            "Download CSV", table.to_csv(index=False), "restore.csv", "text/csv", key="restore_csv", on_click="ignore"
        )
