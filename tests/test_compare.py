"""Models side by side: figures are those of the draws, it tells how far it is and can be left, and a decoder's priors."""

import itertools
from dataclasses import astuple, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from latentscape.work import analysis_worker
from vae_core import checkpoint, compare, data, draws, judge, prior, sample
from vae_core.errors import BadInput
from vae_core.latent import prior_draws
from vae_core.models import FAMILIES
from vae_core.models.vae import VAEConfig

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture(scope="module")
def by(digits):
    """A judge of the small digits that has hardly learned."""
    *_, last = itertools.islice(judge.train(digits, epochs=1), 6)
    return last.eval()


@pytest.fixture(scope="module")
def model(weights):
    return checkpoint.open_bytes(weights, "tiny").model.requires_grad_(False)


def last_of(steps):
    *_, last = steps
    return last


def test_the_draws_are_those_of_the_command_and_the_first_are_the_same_for_every_count(model):
    many = torch.cat(list(compare.drawn(model, 450, seed=3)))
    assert (len(many), many.dtype) == (450, torch.uint8)
    np.testing.assert_array_equal(many, sample.sample(model, 450, seed=3)[1])
    assert not torch.equal(torch.cat(list(compare.drawn(model, 450, seed=4))), many)


def test_a_model_that_paints_pixel_by_pixel_draws_too():
    config = FAMILIES["fvsbn"].config(image_shape=(1, 8, 8))
    painted = config.build()
    parts = list(compare.drawn(painted, 120, seed=0))
    assert [len(part) for part in parts] == [50, 50, 20]
    assert not torch.equal(parts[0], parts[1]), "each part has draws of its own"
    assert torch.equal(next(compare.drawn(painted, 50, seed=0)), parts[0])
    assert not torch.equal(next(compare.drawn(painted, 50, seed=1)), parts[1]), "and so has each seed"
    np.testing.assert_array_equal(torch.cat(parts), sample.sample(painted, 120, seed=0)[1])


def test_from_rand_all_numbers_of_a_code_are_positive(model):
    seen = []
    spy = SimpleNamespace(config=model.config, decode=lambda z: seen.append(z) or model.decode(z), eval=lambda: spy)
    for _ in compare.drawn(spy, 300, 0, "rand"):
        pass
    codes = torch.cat(seen)
    assert codes.min() >= 0
    assert codes.max() <= 1
    assert (prior_draws(300, 2) < 0).any()


def test_figures_are_those_of_the_features(model, by, digits):
    real = judge.judged(by, digits.test_images).features
    told = list(compare.measure(model, by, real, 300, seed=1))
    features = judge.judged(by, torch.from_numpy(sample.sample(model, 300, seed=1)[1])).features
    measured = told[-1].result
    assert measured.figures.frechet == pytest.approx(draws.frechet_distance(features, real), rel=1e-4)
    assert astuple(measured.figures)[1:5] == pytest.approx(draws.quality(real, features), abs=0.01)
    assert measured.pictures.shape == (compare.WALL, 1, 8, 8)
    np.testing.assert_allclose(measured.features, features[: compare.PLACED], atol=1e-4)
    assert 1 <= measured.figures.found <= 10
    assert measured.figures.milliseconds > 0
    shares = [each.share for each in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert all(each.result is None for each in told[:-1])


def test_real_images_are_nearer_to_real_images_than_draws_are(model, by, digits):
    real = judge.judged(by, digits.test_images).features
    ceiling = last_of(compare.measure_real(digits, by, real, 300)).result.figures
    assert ceiling.frechet < last_of(compare.measure(model, by, real, 300)).result.figures.frechet
    assert ceiling.milliseconds is None


def test_without_a_judge_there_are_pictures_and_their_time_alone(model):
    measured = last_of(compare.measure(model, None, None, 60)).result
    assert measured.features is None
    assert replace(measured.figures, milliseconds=None) == compare.Figures()
    assert measured.figures.milliseconds > 0


def test_whoever_leaves_is_not_kept_waiting(model, digits, by):
    asked = []

    def stopped() -> bool:
        asked.append(1)
        return len(asked) == 3

    opened = SimpleNamespace(network=by, digest="a judge")
    found = analysis_worker.compare_model(lambda **told: None, stopped, model, opened, digits, 1000, 0, "randn")
    assert found is None
    assert len(asked) == 3


def test_a_model_that_draws_nothing_is_refused_and_one_that_has_diverged():
    with pytest.raises(BadInput, match="draws nothing"):
        next(compare.drawn(FAMILIES["ae"].config(image_shape=(1, 8, 8)).build(), 5))
    broken = VAEConfig(architecture="mlp", hidden=8, latent_dim=2, image_shape=(1, 8, 8)).build()
    with torch.no_grad():
        for part in broken.decoder.parameters():
            part.fill_(float("nan"))
    with pytest.raises(BadInput, match="no finite numbers"):
        next(compare.measure(broken, None, None, 5))


# Likelihoods, each by its convention.


@pytest.mark.parametrize(
    ("kind", "settings", "metrics", "expected", "said"),
    [
        ("vae", {}, {"test_loss": 93.0}, (None, None, None), "grey BCE is no likelihood"),
        ("vae", {"binarize": True}, {"test_loss": 89.4}, (None, None, 89.4), "bound"),
        ("vae", {"binarize": True}, {"test_loss": 89.4, "importance_weighted_bound": -86.1, "importance_samples": 100.0},
         (None, 86.1, 89.4), "bound"),
        ("vae", {"binarize": True}, {"test_loss": 89.4, "importance_weighted_bound": -87.0, "importance_samples": 10.0},
         (None, None, 89.4), "bound"),
        ("vae", {"likelihood": "gaussian"}, {"test_loss": -500.0}, (None, None, None), "beside no other"),
        ("pixelcnn", {}, {"test_loss": 88.0}, (88.0, None, None), "exact"),
        ("pixelcnn", {"levels": 4}, {"test_loss": 300.0}, (None, None, None), "4 grey levels"),
        ("gan", {}, {"test_loss": 1.4}, (None, None, None), "has no likelihood"),
    ],
)
def test_no_two_conventions_share_a_column(kind, settings, metrics, expected, said):
    family = FAMILIES[kind]
    found = compare.nats(family, family.config(**settings), metrics)
    assert (found.exact, found.bound, found.elbo) == expected
    assert said in found.said


# One decoder, several priors.


def test_a_decoders_priors_come_sheet_by_sheet(model, digits, by):
    told = list(compare.priors(model, digits, by, 200, steps=20))
    names = [sheet.name for sheet in told[-1].result]
    assert names[:3] == ["Real images", "Reconstructions", "N(0, I)"]
    assert names[3:] == ["The codes' own Gaussian", "A mixture of ten", "Flow matching"]
    assert all(sheet.pictures.shape == (compare.WALL, 1, 8, 8) for sheet in told[-1].result)
    assert all(sheet.frechet > 0 for sheet in told[-1].result)
    grown = [len(each.result) for each in told]
    assert grown == sorted(grown)
    assert set(grown) >= {0, 1, 2, 5, 6}
    assert "flow: step 10 of 20" in [each.doing for each in told]


def test_a_wide_code_gets_no_mixture_and_it_is_said(digits):
    model = FAMILIES["ae"].config(image_shape=(1, 8, 8), hidden=70).build()
    sheets = last_of(compare.priors(model, digits, None, 100, steps=2)).result
    (mixture,) = [sheet for sheet in sheets if sheet.name == "A mixture of ten"]
    assert mixture.pictures is None
    assert "70 dimensions" in mixture.reason
    assert [sheet.frechet for sheet in sheets] == [None] * 6


def test_a_model_without_codes_has_no_priors(digits):
    with pytest.raises(BadInput, match="does not both encode and decode"):
        next(compare.priors(FAMILIES["gan"].config(image_shape=(1, 8, 8)).build(), digits, None, 10))


def test_the_worker_tells_sheets_and_pictures_apart(model, digits, monkeypatch):
    real, told = compare.priors, []
    monkeypatch.setattr(compare, "priors", lambda *asked: real(*asked, steps=5))
    found = analysis_worker.compare_priors(
        lambda **content: told.append(content), lambda: False, model, None, digits, 50, 0, None)
    assert [sheet["name"] for sheet in found["sheets"]][-1] == "Flow matching"
    assert all(isinstance(found[f"pictures_{i}"], np.ndarray) for i in range(6))
    assert all("pictures" not in sheet for each in told for sheet in each["sheets"])
    assert analysis_worker.compare_priors(lambda **_: None, lambda: True, model, None, digits, 50, 0, None) is None


# The prior that ships.


def test_the_prior_that_ships_is_of_one_model_and_refused_for_another():
    opened = checkpoint.find("mnist-20d-binary")
    found = prior.shipped(opened)
    assert found.network.config.kind == "flow"
    assert found.recipe.command == "python -m checkpoints.build mnist-20d-prior"
    other = checkpoint.find("mnist-20d")
    assert prior.shipped(other) is None
    with pytest.raises(BadInput, match="mnist-20d-binary, which is another model than"):
        prior.open_file(prior.SHIPPED / "mnist-20d-prior", other)
