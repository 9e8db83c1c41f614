"""Test images of a training, each with what the model makes of it."""

import numpy as np

from latentscape.work.runs import Frame, Run


def pairs(run: Run, frame: Frame) -> np.ndarray:
    """Rows of five originals, each above a row of their reconstructions, in reading order."""
    originals, reconstructions = run.about["originals"], frame.reconstructions
    rows = [
        part
        for start in range(0, len(originals), 5)
        for part in (originals[start : start + 5], reconstructions[start : start + 5])
    ]
    return np.concatenate(rows)
