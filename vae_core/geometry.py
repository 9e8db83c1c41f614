"""The decoder's geometry: how it stretches the latent space, and the shortest ways through it.

A decoder g lays the latent space as a curved surface into the space of pictures. Its pull-back metric J^T J, J the Jacobian
of g, measures a step in z by how much the picture changes (Arvanitidis, Hansen & Hauberg 2018, arXiv:1710.11379; Shao,
Kumar & Fletcher 2017, arXiv:1711.08014). All distances between pictures are L2 over pixels in [0, 1].

Here a plane is an origin (L,) and axes (k, L), k 1 or 2: z = origin + coordinates @ axes.
"""

from collections.abc import Callable

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra
from scipy.stats import gaussian_kde
from torch import Tensor

from vae_core.errors import BadInput
from vae_core.latent import straight_path

Decode = Callable[[Tensor], Tensor]  # z (N, L) -> pictures (N, ...)

BATCH = 1024  # points decoded at once
STEPS = [(0, 1), (1, 0), (1, 1), (1, -1), (1, 2), (2, 1), (2, -1), (1, -2)]  # half of a node's 16 neighbours
FINE = 256  # steps in which the length of a way is measured
BENDS = 33  # points of a way that is pulled tight
PULLS = 80


def pixel_steps(decode: Decode, z: Tensor) -> Tensor:
    """Distances between the pictures of neighbouring points of a way z (K, L): (K - 1,)."""
    return _pictures(decode, z).diff(dim=0).norm(dim=1)


def pixel_length(decode: Decode, z: Tensor) -> float:
    """How long a way z (K, L) is in pictures, measured in small steps on the straight lines between its points."""
    return pixel_steps(decode, _along(z, _walked(z), FINE)).sum().item()


def evenly(decode: Decode, z: Tensor, count: int) -> Tensor:
    """count points on a way z (K, L), (count, L), between which the picture changes by the same amount."""
    fine = _along(z, _walked(z), FINE)
    return _along(fine, pixel_steps(decode, fine), count)


def shortest_path(decode: Decode, origin: Tensor, axes: Tensor, start: Tensor, end: Tensor, side: int = 64) -> Tensor:
    """The way from start to end, each (2,), on a plane along which the pictures change least in all: (K, 2).

    Dijkstra's algorithm on a net of side x side points with 16 neighbours each, an edge as long as the distance between the
    pictures at its ends; then the way is pulled tight by gradient descent on its energy (Shao et al. 2017). The net
    reaches to three sigmas of the prior and holds both ends. The straight way is in the net, and what is returned is never
    longer than it.
    """
    straight = torch.stack([start, end])
    if torch.equal(start, end):
        return straight
    middle = torch.linalg.lstsq(axes.T, -origin[:, None]).solution[:, 0]  # where the prior is densest
    corners = torch.stack([start, end, middle - 3, middle + 3])
    low, high = corners.amin(0), corners.amax(0)
    net = _net_path(lambda xy: decode(origin + xy @ axes), start, end, low, high, side)
    tight = _tightened(decode, origin, axes, _along(net, _walked(net), BENDS))
    return min((straight, net, tight), key=lambda way: pixel_length(decode, origin + way @ axes))


def magnification(decode: Decode, z: Tensor, axes: Tensor) -> Tensor:
    """How far the picture moves for one unit of z, at points z (N, L), within the directions axes (k, L): (N,).

    det(J^T J)^(1 / 2k), J the decoder's Jacobian along the orthonormal axes: on a line the length of its derivative, on a
    plane the square root of the area that a unit square becomes (Bishop, Svensen & Williams 1997, "Magnification factors
    for the SOM and GTM algorithms"). By forward-mode differentiation.
    """
    parts = []
    with torch.no_grad():
        for chunk in z.split(BATCH):
            slopes = [
                torch.func.jvp(lambda point: decode(point).flatten(1), (chunk,), (axis.expand_as(chunk).contiguous(),))[1]
                for axis in axes
            ]
            jacobian = torch.stack(slopes, 1)  # (N, k, pixels)
            metric = jacobian @ jacobian.transpose(1, 2)
            parts.append(torch.linalg.det(metric).clamp(min=0) ** (0.5 / len(axes)))
    return torch.cat(parts)


def code_density(codes: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Density of codes (N, k) at points (M, k), k 1 or 2: (M,) per unit of length or area.

    A Gaussian kernel estimate with half of Scott's bandwidth (Scott 1992), which keeps the gaps between classes open.
    Raises BadInput where the codes have no spread.
    """
    try:
        scott = len(codes) ** (-1 / (codes.shape[1] + 4))
        return gaussian_kde(codes.T, bw_method=0.5 * scott)(points.T)
    except (np.linalg.LinAlgError, ValueError) as error:
        raise BadInput("The codes have no spread on this plane, so that they have no density: posterior collapse?") from error


@torch.no_grad()
def _pictures(decode: Decode, z: Tensor) -> Tensor:
    return torch.cat([decode(chunk).flatten(1) for chunk in z.split(BATCH)])


def _walked(way: Tensor) -> Tensor:
    """Lengths of the pieces of a way (K, D) in its own coordinates: (K - 1,)."""
    return way.diff(dim=0).norm(dim=1)


def _along(way: Tensor, lengths: Tensor, count: int) -> Tensor:
    """count points on the pieces of a way (K, D), evenly by the pieces' lengths (K - 1,); by number where all are zero."""
    if lengths.sum() <= 0:
        lengths = torch.ones_like(lengths)
    places = np.concatenate([[0.0], np.cumsum(lengths.double().numpy())])
    wanted = np.linspace(0, places[-1], count)
    columns = [np.interp(wanted, places, column) for column in way.double().numpy().T]
    return torch.from_numpy(np.stack(columns, 1)).to(way.dtype)


def _net_path(decode: Decode, start: Tensor, end: Tensor, low: Tensor, high: Tensor, side: int) -> Tensor:
    """The shortest way (K, 2) on the net over the rectangle from low to high, both (2,), and the straight way's points."""
    cell = (high - low) / (side - 1)
    net = torch.cartesian_prod(*(low[d] + cell[d] * torch.arange(side) for d in (0, 1)))
    straight = straight_path(start, end, max(2, int(((end - start) / cell).norm().ceil()) + 1))
    points = torch.cat([net, straight])
    pictures = _pictures(decode, points)
    on_straight = len(net) + np.arange(len(straight))

    number = np.arange(side * side).reshape(side, side)
    pairs = [(on_straight[:-1], on_straight[1:])]
    for i, j in STEPS:
        near = number[: side - i, max(0, -j) : side - max(0, j)]
        far = number[i:, max(0, j) : side - max(0, -j)]
        pairs.append((near.ravel(), far.ravel()))
    floor = ((straight - low) / cell).floor().long().clamp(0, side - 2).numpy()
    pairs += [(on_straight, number[floor[:, 0] + i, floor[:, 1] + j]) for i in (0, 1) for j in (0, 1)]

    lengths = [(pictures[near] - pictures[far]).norm(dim=1).numpy() for near, far in pairs]
    rows, columns = (np.concatenate(ends) for ends in zip(*pairs, strict=True))
    # Where the picture does not change at all, the way that is shorter on the plane.
    tie = 1e-6 * (points[rows] - points[columns]).norm(dim=1).numpy() + 1e-9
    graph = coo_array((np.concatenate(lengths) + tie, (rows, columns)), shape=(len(points), len(points))).tocsr()
    _, before = dijkstra(graph, directed=False, indices=on_straight[0], return_predecessors=True)
    way = [on_straight[-1]]
    while way[-1] != on_straight[0]:
        way.append(before[way[-1]])
    return points[way[::-1]]


def _tightened(decode: Decode, origin: Tensor, axes: Tensor, way: Tensor) -> Tensor:
    """The way (K, 2) after some steps down its energy, the sum of squared distances between neighbouring pictures."""
    inner = way[1:-1].clone().requires_grad_()
    optimiser = torch.optim.Adam([inner], lr=0.1 * _walked(way).mean().item())
    for _ in range(PULLS):
        bent = torch.cat([way[:1], inner, way[-1:]])
        energy = decode(origin + bent @ axes).flatten(1).diff(dim=0).square().sum()
        (inner.grad,) = torch.autograd.grad(energy, [inner])
        optimiser.step()
    return torch.cat([way[:1], inner.detach(), way[-1:]])
