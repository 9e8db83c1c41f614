"""Plotly figures of the page Compare."""

import numpy as np
import plotly.graph_objects as go

from latent_pad import marks
from latentscape.ui.figures import GREY, LEGEND, looked_at
from latentscape.ui.words import in_chart


@looked_at
def draws_among(parts: dict[str, np.ndarray]) -> go.Figure:
    """Where t-SNE puts draws among real images: name -> points (N, 2); the first are real ones."""
    figure = go.Figure()
    for index, (name, points) in enumerate(parts.items()):
        colour, shape = (GREY, "circle") if not index else marks.mark(index - 1)
        figure.add_scatter(
            x=points[:, 0], y=points[:, 1], name=in_chart(name), mode="markers",
            hovertemplate="<extra>%{fullData.name}</extra>",
            marker={"color": colour, "symbol": shape, "size": 5 if index else 6, "opacity": 0.85 if index else 0.6},
        )
    figure.update_xaxes(title_text="t-SNE 1", constrain="domain", zeroline=False)
    figure.update_yaxes(title_text="t-SNE 2", scaleanchor="x", constrain="domain", zeroline=False)
    figure.update_layout(
        height=560, margin={"l": 10, "r": 10, "t": 10, "b": 10}, legend=LEGEND | {"itemsizing": "constant"}, uirevision="among"
    )
    return figure
