"""The one error that a person is meant to read."""


class BadInput(ValueError):
    """A value, file or set that cannot be used. `str(error)` is one plain sentence: the thing and the way out."""
