"""The Compare page by AppTest: a row a model, figures as they are measured, what failed in a sentence, the CSV; and the lab."""

import io

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import PATIENCE, analyses_here, wait_until
from test_pages import open_app, texts

from latentscape.ui import computed, own, picker
from latentscape.ui.compare import models as compare_models
from latentscape.ui.compare import rows as compare_rows
from latentscape.ui.compare.lab import verdict
from latentscape.work.analyses import Analyses
from latentscape.work.belongings import Model
from vae_core import checkpoint, compare, data
from vae_core.models.vae import VAEConfig


@pytest.fixture(autouse=True)
def here(monkeypatch, no_cluster) -> Analyses:
    """Analyses are computed in this process, of few draws; no cluster is started."""

    made = analyses_here(monkeypatch)
    for module in (computed, compare_rows, compare_models):
        monkeypatch.setattr(module, "analyses", lambda: made)
    monkeypatch.setattr(Analyses, "warm_up", lambda self, task: None)
    return made


@pytest.fixture
def few(monkeypatch, tmp_path):
    """Two models of MNIST ship, and one of the small digits, which have no judge."""
    for name in ("mnist-2d-tutorial", "mnist-20d-binary"):
        for suffix in ("json", "safetensors"):
            (tmp_path / f"{name}.{suffix}").write_bytes((picker.SHIPPED / f"{name}.{suffix}").read_bytes())
    monkeypatch.setattr(picker, "SHIPPED", tmp_path)
    monkeypatch.setattr(picker, "KEPT", tmp_path / "kept")
    return tmp_path


@pytest.fixture
def measured(monkeypatch, few):
    """200 draws a model stand for 1,000."""
    real, looked = compare.measure, compare.measure_real
    monkeypatch.setattr(compare, "measure", lambda model, by, features, count, *more: real(model, by, features, 200, *more))
    monkeypatch.setattr(compare, "measure_real", lambda images, by, features, count: looked(images, by, features, 200))
    at = open_app("compare")
    at.button(key="compare_start").click().run()
    return until_measured(at)


def until_measured(at):
    def over() -> bool:
        at.run()
        assert not at.exception
        return not any(button.key == "compare_stop" for button in at.button)

    wait_until(over, PATIENCE, "what is measured")
    return at


def table(at) -> pd.DataFrame:
    return at.dataframe[0].value.set_index("Model")


def test_before_anything_is_measured_there_is_a_row_a_model_with_what_its_recipe_tells(few):
    at = open_app("compare")
    shown = table(at)
    assert list(shown.index) == ["Real against real", "mnist-20d-binary", "mnist-2d-tutorial"]
    assert shown["Frechet"].isna().all()
    assert shown.loc["mnist-20d-binary", "Nats ≤ (k = 100)"] == pytest.approx(86.098, abs=0.01)
    assert shown.loc["mnist-20d-binary", "Nats ≤ (k = 1)"] == pytest.approx(89.434, abs=0.01)
    assert "grey BCE is no likelihood" in shown.loc["mnist-2d-tutorial", "Likelihood"]
    assert pd.isna(shown.loc["mnist-2d-tutorial", "Nats ≤ (k = 1)"])
    assert "Nats" not in shown, "nobody here has an exact likelihood"
    assert shown["Parameters"].dtype == "Int64"


def test_rows_are_measured_one_after_the_other_and_a_second_look_is_instant(measured, here):
    shown = table(measured)
    assert shown["Frechet"].notna().all()
    assert shown["Frechet"].idxmin() == "Real against real"
    assert shown.loc["mnist-20d-binary", "Frechet"] < shown.loc["mnist-2d-tutorial", "Frechet"]
    assert pd.api.types.is_float_dtype(shown["Frechet"]), "words do not sort"
    assert pd.isna(shown.loc["Real against real", "ms a draw"])
    assert (shown["ms a draw"].dropna() > 0).all()
    assert [row.key for row in measured.button if row.key.startswith("compare_start")] == []
    assert len(measured.get("image")) == 3
    asked = len(here._known)
    again = open_app("compare")
    assert table(again)["Frechet"].tolist() == shown["Frechet"].tolist()
    assert len(here._known) == asked


def test_another_number_or_another_source_of_codes_is_measured_anew(measured):
    measured.selectbox(key="compare_source").select("rand").run()
    shown = table(measured)
    assert pd.notna(shown.loc["Real against real", "Frechet"]), "real images have no codes"
    assert shown.drop("Real against real")["Frechet"].isna().all()
    assert measured.button(key="compare_start").label == "Measure 2 rows"
    assert measured.query_params["codes"] == "rand"


def test_the_csv_is_the_table(measured, monkeypatch):
    made = []
    monkeypatch.setattr(compare_models.st, "download_button", lambda label, content, name, *more, **words: made.append(
        (label, content(), name)))
    measured.run()
    (label, content, name), shown = made[-1], table(measured)
    assert (label, name) == ("CSV", "compare-mnist-digits.csv")
    read = pd.read_csv(io.BytesIO(content)).set_index("Model")
    assert list(read.columns) == list(shown.columns)
    np.testing.assert_allclose(read["Frechet"], shown["Frechet"])


def a_model(spoil: bool = False) -> bytes:
    """An untrained VAE of the digits of MNIST."""
    images = data.load("mnist")
    model = VAEConfig(architecture="mlp", hidden=8, latent_dim=2).build()
    if spoil:
        with torch.no_grad():
            for part in model.decoder.parameters():
                part.copy_(3e38 * torch.rand_like(part).sub(0.5).sign())
    recipe = checkpoint.make_recipe(model, "own", images, {}, "train", [], {"test_loss": 1.0})
    return checkpoint.to_bytes(model, recipe)


def test_a_model_that_has_diverged_says_so_in_its_row_and_the_others_are_measured(monkeypatch, few):
    own.store().add(Model(owner="me", name="broken", weights=a_model(spoil=True)), "elsewhere")
    at = open_app("compare")
    at.multiselect[0].set_value(["mnist-2d-tutorial", "own/broken"]).run()
    at.button(key="compare_start").click().run()
    shown = table(until_measured(at))
    assert "paints no finite numbers" in shown.loc["broken (yours)", "Note"]
    assert "broken (yours): This model paints no finite numbers" in texts(at)
    assert pd.isna(shown.loc["broken (yours)", "Frechet"])
    assert shown.loc["mnist-2d-tutorial", "Frechet"] > shown.loc["Real against real", "Frechet"]


def test_without_a_judge_the_pictures_are_there_and_it_is_said(few, weights):
    own.store().add(Model(owner="me", name="small", weights=weights), "elsewhere")
    at = open_app("compare", data="digits")
    assert "There is no judge of this data set" in texts(at)
    at.button(key="compare_start").click().run()
    shown = table(until_measured(at))
    assert shown["Frechet"].isna().all()
    assert shown.loc["small (yours)", "ms a draw"] > 0
    assert len(at.get("image")) == 2
    assert not any(button.key == "compare_tsne_start" for button in at.button)


def test_where_the_images_are_not_here_the_real_row_says_it_and_the_model_draws(monkeypatch, few):
    for suffix in ("json", "safetensors"):
        (few / f"fashion-2d.{suffix}").write_bytes((checkpoint.SHIPPED / f"fashion-2d.{suffix}").read_bytes())
    monkeypatch.setattr(data, "fashion_is_here", lambda: False)
    at = open_app("compare", data="fashion-mnist")
    assert "not on this machine" in table(at).loc["Real against real", "Note"]
    at.button(key="compare_start").click().run()
    shown = table(until_measured(at))
    assert shown.loc["fashion-2d", "ms a draw"] > 0
    assert shown["Frechet"].isna().all()


def test_t_sne_is_offered_of_what_was_measured(measured):
    measured.button(key="compare_tsne_start").click().run()
    wait_until(lambda: measured.run().get("plotly_chart"), PATIENCE, "a chart")
    assert not measured.exception


def test_the_lab_shows_a_sheet_of_each_prior_and_says_what_is_to_be_seen(monkeypatch, few):
    real = compare.priors
    monkeypatch.setattr(compare, "priors", lambda model, images, by, count, *more: real(model, images, by, 200, *more, steps=3))
    at = open_app("compare", section="priors")
    assert at.selectbox(key="compare_decoder").value == "mnist-20d-binary"
    at.button(key="compare_lab_start").click().run()
    wait_until(lambda: len(at.run().get("image")) >= 6, PATIENCE, "six sheets")
    assert not at.exception
    said = texts(at)
    for name in ("Real images", "Reconstructions", "N(0, I)", "The codes' own Gaussian", "A mixture of ten", "Flow matching"):
        assert f"**{name}** · Frechet distance" in said
    assert "samples worse than it reconstructs" in said


def test_the_sentence_of_the_lab_follows_its_figures():
    worse = verdict({"Real images": 5.0, "Reconstructions": 10.0, "N(0, I)": 60.0, "A mixture of ten": 25.0})
    assert "Nearest comes A mixture of ten, at 25.0" in worse
    assert "nothing is lost" in verdict({"Reconstructions": 10.0, "N(0, I)": 10.5, "Flow matching": 12.0})
    assert "as good as any prior" in verdict({"Reconstructions": 10.0, "N(0, I)": 20.0, "Flow matching": 21.0})
    assert verdict({"Reconstructions": 10.0}) == ""


@pytest.mark.parametrize("query", [{"draws": "5"}, {"codes": "randint"}, {"data": "nothing"}, {"seed": "-1"}])
def test_an_address_that_asks_for_what_there_is_not_is_told_so(few, query):
    at = open_app("compare", **query)
    assert "asks for what there is not" in texts(at)
    assert len(table(at)) == 3
