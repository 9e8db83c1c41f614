"""Explore's address: a link opens exactly its state, and what names nothing opens the default."""

import pytest
from explore_page import open_explore, place, sent_to_the_pad

from latentscape.ui.explore.plane import AXES, COMPONENTS, IMAGES

pytestmark = pytest.mark.usefixtures("no_cluster")

TWENTY = ",".join(f"{d / 8 - 1:g}" for d in range(20))
EVERY_OTHER = ("show", "image", "beside", "beside_z", "plane", "section", "walk")
STATES = [
    {"checkpoint": "mnist-2d", "z": "0.5,-1.25", "show": "codes", "image": "7"},
    {"checkpoint": "mnist-20d", "z": TWENTY, "plane": "axes-5-3"},
    {"checkpoint": "mnist-20d", "z": TWENTY, "plane": "components", "show": "images"},
    {"checkpoint": "mnist-20d", "z": TWENTY, "plane": "images-10-20-30", "image": "0"},
    {"checkpoint": "mnist-2d", "z": "0,1", "beside": "mnist-20d", "beside_z": TWENTY, "image": "12"},
    {"checkpoint": "mnist-2d", "z": "0,1", "beside": "mnist-2d-tutorial", "beside_z": "1.5,2", "show": "density"},
    {"checkpoint": "mnist-2d", "z": "0,1", "section": "grid"},
    {"checkpoint": "mnist-2d", "z": "0,1", "section": "walk", "walk": "7-11-decoder"},
    {"checkpoint": "mnist-20d", "z": TWENTY, "plane": "components", "section": "walk", "walk": "7-11-spherical"},
]


def said(at) -> dict[str, str]:
    """The address's parameters."""
    return {name: value[0] if isinstance(value, list) else value for name, value in at.query_params.items()}


@pytest.mark.parametrize("state", STATES, ids=lambda state: "-".join(state))
def test_a_link_opens_exactly_its_state_and_the_page_writes_the_same_link(state):
    at = open_explore(state["checkpoint"], **state)
    assert place(at).z == pytest.approx([float(word) for word in state["z"].split(",")], abs=1e-6)
    assert said(at) == state
    at.run()
    assert not at.exception
    assert place(at).z == pytest.approx([float(word) for word in state["z"].split(",")], abs=1e-6)


def test_what_the_state_means_on_the_page(monkeypatch):
    sent = sent_to_the_pad(monkeypatch)
    at = open_explore("mnist-20d", **STATES[3], beside="mnist-2d", beside_z="1.5,2", show="images")
    assert at.segmented_control(key="explore_plane").value == IMAGES
    assert [at.number_input(key=f"explore_corner_{name}").value for name in "ABC"] == [10, 20, 30]
    assert at.number_input(key="explore_image").value == 0
    main, second = sent[-2:]
    assert (main["key"], second["key"]) == ("explore_pad", "explore_beside_pad")
    assert main["layers"] == second["layers"] == "images"
    assert second["position"] == pytest.approx([1.5, 2])
    assert len(main["posterior"]["mu"]) == 20
    assert len(second["posterior"]["mu"]) == 2


@pytest.mark.parametrize("walk", ["1-2", "1-2-3-straight", "1-10000-straight", "1-2-sideways", "-1-2-straight", "straight"])
def test_a_walk_that_is_none_opens_the_default_walk(walk):
    at = open_explore(section="walk", walk=walk)
    assert said(at) == {"checkpoint": "mnist-2d", "z": "0,0", "section": "walk", "walk": "3-2-straight"}
    assert (at.number_input(key="explore_from").value, at.number_input(key="explore_to").value) == (3, 2)


def test_a_link_with_an_image_and_no_point_opens_on_its_code():
    at = open_explore(image="7")
    by_hand = open_explore()
    by_hand.number_input(key="explore_image").set_value(7).run()
    assert place(at).z == place(by_hand).z != (0.0, 0.0)


@pytest.mark.parametrize("value", ["nan", "1e309", "-1", "<script>", "", "99999", "7.5", "¹", "9" * 5000])
@pytest.mark.parametrize("names", [EVERY_OTHER, ("checkpoint",)], ids=len)
def test_nonsense_opens_the_default(names, value):
    at = open_explore(**dict.fromkeys(names, value))
    assert place(at).z == (0.0, 0.0)
    assert said(at) == {"checkpoint": "mnist-2d", "z": "0,0"}
    assert not at.error


@pytest.mark.parametrize(
    "plane",
    ["axes-0-1", "axes-1-1", "axes-1-21", "axes-1", "components-1", "images-1-2", "images-1-2-10000", "images-1-1-2", "x"],
)
def test_a_plane_that_is_none_opens_two_dimensions(plane):
    at = open_explore("mnist-20d", checkpoint="mnist-20d", plane=plane)
    assert place(at).signature[1] == AXES


def test_a_link_to_a_model_that_is_not_here_opens_the_default_altogether():
    at = open_explore(checkpoint="own/theirs", z="1,1", image="3", show="codes")
    assert place(at).z == (0.0, 0.0)
    assert at.number_input(key="explore_image").value is None


def test_the_address_follows_the_widgets():
    at = open_explore("mnist-20d")
    at.segmented_control(key="explore_plane").set_value(COMPONENTS).run()
    at.segmented_control(key="explore_layers").set_value("codes").run()
    at.number_input(key="explore_image").set_value(3).run()
    at.selectbox(key="explore_model").select("mnist-2d").run()
    assert not at.exception
    assert {name: said(at)[name] for name in ("checkpoint", "plane", "show", "image", "beside")} == {
        "checkpoint": "mnist-20d", "plane": "components", "show": "codes", "image": "3", "beside": "mnist-2d",
    }
    at.selectbox(key="explore_model").select("").run()
    assert "beside" not in at.query_params
