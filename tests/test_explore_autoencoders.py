"""Autoencoders without a prior on Explore and Home by AppTest: all that a code has, nothing that only a VAE has."""

import numpy as np
import pytest
from conftest import PATIENCE, ROOT
from explore_page import open_explore, place, sent_to_the_pad, show, spoken
from streamlit.testing.v1 import AppTest

from latentscape.ui import picker
from latentscape.ui.codes import codes_of
from latentscape.ui.explore.plane import COMPONENTS
from latentscape.ui.explore.walk import DECODER, STRAIGHT
from vae_core import checkpoint, data, energy

pytestmark = pytest.mark.usefixtures("no_cluster")
NAMES = ("mnist-ae-30", "mnist-ae-500", "mnist-dae-500", "mnist-linear-2d")
names = pytest.mark.parametrize("name", NAMES)
wide = pytest.mark.parametrize("name", NAMES[:3])  # with more dimensions than a plane has
ONLY_OF_A_VAE = ("KL", "ELBO", "posterior", "prior")


def model(name: str) -> checkpoint.Checkpoint:
    return checkpoint.open_file(picker.SHIPPED / name)


def codes(name: str, count: int = 10_000):
    return energy.codes(model(name).model, data.load("mnist").test_images[:count].float() / 255)


@wide
def test_it_opens_among_its_codes_on_the_plane_in_which_they_vary_most(monkeypatch, name):
    sent = sent_to_the_pad(monkeypatch)
    at = open_explore(name)
    assert at.segmented_control(key="explore_plane").value == COMPONENTS
    assert place(at).z == pytest.approx(codes(name).mean(0).tolist(), abs=1e-4)
    assert not sent[-1]["prior"]
    assert sent[-1]["missing"] is None
    assert not any(word in spoken(at) for word in ONLY_OF_A_VAE)


@names
def test_an_image_is_a_code_without_a_posterior_and_has_an_error_without_kl(monkeypatch, name):
    sent = sent_to_the_pad(monkeypatch)
    at = open_explore(name)
    at.number_input(key="explore_image").set_value(7).run()
    assert not at.exception
    assert place(at).z == pytest.approx(codes(name, 8)[7].tolist(), abs=1e-4)
    assert sent[-1]["posterior"] is None
    expected = energy.energies(model(name).model, data.load("mnist").test_images[7:8].float() / 255).item()
    assert {metric.label: metric.value for metric in at.metric} == {"recon": f"{expected:.1f} nats"}
    assert "9" in [text.value for text in at.text], "its class"
    assert not [button for button in at.button if button.key == "explore_resample"]


@pytest.mark.parametrize("name", ["mnist-ae-30", "mnist-dae-500"])
def test_every_section_lives_and_names_nothing_that_only_a_vae_has(name):
    at = open_explore(name)
    for section in ("Walk", "Traversals", "Grid", "Your own digit"):
        show(at, section)
        assert not at.exception
        assert not any(word in spoken(at) for word in ONLY_OF_A_VAE)
        if section == "Walk":
            assert at.segmented_control(key="explore_path").options == [STRAIGHT, DECODER]
    for layers in ("magnification", "density", "codes"):
        at.segmented_control(key="explore_layers").set_value(layers).run()
        assert not at.exception


def test_the_grid_and_the_traversals_stay_where_codes_are():
    at = show(open_explore("mnist-ae-30"), "Traversals")
    assert "from -1 to 1" in spoken(at)
    variances = codes_of(model("mnist-ae-30")).mu.var(0)
    first = next(line.value for line in at.markdown if line.value.startswith("**z"))
    assert first == f"**z{variances.argmax() + 1}**"


def test_a_link_brings_the_same_point_back():
    at = open_explore("mnist-ae-500")
    at.number_input(key="explore_image").set_value(3).run()
    again = open_explore("mnist-ae-500", z=at.query_params["z"], plane=at.query_params["plane"])
    np.testing.assert_allclose(place(again).z, place(at).z, atol=6e-4)


def test_it_stands_beside_a_vae_and_both_follow_the_image():
    at = open_explore("mnist-20d", beside="mnist-ae-30")
    at.number_input(key="explore_image").set_value(5).run()
    assert not at.exception
    assert at.session_state["explore_beside_place"].z == pytest.approx(codes("mnist-ae-30", 6)[5].tolist(), abs=1e-4)


def test_home_drags_through_it(monkeypatch):
    sent = sent_to_the_pad(monkeypatch)
    at = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=PATIENCE)
    at.query_params["checkpoint"] = "mnist-ae-500"
    at.run()
    assert not at.exception
    assert not sent[-1]["prior"]
    assert sent[-1]["plane"]["labels"][0].startswith("PC 1")
    assert "mnist · autoencoder · 500 units" in spoken(at)


def test_the_own_picture_is_a_digit_only_to_models_of_digits():
    for name, panel in (
        ("mnist-dae-500", "Your own digit"),
        ("fashion-2d", "Your own picture"),
        ("shapes-2d", "Your own picture"),
    ):
        at = show(open_explore(name), panel)
        assert not at.exception
        assert f"Draw a {panel.split()[-1]}" in spoken(at)
    at.session_state["checkpoint"] = "mnist-2d"  # the open section has another name there
    at.run()
    assert not at.exception
