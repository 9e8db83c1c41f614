"""Do draws land where data lie? In the space of codes by the distance to the nearest code, in pixels by the nearest picture.

Source: a point that is far from its nearest known ones is a stranger (Ramaswamy, Rastogi & Shim 2000, "Efficient algorithms for
mining outliers from large data sets"); of generated pictures Kynkäänniemi et al. 2019 (arXiv:1904.06991).
"""

import torch
from torch import Tensor

AT_ONCE = 500  # points whose distances to all others are held at a time
QUANTILE = 0.95  # of known pictures' own distances, above which a picture is not placed


def gap(draws: Tensor, codes: Tensor) -> float:
    """How far draws (M, L) are from the nearest of codes (N, L): the median distance, in units of the median distance of a code
    to its nearest other code. 1: draws lie among codes as codes do; much more: they fall between them."""
    others = _to_nearest(codes, codes, 2)  # the nearest of all is itself
    return (_to_nearest(draws, codes).median() / others.median()).item()


def reach(codes: Tensor) -> float:
    """The largest coordinate of codes (N, L), whatever its sign: they lie in a box from minus to plus this."""
    return codes.abs().max().item()


class Judge:
    """Nearest neighbours in pixels: a picture is placed where the nearest known one is not unusually far.

    One half of the pictures that it is made from are the known ones; `limit` is the QUANTILE of the distances of the other half
    to these. So of more such pictures 1 - QUANTILE are not placed. Made from what a model paints of test images, it says how
    often the model paints something else.
    """

    def __init__(self, pictures: Tensor, quantile: float = QUANTILE):
        """Pictures (N, ...) of any shape, two at least."""
        half = len(pictures) // 2
        self._known = pictures[:half].flatten(1).clone()  # a view would keep all of them
        self.limit = _to_nearest(pictures[half:].flatten(1), self._known).quantile(quantile).item()

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        return self._known.nbytes

    def cannot_place(self, pictures: Tensor) -> Tensor:
        """Which pictures (M, ...) are farther from all that it knows than `limit`, bool (M,)."""
        return _to_nearest(pictures.flatten(1), self._known) > self.limit


def _to_nearest(points: Tensor, known: Tensor, k: int = 1) -> Tensor:
    """Euclidean distance of each point (M, D) to its k-th nearest known one (N, D): (M,)."""
    return torch.cat([torch.cdist(some, known).topk(k, largest=False).values[:, -1] for some in points.split(AT_ONCE)])
