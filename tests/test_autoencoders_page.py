"""The Autoencoders page by AppTest: its numbers are those of the core, its sections open one by one, absences are told."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import PATIENCE, ROOT, analyses_here, wait_until
from sklearn.neighbors import NearestNeighbors
from streamlit.testing.v1 import AppTest

from latentscape.ui import computed, picker, pictures
from latentscape.ui.autoencoders import bottleneck as ae_bottleneck
from latentscape.ui.autoencoders import kernels as ae_kernels
from latentscape.ui.autoencoders import latent as ae_latent
from latentscape.ui.autoencoders import merge as ae_merge
from latentscape.ui.autoencoders.models import TITLES
from latentscape.ui.own import store
from latentscape.work import analysis_worker
from latentscape.work.analyses import Analyses
from vae_core import checkpoint, data, energy
from vae_core.corruption import merge
from vae_core.latent import normal_draws, prior_draws
from vae_core.placing import gap


@pytest.fixture(autouse=True)
def here(monkeypatch, no_cluster) -> Analyses:
    """Analyses are computed in this process; no cluster is started."""

    made = analyses_here(monkeypatch)
    monkeypatch.setattr(computed, "analyses", lambda: made)
    return made


def open_page(section: str = "Kernels") -> AppTest:
    at = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=PATIENCE).run()
    at.session_state["ae_section"] = section
    at.switch_page("pages/autoencoders.py").run()
    assert not at.exception
    return at


def words(at: AppTest) -> str:
    return "\n".join(element.value for kind in (at.markdown, at.caption, at.text, at.info) for element in kind)


def digits(first: int, count: int = 1) -> torch.Tensor:
    return data.load("mnist").test_images[first : first + count].float() / 255


def model(name: str) -> torch.nn.Module:
    return checkpoint.open_file(picker.SHIPPED / name).model


@torch.no_grad()
def test_dead_units_are_those_whose_codes_hardly_vary():
    at = open_page()
    for name, title in (("mnist-ae-30", "Under-complete"), ("mnist-ae-500", "Over-complete"), ("mnist-dae-500", "Denoising")):
        dead = int((model(name).encode(digits(0, 10_000)).numpy().var(0) < 0.01).sum())
        line = next(element.value for element in at.markdown if element.value.startswith(f"**{title}"))
        assert line.endswith(f"{dead} dead")


def test_the_slider_moves_on_to_other_units_and_damage_raises_the_error():
    at = open_page()
    at.slider(key="ae_first").set_value(471).run()
    assert not at.exception
    assert "Encoder, units 471 to 500" in words(at)
    assert "Encoder, units 1 to 30" in words(at)
    at.toggle(key="ae_spoiled").set_value(True).run()
    errors = [float(line.value.split("error ")[1].split()[0]) for line in at.markdown if "error " in line.value]
    assert len(errors) == 3
    assert errors[2] < min(errors[:2])  # only the denoising one fills the holes


def test_kernels_keep_their_sign_and_scale():
    strong = torch.tensor([[-2.0, 0.0], [1.0, 2.0]]).view(1, 1, 2, 2)
    weights = torch.cat([strong, strong / 2])
    blue, white, pink, red = [0, 0, 255], [255, 255, 255], [255, 128, 128], [255, 0, 0]
    for scales, second in ((torch.tensor([2.0, 2.0]), pink), (torch.tensor([2.0, 1.0]), red)):
        pixels = ae_kernels.coloured(weights, scales)
        assert pixels[0].transpose(1, 2, 0).tolist() == [[blue, white], [pink, red]]
        assert pixels[1, :, 1, 1].tolist() == second
    assert (ae_kernels.coloured(torch.zeros(1, 1, 2, 2), torch.zeros(1)) == 255).all()


def test_what_is_marked_has_a_frame_and_nothing_is_painted_over():
    images = np.arange(2 * 3 * 4 * 4, dtype=np.uint8).reshape(2, 3, 4, 4)
    tiles = pictures.framed(images, np.array([False, True]))
    edge = pictures.EDGE
    assert (tiles[:, :, edge:-edge, edge:-edge] == images).all()
    assert [tile[:, 0, 0].tolist() for tile in tiles] == [list(pictures.PAPER), list(pictures.FRAME)]
    assert (pictures.framed(images[:, :1], [True, True])[:, 2, edge:-edge, edge:-edge] == images[:, 0]).all()


def test_with_a_scale_for_each_kernel_weak_ones_are_as_dark_as_strong_ones():
    """The denoiser's strokes are nearly white on the scale of its largest weight."""
    kernels = model("mnist-dae-500").kernels()[:30]
    common = ae_kernels.coloured(kernels, kernels.abs().max().expand(30))
    each = ae_kernels.coloured(kernels, kernels.abs().amax((1, 2, 3)))
    assert common.min((1, 2, 3)).max() > 60  # the palest has hardly any colour
    assert (each.min((1, 2, 3)) == 0).all()
    at = open_page()
    assert "Largest weights" not in words(at)
    at.toggle(key="ae_each").set_value(True).run()
    assert not at.exception
    assert words(at).count("Largest weights from") == 6


def test_a_closed_section_computes_nothing(monkeypatch):
    monkeypatch.setattr(ae_merge, "_table", lambda found: pytest.fail("computed"))
    open_page("Kernels")


def test_the_energies_of_the_blend_follow_the_slider():
    at = open_page("Merged digits")
    for share in (0.5, 0.2):
        at.slider(key="ae_share").set_value(share).run()
        assert not at.exception
        expected = energy.energies(model("mnist-ae-30"), merge(digits(0), digits(1), share)).item()
        usual = energy.energies(model("mnist-ae-30"), digits(0, 10_000))
        above = (usual > expected).float().mean().item()
        assert f"This merged picture: {expected:.1f} nats. {above:.0%} of the test digits have more." in words(at)
    at.segmented_control(key="ae_judge").set_value("mnist-20d").run()
    assert f"{energy.energies(model('mnist-20d'), merge(digits(0), digits(1), 0.2)).item():.1f} nats" in words(at)


def test_the_histogram_holds_every_kind_and_the_point_where_the_blend_is():
    at = open_page("Merged digits")
    traces = json.loads(at.get("plotly_chart")[0].proto.spec)["data"]
    assert traces[0]["name"] == "Test digits"
    assert traces[-1]["name"] == "this merged picture"
    expected = energy.energies(model("mnist-ae-30"), merge(digits(0), digits(1))).item()
    assert traces[-1]["x"][0] == pytest.approx(np.log10(expected), abs=1e-3)


def test_a_scribble_is_rebuilt_by_each_model_and_marked_in_the_histogram(monkeypatch):
    monkeypatch.setattr(ae_merge, "digit", lambda key: digits(3))
    at = open_page("Merged digits")
    captions = [image.proto.imgs[0].caption for image in at.get("image")]
    assert captions[7] == "Your scribble"
    for caption, name in zip(captions[8:], (*TITLES,), strict=True):
        assert caption == f"{TITLES[name]}: {energy.energies(model(name), digits(3)).item():.1f} nats"
    assert json.loads(at.get("plotly_chart")[0].proto.spec)["data"][-1]["name"] == "your scribble"


def test_the_table_has_the_separation_of_each_kind_and_says_where_it_fails():
    at = open_page("Merged digits")
    table = at.dataframe[0].value
    judge = model("mnist-ae-30")
    usual, noise = energy.energies(judge, digits(0, 10_000)), energy.energies(judge, energy.noise(1000, (1, 28, 28)))
    assert table.iloc[0]["Noise"] == pytest.approx(energy.separation(usual, noise), abs=1e-3)
    assert table.iloc[0]["Nearly empty"] < 0.5
    assert "**Nearly empty**: passes as a digit with Under-complete, 30 units" in words(at)


def test_the_honest_line_follows_the_numbers():
    table = pd.DataFrame({"Noise": [0.99, 0.95], "Dots": [0.3, 0.99], "Lines": [0.8, 0.99]}, index=["A", "B"])
    said = ae_merge.honest(table)
    assert "- **Noise**: every model here tells it from digits." in said
    assert "- **Dots**: passes as a digit with A." in said
    assert "Lines" not in said


def test_without_fashion_the_page_says_what_is_left_out(monkeypatch):
    monkeypatch.setattr(data, "fashion_is_here", lambda: False)
    ae_merge._kinds.clear()
    store().forget_remembered()
    at = open_page("Merged digits")
    assert "Fashion-MNIST" not in at.dataframe[0].value
    assert "Fashion-MNIST is not on this machine" in words(at)
    ae_merge._kinds.clear()
    store().forget_remembered()


def test_the_sizes_are_trained_on_request(here, monkeypatch):
    monkeypatch.setattr(ae_bottleneck, "SIZES", (2, 8))
    monkeypatch.setattr(ae_bottleneck, "IMAGES", 500)
    at = open_page("Bottleneck")
    assert len(json.loads(at.get("plotly_chart")[0].proto.spec)["data"]) == 3  # what needs no training
    at.button(key="ae_sizes_start").click().run()
    wait_until(lambda: not any(known.active for known in here._known.values()), PATIENCE, "the sizes")
    at.run()
    assert not at.exception
    (found,) = here._known.values()
    assert [size for size, _ in found.result["trained"]] == [2, 8]
    traces = json.loads(at.get("plotly_chart")[0].proto.spec)["data"]
    assert len(traces) == 4  # principal components, two that ship, and those trained
    assert [trace["y"][0] for trace in traces[1:3]] == [
        pytest.approx(checkpoint.open_file(picker.SHIPPED / name).recipe.metrics["test_loss"])
        for name in ("mnist-ae-30", "mnist-ae-500")
    ]


def test_the_field_stands_and_its_toy_is_trained_on_request(here, monkeypatch):
    monkeypatch.setattr("vae_core.vector_field.STEPS", 5)
    at = open_page("Vector field")
    assert len(at.get("plotly_chart")) == 1
    at.button(key="ae_toy_start").click().run()
    wait_until(lambda: not any(known.active for known in here._known.values()), PATIENCE, "the toy")
    at.run()
    assert not at.exception
    assert len(at.get("plotly_chart")) == 2


def test_a_stopped_worker_returns_nothing():
    assert analysis_worker.toy_field(lambda **content: None, lambda: True, "circle", 1.0, 3) is None
    assert analysis_worker.bottleneck(lambda **content: None, lambda: True, (2,), 1, 300) is None


def test_the_two_that_are_compared_differ_in_beta_alone():
    recipes = [checkpoint.open_file(picker.SHIPPED / name).recipe for name in (ae_latent.AE, ae_latent.VAE)]
    assert [recipe.config.pop("beta") for recipe in recipes] == [0.0, 1.0]
    configs = [{"likelihood": "bernoulli"} | recipe.config for recipe in recipes]  # a field that the older recipe lacks
    assert configs[0] == configs[1]
    trainings = [{"flip": False, "shift": 0} | recipe.training for recipe in recipes]
    assert trainings[0] == trainings[1]
    assert recipes[0].data == recipes[1].data


@torch.no_grad()
def test_the_numbers_beside_the_draws_are_those_of_the_core_and_change_with_the_seed():
    at = open_page("AE against VAE")
    shown = lambda: [image.proto.imgs[0].url for image in at.get("image")]  # noqa: E731
    before = shown()
    assert len(before) == 3
    at.number_input(key="ae_seed").set_value(5).run()
    assert not at.exception
    assert all(one != other for one, other in zip(before, shown(), strict=True))
    told = [line.value for line in at.markdown if "nearest code" in line.value]
    for line, name, fitted in zip(told, (ae_latent.AE, ae_latent.AE, ae_latent.VAE), (False, True, False), strict=True):
        net, x = model(name), digits(0, 10_000)
        codes = net.codes(x)
        z = normal_draws(codes, 1000, 5) if fitted else prior_draws(1000, 2, 5)
        painted, known = net.decode(z).flatten(1).numpy(), energy.reconstruct(net, x).flatten(1).numpy()
        near = NearestNeighbors(n_neighbors=1).fit(known[:5000])
        limit = np.quantile(near.kneighbors(known[5000:])[0], 0.95)
        strange = (near.kneighbors(painted)[0] > limit).mean()
        assert float(re.search(r"\*\*(\d+)%\*\* not placed", line)[1]) == pytest.approx(100 * strange, abs=0.61)
        assert f"±{codes.abs().max().item():.1f}" in line
        assert float(re.search(r"nearest code \*\*([\d.]+)\*\*", line)[1]) == pytest.approx(gap(z, codes), abs=0.006)


def test_what_is_said_of_the_draws_follows_the_numbers():
    assert "23% and 14% are not placed, of the VAE's 6%: with a prior fewer" in ae_latent.verdict(0.23, 0.14, 0.06)
    assert "no fewer draws" in ae_latent.verdict(0.05, 0.14, 0.06)


def test_every_section_says_above_its_picture_what_to_look_for():
    for section in ("Kernels", "Bottleneck", "Merged digits", "Vector field", "AE against VAE"):
        at = open_page(section)
        assert any("**Look " in element.value for element in at.markdown[:2]), section


def test_without_models_the_page_says_how_to_get_them(monkeypatch, tmp_path):
    monkeypatch.setattr(picker, "SHIPPED", tmp_path)
    assert "make checkpoints" in words(open_page())
