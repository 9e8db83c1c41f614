"""Plotly figures of the Autoencoders page."""

import numpy as np
import plotly.graph_objects as go
from plotly.colors import hex_to_rgb

from latent_pad import marks
from latentscape.ui.figures import GREY, LEGEND, looked_at

BINS = 60
FEW = 1000  # points that need no WebGL
RING = marks.HEAT  # of a draw, as on Map
MARGIN = {"l": 10, "r": 10, "t": 10, "b": 10}


@looked_at
def energy_histogram(energies: dict[str, np.ndarray], points: dict[str, float]) -> go.Figure:
    """How the energies of each kind of picture are spread, nats on a log axis, and where single pictures lie among them."""
    figure = go.Figure()
    logs = {name: np.log10(np.maximum(values, 1e-2)) for name, values in energies.items()}
    marked = {name: float(np.log10(max(value, 1e-2))) for name, value in points.items()}
    everything = np.concatenate([*logs.values(), list(marked.values())])
    edges = np.linspace(everything.min() - 0.05, everything.max() + 0.05, BINS + 1)
    for index, (name, values) in enumerate(logs.items()):
        shares = np.histogram(values, edges)[0] / len(values)
        colour = marks.mark(index)[0]  # its outline whole, or what is seen through would be all that is seen
        figure.add_bar(
            x=(edges[:-1] + edges[1:]) / 2, y=shares, width=edges[1] - edges[0], name=name,
            marker={"color": f"rgba{(*hex_to_rgb(colour), 0.45)}", "line": {"width": 1, "color": colour}},
            customdata=10 ** edges[:-1], hovertemplate="from %{customdata:.1f} nats: %{y:.1%}<extra>" + name + "</extra>",
        )
    for index, (name, value) in enumerate(marked.items(), start=len(logs)):
        colour, shape = marks.mark(index)
        figure.add_vline(x=value, line={"color": colour, "width": 2, "dash": "dash"})
        figure.add_scatter(
            x=[value], y=[0], name=name, mode="markers", cliponaxis=False,
            marker={"color": colour, "symbol": shape, "size": 14, "line": {"width": 1, "color": "#ffffff"}},
            hovertemplate=f"{10**value:.1f} nats<extra>{name}</extra>",
        )
    ticks = [tick for tick in (0.01, 0.1, 1, 3, 10, 30, 100, 300, 1000, 3000) if edges[0] <= np.log10(tick) <= edges[-1]]
    figure.update_xaxes(title_text="reconstruction energy, nats", tickvals=np.log10(ticks), ticktext=[f"{t:g}" for t in ticks])
    figure.update_yaxes(title_text="share of pictures", tickformat=".0%")
    figure.update_layout(height=360, margin=MARGIN, barmode="overlay", legend=LEGEND, uirevision="energy")
    return figure


@looked_at
def size_curve(curves: dict[str, list[tuple[float, float]]]) -> go.Figure:
    """Error on test images in nats against the size of the code, a line a kind of model; single points are models that ship."""
    figure = go.Figure()
    for index, (name, points) in enumerate(curves.items()):
        colour, shape = marks.mark(index)
        ordered = sorted(points)
        figure.add_scatter(
            x=[size for size, _ in ordered], y=[error for _, error in ordered], name=name,
            mode="lines+markers" if len(ordered) > 1 else "markers", line={"color": colour},
            marker={"color": colour, "symbol": shape, "size": 8 if len(ordered) > 1 else 13},
            hovertemplate="size %{x}: %{y:.2f} nats<extra>" + name + "</extra>",
        )
    ticks = (2, 5, 10, 20, 50, 100, 200, 500)
    figure.update_xaxes(title_text="units of the code", type="log", tickvals=ticks)
    figure.update_yaxes(title_text="error on test images, nats", rangemode="tozero")
    figure.update_layout(height=400, margin=MARGIN, legend=LEGEND, uirevision="sizes")
    return figure


@looked_at
def arrows(data: np.ndarray, tails: np.ndarray, heads: np.ndarray, titles: tuple[str, str], what: str) -> go.Figure:
    """Arrows from tails (M, 2) to heads (M, 2) over data points (N, 2) in a plane."""
    figure = go.Figure()
    field = marks.mark(1)[0]
    (figure.add_scattergl if len(data) > FEW else figure.add_scatter)(
        x=data[:, 0], y=data[:, 1], name=what, mode="markers", hoverinfo="skip",
        marker={"color": GREY, "symbol": "circle", "size": 4},
    )
    path = np.full((len(tails), 3, 2), np.nan)
    path[:, 0], path[:, 1] = tails, heads
    long = np.linalg.norm(heads - tails, axis=1) > 0.02 * np.ptp(data, axis=0).max()
    sizes = np.zeros((len(tails), 3))
    sizes[:, 1] = np.where(long, 9, 4)
    figure.add_scatter(
        x=path[..., 0].ravel(), y=path[..., 1].ravel(), name="from a damaged point to what is returned", mode="lines+markers",
        line={"color": field, "width": 1.3}, hoverinfo="skip",
        marker={"color": field, "symbol": "arrow", "angleref": "previous", "size": sizes.ravel(), "line": {"width": 0}},
    )
    figure.update_xaxes(title_text=titles[0], constrain="domain", zeroline=False)
    figure.update_yaxes(title_text=titles[1], scaleanchor="x", constrain="domain", zeroline=False)
    figure.update_layout(height=460, margin=MARGIN, legend=LEGEND, uirevision="arrows")
    return figure


@looked_at
def drawn_among(codes: np.ndarray, labels: np.ndarray, draws: np.ndarray) -> go.Figure:
    """Codes (N, 2) as dots in the colours of their classes (N,), and draws (M, 2) as rings, to one scale on both axes."""
    figure = go.Figure()
    figure.add_scatter(
        x=codes[:, 0], y=codes[:, 1], name="test digits", mode="markers", hoverinfo="skip",
        marker={"color": [marks.mark(label)[0] for label in labels.tolist()], "size": 4, "opacity": 0.7},
    )
    figure.add_scatter(
        x=draws[:, 0], y=draws[:, 1], name="draws", mode="markers", hovertemplate="%{x:.2f}, %{y:.2f}<extra>a draw</extra>",
        marker={"color": RING, "symbol": "circle-open", "size": 9, "line": {"width": 2}},
    )
    side = float(1.05 * max(np.abs(codes).max(), np.abs(draws).max()))
    axis = {"range": [-side, side], "constrain": "domain", "zeroline": True}
    figure.update_xaxes(title_text="z1", **axis)
    figure.update_yaxes(title_text="z2", scaleanchor="x", **axis)
    figure.update_layout(height=330, margin=MARGIN, legend=LEGEND, uirevision="drawn")
    return figure
