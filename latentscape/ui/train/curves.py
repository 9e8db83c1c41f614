"""The curves of a training: a panel for each term of the family, and one for what is minimised where that is something else;
where two play against each other there is no such thing."""

import copy
import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from latentscape.ui.figures import FIXED, NO_DRAG, TEST, TRAIN
from vae_core.family import Family
from vae_core.models import Config

SAME = 1e-3  # of its size: an objective that differs less from the first term is that term


class Panel(NamedTuple):
    """One of them: as trained (N,), and on the test set after each epoch (none of what is minimised, which has noise in it)."""

    title: str
    unit: str
    trained: np.ndarray
    tested: Sequence[float] = ()
    reference: float | None = None  # where theory says that it goes


def loss_curves(
    curve: list[list[float]], epochs: list[dict], total_epochs: int, family: Family, minimised: str = "minimised",
    moment: float | None = None, config: Config | None = None,
) -> go.Figure:
    """As trained (lines) and on the test set (lines with markers); a dotted line at `moment`, in epochs. `minimised` says in
    a few words what the objective is.

    `curve` holds (position in epochs, objective, each measured term) of training batches; `epochs` the records of train.Epoch,
    flat. Where theory says that a term goes is a line, of a model with these settings, else with the plain ones.
    """
    points = np.array(curve, dtype=float).reshape(-1, 2 + len(family.measured))
    panels = _panels(points, epochs, family, config or family.config(), minimised)
    data, layout, shapes = [], copy.deepcopy(_layout(tuple(panel.title for panel in panels))), []
    for number, panel in enumerate(panels, start=1):
        axis = str(number) if number > 1 else ""
        data += _lines(panel, points[:, 0], [record["epoch"] for record in epochs], axis)
        levels = [] if panel.reference is None else [panel.reference]
        shapes += [_line(axis, y=level, colour=TRAIN, dash="dash") for level in levels]
        shapes += [] if moment is None else [_line(axis, x=moment, colour=TEST, dash="dot")]
        layout[f"xaxis{axis}"] |= {"title": {"text": "epoch", "standoff": 4}, "range": [0, total_epochs], "nticks": 6} | FIXED
        layout[f"yaxis{axis}"] |= FIXED
        if number == 1 or panel.unit != panels[number - 2].unit:
            layout[f"yaxis{axis}"]["title"] = {"text": f"{panel.unit} per image".strip()}
        shown = np.concatenate([panel.trained[len(points) // 20 :], panel.tested])
        if len(shown):  # the first batches are so high that the rest would look flat
            low, high = min([float(shown.min()), *levels]), max([float(np.percentile(shown, 98)), *levels])
            pad = max(0.06 * (high - low), 0.01)
            layout[f"yaxis{axis}"]["range"] = [low - pad if low < 0 else max(0.0, low - pad), high + pad]
    layout |= {
        "height": 240, "margin": {"l": 10, "r": 10, "t": 40 if any("<br>" in panel.title for panel in panels) else 24, "b": 10},
        "uirevision": "loss", "shapes": shapes,
        "legend": {"xref": "paper", "x": layout["xaxis"]["domain"][1], "xanchor": "right", "y": 1, "yanchor": "top",
                   "bgcolor": "rgba(0,0,0,0)", "font": {"size": 11}},
    } | NO_DRAG
    return go.Figure({"data": data, "layout": layout})


def _panels(points: np.ndarray, epochs: list[dict], family: Family, config: Config, minimised: str) -> list[Panel]:
    objective, terms = points[:, 1], family.told(points[:, 2:].T)
    panels = [
        Panel(term.title, term.unit, terms[term.name], [record[f"test_{term.name}"] for record in epochs], term.line(config))
        for term in family.terms
    ]
    first = panels[0].trained
    if not family.parts and (np.abs(objective - first) > SAME * (1 + np.abs(first))).any():
        what, _, formula = minimised.partition(": ")
        panels.append(Panel(what + f"<br><sub>{formula}</sub>" * bool(formula), panels[0].unit, objective))
    return panels


def _lines(panel: Panel, at: np.ndarray, after: list[int], axis: str) -> list[dict]:
    common = {"type": "scatter", "xaxis": f"x{axis}", "yaxis": f"y{axis}", "showlegend": not axis}
    trained = common | {
        "x": at, "y": panel.trained, "name": "training batches", "mode": "lines", "line": {"color": TRAIN, "width": 1.5},
        "legendgroup": "train", "hovertemplate": f"%{{y:.2f}} {panel.unit}<extra>train</extra>",
    }
    tested = common | {
        "x": after, "y": panel.tested, "name": "test set", "mode": "lines+markers", "line": {"color": TEST, "width": 2},
        "marker": {"size": 7, "symbol": "diamond"}, "legendgroup": "test",
        "hovertemplate": f"%{{y:.2f}} {panel.unit}<extra>test</extra>",
    }
    return [trained, tested]


def _line(axis: str, colour: str, dash: str, x: float | None = None, y: float | None = None) -> dict:
    """Across a panel, at x or at y."""
    across = {"xref": f"x{axis}", "x0": x, "x1": x, "yref": f"y{axis} domain", "y0": 0, "y1": 1}
    along = {"xref": f"x{axis} domain", "x0": 0, "x1": 1, "yref": f"y{axis}", "y0": y, "y1": y}
    return {"type": "line", "line": {"color": colour, "width": 1.5, "dash": dash}} | (along if x is None else across)


@functools.cache
def _layout(titles: tuple[str, ...]) -> dict:
    """Of so many panels in a row. A figure that is drawn anew every second is put together of plain data: told one thing after
    the other, plotly checks the whole again each time."""
    layout = make_subplots(rows=1, cols=len(titles), subplot_titles=titles, horizontal_spacing=0.07).to_dict()["layout"]
    return {name: part for name, part in layout.items() if name != "template"}
