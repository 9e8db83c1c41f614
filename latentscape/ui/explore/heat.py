"""Heat-maps of the shown plane: where the decoder stretches it, and where codes lie. What holes a latent space has."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from latent_pad import Heat
from latentscape.ui.codes import DOTS, Codes, is_own
from latentscape.ui.explore.plane import Place
from latentscape.ui.own import remembered
from vae_core.checkpoint import Checkpoint
from vae_core.errors import BadInput
from vae_core.geometry import code_density, magnification

MAGNIFICATION, DENSITY = "magnification", "density"
SIDE = 80  # rows and columns of a heat-map
REACH = 1.6  # of the window: the pad is wider than it is high
SAID = {  # what to look for
    MAGNIFICATION: (
        "Strong colour: a small step changes the picture a lot, and one shape turns into another. No colour: it hardly changes."
    ),
    DENSITY: (
        "Strong colour: many test images are encoded around here. No colour: a hole, and what the decoder paints there it has "
        "never practised."
    ),
}
PROJECTED = (
    "Strong colour: many test images lie here once all of them are projected onto this plane; in the other dimensions they may "
    "be far from it. No colour: a hole, also in the whole space."
)
MEASURED = {  # what exactly is shown
    MAGNIFICATION: (
        "How far the picture moves (L2 over pixels) for one unit of z; on a plane, the square root of the area that a small "
        "unit square becomes."
    ),
    DENSITY: "A Gaussian kernel estimate with half of Scott's bandwidth.",
}


def said(kind: str, latent_dim: int) -> str:
    """What to look for in the heat-map."""
    return PROJECTED if kind == DENSITY and latent_dim > 2 else SAID[kind]


def on_one_scale(heats: Sequence[Heat]) -> list[Heat]:
    """The same heat-maps, in which a colour means the same number."""
    highest = max(each.highest or float(np.max(each.values)) for each in heats)
    return [replace(each, highest=highest or None) for each in heats]


def heat(kind: str, model: Checkpoint, codes: Codes | None, here: Place) -> Heat:
    """The heat-map `kind` of the plane that a pad shows. Raises BadInput where the codes have no spread."""
    if kind == DENSITY and codes is None:
        raise BadInput("There are no test images here, so that there is no density of codes to show.")
    key = "heat", kind, model.digest, here.plane.identity, codes is None
    return remembered(key, lambda: _heat(kind, model, codes, here), "Measuring the plane …", is_own(model))


def _heat(kind: str, model: Checkpoint, codes: Codes | None, here: Place) -> Heat:
    flat = here.plane
    is_line = flat.v is None
    origin = torch.tensor(flat.origin)
    axes = torch.tensor([flat.u]) if is_line else torch.tensor([flat.u, flat.v])
    shown = ((torch.tensor(codes.mu[:DOTS]) - origin) @ axes.T).numpy() if codes else np.zeros((0, len(axes)), np.float32)
    middle = -(axes @ origin).numpy()  # where the prior is densest
    low, high = middle - 3, middle + 3
    if len(shown):  # what the pad shows at first, and a margin
        ends = np.quantile(shown, (0.02, 0.98), 0)
        low, high = (np.minimum(low, ends[0]), np.maximum(high, ends[1])) if model.has_prior else ends
    centre, half = (low + high) / 2, REACH * (high - low).max() / 2
    ticks = np.linspace(-half, half, SIDE, dtype=np.float32)
    if is_line:
        points, shape = (centre + ticks[:, None]).astype(np.float32), (1, SIDE)
    else:
        x, y = np.meshgrid(centre[0] + ticks, centre[1] + ticks[::-1])
        points, shape = np.stack([x, y], -1).reshape(-1, 2).astype(np.float32), (SIDE, SIDE)
    if kind == DENSITY:
        values = len(shown) * code_density(shown, points)
        label = f"test images a unit of {'length' if is_line else 'area'} (square-root scale)"
    else:
        values = magnification(model.model.decode, origin + torch.from_numpy(points) @ axes, axes).numpy()
        label = "pixel distance a unit of z"
    bottom, top = (0.0, 0.0) if is_line else (centre[1] - half, centre[1] + half)
    values = np.nan_to_num(values).reshape(shape)
    strongest = float(np.percentile(values, 99.9))  # one wild point does not pale the rest
    box = (float(centre[0] - half), float(centre[0] + half), float(bottom), float(top))
    return Heat(values, box, label, strongest if strongest > 0 else None, kind == DENSITY)
