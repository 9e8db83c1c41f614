"""How many classes are among what a model draws, and what it says of single pictures, at the moment that is shown."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
import streamlit as st
import torch
from plotly.colors import hex_to_rgb

from latent_pad import marks
from latentscape.ui import figures
from latentscape.ui.figures import FIXED, NO_DRAG, TRAIN
from latentscape.ui.live_chart import live_chart
from latentscape.ui.train.replay import in_words
from latentscape.ui.words import in_chart
from latentscape.work.runs import Frame, Run
from vae_core import judge
from vae_core.family import Family, Scores
from vae_core.models import FAMILIES

BINS = 40
LEAST = 1e-2  # what a log axis shows of less
HEIGHT = 210  # pixels
SHARED = {"height": HEIGHT, "margin": {"l": 10, "r": 10, "t": 28, "b": 10}}
JUDGE_HELP = (
    "At the end of an epoch our classifier names the classes of 500 draws of the prior, always the same. One counts as found "
    "with at least a tenth of an even share, the dashed line. It has a class for anything, noise too: found says that a class "
    "was not left out, and not that its draws are good."
)


def draws(run: Run, frame: Frame, frames: Sequence[Frame]) -> None:
    """Draw what there is of both, side by side. `frames` are the moments that are kept."""
    family = FAMILIES[run.request["kind"]]
    judged = last_judged(frame, frames)
    shown = [draw for draw, is_there in ((_classes, judged is not None), (_scores, frame.scores.size)) if is_there]
    if not shown:
        return
    for place, draw in zip(st.columns(2, gap="medium"), shown, strict=False):
        with place:
            draw(run, judged if draw is _classes else frame, frames, family)


def why_no_classes(family: Family, is_judged: bool) -> str:
    """One line for the help of the samples: where the classes of draws are counted, or why they are not."""
    if is_judged:
        return "After each epoch the classes of 500 more draws are counted, below."
    if family.paints:
        return "Classes of draws are not counted here: to paint hundreds of pictures pixel by pixel would take too long."
    return "Classes of draws are counted where a classifier of the data ships: for MNIST and Fashion-MNIST."


def last_judged(frame: Frame, frames: Sequence[Frame]) -> Frame | None:
    """The newest moment up to this one whose draws a judge has seen; None where there is none."""
    return next((each for each in (frame, *reversed(frames)) if each.epoch <= frame.epoch and each.found.size), None)


def _classes(run: Run, frame: Frame, frames: Sequence[Frame], family: Family) -> None:
    names, counts = run.about["classes"], frame.found
    found = classes_in_words(counts)
    when = "after " * bool(frame.epoch) + in_words(frame.epoch)
    with st.container(key="train_found", gap="xsmall"):
        st.markdown(f"**Classes found**: {found}, {when}", help=JUDGE_HELP)
        figure = run.drawings.get("found", frame, make=lambda: found_bars(counts, names))
        said = ", ".join(f"{name} {count}" for name, count in zip(names, counts.tolist(), strict=True))
        live_chart(figure, key="train_found_chart", alt=f"Draws of each class {when}: {said}.")


def classes_in_words(counts: np.ndarray) -> str:
    """How many of the classes are found among the draws: 7 of 10 in 500 draws."""
    found = np.count_nonzero(counts >= _fewest(counts))
    return f"{found} of {len(counts)} in {counts.sum():,} draws"


def _fewest(counts: np.ndarray) -> int:
    return judge.fewest(int(counts.sum()), len(counts))


def _scores(run: Run, frame: Frame, frames: Sequence[Frame], family: Family) -> None:
    scores = family.scores
    values = dict(zip(scores.kinds, frame.scores, strict=True))
    level = scores.at(family.config(**run.request["model"]))
    reach = score_reach([each.scores for each in (*frames, frame)], scores, level)
    with st.container(key="train_scores", gap="xsmall"):
        st.markdown(f"**{scores.title}** · {told_apart(values, scores)}", help=scores.about)
        make = lambda: score_histogram(values, scores, reach, level)  # noqa: E731
        figure = run.drawings.get("scores", frame, reach, make=make)
        medians = ", ".join(f"{kind} {np.median(value):.2f}" for kind, value in values.items())
        live_chart(figure, key="train_scores_chart", alt=f"{scores.title}, histograms; medians: {medians}.")


def told_apart(values: Mapping[str, np.ndarray], scores: Scores) -> str:
    """How well the score tells each other kind from real pictures."""
    real = torch.from_numpy(values["real"].copy())
    others = [
        f"{kind} {scores.told_apart(real, torch.from_numpy(value.copy())):.0%}"
        for kind, value in values.items() if kind != "real"
    ]
    return f"told from real: {', '.join(others)} (a guess: 50%)"


def score_reach(told: Sequence[np.ndarray], scores: Scores, level: float | None) -> tuple[float, float]:
    """The ends of the axis, on its scale, for all moments of a training: nearly all of their scores, and the line."""
    values = np.concatenate([_scaled(each.ravel(), scores) for each in told if each.size])
    values = values[np.isfinite(values)]
    low, high = np.percentile(values, [0.5, 99.5]).tolist() if len(values) else (0.0, 1.0)
    if level is not None:
        at = float(_scaled(np.array([level]), scores)[0])
        low, high = min(low, at), max(high, at)
    pad = max(0.04 * (high - low), 0.02)
    return round(low - pad, 2), round(high + pad, 2)


def found_bars(counts: np.ndarray, classes: Sequence[str]) -> go.Figure:
    """Draws of each class, (K,), in the classes' colours, and a line at what counts as found."""
    most = figures.LONGEST_ON_MAP
    short = [in_chart(name if len(name) <= most else f"{name[:most]}…") for name in classes]
    return go.Figure({
        "data": [{
            "type": "bar", "x": list(range(len(classes))), "y": counts.tolist(), "customdata": [*map(in_chart, classes)],
            "marker": {"color": [marks.mark(index)[0] for index in range(len(classes))]},
            "hovertemplate": "%{y:,} draws<extra>%{customdata}</extra>",
        }],
        "layout": SHARED | {
            "xaxis": {
                "tickvals": list(range(len(classes))), "ticktext": short, "automargin": True,
                "title": {"text": "class, as our classifier names it", "standoff": 4},
            } | FIXED,
            "yaxis": {"title": {"text": "draws"}, "rangemode": "tozero"} | FIXED,
            "shapes": [_level(_fewest(counts), "y")], "bargap": 0.25, "showlegend": False, "uirevision": "found",
        } | NO_DRAG,
    })


def score_histogram(
    values: Mapping[str, np.ndarray], scores: Scores, reach: tuple[float, float], level: float | None
) -> go.Figure:
    """How the scores of each kind, (N,), are spread between the ends `reach` of the axis, and the line where theory has one."""
    edges = np.linspace(*reach, BINS + 1)
    data = []
    for index, (kind, own) in enumerate(values.items()):
        colour = marks.mark(index)[0]  # its outline whole, or what is seen through would be all that is seen
        shares = np.histogram(np.clip(_scaled(own, scores), *reach), edges)[0] / max(len(own), 1)
        data.append({
            "type": "bar", "x": (edges[:-1] + edges[1:]) / 2, "y": shares, "width": edges[1] - edges[0], "name": kind,
            "marker": {"color": f"rgba{(*hex_to_rgb(colour), 0.45)}", "line": {"width": 1, "color": colour}},
            "customdata": 10 ** edges[:-1] if scores.is_log else edges[:-1],
            "hovertemplate": "from %{customdata:.2f}: %{y:.0%}<extra>" + kind + "</extra>",
        })
    axis = {"title": {"text": scores.label, "standoff": 4}, "range": list(reach)} | FIXED
    if scores.is_log:
        ticks = [tick for tick in (0.01, 0.1, 1, 3, 10, 30, 100, 300, 1000, 3000) if reach[0] <= np.log10(tick) <= reach[1]]
        axis |= {"tickvals": np.log10(ticks).tolist(), "ticktext": [f"{tick:g}" for tick in ticks]}
    layout = SHARED | {
        "xaxis": axis, "yaxis": {"title": {"text": "share"}, "tickformat": ".0%", "rangemode": "tozero"} | FIXED,
        "barmode": "overlay", "legend": figures.LEGEND | {"font": {"size": 11}, "itemwidth": 30}, "uirevision": "scores",
        "shapes": [], "annotations": [],
    } | NO_DRAG
    if level is not None:
        at = float(_scaled(np.array([level]), scores)[0])
        layout["shapes"] = [_level(at, "x")]
        layout["annotations"] = [{
            "x": at, "y": 1, "yref": "paper", "yanchor": "top", "text": scores.level, "showarrow": False,
            "xanchor": "right" if at > sum(reach) / 2 else "left", "font": {"size": 11},
        }]
    return go.Figure({"data": data, "layout": layout})


def _scaled(values: np.ndarray, scores: Scores) -> np.ndarray:
    return np.log10(np.maximum(values, LEAST)) if scores.is_log else values


def _level(at: float, axis: str) -> dict:
    """A dashed line across a chart, at this value of its axis x or y."""
    across = {"x0": at, "x1": at, "yref": "paper", "y0": 0, "y1": 1}
    along = {"xref": "paper", "x0": 0, "x1": 1, "y0": at, "y1": at}
    return {"type": "line", "line": {"color": TRAIN, "width": 1.5, "dash": "dash"}} | (across if axis == "x" else along)
