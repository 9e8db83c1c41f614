"""A heat-map that the pad shows under the marker: a number for each place of the plane, as strength of one colour."""

import base64
from dataclasses import dataclass

import numpy as np

from latent_pad.marks import HEAT
from latent_pad.plane import numbers

LARGEST = 256  # rows and columns


@dataclass(frozen=True)
class Heat:
    """values (rows, columns), the first row on top, over the rectangle (left, right, bottom, top) of the plane.

    The colour runs from 0 to `highest` (default: the largest value), with `root` as the square root does, which shows
    small values too. On a line there is one row.
    """

    values: np.ndarray
    box: tuple[float, float, float, float]
    label: str  # what is shown and in which unit, a few words
    highest: float | None = None
    root: bool = False

    def __post_init__(self):
        values = np.asarray(self.values, float)
        if values.ndim != 2 or not 1 <= min(values.shape) <= max(values.shape) <= LARGEST:
            raise ValueError(f"The heat-map must have 1 to {LARGEST} rows and columns, not {values.shape}.")
        if not np.isfinite(values).all() or values.min() < 0:
            raise ValueError("The heat-map's values must be finite numbers, 0 or above.")
        left, right, bottom, top = numbers("heat-map's box", self.box, 4)
        if left >= right or bottom > top:
            raise ValueError("The heat-map's box must run from left to right and from bottom to top.")
        if self.highest is not None and numbers("heat-map's highest value", [self.highest])[0] <= 0:
            raise ValueError("The heat-map's highest value must be above 0.")

    def message(self) -> dict:
        """What travels: a byte for each value."""
        values = np.asarray(self.values, float)
        highest = self.highest or float(values.max()) or 1.0
        shares = np.clip(values / highest, 0, 1)
        levels = ((np.sqrt(shares) if self.root else shares) * 255).round().astype(np.uint8)
        return {
            "rows": values.shape[0], "columns": values.shape[1], "levels": base64.b64encode(levels.tobytes()).decode(),
            "box": [float(side) for side in self.box], "label": self.label, "colour": HEAT,
            "highest": highest, "root": self.root,
        }
