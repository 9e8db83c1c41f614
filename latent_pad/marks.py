"""The mark of a class: a colour and a shape, the same on every page and in every chart.

The shapes have Plotly's names; assets/glyphs.js draws each under that name.
"""

# Found by search, and held by tests/test_marks.py: each has 3:1 on the light and on the dark page (WCAG 2.2, 1.4.11), and any
# two are 12 or more apart in CIEDE2000 also to people without red, green or blue cones, 20 to all others. Ordered so that a few
# differ most. Colour is never the only sign: the nearer two colours, the less their shapes have in common.
COLOURS = ("#4a3eff", "#bf1f03", "#229da6", "#6c5e65", "#bf8075", "#1b7645", "#ff409f", "#799b06", "#b0159c", "#8282fd")
SHAPES = ("circle", "square", "diamond", "pentagon", "hexagram", "cross", "x", "star", "triangle-down", "triangle-up")
HEAT = "#d9730d"  # of heat-maps: no class's, and not the marker's


def mark(label: int) -> tuple[str, str]:
    """Colour and shape of the class number `label`, from 0: with more than ten, the shapes shift by one at each round."""
    return COLOURS[label % len(COLOURS)], SHAPES[(label + label // len(COLOURS)) % len(SHAPES)]


def contrast(one: str, other: str) -> float:
    """How much brighter one of two colours #rrggbb is than the other, 1 to 21. Source: WCAG 2.2, "contrast ratio"."""
    low, high = sorted(map(_luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def ink(colour: str) -> str:
    """Black or white, whichever can be read on this colour: one of them always has 4.5:1."""
    return max("#ffffff", "#000000", key=lambda word: contrast(word, colour))


def _luminance(colour: str) -> float:
    """Relative luminance, 0 to 1, of a colour of sRGB. Source: WCAG 2.2."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
