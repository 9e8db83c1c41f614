"""Plotly figures of the pages. Losses in nats per image; colours readable on light and dark, never the only sign.

Map's chart takes drags. All others are only looked at: `looked_at` makes their figures, PLOT is what st.plotly_chart is told.
A page draws one of its charts by WebGL: a browser has sixteen contexts of it for all its tabs, and a chart takes two.
"""

import functools
import math
from collections.abc import Callable

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from latent_pad import marks
from latentscape.ui.words import in_chart

PLOT = {"displayModeBar": False}  # a tool bar would cover the legend, and has nothing to do
NO_DRAG, FIXED = {"dragmode": False}, {"fixedrange": True}  # a layout, and each of its axes, that a hand leaves as they are
TOOLS = 40  # pixels beside the map that its tools stand on: on it they would hide points
LEGEND = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left"}  # above the plot
TRAIN, TEST = "#7f7ad4", "#d56e12"
GREY = "#7d7d88"  # of what stands back: neither a class's nor a line's
LONGEST_NAME = 24  # letters of a class beside an axis
BESIDE = {"itemwidth": 30, "font": {"size": 10}, "maxheight": 400}  # where a legend stands
ABOVE = {"orientation": "h", "y": 1.01, "yanchor": "bottom", "x": 0.5, "xanchor": "center"}
MOST_NAMED = 20  # classes that a map names; of more, only the point under the cursor says its own
LONGEST_ON_MAP = 12  # letters of a class that is named where its points are: longer names hide them and each other
NO_CLASS = "test images"
NAMED = "<extra>%{fullData.name}</extra>"  # beside the label under the cursor; written into it, a name could hold a field


def looked_at(make: Callable[..., go.Figure]) -> Callable[..., go.Figure]:
    """A maker of figures that take no drag: a finger that swipes over one scrolls the page.

    (Figures that are drawn anew every second say the same in plain data: telling it to a figure takes as long as making one.)
    """

    @functools.wraps(make)
    def made(*args, **kwargs) -> go.Figure:
        figure = make(*args, **kwargs)
        figure.layout.update(NO_DRAG)
        figure.update_xaxes(FIXED)
        figure.update_yaxes(FIXED)
        return figure

    return made


def latent_map(
    points: np.ndarray, labels: list[int], classes: list[str], latent_dim: int, explained: tuple[float, float] | None,
    reach: float = 0.0, by_webgl: bool = True,
) -> go.Figure:
    """Where the encoder puts test images: points (N, 2), a colour and a shape a class, its name at its centre; shown is what
    lies within `reach` of the origin, at least 1. A page draws one chart `by_webgl`.

    A 2-D code is its own plane; of more dimensions the first two principal components with their share of the variance.
    """
    labels_array = np.asarray(labels)
    extent = _round_up(reach)
    data, names = [], []
    for index, name in enumerate(classes or [NO_CLASS]):
        own = points[labels_array == index]
        if not len(own):
            continue
        colour, symbol = marks.mark(index)
        data.append({
            "type": "scattergl" if by_webgl else "scatter", "x": own[:, 0], "y": own[:, 1], "name": in_chart(name),
            "mode": "markers", "hovertemplate": "%{x:.2f}, %{y:.2f}" + NAMED,
            "marker": {"color": colour, "symbol": symbol, "size": 6},
        })
        if _fit_on_map(classes):
            names.append(_name_at_centre(name, own, colour))
    if latent_dim > 2:
        shares = explained or (0.0, 0.0)
        titles = [f"principal component {i} ({share:.0%} of variance)" for i, share in enumerate(shares, start=1)]
    else:
        titles = ["z1", "z2" if latent_dim == 2 else ""]
    axis = {"range": [-extent, extent], "constrain": "domain", "zeroline": True} | FIXED
    title = lambda text: {"title": {"text": text, "standoff": 4}}  # noqa: E731
    return go.Figure({"data": data, "layout": {
        "xaxis": axis | title(titles[0]), "yaxis": axis | title(titles[1]) | {"scaleanchor": "x"},
        "height": 480, "margin": {"l": 5, "r": 5, "t": 5, "b": 5}, "uirevision": "map", "annotations": names,
        "showlegend": 0 < len(classes) <= MOST_NAMED,
        "legend": {"itemsizing": "constant"} | (BESIDE if _fit_on_map(classes) else ABOVE),
    } | NO_DRAG})


def projection_map(
    points: np.ndarray, labels: np.ndarray, classes: tuple[str, ...], titles: tuple[str, str],
    terms: dict[str, np.ndarray], shade: tuple[str, np.ndarray] | None = None, draws: np.ndarray | None = None,
    selected: np.ndarray | None = None, equal: bool = True, by_hand: bool = True,
) -> go.Figure:
    """Every test image as a point, (N, 2): a shape and a colour a class, its name at its centre.

    `terms` (name -> (N,) nats) stand in the label under the cursor; customdata starts with the number of the image. `shade`
    (title, N values) colours by those instead of the class. `draws` (M, 2), numbered from N, are drawn on top as rings.
    With `selected` (numbers of images) all others are grey. `by_hand`: whether it takes a lasso, and can be moved.
    """
    numbers = np.arange(len(points))
    about = np.column_stack([numbers, *(values.round(1) for values in terms.values())])
    label = "".join(f"<br>{name} %{{customdata[{place}]:.1f}} nats" for place, name in enumerate(terms, start=1))
    chosen = None if selected is None else np.isin(numbers, selected)
    data, names = [], []
    for index, name in enumerate(classes or [NO_CLASS]):
        own = numbers[labels == index]
        if not len(own):
            continue
        colour, shape = marks.mark(index)
        data.append({
            "type": "scattergl", "x": points[own, 0], "y": points[own, 1], "name": in_chart(name), "mode": "markers",
            "customdata": about[own],
            "marker": {"symbol": shape, "size": 6, "opacity": 1 if draws is None else 0.4}
            | ({"color": colour} if shade is None else {"color": shade[1][own], "coloraxis": "coloraxis"}),
            "selectedpoints": None if chosen is None else np.flatnonzero(chosen[own]).tolist(),
            "selected": {"marker": {"opacity": 1}}, "unselected": {"marker": {"color": GREY, "opacity": 0.22}},
            "hovertemplate": "image %{customdata[0]}" + label + NAMED,
        })
        if _fit_on_map(classes):
            names.append(_name_at_centre(name, points[own], colour if shade is None else "#444450"))
    if draws is not None:
        data.append({
            "type": "scattergl", "x": draws[:, 0], "y": draws[:, 1], "name": "from the prior", "mode": "markers",
            "customdata": np.arange(len(points), len(points) + len(draws))[:, None], "selectedpoints": None,
            "marker": {"color": marks.HEAT, "symbol": "circle-open", "size": 6, "opacity": 0.9, "line": {"width": 1.2}},
            "hovertemplate": "a draw of the prior, decoded and encoded again<extra></extra>",
            "unselected": {"marker": {"opacity": 0.8}},
        })
    axis = {"zeroline": True, "constrain": "domain"} | ({} if by_hand else FIXED)
    layout = {
        "xaxis": axis | {"title": {"text": titles[0]}},
        "yaxis": axis | {"title": {"text": titles[1]}, "constraintoward": "top"} | ({"scaleanchor": "x"} if equal else {}),
        "margin": {"l": 10, "r": TOOLS, "t": 34, "b": 10}, "annotations": names,
        "dragmode": "lasso" if by_hand else False, "hovermode": "closest",
        "modebar": {"orientation": "v", "bgcolor": "rgba(0,0,0,0)", "color": "#85858f", "activecolor": TEST},
        "showlegend": draws is not None or 0 < len(classes) <= MOST_NAMED,
        "legend": {"itemsizing": "constant", "orientation": "h", "y": 1.01, "yanchor": "bottom", "x": 0, "xanchor": "left"},
    }
    if shade is not None:
        low, high = np.percentile(shade[1], [1, 99]).tolist()
        layout["coloraxis"] = {
            "colorscale": "Viridis", "cmin": low, "cmax": max(high, low + 1e-6),
            "colorbar": {  # below the tools
                "title": {"text": shade[0], "side": "right"}, "thickness": 12, "y": 0, "yanchor": "bottom", "len": 0.7,
            },
        }
    return go.Figure({"data": data, "layout": layout})


@looked_at
def dimension_bars(values: np.ndarray, measure: str, unit: str) -> go.Figure:
    """One value of each latent dimension, (L,), the largest first."""
    order = np.argsort(-values)
    figure = go.Figure()
    figure.add_bar(
        x=[f"z{d + 1}" for d in order], y=values[order], marker={"color": TRAIN},
        hovertemplate="%{x}: %{y:.2f}" + unit + "<extra></extra>",
    )
    figure.update_layout(
        height=170, margin={"l": 10, "r": 10, "t": 10, "b": 10}, yaxis_title=measure + "," * bool(unit) + unit, bargap=0.25
    )
    return figure


@looked_at
def step_curve(change: np.ndarray) -> go.Figure:
    """How far each step of a walk leads in pixels, (steps,)."""
    figure = go.Figure(go.Scatter(x=np.arange(1, len(change) + 1), y=change, mode="lines+markers", line={"color": TRAIN}))
    figure.update_layout(
        height=200, margin={"l": 10, "r": 10, "t": 10, "b": 10}, xaxis_title="step", yaxis_title="pixel distance",
        yaxis_rangemode="tozero",
    )
    return figure


@looked_at
def class_bars(balance: dict[str, int]) -> go.Figure:
    """How many pictures there are of each class, in the order given."""
    names = [in_chart(name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…") for name in balance]
    rows = list(range(len(names)))
    figure = go.Figure(go.Bar(
        x=list(balance.values()), y=rows, orientation="h", marker={"color": TRAIN}, customdata=[*map(in_chart, balance)],
        hovertemplate="%{x:,} pictures<extra>%{customdata}</extra>",
    ))
    figure.update_yaxes(tickvals=rows, ticktext=names, autorange="reversed", automargin=True)
    figure.update_layout(
        height=60 + max(110, 20 * len(names)), margin={"l": 10, "r": 10, "t": 10, "b": 10}, xaxis_title="pictures", bargap=0.25
    )
    return figure


def _name_at_centre(name: str, points: np.ndarray, colour: str) -> dict:
    """A class's name at the median of its points (N, 2), as an annotation."""
    centre = np.median(points, axis=0)
    return {
        "x": centre[0], "y": centre[1], "text": f"<b>{in_chart(name)}</b>", "showarrow": False,
        "font": {"size": 15, "color": marks.ink(colour)}, "bgcolor": colour, "borderpad": 2,
    }


def _fit_on_map(classes: list[str] | tuple[str, ...]) -> bool:
    """Whether the names of the classes can stand where their points are."""
    return 0 < len(classes) <= MOST_NAMED and max(map(len, classes)) <= LONGEST_ON_MAP


def _round_up(value: float) -> float:
    """A round axis limit, so that a growing map does not rescale at every picture: 1, 1.5, 2, 3, 4, 6, 8, 12, 16 ..."""
    value = max(float(value) * 1.1, 1.0)
    power = 2.0 ** math.floor(math.log2(value))
    return power if value == power else power * 1.5 if value <= power * 1.5 else power * 2


@looked_at
def rate_distortion(points: dict[str, list[tuple[str, float, float]]]) -> go.Figure:
    """KL (rate) against reconstruction (distortion), both nats per image: line name -> (label, KL, recon) of each model.

    At least one model. Models of one line have one likelihood and one data set; those of one loss at beta 1 lie on a line of
    slope -1, of which the best of each is drawn.

    Source: Alemi et al. 2018 (arXiv:1711.00464).
    """
    figure = go.Figure()
    rates, distortions = np.array([point[1:] for own in points.values() for point in own]).T
    across = np.array([0.0, 1.1 * max(rates.max(), 1.0)])
    for name, own in points.items():
        best = min(rate + distortion for _, rate, distortion in own)
        figure.add_scatter(
            x=across, y=best - across, mode="lines", line={"color": GREY, "dash": "dot", "width": 1.5},
            name=f"-ELBO {best:.1f}: the best here" + f" of {in_chart(name)}" * (len(points) > 1), hoverinfo="skip",
        )
    margin = 0.15 * np.ptp(distortions) + 2
    figure.update_yaxes(range=[distortions.min() - margin, distortions.max() + margin])
    for index, (name, own) in enumerate(points.items()):
        own = sorted(own, key=lambda point: point[1])
        colour, shape = marks.mark(index)
        figure.add_scatter(
            x=[rate for _, rate, _ in own], y=[distortion for *_, distortion in own],
            text=[in_chart(label) for label, *_ in own], mode="lines+markers+text", textposition="top right",
            name=in_chart(name), line={"color": colour, "width": 2},
            marker={"symbol": shape, "size": 10}, cliponaxis=False,
            hovertemplate="%{text}<br>KL %{x:.1f} nats<br>recon %{y:.1f} nats<extra></extra>",
        )
    figure.update_layout(
        height=380, margin={"l": 10, "r": 10, "t": 10, "b": 10}, uirevision="rate",
        xaxis_title="rate: KL, nats per image", yaxis_title="distortion: recon, nats per image",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )
    figure.update_xaxes(rangemode="tozero")
    return figure


@looked_at
def maps_beside(
    maps: list[tuple[str, np.ndarray, list[int]]], classes: list[str], columns: int = 3, by_webgl: bool = True
) -> go.Figure:
    """Several maps of the same classes in one picture: (title, points (N, 2), labels) of each, to the same scale."""
    rows = -(-len(maps) // columns)
    figure = make_subplots(
        rows=rows, cols=columns, subplot_titles=[in_chart(title) for title, *_ in maps], horizontal_spacing=0.04,
        vertical_spacing=0.12 / rows,
    )
    finite = [points for _, points, _ in maps if len(points) and np.isfinite(points).all()]
    extent = _round_up(max((np.percentile(np.abs(points), 99.5) for points in finite), default=1.0))
    for number, (_, points, labels) in enumerate(maps):
        row, column = number // columns + 1, number % columns + 1
        for index, name in enumerate(classes or [NO_CLASS]):
            own = points[np.asarray(labels) == index]
            colour, symbol = marks.mark(index)
            (figure.add_scattergl if by_webgl else figure.add_scatter)(
                x=own[:, 0], y=own[:, 1], name=in_chart(name), mode="markers", legendgroup=str(index), showlegend=number == 0,
                hovertemplate="%{x:.2f}, %{y:.2f}" + NAMED,
                marker={"color": colour, "symbol": symbol, "size": 4}, row=row, col=column,
            )
        axis = "x" if number == 0 else f"x{number + 1}"
        figure.update_xaxes(range=[-extent, extent], constrain="domain", row=row, col=column)
        figure.update_yaxes(range=[-extent, extent], scaleanchor=axis, constrain="domain", row=row, col=column)
    figure.update_layout(
        height=60 + 330 * rows, margin={"l": 10, "r": 10, "t": 60, "b": 10}, uirevision="maps",
        showlegend=0 < len(classes) <= MOST_NAMED,
        legend={"itemsizing": "constant", "orientation": "h", "y": 1 + 0.12 / rows, "yanchor": "bottom", "x": 0},
    )
    return figure


@looked_at
def damage_curves(points: list[dict], titles: dict[str, str], amount: str) -> go.Figure:
    """PSNR against the amount of damage, a line a method with its 95 % confidence: points as those of inpainting.CurvePoint."""
    figure = go.Figure()
    for index, (method, title) in enumerate(titles.items()):
        own = sorted((point for point in points if point["method"] == method), key=lambda point: point["amount"])
        if not own:
            continue
        colour, shape = marks.mark(index)
        across = [point["amount"] for point in own]
        figure.add_scatter(
            x=across + across[::-1], y=[p["high"] for p in own] + [p["low"] for p in reversed(own)],
            fill="toself", opacity=0.25, fillcolor=colour, line={"width": 0},
            mode="lines", hoverinfo="skip", showlegend=False, legendgroup=method,
        )
        figure.add_scatter(
            x=across, y=[point["psnr"] for point in own], name=title, mode="lines+markers", legendgroup=method,
            line={"color": colour}, marker={"symbol": shape, "size": 8},
            hovertemplate="%{y:.2f} dB<extra>" + title + "</extra>",
        )
    figure.update_layout(
        height=380, margin={"l": 10, "r": 10, "t": 10, "b": 10}, xaxis_title=amount, yaxis_title="PSNR, dB", uirevision="curve",
        legend=LEGEND,
    )
    return figure
