"""What a family of models is: plain data. Whoever handles models asks what a family can, and never its name."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from torch import Tensor

from vae_core.settings import settings_of


class Loss(NamedTuple):
    """Scalars in nats per image, averaged over the batch; `loss` is what is minimised, recon + kl is -ELBO."""

    loss: Tensor
    recon: Tensor
    kl: Tensor


class Term(NamedTuple):
    """A number that a training tells: its name in records, and for people its title and what it means."""

    name: str
    title: str
    about: str = ""
    unit: str = "nats"


class Preset(NamedTuple):
    """What a training may start from: what it is for, and the settings that differ from the plain ones."""

    name: str
    about: str
    changes: dict[str, Any]  # of the family, of the training, and of the data set: its name
    suits: Literal["", "a class", "own pictures"] = ""  # what it is offered for without being asked


@dataclass(frozen=True)
class Family:
    """One kind of model. `config` checks its settings and builds it; each file of vae_core/models ends with one of these.

    A model has `draw(x, generator)`, `forward(*drawn)`, `loss(x, drawn, outputs, warm)` and `terms(x, drawn)`; one that encodes
    has `codes(x)`, one that decodes `decode(codes)`, one that repairs `restore(image, mask)`.
    """

    name: str  # in recipes, commands and addresses
    title: str
    config: type
    size: str  # of a model, in a title: a format of its settings
    network: str  # the same, for a reader
    encodes: bool  # image -> code
    decodes: bool  # code -> image
    has_prior: bool  # whether codes can be drawn
    has_posterior: bool  # whether an image's code is a distribution
    likelihood: Literal["exact", "bound", "none"]
    pixels: Literal["logits", "signed"]  # what the decoder says: a sigmoid makes it [0, 1], or it is in [-1, 1]
    terms: tuple[Term, ...]  # the first is what is minimised
    presets: tuple[Preset, ...]
    repairs: bool = False
    needs_mask: bool = False  # whether repairing takes the mask of the damage
    page: str = "Explore"  # where its models are looked at

    def has(self, setting: str) -> bool:
        """Whether a model of this family has such a setting: beta, corruption, ..."""
        return setting in settings_of(self.config)
