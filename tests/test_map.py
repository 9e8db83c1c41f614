"""Map by AppTest: the picture, its numbers, the selection, and models that make no picture. Analyses run in this process."""

import base64
import io
import json
import re
from functools import partial
from html import unescape
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import streamlit as st
import torch
from conftest import PATIENCE, ROOT, wait_until
from PIL import Image
from streamlit.testing.v1 import AppTest

from latentscape.ui import figures, picker
from latentscape.ui.hover import pack_sprite
from latentscape.ui.map import gallery as map_gallery
from latentscape.ui.map import hand as map_hand
from latentscape.ui.map import named as map_named
from latentscape.ui.map import numbers as map_numbers
from latentscape.ui.map import projection as map_projection
from latentscape.ui.map import view as map_view
from latentscape.ui.map.pairs import pairs
from latentscape.work import analyses as analyses_module
from latentscape.work import jobs
from latentscape.work.analyses import DONE, FAILED, RUNNING, STOPPED, Analyses
from latentscape.work.cluster import Cluster
from vae_core import checkpoint, data, evaluate, projection, train
from vae_core.errors import BadInput
from vae_core.models.vae import VAEConfig
from vae_core.projection import PrincipalPlane


@pytest.fixture(autouse=True)
def here(monkeypatch) -> Analyses:
    """Analyses that are computed in this process as soon as they are asked for; no cluster is started."""

    def compute(self, analysis, task, arguments):
        def tell(**content):
            analysis.told, analysis.status = content, RUNNING

        try:
            analysis.result = task(tell, lambda: not analysis.active, *arguments)
            analysis.status = DONE if analysis.result else STOPPED
        except BadInput as error:
            analysis.reason, analysis.status = str(error), FAILED

    made = Analyses(Cluster())
    monkeypatch.setattr(jobs.Jobs, "warm_up", lambda self: None)
    monkeypatch.setattr(Analyses, "warm_up", lambda self, task: None)
    monkeypatch.setattr(Analyses, "_start", compute)
    monkeypatch.setattr(projection, "EXAGGERATED", 20)  # test_projection.py lets t-SNE converge
    monkeypatch.setattr(projection, "ITERATIONS", 60)
    for module in (analyses_module, map_view, map_numbers, map_projection):
        monkeypatch.setattr(module, "analyses", lambda: made)
    return made


def settle(at: AppTest, here: Analyses) -> AppTest:
    """Run the page until nothing is being computed any more."""
    wait_until(lambda: not any(known.active for known in here._known.values()), PATIENCE, "the analyses")
    at.run()
    assert not at.exception
    return at


def tiny(monkeypatch, tmp_path, change=lambda model: None, kind=VAEConfig, **config) -> str:
    """A barely trained model of the digits in the picker; `change` may ruin it."""
    digits = data.load("digits")
    state = train.start(kind(image_shape=digits.image_shape, **({"hidden": 16} | config)), digits, train.TrainConfig(epochs=1))
    next(train.fit(state, digits))
    with torch.no_grad():
        change(state.model)
    weights, recipe = train.finish(state, digits, "tiny", "train", quick=True)
    checkpoint.save(tmp_path, "tiny", weights, recipe)
    monkeypatch.setattr(picker, "SHIPPED", tmp_path)
    return "tiny"


def open_map(model: str = "mnist-2d") -> AppTest:
    at = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=PATIENCE)
    at.run()
    at.session_state["checkpoint"] = model
    at.switch_page("pages/map.py").run()
    assert not at.exception
    return at


def figure_of(at: AppTest) -> dict:
    charts = at.get("plotly_chart")
    return json.loads(charts[0].proto.spec)


def points_of(at: AppTest, trace: int = 0) -> np.ndarray:
    drawn = figure_of(at)["data"][trace]
    return np.column_stack([
        np.frombuffer(base64.b64decode(drawn[axis]["bdata"]), drawn[axis]["dtype"]) for axis in "xy"
    ])


def test_it_opens_on_the_codes_of_every_test_image_with_a_trace_a_class(here):
    at = open_map()
    model = checkpoint.open_file(picker.SHIPPED / "mnist-2d").model
    mnist = data.load("mnist")
    mu, _ = evaluate.encode(model, mnist.test_images)
    traces = figure_of(at)["data"]
    assert [trace["name"] for trace in traces] == list("0123456789")
    assert len({(trace["marker"]["symbol"], trace["marker"]["color"]) for trace in traces}) == 10
    np.testing.assert_allclose(points_of(at, 3), mu[mnist.test_labels == 3].numpy(), atol=1e-4)
    assert len(at.title) == 1


def test_the_numbers_beside_it_are_those_of_the_core(here):
    at = settle(open_map(), here)
    model = checkpoint.open_file(picker.SHIPPED / "mnist-2d").model
    mnist = data.load("mnist")
    mu, _ = evaluate.encode(model, mnist.test_images)
    shown = {metric.label: metric.value for metric in at.metric}
    accuracy = evaluate.neighbour_accuracy(mu.numpy(), mnist.test_labels.numpy())
    assert shown["Codes"] == shown["Picture"] == f"{accuracy:.1%}"  # two dimensions are their own picture
    assert shown["Trust"] == "1.000"
    probe = at.dataframe[0].value
    assert probe["labels shown"].tolist() == ["100", "1,000"]
    codes = evaluate.encode(model, mnist.train_images)[0]
    expected = evaluate.linear_probe(codes, mnist.train_labels, mu, mnist.test_labels, 100)
    assert probe["codes"][0] == f"{expected:.1%}"


def test_a_selection_fills_the_gallery_and_survives_another_projection(here):
    at = settle(open_map("mnist-20d"), here)
    digest = checkpoint.open_file(picker.SHIPPED / "mnist-20d").recipe.data.digest
    at.session_state["map_selected"] = (digest, np.array([3, 5]))
    at.run()
    for method in ("Latent axes", "PCA"):
        at.segmented_control(key="map_method").set_value(method).run()
        assert not at.exception
        assert any("2 images selected" in text.value for text in at.markdown)
        assert selected(at) == {3, 5}
    html = next(block.proto.body for block in at.get("html") if "pairs" in block.proto.body)
    assert html.count("<figure>") == 2
    at.button(key="map_clear").click().run()
    assert any("Nothing is selected" in caption.value for caption in at.caption)
    assert figure_of(at)["data"][0].get("selectedpoints") is None


def numbers(at: AppTest, trace: int) -> np.ndarray:
    packed = figure_of(at)["data"][trace]["customdata"]
    return np.frombuffer(base64.b64decode(packed["bdata"]), packed["dtype"]).reshape(-1, 3)[:, 0]


def test_what_the_browser_reports_is_checked_like_any_other_input(monkeypatch):
    monkeypatch.setattr(st, "session_state", {})
    done = []
    note = lambda name, *numbers: done.append((name, *numbers))  # noqa: E731
    calls = {name: partial(note, name) for name in ("selected", "cleared", "opened")}
    for report, meant in (
        ({"number": 1, "selected": [7, 3, 120]}, ("selected", [7, 3])),  # 120 is a draw of the prior
        ({"number": 2, "selected": [120]}, ("selected", [])),
        ({"number": 3, "selected": []}, ("selected", [])),
        ({"number": 4, "opened": 99}, ("opened", 99)),
        ({"number": 5, "cleared": True}, ("cleared",)),
        ({"number": 6, "selected": ["3", None, True, -1, 2.5, [4]]}, ("selected", [])),
        *(({"number": 7, "opened": wrong}, None) for wrong in (100, -1, "3", True, None, [3])),
        *((wrong, None) for wrong in (None, "cleared", 3, [], {})),
    ):
        done.clear()
        st.session_state[map_hand.HAND] = {"said": report}
        map_hand._said(100, calls)
        assert done == ([meant] if meant else []), report


def test_a_lasso_around_nothing_keeps_the_selection_and_draws_the_chart_anew(here):
    at = settle(open_map(), here)
    model = checkpoint.open_file(picker.SHIPPED / "mnist-2d")
    before = figure_of(at)
    at.session_state["map_selected"] = (model.recipe.data.digest, np.array([3, 5]))
    at.run()
    selected = figure_of(at)
    at.session_state["map_selections"] = 1  # as select_by_hand leaves it
    at.run()
    again = figure_of(at)
    assert before["data"][0].get("selectedpoints") is None
    assert again["data"] == selected["data"]
    assert again != selected


@pytest.mark.parametrize(("drawn", "kept"), [([], [3, 5]), ([8, 8, 2], [2, 8])])
def test_a_lasso_takes_the_place_of_a_selection_unless_nothing_is_in_it(monkeypatch, drawn, kept):
    monkeypatch.setattr(st, "session_state", {})
    model = SimpleNamespace(recipe=SimpleNamespace(data=SimpleNamespace(digest="d")))
    map_gallery.select(model, [5, 3])
    times = map_gallery.times()
    map_gallery.select_by_hand(model, drawn)
    assert map_gallery.selection(model).tolist() == kept
    assert map_gallery.times() == times + 1
    map_gallery.deselect()
    assert map_gallery.selection(model) is None


def selected(at: AppTest) -> set[int]:
    """The numbers of the images that the chart does not grey."""
    return {int(n) for trace in range(10) for n in numbers(at, trace)[figure_of(at)["data"][trace]["selectedpoints"]]}


def test_classes_and_images_are_selected_without_a_mouse(here):
    at = settle(open_map(), here)
    labels = data.load("mnist").test_labels.numpy()
    at.multiselect(key="map_classes").set_value([3, 8]).run()
    assert selected(at) == set(np.flatnonzero((labels == 3) | (labels == 8)).tolist())
    at.text_input(key="map_numbers").set_value("3, 5, 10-12").run()
    assert not at.exception
    assert selected(at) == {3, 5, 10, 11, 12}
    assert at.multiselect(key="map_classes").value == []
    at.text_input(key="map_numbers").set_value("twelve").run()
    assert "twelve is no number of an image" in "".join(text.value for text in at.text)
    assert selected(at) == {3, 5, 10, 11, 12}
    at.button(key="map_clear").click().run()
    assert at.text_input(key="map_numbers").value == ""
    assert not any("twelve" in text.value for text in at.text)
    assert figure_of(at)["data"][0].get("selectedpoints") is None


@pytest.mark.parametrize(
    ("words", "meant"),
    [("3, 5, 10-12", [3, 5, 10, 11, 12]), ("7", [7]), ("", []), (" 5;3  3 ", [3, 5]), ("0–2", [0, 1, 2]), ("99", [99])],
)
def test_numbers_are_read_as_people_write_them(words, meant):
    assert map_named.numbers_of(words, 100).tolist() == meant


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("100", "numbered 0 to 99"), ("5-200", "numbered 0 to 99"), ("9-3", "runs backwards"), ("-3", "no number"),
        ("3-", "no number"), ("1e9", "no number"), ("²", "no number"), ("1-2-3", "no number"), ("9" * 400, "numbered 0 to 99"),
        (" ".join("7" for _ in range(900)), "too many"),
    ],
)
def test_what_is_no_image_is_said_in_a_sentence(words, said):
    with pytest.raises(BadInput, match=said) as error:
        map_named.numbers_of(words, 100)
    assert len(str(error.value)) < 200


def test_an_image_of_the_map_opens_in_explore_with_the_model_and_its_marker_there(here):
    at = settle(open_map("mnist-20d"), here)
    at.session_state["map_opened"] = 41
    at.run()
    assert not at.exception
    assert at.title[0].value == "Explore the latent space"
    assert at.number_input(key="explore_image").value == 41
    assert at.session_state["checkpoint"] == "mnist-20d"
    model = checkpoint.open_file(picker.SHIPPED / "mnist-20d").model
    mu = evaluate.encode(model, data.load("mnist").test_images[:50])[0].numpy()
    np.testing.assert_allclose(at.session_state["explore_place"].z, mu[41], atol=1e-4)


def test_every_picture_of_the_gallery_leads_to_explore(here):
    at = settle(open_map(), here)
    at.text_input(key="map_numbers").set_value("3, 5").run()
    html = next(block.proto.body for block in at.get("html") if "pairs" in block.proto.body)
    links = [parse_qs(urlsplit(unescape(link)).query) for link in re.findall(r'href="explore(.*?)"', html)]
    assert [(link["image"], link["checkpoint"]) for link in links] == [(["3"], ["mnist-2d"]), (["5"], ["mnist-2d"])]


def test_what_was_chosen_is_there_after_another_page(here, monkeypatch, tmp_path):
    at = open_map(tiny(monkeypatch, tmp_path, latent_dim=4))
    at.segmented_control(key="map_method").set_value("t-SNE").run()
    at.number_input(key="map_perplexity").set_value(12).run()
    at.number_input(key="map_seed").set_value(5).run()
    at.selectbox(key="map_colour").set_value("KL").run()
    at.toggle(key="map_prior").set_value(True).run()
    at.multiselect(key="map_classes").set_value([3]).run()
    at.selectbox(key="map_order").set_value("Highest KL first").run()
    settle(at, here)
    chosen = selected(at)
    at.switch_page("pages/home.py").run()
    at.switch_page("pages/map.py").run()
    assert not at.exception
    assert at.segmented_control(key="map_method").value == "t-SNE"
    assert (at.number_input(key="map_perplexity").value, at.number_input(key="map_seed").value) == (12, 5)
    assert at.selectbox(key="map_colour").value == "KL"
    assert at.toggle(key="map_prior").value
    assert at.selectbox(key="map_order").value == "Highest KL first"
    assert selected(at) == chosen != set()
    assert at.multiselect(key="map_classes").value == [3]


def test_the_axes_that_were_chosen_are_there_after_another_page(here, monkeypatch, tmp_path):
    at = open_map(tiny(monkeypatch, tmp_path, latent_dim=4))
    at.segmented_control(key="map_method").set_value("Latent axes").run()
    least = lambda key: at.selectbox(key=key).set_value(at.selectbox(key=key).options[-1]).run()  # noqa: E731
    least("map_first")
    least("map_second")
    chosen = [at.selectbox(key=key).value for key in ("map_first", "map_second")]
    at.switch_page("pages/home.py").run()
    at.switch_page("pages/map.py").run()
    assert [at.selectbox(key=key).value for key in ("map_first", "map_second")] == chosen


@pytest.mark.parametrize("colour", ["Reconstruction error", "KL", "z2"])
def test_the_colour_may_be_a_value(here, colour):
    at = open_map()
    at.selectbox(key="map_colour").set_value(colour).run()
    assert not at.exception
    figure = figure_of(at)
    assert all(trace["marker"]["coloraxis"] == "coloraxis" for trace in figure["data"])
    assert figure["layout"]["coloraxis"]["colorbar"]["title"]["text"].startswith(colour)


def test_draws_of_the_prior_are_decoded_encoded_and_shown_in_the_same_plane(here):
    at = open_map("mnist-20d")
    at.toggle(key="map_prior").set_value(True).run()
    assert not at.exception
    assert figure_of(at)["data"][-1]["name"] == "from the prior"
    drawn = points_of(at, 10)
    assert drawn.shape == (1000, 2)
    model = checkpoint.open_file(picker.SHIPPED / "mnist-20d").model
    z = torch.randn(1000, 20, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        again = model.encode(model.decode(z[:50]).mul(255).round() / 255)[0]
    plane = PrincipalPlane(evaluate.encode(model, data.load("mnist").test_images)[0].numpy())
    np.testing.assert_allclose(drawn[:50], plane(again.numpy()), atol=2e-2)


@pytest.mark.parametrize("latent_dim", [1, 2, 3, 64])
def test_every_latent_dimension_has_a_map_by_every_method(here, latent_dim, monkeypatch, tmp_path):
    at = open_map(tiny(monkeypatch, tmp_path, latent_dim=latent_dim))
    assert at.segmented_control(key="map_method").value == ("PCA" if latent_dim > 2 else "Latent axes")
    for method in at.segmented_control(key="map_method").options:
        at.segmented_control(key="map_method").set_value(method).run()
        settle(at, here)
        assert not at.exception
        assert sum(len(points_of(at, trace)) for trace in range(10)) == 360


def test_t_sne_is_computed_once_for_its_seed_and_says_what_it_is_not(here, monkeypatch, tmp_path):
    at = open_map(tiny(monkeypatch, tmp_path))
    at.segmented_control(key="map_method").set_value("t-SNE").run()
    settle(at, here)
    first = points_of(at)
    assert any("no inverse" in caption.value for caption in at.caption)
    at.number_input(key="map_seed").set_value(1).run()
    settle(at, here)
    assert not np.allclose(points_of(at), first)
    before = len(here._known)
    at.number_input(key="map_seed").set_value(0).run()
    settle(at, here)
    np.testing.assert_array_equal(points_of(at), first)
    assert len(here._known) == before
    assert at.number_input(key="map_perplexity").max == 119  # (360 - 1) / 3


def test_a_collapsed_model_is_told_so_and_the_page_lives(here, monkeypatch, tmp_path):
    def collapse(model):
        model.encoder[-1].weight.zero_()

    at = settle(open_map(tiny(monkeypatch, tmp_path, collapse)), here)
    assert any("posterior collapse" in warning.value for warning in at.warning)
    at.segmented_control(key="map_method").set_value("t-SNE").run()
    assert not at.exception
    assert any("no spread" in text.value for text in at.text)
    at.segmented_control(key="map_method").set_value("Latent axes").run()
    assert not at.exception
    assert len(at.get("plotly_chart")) == 2


def test_a_model_whose_data_is_not_here_is_refused_in_a_sentence(here, monkeypatch, tmp_path):
    name = tiny(monkeypatch, tmp_path)

    def nobody(_):
        raise BadInput("The data set digits is not here.")

    monkeypatch.setattr(data, "load", nobody)
    at = open_map(name)
    assert any("cannot be mapped" in error.value for error in at.error)


# The parts.


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 64, 64), (1, 8, 8)])
def test_every_picture_lies_in_the_sprite_where_the_browser_looks_for_it(shape):
    images = np.random.default_rng(0).integers(0, 256, (130, *shape), dtype=np.uint8)
    images[:] = images[:, :, :1, :1]  # one colour each: lossy packing keeps it
    sprite = pack_sprite(images)
    assert max(sprite.tile) <= 32
    picture = np.asarray(Image.open(io.BytesIO(sprite.payload)).convert("RGB")).astype(int)
    height, width = sprite.tile
    for index in (0, 1, 64, 129):
        row, column = divmod(index, sprite.columns)
        tile = picture[row * height : (row + 1) * height, column * width : (column + 1) * width]
        expected = np.broadcast_to(images[index, :, 0, 0], 3)
        assert np.abs(tile[2:-2, 2:-2].mean((0, 1)) - expected).max() < 25


def test_a_class_name_is_text_in_the_chart_and_in_the_gallery():
    name = "<i>cat</i>"
    image = np.zeros((1, 3, 4, 4), np.uint8)
    html = pairs(image, image, [(name, "recon 1.0")], ("Original", "Reconstruction"), ["explore?image=0"])
    assert "<i>" not in html
    assert "&lt;i&gt;" in html
    figure = figures.projection_map(np.zeros((2, 2)), np.zeros(2, int), (name,), ("x", "y"), {"recon": np.zeros(2)})
    assert "<i>" not in figure.data[0].hovertemplate + figure.layout.annotations[0].text + figure.data[0].name


@pytest.mark.parametrize(
    ("classes", "named", "legend"),
    [
        (("a", "b"), 2, True),
        ((), 0, False),
        (("a", "Animals & Nature"), 0, True),
        (tuple(map(str, range(30))), 0, False),
    ],
)
def test_classes_are_named_on_the_map_where_they_fit(classes, named, legend):
    labels = np.arange(60) % max(1, len(classes))
    points = np.random.default_rng(0).normal(size=(60, 2))
    for figure in (
        figures.projection_map(points, labels, classes, ("x", "y"), {"recon": np.zeros(60)}),
        figures.latent_map(points, labels.tolist(), list(classes), 2, None),
    ):
        assert len(figure.layout.annotations) == named
        assert figure.layout.showlegend == legend
        assert sum(len(trace.x) for trace in figure.data) == 60


def test_unselected_points_stay_in_grey():
    figure = figures.projection_map(
        np.random.default_rng(0).normal(size=(6, 2)), np.array([0, 0, 1, 1, 1, 0]), ("a", "b"), ("x", "y"), {},
        selected=np.array([1, 4]),
    )
    assert [list(trace.selectedpoints) for trace in figure.data] == [[1], [2]]
    assert all(trace.unselected.marker.color == figures.GREY and trace.unselected.marker.opacity > 0 for trace in figure.data)
