"""How the map of a kind of model is put into words."""

from typing import NamedTuple

import numpy as np

from latentscape.ui.codes import Codes

CLASS = "Class"
TERMS = {"recon": "Reconstruction error", "KL": "KL"}


class Words(NamedTuple):
    """What stands around the map of one kind of model."""

    point: str  # what a point is
    measure: str  # what is told of each dimension
    unit: str  # of it, where it has one
    active: str  # what the dimensions that carry information do
    collapsed: str  # said where none does


WITH_PRIOR = Words(
    "the mean of one test image's posterior", "KL", " nats", "active",
    "No dimension is active: posterior collapse. Every image gets (nearly) the same code. Train with a smaller beta or a KL "
    "warm-up.",
)
WITHOUT_PRIOR = Words(
    "the code of one test image", "Variance", "", "vary (variance above 0.01)",
    "No dimension varies: every image gets (nearly) the same code.",
)


def words(codes: Codes) -> Words:
    """Those that fit the model of these codes."""
    return WITHOUT_PRIOR if codes.kl is None else WITH_PRIOR


def terms(codes: Codes) -> dict[str, np.ndarray]:
    """recon and, with a prior, KL: (N,) nats each."""
    return {"recon": codes.terms.recon.numpy()} | ({} if codes.kl is None else {"KL": codes.terms.kl.numpy()})


def shades(codes: Codes) -> dict[str, str]:
    """What may colour the points: the word for it in an address -> its name, the first by default."""
    own = {name.lower(): title for name, title in TERMS.items() if name == "recon" or codes.kl is not None}
    names = own | {f"z{d + 1}": f"z{d + 1}" for d in range(codes.mu.shape[1])}
    return {"class": CLASS} | names if codes.classes else names
