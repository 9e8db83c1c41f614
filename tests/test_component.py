"""A component of ours is drawn under any key: in it may stand a run's random token, or what somebody called a model."""

import itertools

from conftest import PATIENCE
from streamlit.testing.v1 import AppTest


def drawn_under(keys: list[str]) -> None:
    from latentscape.ui.component import component

    draw = component("spoken", "spoken.js")
    for key in keys:
        draw(key=key, data={}, on_said_change=lambda: None)


def test_a_key_is_made_of_any_words():
    words = ["".join(word) for length in range(1, 6) for word in itertools.product("a_", repeat=length)]
    page = AppTest.from_function(drawn_under, args=(["my__model <b> é", *words],), default_timeout=PATIENCE).run()
    assert not page.exception
    assert len([element for element in page.main if element.type == "bidi_component"]) == len(words) + 1
