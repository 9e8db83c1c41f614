"""How near a repaired picture is to the whole one: over the image, and where it was damaged.

Images are float (N, C, H, W) in [0, 1], masks bool (N, 1, H, W), True = damaged. Every score is (N,), one an image, computed
in float64 on the CPU. Inside the mask of an image without damage there is nothing to score: NaN.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

FLOOR = 1e-10  # of the mean squared error: a perfect picture has 100 dB


class Scores(NamedTuple):
    """PSNR in dB, absolute error in [0, 1], structural similarity up to 1; (N,) each."""

    psnr_hole: Tensor
    psnr_image: Tensor
    ssim_image: Tensor
    error_hole: Tensor
    error_image: Tensor


def scores(restored: Tensor, truth: Tensor, mask: Tensor) -> Scores:
    """All scores of restored images (N, C, H, W)."""
    difference = (restored.double() - truth.double()).cpu()
    inside = mask.cpu().expand_as(difference)
    squared, absolute = difference.square(), difference.abs()
    return Scores(
        decibels(_mean(squared, inside)), decibels(_mean(squared)), ssim(restored, truth),
        _mean(absolute, inside), _mean(absolute),
    )


def decibels(squared_error: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of a mean squared error, for a peak of 1: -10 log10, the error floored at FLOOR."""
    return -10 * torch.log10(squared_error.clamp(min=FLOOR))


def ssim(restored: Tensor, truth: Tensor) -> Tensor:
    """Structural similarity (Wang et al. 2004) as scikit-image computes it, windows of 7 x 7 or what a small picture holds.

    NaN for pictures with a side below 3.
    """
    from skimage.metrics import structural_similarity

    window = min(7, (min(truth.shape[2:]) - 1) // 2 * 2 + 1)
    if window < 3:
        return torch.full((len(truth),), torch.nan, dtype=torch.float64)
    pairs = zip(restored.double().cpu().numpy(), truth.double().cpu().numpy(), strict=True)
    values = [structural_similarity(a, b, win_size=window, data_range=1.0, channel_axis=0) for a, b in pairs]
    return torch.from_numpy(np.array(values, dtype=np.float64))


def _mean(values: Tensor, inside: Tensor | None = None) -> Tensor:
    """The mean of each image, over all or over the pixels inside: (N,)."""
    if inside is None:
        return values.flatten(1).mean(1)
    return (values * inside).flatten(1).sum(1) / inside.flatten(1).sum(1)
