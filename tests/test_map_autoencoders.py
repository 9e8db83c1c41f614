"""Autoencoders without a prior on Map by AppTest: all that a code has, nothing that only a VAE has."""

import json
import re

import numpy as np
import pytest
import torch
from test_map import figure_of, here, open_map, points_of, settle, tiny  # noqa: F401  here: analyses run in this process

from latentscape.ui import picker
from latentscape.work.analyses import Analyses
from vae_core import checkpoint, data, energy, evaluate
from vae_core.models.autoencoder import AutoencoderConfig
from vae_core.projection import PrincipalPlane

ONLY_OF_A_VAE = re.compile(r"\b(KL|ELBO|posterior|prior)\b")
SHIPPED = pytest.mark.parametrize("name", ["mnist-ae-30", "mnist-ae-500", "mnist-dae-500"])


@pytest.fixture
def no_analyses(here, monkeypatch):  # noqa: F811
    """What is asked for waits for ever: ten thousand codes take seconds."""
    monkeypatch.setattr(Analyses, "_start", lambda *_: None)


def codes_and_errors(name: str, count: int = 10_000) -> tuple[np.ndarray, np.ndarray]:
    model, images = checkpoint.open_file(picker.SHIPPED / name).model, data.to_float(data.load("mnist").test_images[:count])
    return energy.codes(model, images).numpy(), energy.energies(model, images).numpy()


def words(at) -> str:
    """All that the page says: labels, options, helps, charts without their numbers, the gallery without its pictures."""
    said = "\n".join(str(element.proto) for element in at.main if element.type != "bidi_component")
    return re.sub(r"base64,[^\"]*", "", re.sub(r"bdata[^}]*", "", said))


@SHIPPED
def test_its_codes_are_drawn_on_their_principal_plane(no_analyses, name):
    at = open_map(name)
    assert at.segmented_control(key="map_method").options == ["Latent axes", "PCA", "t-SNE"]
    assert at.segmented_control(key="map_method").value == "PCA"
    mu, _ = codes_and_errors(name)
    labels = data.load("mnist").test_labels.numpy()
    np.testing.assert_allclose(points_of(at, 3), PrincipalPlane(mu)(mu)[labels == 3], atol=1e-3)
    varies = evaluate.active_units(torch.from_numpy(mu))
    assert any(f"{varies} of {mu.shape[1]} vary" in line.value for line in at.markdown)
    assert not ONLY_OF_A_VAE.search(words(at))


def test_any_two_dimensions_span_it_and_those_that_vary_most_come_first(no_analyses):
    at = open_map("mnist-ae-30")
    at.segmented_control(key="map_method").set_value("Latent axes").run()
    mu, _ = codes_and_errors("mnist-ae-30")
    most = np.argsort(-mu.var(0))
    assert [at.selectbox(key=f"map_{axis}").value for axis in ("first", "second")] == most[:2].tolist()
    assert at.selectbox(key="map_first").options[0] == f"z{most[0] + 1} · {mu.var(0).max():.2f}"
    at.selectbox(key="map_second").set_value(int(most[-1])).run()
    assert not at.exception
    labels = data.load("mnist").test_labels.numpy()
    np.testing.assert_allclose(points_of(at, 7), mu[labels == 7][:, [most[0], most[-1]]], atol=1e-5)


def test_the_bars_are_the_variances_the_largest_first(no_analyses):
    at = open_map("mnist-ae-30")
    bars = json.loads(at.get("plotly_chart")[1].proto.spec)
    variances = codes_and_errors("mnist-ae-30")[0].var(0, ddof=1)
    assert bars["data"][0]["x"] == [f"z{d + 1}" for d in np.argsort(-variances)]
    assert bars["layout"]["yaxis"]["title"]["text"] == "Variance"


def test_a_selection_shows_its_errors(no_analyses):
    at = open_map("mnist-20d")
    digest = checkpoint.open_file(picker.SHIPPED / "mnist-ae-30").recipe.data.digest
    at.session_state["map_selected"] = (digest, np.array([3, 5]))
    at.run()
    at.selectbox(key="map_order").set_value("Highest KL first").run()
    at.selectbox(key="map_colour").set_value("KL").run()
    at.session_state["checkpoint"] = "mnist-ae-30"  # neither the order nor the colour is one of this model's
    at.run()
    assert not at.exception
    _, errors = codes_and_errors("mnist-ae-30", 6)
    assert any(f"On average recon {errors[[3, 5]].mean():.1f} nats" == line.value for line in at.caption)
    html = next(block.proto.body for block in at.get("html") if "pairs" in block.proto.body)
    assert [f"{errors[n]:.1f}" for n in (3, 5)] == re.findall(r"recon ([\d.]+) nats", html)
    assert at.selectbox(key="map_order").options == ["As in the test set", "Highest recon first"]
    assert at.selectbox(key="map_colour").options[:3] == ["Class", "Reconstruction error", "z1"]
    assert not at.toggle
    assert "recon %{customdata[1]:.1f} nats" in figure_of(at)["data"][0]["hovertemplate"]
    assert not ONLY_OF_A_VAE.search(words(at))


@pytest.mark.parametrize("hidden", [1, 2, 12])
def test_every_size_of_code_has_a_map_by_every_method_and_its_numbers(here, monkeypatch, tmp_path, hidden):  # noqa: F811
    at = open_map(tiny(monkeypatch, tmp_path, kind=AutoencoderConfig, hidden=hidden))
    for method in at.segmented_control(key="map_method").options:
        at.segmented_control(key="map_method").set_value(method).run()
        settle(settle(at, here), here)  # the picture, then its numbers
        assert sum(len(points_of(at, trace)) for trace in range(10)) == 360
        assert not ONLY_OF_A_VAE.search(words(at))
    digits, model = data.load("digits"), checkpoint.open_file(tmp_path / "tiny").model
    train, test = (energy.codes(model, data.to_float(part)) for part in (digits.train_images, digits.test_images))
    accuracy = evaluate.neighbour_accuracy(test.numpy(), digits.test_labels.numpy())
    assert {metric.label: metric.value for metric in at.metric}["Codes"] == f"{accuracy:.1%}"
    probe = evaluate.linear_probe(train, digits.train_labels, test, digits.test_labels, 100)
    assert at.dataframe[0].value["codes"][0] == f"{probe:.1%}"


def test_codes_without_spread_are_told_in_words_that_fit(monkeypatch, tmp_path):
    def collapse(model):
        for values in model.parameters():
            values.zero_()

    at = open_map(tiny(monkeypatch, tmp_path, collapse, AutoencoderConfig, hidden=12))
    assert any("No dimension varies" in warning.value for warning in at.warning)
    at.segmented_control(key="map_method").set_value("t-SNE").run()
    assert any("no spread" in sentence.value for sentence in at.text)
    assert not ONLY_OF_A_VAE.search(words(at))
