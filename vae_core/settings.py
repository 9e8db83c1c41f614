"""A setting stands once: in the field of the config that has it, with everything that is said or asked of it.

    latent_dim: int = setting(20, "latent dimension", "Latent size", "Numbers that the encoder may keep.", low=1, high=256)

`check` reads it, and so do the command line, the form of a page, the address and whoever else lets a person choose.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, Literal, get_args

from vae_core.errors import BadInput, in_range, shortly

Place = Literal["first", "more", "command"]  # in a form: at once, after a press; or on the command line alone


@dataclass(frozen=True)
class Setting:
    """What a person may set. `kind` is the type of its values; where `default` is None, that is one too."""

    field: str
    name: str  # within a sentence: latent dimension
    label: str  # over its control: Latent size
    about: str  # one sentence on what it does
    kind: type
    default: Any
    low: float | None = None  # of numbers
    high: float | None = None
    step: float | None = None
    unit: str = ""  # of numbers, in the plural
    choices: Mapping[str, str] | None = None  # value -> its title
    suggested: tuple[str, ...] = ()  # of free text
    parse: Callable[[Any], object] | None = None  # raises BadInput for a value that cannot be, in place of the bounds
    needs: str = ""  # of a training: the setting that a model must have for it to mean anything
    place: Place = "more"
    short: str = ""  # its word in an address, where that is not the field's name

    @property
    def word(self) -> str:
        """Its parameter in an address."""
        return self.short or self.field

    def check(self, value: object) -> None:
        """Raise BadInput where it cannot have this value."""
        if value is None and self.default is None:
            return
        if self.parse is not None:
            self.parse(value)
        elif self.choices is not None:
            if not isinstance(value, str) or value not in self.choices:
                raise BadInput(f"There is no {self.name} called {shortly(value)}; choose {listed(self.choices)}.")
        elif self.kind is bool:
            if not isinstance(value, bool):
                raise BadInput(f"{self.name.capitalize()} is either true or false, not {shortly(value)}.")
        else:
            in_range(self.name, value, self.low, self.high, whole=self.kind is int)

    def read(self, word: str) -> Any:
        """The value that a word of an address or a form means. Raises BadInput where it means none."""
        value: Any = word[:200]
        if self.kind is bool:
            value = {"true": True, "false": False}.get(word, word)
        elif self.kind in (int, float):
            with contextlib.suppress(ValueError):  # `check` says what it must be
                value = self.kind(word)
        self.check(value)
        return value

    def spell(self, value: Any) -> str:
        """The word that `read` understands."""
        return str(value).lower() if self.kind is bool else f"{value:.10g}" if self.kind is float else str(value)


def setting(default: Any, name: str, label: str, about: str, **more: Any) -> Any:
    """A dataclass's field with its setting; `more` as in Setting."""
    return field(default=default, metadata={"setting": {"name": name, "label": label, "about": about, **more}})


@cache
def settings_of(config: type) -> dict[str, Setting]:
    """The settings of a config's class by their fields, in their order."""
    return {
        each.name: Setting(each.name, kind=_kind(each.type), default=each.default, **each.metadata["setting"])
        for each in fields(config) if "setting" in each.metadata
    }


def check(config: object) -> None:
    """Raise BadInput where a value of this config is none that its setting can have."""
    for each in settings_of(type(config)).values():
        each.check(getattr(config, each.field))


def listed(choices: Mapping[str, str]) -> str:
    """The choices in words, after "choose"."""
    return " or ".join(choices) if len(choices) == 2 else f"one of {', '.join(choices)}"


def _kind(annotation: Any) -> type:
    """int of `int`, and of `int | None`."""
    return next((part for part in get_args(annotation) if part is not type(None)), annotation)
