"""Explore by AppTest: the plane, the point and the numbers stay in step."""

import base64

import numpy as np
import pytest
import torch
from conftest import PATIENCE, ROOT
from explore_page import boxes, open_explore, place, sent_to_the_pad
from streamlit.testing.v1 import AppTest

from latent_pad import Plane, parcel
from latent_pad.decoder_plan import Unsupported
from latentscape.ui import picker
from latentscape.ui.codes import codes_of
from latentscape.ui.explore import plane as explore_plane
from latentscape.ui.explore.plane import AXES, COMPONENTS, IMAGES
from latentscape.ui.own import store
from vae_core import checkpoint, data, evaluate, projection

pytestmark = pytest.mark.usefixtures("no_cluster")


def assert_on_plane(here: explore_plane.Place) -> None:
    np.testing.assert_allclose(here.plane.point(*here.position), here.z, atol=1e-6)


def test_it_opens_on_mnist_2d_at_the_middle_with_one_title():
    at = open_explore()
    assert len(at.title) == 1
    assert place(at).z == (0.0, 0.0)
    assert boxes(at, 2) == [0.0, 0.0]


def test_a_link_opens_exactly_its_point():
    at = open_explore(z="0.5,-1.25")
    assert place(at).z == (0.5, -1.25)
    assert at.query_params["z"] == "0.5,-1.25"


def test_a_link_opens_its_model():
    at = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=PATIENCE)
    at.query_params["checkpoint"] = "mnist-2d-tutorial"
    at.run()
    assert at.selectbox(key="checkpoint").value == "mnist-2d-tutorial"
    at.query_params["checkpoint"] = "mnist-20d"
    at.run()
    assert at.selectbox(key="checkpoint").value == "mnist-2d-tutorial"  # afterwards the visitor chooses


@pytest.mark.parametrize("value", ["nan,1", "1e309,0", "1", "1,2,3", "<script>", "", "99,0"])
def test_a_link_that_names_no_point_of_this_space_opens_the_middle(value):
    at = open_explore(z=value)
    assert place(at).z == (0.0, 0.0)


def test_a_number_box_moves_the_marker():
    at = open_explore()
    at.number_input(key="explore_z2").set_value(1.5).run()
    assert not at.exception
    assert place(at).z == (0.0, 1.5)
    assert place(at).position == pytest.approx((0.0, 1.5))
    assert at.query_params["z"] == "0,1.5"


def test_a_test_image_moves_the_marker_to_its_code_and_shows_its_terms():
    at = open_explore()
    at.number_input(key="explore_image").set_value(7).run()
    assert not at.exception
    model = checkpoint.open_file(picker.SHIPPED / "mnist-2d").model
    images = data.load("mnist").test_images
    mu, _ = evaluate.encode(model, images)
    assert place(at).z == pytest.approx(mu[7].tolist(), abs=1e-5)
    terms = evaluate.elbo_terms(model, images)
    shown = {m.label: m.value for m in at.metric}
    assert shown["recon"] == f"{terms.recon[7]:.1f} nats"
    assert shown["KL"] == f"{terms.kl[7]:.1f} nats"


@pytest.mark.parametrize("kind", [AXES, COMPONENTS, IMAGES])
def test_in_many_dimensions_the_point_stays_on_every_kind_of_plane(kind):
    at = open_explore("mnist-20d")
    at.number_input(key="explore_z5").set_value(0.75).run()
    assert place(at).z[4] == pytest.approx(0.75)
    at.segmented_control(key="explore_plane").set_value(kind).run()
    assert not at.exception
    assert place(at).z[4] == pytest.approx(0.75)  # another plane, the same point
    assert_on_plane(place(at))
    u, v = np.array(place(at).plane.u), np.array(place(at).plane.v)
    np.testing.assert_allclose([u @ u, v @ v, u @ v], [1, 1, 0], atol=1e-5)  # distances on the screen are true


def test_three_images_on_one_point_are_refused_in_a_sentence():
    at = open_explore("mnist-20d")
    at.segmented_control(key="explore_plane").set_value(IMAGES).run()
    at.number_input(key="explore_corner_A").set_value(1).run()
    assert not at.exception
    assert any("do not make a plane" in warning.value for warning in at.warning)


@pytest.mark.parametrize("latent_dim", [1, 2, 3, 64])
def test_every_latent_dimension_opens(latent_dim, small):
    small(latent_dim)
    at = open_explore("small")
    assert len(boxes(at, latent_dim)) == latent_dim


def test_changing_the_model_starts_in_the_middle_of_the_new_space():
    at = open_explore(z="1,1")
    at.selectbox(key="checkpoint").select("mnist-20d").run()
    assert not at.exception
    assert len(place(at).z) == 20


def axes_of(at) -> list[int]:
    return [at.selectbox(key=f"explore_{name}").value for name in ("first", "second")]


def test_another_model_opens_on_its_own_axes_that_tell_most():
    at = open_explore("mnist-20d")
    most = codes_of(checkpoint.open_file(picker.SHIPPED / "mnist-20d")).order
    assert axes_of(at) == most[:2]
    at.selectbox(key="explore_first").select(most[-1]).run()
    assert axes_of(at)[0] == most[-1]
    at.selectbox(key="checkpoint").select("shapes-conv").run()
    assert axes_of(at) == codes_of(checkpoint.open_file(picker.SHIPPED / "shapes-conv")).order[:2]
    at = open_explore("shapes-conv", plane="axes-2-1")
    assert axes_of(at) == [1, 0]  # a link's are a choice


def test_the_gif_runs_there_and_back():
    import io

    from PIL import Image

    from latentscape.ui.explore.walk import gif

    frames = torch.randint(0, 255, (5, 1, 8, 8), dtype=torch.uint8).numpy()
    assert Image.open(io.BytesIO(gif(frames))).n_frames == 8


def test_the_plane_through_a_far_point_holds_it():
    class Known:
        mu = np.random.default_rng(0).normal(size=(50, 4))
        plane = projection.PrincipalPlane(mu)

    z = (3.0, -2.0, 1.0, 0.5)
    for kind, parameters in ((AXES, (2, 3)), (COMPONENTS, ()), (IMAGES, (0, 1, 2))):
        here = explore_plane._place(("digest", kind, parameters), Known, z)
        assert isinstance(here.plane, Plane)
        assert here.z == pytest.approx(z)
        assert_on_plane(here)


def test_what_the_browser_lacks_is_decoded_here_at_the_settled_point(monkeypatch):
    def lacks(decoder):
        raise Unsupported("the browser's runtime has no Fancy layer of this kind")

    store().forget_remembered()  # the decoder may be packed already
    monkeypatch.setattr(parcel, "decoder_plan", lacks)
    sent = sent_to_the_pad(monkeypatch)
    try:
        at = open_explore(z="0.5,-1.25")
        assert "Fancy" in sent[-1]["missing"]
        model = checkpoint.open_file(picker.SHIPPED / "mnist-2d").model
        for z in ((0.5, -1.25), (1.0, 1.0)):
            at.session_state["explore_pad"] = {"point": {"x": z[0], "y": z[1]}}
            at.run()
            assert not at.exception
            with torch.no_grad():
                expected = model.decode(torch.tensor([z])).mul(255).flatten().numpy()
            np.testing.assert_allclose(np.frombuffer(base64.b64decode(sent[-1]["fallback"]), np.uint8), expected, atol=0.51)
    finally:
        store().forget_remembered()
