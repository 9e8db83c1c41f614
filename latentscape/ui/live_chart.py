"""A chart that changes while it is watched: drawn again in place, where st.plotly_chart puts a new element for every figure."""

import plotly.graph_objects as go
from plotly.io.json import to_json_plotly

from latentscape.server.plotly_js import ADDRESS
from latentscape.ui.component import component
from latentscape.ui.figures import PLOT

_component = component("live_chart", "live_chart.js", css="live_chart.css")


def live_chart(figure: go.Figure, *, key: str, alt: str, fills: bool = False) -> None:
    """Draw the figure, which is only looked at, under this key, in the look of st.plotly_chart; as high as it says, or as high
    as its place if it `fills` it. What a legend was told to hide stays hidden while the figure's uirevision stays."""
    spec = figure.to_dict()
    height = spec["layout"].pop("height")
    spec["layout"].pop("template", None)  # the browser has its own, of the page's colours
    data = {"figure": to_json_plotly(spec), "alt": alt, "library": ADDRESS, "config": PLOT, "height": None if fills else height}
    _component(key=key, data=data, height="stretch" if fills else "content")
