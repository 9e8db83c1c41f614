"""How the methods fare as the damage grows, over a sample of test images: computed once for all in the analysis worker."""

import streamlit as st

from ui import analysis_worker, figures
from ui.analyses import Analysis, analyses
from ui.restore_view import TITLES, models
from ui.shell import tab
from vae_core.corruption import KINDS
from vae_core.errors import BadInput
from vae_core.inpainting import DENOISERS, METHODS, MODELS

SAMPLE = 200  # test images
REFRESH_SECONDS = 1.0
AMOUNTS = {
    "dropout": (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95),
    "block": (4, 6, 8, 10, 12, 14, 18, 22),
    "stroke": (1, 2, 3, 5, 8, 12),
    "salt-pepper": (0.05, 0.1, 0.3, 0.5, 0.7, 0.9),
    "gaussian": (0.1, 0.2, 0.3, 0.5, 0.7, 1.0),
}


def curve() -> None:
    """The choice of damage, and its curve as it is computed."""
    st.subheader("As the damage grows")
    with st.container(key="restore_curve"):
        kind = st.selectbox(
            "Damage of the curve", list(AMOUNTS), format_func=lambda k: KINDS[k].title, key="restore_curve_kind"
        )
        analysis = analyses().find(_key(kind), tab())
        active = analysis is not None and analysis.active
        st.fragment(_draw, run_every=REFRESH_SECONDS if active else None)(kind, active)


def _key(kind: str) -> tuple:
    methods = [method for method in (METHODS if KINDS[kind].holes else DENOISERS) if method not in MODELS or method in models()]
    return ("damage curve", kind, AMOUNTS[kind], tuple(methods), SAMPLE)


def _draw(kind: str, was_active: bool) -> None:
    analysis = analyses().find(_key(kind), tab())
    if (analysis is not None and analysis.active) != was_active:
        st.rerun()
    if analysis is None or not (analysis.active or analysis.result):
        if analysis is not None and analysis.reason:
            st.error(analysis.reason)
        st.caption(f"Every method on the same {SAMPLE} test images: the mean of their PSNR with its 95 % confidence.")
        st.button("Compute the curve", key="restore_curve_start", icon=":material/show_chart:", on_click=_ask, args=(kind,))
        return
    points = (analysis.result or analysis.told).get("points", [])
    if analysis.active:
        _progress(analysis, kind, len(points))
    if points:
        chart = figures.damage_curves(points, TITLES, KINDS[kind].amount)
        where = "inside the holes" if KINDS[kind].holes else "over the image"
        st.plotly_chart(chart, key="restore_curve_chart", config={"displaylogo": False}, alt=_in_words(points, where))
        st.caption(f"PSNR {where}, mean of {SAMPLE} test images; the bands are its 95 % confidence.")


def _progress(analysis: Analysis, kind: str, done: int) -> None:
    total = len(AMOUNTS[kind]) * len(_key(kind)[3])
    ahead = analyses().ahead(analysis)
    st.progress(done / total, f"{ahead} before this one" if ahead else f"{done} of {total} points")
    st.button("Stop", key="restore_curve_stop", on_click=analyses().stop, args=(analysis, tab()))


def _ask(kind: str) -> None:
    key = _key(kind)
    try:
        analyses().ask(key, tab(), analysis_worker.damage_curve, *key[1:])
    except BadInput as problem:
        st.error(str(problem))


def _in_words(points: list[dict], where: str) -> str:
    last = max(point["amount"] for point in points)
    best = max((point for point in points if point["amount"] == last), key=lambda point: point["psnr"])
    found = f"at {last:g} the best is {TITLES[best['method']]} with {best['psnr']:.1f} dB"
    return f"PSNR {where} of each method against the damage; {found}."
