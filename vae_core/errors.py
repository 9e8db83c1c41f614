"""The one error that a person is meant to read, and the sentence most often said with it."""


class BadInput(ValueError):
    """A value, file or set that cannot be used. `str(error)` is one plain sentence: the thing and the way out."""


def shortly(value: object) -> str:
    """repr(value), cut where it is long: a sentence stays a sentence whatever a file says."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def in_range(name: str, value: float, low: float, high: float, whole: bool = False) -> None:
    """Raise BadInput unless low <= value <= high (and, with `whole`, value is an int). NaN is out of range."""
    wrong_type = isinstance(value, bool) or not isinstance(value, int if whole else (int, float))
    if wrong_type or not low <= value <= high:
        kind = "a whole number" if whole else "a number"
        raise BadInput(f"The {name} must be {kind} from {low:g} to {high:g}, not {shortly(value)}.")
