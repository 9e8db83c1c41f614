"""Restore's address: the picture, its damage, the models that repair it, and the damage of the curve. What a hand has drawn or
painted is not in it.

    /restore?damage=block&amount=12&image=7
    /restore?picture=photo&tile=3&damage=dropout&amount=0.9&curve=stroke
"""

from collections.abc import Iterator

from latentscape.ui.address import Word, of_choice, of_setting
from latentscape.ui.restore.curve import AMOUNTS
from latentscape.ui.restore.models import offered
from latentscape.ui.restore.source import DAMAGES, PAINTED, SOURCES, TEST, asked
from vae_core.inpainting import METHODS


def words() -> Iterator[Word]:
    """Picture and damage first: what else there is to say depends on them."""
    yield of_choice("picture", "restore_source", {name.lower(): name for name in SOURCES}, TEST)
    yield of_choice("damage", "restore_damage", {name: name for name in (*DAMAGES, PAINTED)}, DAMAGES[0])
    for key, each in asked().items():
        yield of_setting(each, key, each.default)
    for method in METHODS:
        if METHODS[method].ships and (names := list(offered(method))):
            yield of_choice(method, f"restore_model_{method}", {name: name for name in names}, names[0])
    yield of_choice("curve", "restore_curve_kind", {name: name for name in AMOUNTS}, next(iter(AMOUNTS)))
