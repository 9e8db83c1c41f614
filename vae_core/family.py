"""What a family of models is: plain data. Whoever handles models asks what a family can, and never its name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar

from torch import Tensor

from vae_core.settings import settings_of

T = TypeVar("T")


class Loss(NamedTuple):
    """Of a batch: what is minimised, a scalar, and the family's measured terms, scalars averaged over the batch."""

    objective: Tensor
    terms: dict[str, Tensor]


class Term(NamedTuple):
    """A number that a training tells, per image: its name in records, and what it is called and means for people."""

    name: str
    title: str  # over its curve
    label: str  # beside its value on the test set
    about: str
    of: tuple[str, ...] = ()  # it is the sum of these terms; else it is measured
    unit: str = "nats"  # empty of a number without one
    digits: int = 1  # after the point, where it is told
    reference: float | Callable[[Any], float | None] | None = None  # where theory says that it goes: that, or it of a config

    def said(self, value: float) -> str:
        """For people, with its unit."""
        return f"{value:.{self.digits}f} {self.unit}".rstrip()

    def line(self, config: Any) -> float | None:
        """Where theory says that it goes in a training of this config: a line in its panel."""
        return self.reference(config) if callable(self.reference) else self.reference


class Scores(NamedTuple):
    """A number that a model has for any single picture, and of which kinds of pictures a training shows it: "real" test images,
    "drawn" ones, and "merged" ones, two test images in one, half and half."""

    title: str
    label: str  # along its axis
    about: str
    of: Callable[[Any, Tensor], Tensor]  # of a model, pictures in [0, 1] of one kind, (B, C, H, W) -> (B,)
    kinds: tuple[str, ...]
    real_is_high: bool
    is_log: bool = False  # whether its axis is
    level: str = ""  # what the line says that is at
    at: Callable[[Any], float | None] = lambda config: None

    def told_apart(self, real: Tensor, other: Tensor) -> float:
        """The chance that a picture of another kind, (M,), is on its side of a real one, (N,), ties half: 1/2 is a guess."""
        more = (other > real[:, None]).double().mean() + 0.5 * (other == real[:, None]).double().mean()
        return float(1 - more if self.real_is_high else more)


class Preset(NamedTuple):
    """What a training may start from: what it is for, and the settings that differ from the plain ones."""

    name: str
    about: str
    changes: dict[str, Any]  # of the family, of the training, and of the data set: its name
    suits: Literal["", "a class", "own pictures"] = ""  # what it is offered for without being asked


@dataclass(frozen=True)
class Family:
    """One kind of model. `config` checks its settings and builds it; each file of vae_core/models ends with one of these.

    A model has `draw(x, generator)`, `forward(*drawn)`, `loss(x, drawn, outputs, warm)`, a Loss, and `terms(x, drawn)`, the
    measured terms of each image, (B,); one that encodes has `codes(x)`, one that decodes `decode(codes)`, one that repairs
    `restore(image, mask)`; one that begins better where it knows the mean of the training images has `begin_at(mean)`. One of
    `parts` has a module of each name, and is told whose turn it is: `forward(*drawn, part=...)`, `loss(..., part=...)`, which
    has some of the measured terms, all turns together all of them.
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
    terms: tuple[Term, ...]  # the first is the one to go by
    presets: tuple[Preset, ...]
    parts: tuple[str, ...] = ()  # of a model: within a step each has its turn, and an optimiser of its own; none: all at once
    noticed: Callable[[Any, Mapping[str, float]], str] = lambda config, test: ""  # what is to be said of a judgement
    paints: bool = False  # whether it makes pictures up by itself, pixel by pixel: `sample(count, seed)`, (count, C, H, W)
    scores: Scores | None = None  # of single pictures, where it has such a number
    repairs: bool = False
    needs_mask: bool = False  # whether repairing takes the mask of the damage
    page: str = "Explore"  # where its models are looked at

    @property
    def draws(self) -> bool:
        """Whether it makes pictures up, from codes that are drawn or pixel by pixel."""
        return self.has_prior or self.paints

    def has(self, setting: str) -> bool:
        """Whether a model of this family has such a setting: beta, corruption, ..."""
        return setting in settings_of(self.config)

    @property
    def measured(self) -> tuple[str, ...]:
        """The names of the terms that are measured, in their order; the others are sums of these."""
        return tuple(term.name for term in self.terms if not term.of)

    def told(self, measured: Sequence[T]) -> dict[str, T]:
        """All terms by name, from the measured ones: numbers, or arrays of one shape."""
        values = dict(zip(self.measured, measured, strict=True))
        return {term.name: sum(values[part] for part in term.of) if term.of else values[term.name] for term in self.terms}
