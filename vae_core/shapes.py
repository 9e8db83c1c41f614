"""A data set whose truth is known: one coloured sprite on black, drawn from six factors, each picture different.

In the manner of dSprites (Matthey, Higgins, Hassabis & Lerchner 2017), in colour and smaller. Sprites turn by less than
their own symmetry and hues stop before they come round, so that every factor can be read from the picture.
"""

import colorsys

import numpy as np

SIDE = 32  # pixels
FACTORS = {  # name -> its values: sprite, hue 0 to 1, radius and centre in pixels, radians
    "shape": ("square", "ellipse", "heart"),
    "hue": tuple(np.linspace(0, 0.7, 8).tolist()),
    "scale": tuple(np.linspace(5, 9, 4).tolist()),
    "x": tuple(np.linspace(12, 20, 8).tolist()),
    "y": tuple(np.linspace(12, 20, 8).tolist()),
    "rotation": tuple(np.radians(np.linspace(-40, 40, 5)).tolist()),
}
TRAIN, TEST = 24_576, 6_144  # together every combination once
SATURATION = 0.85
ELLIPSE = 0.5  # shorter axis to longer
CHUNK = 2048  # images drawn at once: bounds memory


def shapes(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """All 30,720 pictures, split by a seeded draw: train images uint8 (24576, 3, 32, 32), train factors int64 (24576, 6),
    test images (6144, 3, 32, 32), test factors (6144, 6). A factor is the index of its value in FACTORS."""
    sizes = [len(values) for values in FACTORS.values()]
    order = np.random.default_rng(seed).permutation(TRAIN + TEST)
    factors = np.stack(np.unravel_index(order, sizes), 1).astype(np.int64)
    images = draw(factors)
    return images[:TRAIN], factors[:TRAIN], images[TRAIN:], factors[TRAIN:]


def draw(factors: np.ndarray) -> np.ndarray:
    """Pictures of factors (N, 6), indices into FACTORS: uint8 (N, 3, 32, 32) with smooth edges."""
    return np.concatenate([_draw(factors[start : start + CHUNK]) for start in range(0, len(factors), CHUNK)])


def _draw(factors: np.ndarray) -> np.ndarray:
    columns = zip(list(FACTORS.values())[1:], factors.T[1:], strict=True)
    hue, scale, x, y, rotation = (np.asarray(values, np.float32)[chosen, None, None] for values, chosen in columns)
    middle = np.arange(SIDE, dtype=np.float32) + 0.5
    across, down = middle - x, middle[:, None] - y  # (N, 1, 32), (N, 32, 1) from the sprite's centre
    u = (np.cos(rotation) * across + np.sin(rotation) * down) / scale  # (N, 32, 32) in the sprite's own frame
    v = (np.cos(rotation) * down - np.sin(rotation) * across) / scale
    distance = np.select([factors[:, :1, None] == shape for shape in range(3)], [_square(u, v), _ellipse(u, v), _heart(u, v)])
    ink = np.clip(0.5 - distance * scale, 0, 1)  # one pixel wide edge
    colours = np.array([colorsys.hsv_to_rgb(h, SATURATION, 1) for h in hue.ravel()], np.float32)
    return (ink[:, None] * colours[:, :, None, None] * 255).round().astype(np.uint8)


# Distance from the outline, negative inside, about 1 for every radius.


def _square(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.maximum(abs(u), abs(v)) - 0.8


def _ellipse(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return (np.hypot(u, v / ELLIPSE) - 1) * ELLIPSE


def _heart(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """A square on its point with a disc on each of its upper sides."""
    tip = abs(u) + abs(v - 0.1) - 0.9
    lobes = np.hypot(abs(u) - 0.45, v + 0.35) - 0.636
    return np.minimum(tip * np.sqrt(0.5), lobes)
