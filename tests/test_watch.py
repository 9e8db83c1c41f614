"""What a training counts and scores of its draws: by a judge, and by the model itself."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from vae_core import judge, watch
from vae_core.corruption import merge
from vae_core.data import load, to_float
from vae_core.models import FAMILIES
from vae_core.watch import JUDGED, SCORED, Watch

torch.set_num_threads(1)


def untrained(kind: str, data, **settings):
    torch.manual_seed(0)
    return FAMILIES[kind].config(image_shape=data.image_shape, **settings).build().eval()


def painting(images):
    """A model that draws these images, (N, C, H, W), one after the other."""
    model = untrained("vae", load("mnist"), hidden=8, latent_dim=1)
    left = list(to_float(images).split(1))
    model.decode = lambda z: torch.cat([left.pop(0) for _ in z])
    return model


def test_the_classes_of_draws_are_those_of_the_images_that_it_draws():
    mnist = load("mnist")
    images = torch.cat([mnist.test_images[mnist.test_labels == 1][:450], mnist.test_images[mnist.test_labels == 7][:50]])
    counts = Watch(painting(images), mnist).classes()
    assert counts.sum() == JUDGED
    assert counts[1] == pytest.approx(450, abs=6)
    assert counts[7] == pytest.approx(50, abs=6)


def test_a_data_set_without_a_judge_has_none_and_neither_has_one_that_paints_pixel_by_pixel():
    mnist, digits = load("mnist"), load("digits")
    assert not len(Watch(untrained("vae", digits, hidden=8), digits).classes())
    assert not len(Watch(untrained("vae", mnist, hidden=8), replace(mnist, digest="another")).classes())
    painter = next(name for name, family in FAMILIES.items() if family.paints)
    assert not len(Watch(untrained(painter, mnist), mnist).classes())


def test_only_a_moment_that_is_judged_costs_its_draws(monkeypatch):
    mnist = load("mnist")
    monkeypatch.setattr(watch, "MAPPED", 50)
    look = Watch(untrained("gan", mnist, hidden=4, latent_dim=3), mnist)
    assert not len(look.frame()["found"])
    assert look.frame(is_judged=True)["found"].sum() == JUDGED


def test_energies_are_those_of_real_drawn_and_merged_digits():
    mnist = load("mnist")
    model = untrained("ebgan", mnist, hidden=8, ndf=8, latent_dim=3)
    scores = Watch(model, mnist).scores()
    assert scores.shape == (3, SCORED)
    x = to_float(mnist.test_images[:SCORED])
    with torch.no_grad():
        of = lambda images: (model.discriminator.decoder(model.discriminator.encoder(2 * images - 1)) - (2 * images - 1))  # noqa: E731
        energies = [of(images).square().flatten(1).sum(1) / 4 for images in (x, merge(x, x.roll(1, 0)))]
    np.testing.assert_allclose(scores[0], energies[0], rtol=1e-4)
    np.testing.assert_allclose(scores[2], energies[1], rtol=1e-4)
    assert (Watch(model, mnist).scores() == scores).all()  # of the same pictures each time


def test_what_a_discriminator_says_leaves_its_statistics_alone_and_is_what_its_terms_say():
    mnist = load("mnist")
    model = untrained("gan", mnist, hidden=4, latent_dim=3)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    look = Watch(model, mnist)
    scores = look.scores()
    assert all((value == before[name]).all() for name, value in model.state_dict().items())
    with torch.no_grad():
        terms = model.terms(None, (to_float(mnist.test_images[:SCORED]), look.draws[:SCORED]))
    np.testing.assert_allclose(scores, torch.stack([terms["real"], terms["drawn"]]), rtol=1e-4)


def test_a_family_without_scores_of_single_pictures_shows_none():
    digits = load("digits")
    assert Watch(untrained("vae", digits, hidden=8), digits).scores().size == 0


@pytest.mark.parametrize(("kind", "far"), [("gan", -1.0), ("ebgan", 1.0)])
def test_how_well_real_pictures_are_told(kind, far):
    scores = FAMILIES[kind].scores
    real = torch.arange(100.0)
    assert scores.told_apart(real, real + 1000 * far) == 1
    assert scores.told_apart(real, real - 1000 * far) == 0
    assert scores.told_apart(real, real) == pytest.approx(0.5)


def test_a_class_is_found_from_a_tenth_of_an_even_share_on():
    assert judge.fewest(500, 10) == 5
    assert judge.fewest(3, 10) == 1
    logits = torch.eye(10)[[0] * 491 + [1] * 5 + [2] * 4]
    assert judge.classes_found(logits).found.tolist() == [True, True, *[False] * 8]
