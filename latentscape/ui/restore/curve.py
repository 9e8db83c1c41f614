"""How the methods fare as the damage grows, over a sample of test images: computed once for all in the analysis worker."""

import streamlit as st

from latentscape.ui import figures
from latentscape.ui.computed import Request, computed
from latentscape.ui.controls import KEEP
from latentscape.work import analysis_worker
from vae_core.checkpoint import Checkpoint
from vae_core.corruption import KINDS
from vae_core.inpainting import METHODS, asked_for

SAMPLE = 200  # test images
AMOUNTS = {
    "dropout": (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95),
    "block": (4, 6, 8, 10, 12, 14, 18, 22),
    "stroke": (1, 2, 3, 5, 8, 12),
    "salt-pepper": (0.05, 0.1, 0.3, 0.5, 0.7, 0.9),
    "gaussian": (0.1, 0.2, 0.3, 0.5, 0.7, 1.0),
}


def curve(models: dict[str, Checkpoint]) -> None:
    """The choice of damage, and its curve with these models as it is computed."""
    st.header("As the damage grows")
    with st.container(key="restore_curve"):
        kind = st.selectbox(
            "Damage of the curve", list(AMOUNTS), format_func=lambda k: KINDS[k].title, key="restore_curve_kind", **KEEP
        )
        methods = tuple(asked_for(KINDS[kind].holes, models))
        asked = {method: models[method].model for method in methods if method in models}
        total = len(AMOUNTS[kind]) * len(methods)
        request = Request(
            "restore_curve", "Compute the curve",
            f"Every method on the same {SAMPLE} test images: the mean of their PSNR with its 95 % confidence.",
            analysis_worker.damage_curve, (kind, AMOUNTS[kind], methods, SAMPLE, asked),
            (kind, AMOUNTS[kind], methods, SAMPLE, tuple(models[method].digest for method in asked)),
        )
        computed(
            request,
            lambda told: (len(told["points"]) / total, f"{len(told['points'])} of {total} points"),
            lambda found: _draw(kind, found["points"]),
        )


def _draw(kind: str, points: list[dict]) -> None:
    chart = figures.damage_curves(points, {name: method.title for name, method in METHODS.items()}, KINDS[kind].amount)
    where = "inside the holes" if KINDS[kind].holes else "over the image"
    st.plotly_chart(chart, key="restore_curve_chart", config=figures.PLOT, alt=_in_words(points, where))
    st.caption(f"PSNR {where}, mean of {SAMPLE} test images; the bands are its 95 % confidence.")


def _in_words(points: list[dict], where: str) -> str:
    last = max(point["amount"] for point in points)
    best = max((point for point in points if point["amount"] == last), key=lambda point: point["psnr"])
    found = f"at {last:g} the best is {METHODS[best['method']].title} with {best['psnr']:.1f} dB"
    return f"PSNR {where} of each method against the damage; {found}."
