"""Explore by AppTest: the visitor's own digit, walks, holes, two models."""

import base64
import hashlib
import io

import numpy as np
import pytest
import torch
from explore_page import open_explore, place, sent_to_the_pad, show, spoken
from PIL import Image

from latentscape.ui import picker
from latentscape.ui.explore.walk import DECODER, SPHERICAL
from latentscape.ui.own import store
from latentscape.work.belongings import Model
from vae_core import checkpoint, data, evaluate

pytestmark = pytest.mark.usefixtures("no_cluster")


def png(array: np.ndarray) -> bytes:
    packed = io.BytesIO()
    Image.fromarray(array).save(packed, "PNG")
    return packed.getvalue()


def drawing(raw: bytes) -> dict:
    """What the canvas reports."""
    return {"drawing": {"raw": {"objects": [{}]}, "data": "data:image/png;base64," + base64.b64encode(raw).decode()}}


def digit(index: int) -> np.ndarray:
    return data.load("mnist").test_images[index, 0].numpy()


def alts(at) -> list[str]:
    """What is said of the pictures."""
    return [image.alt for pictures in at.get("image") for image in pictures.proto.imgs]


def test_an_own_drawing_appears_at_its_code_with_its_posterior_and_terms(monkeypatch):
    sent = sent_to_the_pad(monkeypatch)
    at = open_explore()
    at.number_input(key="explore_image").set_value(7).run()
    show(at, "Your own digit")
    at.session_state["explore_draw"] = drawing(png(np.kron(digit(0), np.ones((10, 10), np.uint8))))
    at.run()
    assert not at.exception
    model = checkpoint.open_file(picker.SHIPPED / "mnist-2d").model
    mu, logvar = evaluate.encode(model, data.load("mnist").test_images[:1])
    assert place(at).z == pytest.approx(mu[0].tolist(), abs=0.5)  # made smaller again, so not quite the same digit
    assert sent[-1]["posterior"]["mu"] == pytest.approx(place(at).z)
    assert sent[-1]["posterior"]["sigma"] == pytest.approx(torch.exp(0.5 * logvar[0]).tolist(), rel=1)
    assert at.session_state["explore_image"] is None  # the own digit took its place
    table = next(m.value for m in at.markdown if m.value.startswith("| nats"))
    terms = evaluate.elbo_terms(model, data.load("mnist").test_images)
    for name, values in (("recon", terms.recon), ("KL", terms.kl), ("-ELBO", terms.loss)):
        row = next(line for line in table.splitlines() if line.startswith(f"| {name}"))
        assert f"| {np.median(values):.1f} |" in row
    at.session_state["explore_pad"] = {"point": {"x": 1.0, "y": 1.0}}  # dragged away
    at.run()
    assert place(at).z == (1.0, 1.0)
    assert sent[-1]["posterior"] is not None


def test_an_upload_does_the_same_and_an_erased_drawing_goes(monkeypatch):
    sent = sent_to_the_pad(monkeypatch)
    at = open_explore()
    show(at, "Your own digit").file_uploader(key="explore_upload").set_value(
        ("one.png", png(255 - digit(2)), "image/png")
    ).run()
    assert not at.exception
    uploaded = place(at).z
    assert uploaded != (0.0, 0.0)
    at.session_state["explore_draw"] = drawing(png(digit(0)))
    at.run()
    assert place(at).z != uploaded  # the last one counts
    at.session_state["explore_draw"] = {"drawing": {"raw": {"objects": []}, "data": None}}
    at.run()
    assert sent[-1]["posterior"] is None


@pytest.mark.parametrize(
    ("raw", "says"),
    [(b"<html>", "intact"), (png(np.zeros((9, 9), np.uint8)), "Nothing is drawn"), (png(digit(0))[:99], "intact")],
)
def test_a_broken_picture_is_one_sentence(raw, says):
    at = open_explore()
    show(at, "Your own digit").file_uploader(key="explore_upload").set_value(("x.png", raw, "image/png")).run()
    assert not at.exception
    assert says in spoken(at)
    assert place(at).z == (0.0, 0.0)


@pytest.mark.parametrize("state", [5, {}, {"drawing": 3}, {"drawing": {"raw": {"objects": [1]}, "data": "x;base64,%%"}}])
def test_nonsense_from_the_canvas_is_no_drawing(state):
    at = open_explore()
    at.session_state["explore_draw"] = state
    at.run()
    assert place(at).z == (0.0, 0.0)


def test_only_the_open_section_is_computed():
    at = open_explore()
    assert not any(button.key == "explore_png" for button in at.get("download_button"))
    assert at.number_input(key="explore_image").value is None
    at.session_state["explore_draw"] = drawing(png(digit(0)))
    show(at, "Grid").slider(key="explore_side").set_value(9).run()
    assert at.file_uploader(key="explore_upload").value is None  # the panel with the drawing stays where it is
    show(at, "Traversals")
    assert not any(slider.key == "explore_side" for slider in at.slider)
    assert show(at, "Grid").slider(key="explore_side").value == 9


def test_a_walk_is_drawn_on_the_plane_and_the_decoder_s_is_shorter(monkeypatch):
    sent = sent_to_the_pad(monkeypatch)
    at = open_explore()
    assert sent[-1]["path"] is None
    show(at, "Walk")
    straight = np.array(sent[-1]["path"])
    mu, _ = evaluate.encode(checkpoint.open_file(picker.SHIPPED / "mnist-2d").model, data.load("mnist").test_images[:4])
    np.testing.assert_allclose(straight[[0, -1]], mu[[3, 2]], atol=1e-4)
    at.segmented_control(key="explore_path").set_value(DECODER).run()
    assert not at.exception
    bent = np.array(sent[-1]["path"])
    np.testing.assert_allclose(bent[[0, -1]], mu[[3, 2]], atol=1e-4)
    assert np.abs(bent[:, None] - straight).sum(-1).min(1).max() > 0.1
    said = next(m.value for m in at.markdown if m.value.startswith("Length in pictures"))
    own, other = (float(word.strip("*.")) for word in said.split() if word.startswith("**"))
    assert own < 0.9 * other


@pytest.mark.parametrize("kind", ["magnification", "density"])
@pytest.mark.parametrize("model", ["mnist-2d", "mnist-20d"])
def test_holes(monkeypatch, model, kind):
    sent = sent_to_the_pad(monkeypatch)
    at = open_explore(model)
    at.segmented_control(key="explore_layers").set_value(kind).run()
    assert not at.exception
    assert sent[-1]["layers"] == "heat"
    heat = sent[-1]["heat"]
    levels = np.frombuffer(base64.b64decode(heat["levels"]), np.uint8).reshape(heat["rows"], heat["columns"])
    assert levels.max() == 255
    left, right, bottom, top = heat["box"]
    middle = levels[int(top / (top - bottom) * heat["rows"]), int(-left / (right - left) * heat["columns"])]
    assert middle > 3 * levels[[0, 0, -1, -1], [0, -1, 0, -1]].max()  # the corners are far from all codes
    assert "No colour" in spoken(at)
    assert ("projected" in spoken(at)) == (kind == "density" and model == "mnist-20d")


def test_two_models_share_the_image_and_are_dragged_each_on_its_own(monkeypatch):
    sent = sent_to_the_pad(monkeypatch)
    at = open_explore()
    at.selectbox(key="explore_model").select("mnist-20d").run()
    at.number_input(key="explore_image").set_value(5).run()
    assert not at.exception
    images = data.load("mnist").test_images[5:6]
    for name, slot in (("mnist-2d", "explore"), ("mnist-20d", "explore_beside")):
        mu, _ = evaluate.encode(checkpoint.open_file(picker.SHIPPED / name).model, images)
        assert at.session_state[f"{slot}_place"].z == pytest.approx(mu[0].tolist(), abs=1e-4)
    first, second = at.session_state["explore_place"].z, at.session_state["explore_beside_place"].z
    at.session_state["explore_beside_pad"] = {"point": {"x": 1.0, "y": 1.0}}
    at.run()
    assert at.session_state["explore_place"].z == first
    assert at.session_state["explore_beside_place"].z != second
    at.session_state["explore_draw"] = drawing(png(digit(0)))
    at.run()
    assert not at.exception
    main, beside = sent[-2:]
    assert main["posterior"]["mu"] == pytest.approx(at.session_state["explore_place"].z)
    assert beside["posterior"]["mu"] == pytest.approx(at.session_state["explore_beside_place"].z, abs=1e-6)


def test_two_models_that_stretch_have_one_scale_of_colours(monkeypatch):
    sent = sent_to_the_pad(monkeypatch)
    at = open_explore()
    at.segmented_control(key="explore_layers").set_value("magnification").run()
    alone = sent[-1]["heat"]["highest"]
    at.selectbox(key="explore_model").select("mnist-20d").run()
    assert not at.exception
    first, second = (message["heat"] for message in sent[-2:])
    assert first["highest"] == second["highest"] >= alone
    assert sorted(max(base64.b64decode(heat["levels"])) == 255 for heat in (first, second)) == [False, True]
    assert "one scale" in spoken(at)
    at.segmented_control(key="explore_layers").set_value("density").run()
    assert "one scale" not in spoken(at), "images a unit of area on different planes are different things"


def test_the_second_model_stays_as_long_as_there_is_something_to_compare():
    at = open_explore()
    at.selectbox(key="explore_model").select("mnist-20d").run()
    at.selectbox(key="checkpoint").select("mnist-conv-2d").run()
    assert at.selectbox(key="explore_model").value == "mnist-20d"
    at.selectbox(key="checkpoint").select("mnist-20d").run()
    assert at.selectbox(key="explore_model").value == "", "the same twice"
    at.selectbox(key="explore_model").select("mnist-2d").run()
    at.selectbox(key="checkpoint").select("shapes-conv").run()
    assert not at.exception
    assert at.selectbox(key="explore_model").value == "", "it reads other images"
    at.selectbox(key="explore_model").select("mnist-2d").run()
    assert at.selectbox(key="explore_model").value == "mnist-2d", "whoever asks for it gets it"
    assert open_explore("mnist-2d", beside="mnist-2d").selectbox(key="explore_model").value == "mnist-2d"


def test_the_ends_of_a_walk_are_shown_with_their_classes():
    at = show(open_explore(), "Walk")
    labels = data.load("mnist").test_labels
    at.number_input(key="explore_from").set_value(7).run()
    assert [text.value for text in at.text][:2] == [f"class {labels[7]}", f"class {labels[2]}"]
    assert [alt for alt in alts(at) if "test image" in alt] == ["From test image 7.", "To test image 2."]


@pytest.mark.parametrize(("name", "has_posterior"), [("mnist-20d", True), ("mnist-ae-30", False)])
def test_an_image_is_shown_in_the_network_with_what_its_model_says_of_it(monkeypatch, name, has_posterior):
    sent = sent_to_the_pad(monkeypatch)
    at = open_explore(name)
    assert sent[-1]["encoded"] is None
    at.number_input(key="explore_image").set_value(7).run()
    pixels = np.frombuffer(base64.b64decode(sent[-1]["encoded"]["pixels"]), np.uint8)
    np.testing.assert_array_equal(pixels.reshape(28, 28), digit(7))
    assert sent[-1]["encoded"]["code"] == pytest.approx(place(at).z)
    assert (sent[-1]["posterior"] is not None) == has_posterior
    assert ("Draw z" in spoken(at)) == has_posterior
    at.segmented_control(key="explore_layers").set_value("density").run()
    assert sent[-1]["encoded"] is not None


@pytest.mark.parametrize("section", ["A test image", "Your own digit", "Walk", "Traversals", "Grid"])
def test_what_to_look_for_is_said_above_the_pad_in_two_short_lines_at_most(section):
    at = show(open_explore(), section)
    assert 40 < len(at.markdown[0].value) < 240


def test_an_image_chosen_again_brings_the_marker_back():
    at = open_explore()
    at.number_input(key="explore_image").set_value(5).run()
    home = place(at).z
    at.session_state["explore_pad"] = {"point": {"x": 1.0, "y": 1.0, "number": 7, "plane": place(at).plane.identity}}
    at.run()
    assert place(at).z == (1.0, 1.0)
    at.number_input(key="explore_image").set_value(None).run()
    at.number_input(key="explore_image").set_value(5).run()
    assert place(at).z == pytest.approx(home)


@pytest.mark.parametrize("latent_dim", [1, 2, 3, 64])
def test_every_section_lives_in_every_latent_dimension(small, latent_dim):
    small(latent_dim)
    at = open_explore("small")
    at.session_state["explore_draw"] = drawing(png(digit(0)))
    for section in ("A test image", "Your own digit", "Traversals", "Grid", "Walk"):
        show(at, section)
        assert not at.exception
    for path in (SPHERICAL, DECODER) if latent_dim > 1 else (SPHERICAL,):
        at.segmented_control(key="explore_path").set_value(path).run()
        assert not at.exception
    for layers in ("magnification", "density", "codes"):
        at.segmented_control(key="explore_layers").set_value(layers).run()
        assert not at.exception
    at.selectbox(key="explore_model").select("small").run()
    assert not at.exception
    assert len(place(at).z) == latent_dim
    assert ("no way around" in spoken(at)) == (latent_dim == 1)


def test_a_smaller_data_set_takes_no_number_that_it_has_not(small):
    at = open_explore()
    at.number_input(key="explore_image").set_value(9999).run()
    show(at, "Walk").number_input(key="explore_from").set_value(9999).run()
    small(2)
    at.session_state["checkpoint_wanted"] = "small"
    at.run()
    assert not at.exception
    assert at.number_input(key="explore_from").value < 360
    assert show(at, "A test image").number_input(key="explore_image").value is None


def test_collapsed_codes_are_a_sentence(small, monkeypatch):
    small(2)
    monkeypatch.setattr(evaluate, "encode", lambda model, images: (torch.zeros(len(images), 2), torch.zeros(len(images), 2)))
    at = open_explore("small")
    at.segmented_control(key="explore_layers").set_value("density").run()
    assert not at.exception
    assert "posterior collapse" in spoken(at)


def test_an_own_checkpoint_is_opened_once(monkeypatch):
    opened = []
    real = checkpoint.open_bytes
    monkeypatch.setattr(checkpoint, "open_bytes", lambda raw, name: opened.append(name) or real(raw, name))
    at = open_explore()
    raw = (picker.SHIPPED / "mnist-2d.safetensors").read_bytes()
    store().add(Model(owner="me", name="mine", weights=raw), "")
    at.session_state["visitor"] = "me"
    for name in ("own/mine", "mnist-2d", "own/mine"):
        at.session_state["checkpoint_wanted"] = name
        at.run()
        assert not at.exception
        assert place(at).signature[0] == hashlib.sha256(raw).hexdigest()
    assert opened.count("This model") == 1


def test_a_traversal_is_named_after_the_factor_that_it_moves():
    at = show(open_explore("shapes-conv"), "Traversals")
    assert not at.exception
    names = [value.split("  \n") for value in at.markdown.values if value.startswith("**z")]
    told = {lines[1] for lines in names if len(lines) == 3}
    assert {"hue", "x", "y"} <= told
    assert not any(len(value.split("  \n")) == 3 for value in show(open_explore(), "Traversals").markdown.values)
