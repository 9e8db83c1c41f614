"""Two trainings side by side: their numbers, their curves in one figure, their maps and pictures; each as it stands now."""

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from latentscape.ui import figures
from latentscape.ui.live_chart import live_chart
from latentscape.ui.pictures import embedded, sheet
from latentscape.ui.train import words
from latentscape.ui.train.pairs import pairs
from latentscape.work.runs import Run
from vae_core.models import FAMILIES

NAMES = "AB"
MAP_HEIGHT = 400


def beside(runs: Sequence[Run]) -> None:
    """Draw the two."""
    with st.container(key="train_beside_numbers"):
        for name, run in zip(NAMES, runs, strict=True):
            st.text(f"{name} · {words.settings(run)}")
        st.dataframe(numbers(runs), width="stretch")
        st.caption(
            "On the test set after the last epoch, in nats per image. Losses of one name compare where the data are the same; "
            "of different names they do not."
        )
    with st.container(key="train_both"):
        live_chart(both_curves(runs), key="train_both_chart", alt=_in_words(runs))
    reach = max(run.reach for run in runs)
    for place, name, run in zip(st.columns(2, gap="medium"), NAMES, runs, strict=True):
        with place, st.container(key=f"train_beside_{name.lower()}"):
            _pictures(name, run, reach)


def numbers(runs: Sequence[Run]) -> pd.DataFrame:
    """A row each: the terms of its last epoch by their names, which differ where their likelihoods do."""
    rows = []
    for run in runs:
        last = run.epochs[-1] if run.epochs else {}
        terms = {name: last.get(f"test_{term}") for term, name in words.term_names(run.request).items()}
        rows.append(terms | {"epochs": f"{len(run.epochs)} of {run.total_epochs}", "status": run.status})
    return pd.DataFrame(rows, index=list(NAMES)).round(2)


@figures.looked_at
def both_curves(runs: Sequence[Run]) -> go.Figure:
    """A panel for each name of a term; in it the batches of each training (thin) and its epochs on the test set (marks)."""
    titles = list(dict.fromkeys(name for run in runs for name in words.term_names(run.request).values()))
    figure = make_subplots(rows=1, cols=len(titles), subplot_titles=titles, horizontal_spacing=0.07)
    for name, run, colour in zip(NAMES, runs, (figures.TRAIN, figures.TEST), strict=True):
        family = FAMILIES[run.request["kind"]]
        told = [family.told(values) for _, _, *values in run.curve]
        for term, title in words.term_names(run.request).items():
            column, common = titles.index(title) + 1, {"legendgroup": name, "line": {"color": colour}}
            figure.add_scatter(
                x=[point[0] for point in run.curve], y=[each[term] for each in told], name=f"{name}, batches", mode="lines",
                opacity=0.6, showlegend=column == _first(run, titles), row=1, col=column, **common,
                hovertemplate="%{y:.2f}<extra>" + f"{name}, batches</extra>",
            )
            figure.add_scatter(
                x=[record["epoch"] for record in run.epochs], y=[record[f"test_{term}"] for record in run.epochs],
                name=f"{name}, test set", mode="lines+markers", showlegend=column == _first(run, titles), row=1, col=column,
                marker={"symbol": "diamond" if name == "A" else "circle", "size": 7}, **common,
                hovertemplate="%{y:.2f}<extra>" + f"{name}, test set</extra>",
            )
    _ranges(figure, len(titles))
    figure.update_xaxes(range=[0, max(run.total_epochs for run in runs)], title_text="epoch", nticks=6)
    figure.update_layout(
        height=280, margin={"l": 10, "r": 10, "t": 60, "b": 10}, uirevision="both",
        legend={"orientation": "h", "y": 1.4, "x": 0, "xanchor": "left"},
    )
    return figure


def _first(run: Run, titles: list[str]) -> int:
    """The panel in which its lines are named."""
    return titles.index(next(iter(words.term_names(run.request).values()))) + 1


def _ranges(figure: go.Figure, panels: int) -> None:
    """The first batches are so high that the rest would look flat."""
    for column in range(1, panels + 1):
        traces = list(figure.select_traces(row=1, col=column))
        shown = sorted(value for trace in traces for value in (trace.y or ())[len(trace.y or ()) // 20 :])
        if shown:
            low, high = shown[0], shown[int(0.98 * (len(shown) - 1))]
            pad = max(0.06 * (high - low), 0.01)
            figure.update_yaxes(range=[low - pad, high + pad], row=1, col=column)


def _pictures(name: str, run: Run, reach: float) -> None:
    st.markdown(f"**{name}**")
    frame = run.live
    if frame is None:
        st.caption("It has nothing to show yet.")
        return
    if len(frame.points):
        about = [run.about[each] for each in ("labels", "classes", "latent_dim")]
        figure = figures.latent_map(frame.points, *about, frame.explained, reach, by_webgl=False)
        figure.update_layout(height=MAP_HEIGHT)
        live_chart(
            figure, key=f"train_map_{name.lower()}",
            alt=f"Latent map of {name}: {len(frame.points)} encoded test images, coloured and shaped by class.",
        )
    if len(frame.reconstructions):
        st.caption("Test images and, below each, what it makes of it")
        made = embedded(sheet(pairs(run, frame), 5))
        st.image(made, width="stretch", alt=f"Ten test images and their reconstructions by {name}.")
    if len(frame.samples):
        st.caption("Samples: the same draws from the prior")
        st.image(embedded(sheet(frame.samples, 7)), width="stretch", alt=f"Twenty-one samples from {name}.")


def _in_words(runs: Sequence[Run]) -> str:
    told = [
        f"{name}: {words.loss_name(run.request)} {run.epochs[-1]['test_loss']:.1f} after epoch {run.epochs[-1]['epoch']}"
        for name, run in zip(NAMES, runs, strict=True) if run.epochs
    ]
    return "Losses of two trainings, on the test set. " + "; ".join(told)
