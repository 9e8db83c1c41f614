"""Explore by AppTest: what its tests share."""

from conftest import PATIENCE, ROOT
from streamlit.testing.v1 import AppTest

import latent_pad
from latentscape.ui.explore.plane import Place
from latentscape.ui.explore.sections import DRAW, GRID, IMAGE, TRAVERSALS, WALK

SECTIONS = (IMAGE, DRAW, WALK, TRAVERSALS, GRID)  # of a model with test images


def open_explore(model: str = "mnist-2d", **query: str) -> AppTest:
    at = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=PATIENCE)
    at.run()
    at.session_state["checkpoint"] = model
    for name, value in query.items():
        at.query_params[name] = value
    at.switch_page("pages/explore.py").run()
    assert not at.exception
    return at


def show(at: AppTest, section: str) -> AppTest:
    """Open the section with this name."""
    control = at.segmented_control(key="explore_section")
    assert section in control.options
    at.session_state["explore_section"] = SECTIONS[control.options.index(section)]
    return at.run()


def sent_to_the_pad(monkeypatch) -> list[dict]:
    """What the page sends to the pads from now on, the latest last."""
    sent = []
    component = latent_pad._component

    def spy(**call):
        if isinstance(call["data"], dict):
            sent.append(call["data"] | {"key": call["key"]})
        return component()(**call)

    monkeypatch.setattr(latent_pad, "_component", lambda: spy)
    return sent


def place(at: AppTest) -> Place:
    return at.session_state["explore_place"]


def boxes(at: AppTest, count: int) -> list[float]:
    return [at.number_input(key=f"explore_z{index + 1}").value for index in range(count)]


def spoken(at: AppTest) -> str:
    """All that the page says."""
    kinds = (at.markdown, at.text, at.error, at.info, at.warning, at.caption)
    return "\n".join(element.value for kind in kinds for element in kind)
