"""Pixels' address: the model, the test image that it starts from, the rows that are known, and the speed.

/pixels?model=mnist-pixelcnn&image=7&rows=14&speed=slow
"""

from collections.abc import Iterator

from latentscape.ui.address import Word, of_choice, of_setting
from latentscape.ui.pixels.models import KEY, offered, usual
from latentscape.ui.pixels.start import IMAGE, ROWS, SPEEDS, USUAL


def words() -> Iterator[Word]:
    """The model first."""
    if names := list(offered()):
        yield of_choice("model", KEY, {name: name for name in names}, usual(names))
    yield of_setting(IMAGE, "pixels_image", IMAGE.default)
    yield of_setting(ROWS, "pixels_rows", ROWS.default)
    yield of_choice("speed", "pixels_speed", {speed.replace(" ", "-"): speed for speed in SPEEDS}, USUAL)
