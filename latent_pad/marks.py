"""The mark of a class: a colour and a shape, the same on every page and in every chart.

The shapes have Plotly's names; assets/glyphs.js draws each under that name.
"""

# Readable on light and dark pages. A class is told by either, so that colour is never the only sign.
COLOURS = ("#4e79a7", "#f28e2b", "#e15759", "#3aa6a0", "#59a14f", "#c9a227", "#b07aa1", "#e377a2", "#9c755f", "#8c8c9c")
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "x", "star", "cross", "pentagon", "hexagram")
HEAT = "#e8761a"  # of heat-maps: no class's, and not the marker's


def mark(label: int) -> tuple[str, str]:
    """Colour and shape of the class number `label`, from 0: with more than ten, the shapes shift by one at each round."""
    return COLOURS[label % len(COLOURS)], SHAPES[(label + label // len(COLOURS)) % len(SHAPES)]
