"""The numbers by which a model is judged: seeded, independent of batch size, and equal to plain loops."""

import hashlib
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier
from torch.distributions import Normal, kl_divergence
from torch.utils.flop_counter import FlopCounterMode

from vae_core import evaluate
from vae_core.data import ImageSet, load, to_float
from vae_core.errors import BadInput
from vae_core.models import family_of
from vae_core.models.autoencoder import AutoencoderConfig
from vae_core.models.denoising import DenoisingConfig
from vae_core.models.restorer import RestorerConfig
from vae_core.models.vae import VAE, VAEConfig, recon_per_image


def tiny_set(train: int = 300, test: int = 100) -> ImageSet:
    """The first of scikit-learn's 8x8 digits."""
    digits = load("digits")
    parts = (digits.train_images[:train], digits.train_labels[:train], digits.test_images[:test], digits.test_labels[:test])
    return ImageSet("tiny", *parts, classes=digits.classes, digest=hashlib.sha256(f"{train} {test}".encode()).hexdigest())


def model_of(seed: int = 0, **changes) -> VAE:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return VAE(VAEConfig(**{"image_shape": (1, 8, 8), "latent_dim": 3, "hidden": 16} | changes))


IMAGES = tiny_set().test_images


# ELBO.


@pytest.mark.parametrize("binarize", [False, True])
@pytest.mark.parametrize("architecture", ["mlp", "residual"])
@pytest.mark.parametrize("batch", [1, 7, 99, 100])
def test_the_batch_size_does_not_change_the_elbo_terms(monkeypatch, binarize, architecture, batch):
    model = model_of(binarize=binarize, architecture=architecture)
    whole = evaluate.elbo_terms(model, IMAGES, seed=3)
    monkeypatch.setattr(evaluate, "BATCH", batch)
    parts = evaluate.elbo_terms(model, IMAGES, seed=3)
    torch.testing.assert_close(parts.recon, whole.recon, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(parts.kl, whole.kl, rtol=1e-5, atol=1e-5)


def test_the_batch_size_does_not_change_the_codes(monkeypatch):
    model = model_of()
    whole = evaluate.encode(model, IMAGES)
    monkeypatch.setattr(evaluate, "BATCH", 7)
    for part, all_at_once in zip(evaluate.encode(model, IMAGES), whole, strict=True):
        torch.testing.assert_close(part, all_at_once)


@torch.no_grad()
def test_the_terms_agree_with_torch_distributions_and_their_sum_is_the_loss():
    model = model_of()
    terms = evaluate.elbo_terms(model, IMAGES, seed=5)
    x = to_float(IMAGES)
    mu, logvar = model.encode(x)
    z = mu + (0.5 * logvar).exp() * torch.randn(100, 3, generator=torch.Generator().manual_seed(5))
    torch.testing.assert_close(terms.recon, recon_per_image(model.decode_logits(z), x))
    torch.testing.assert_close(terms.kl, kl_divergence(Normal(mu, (0.5 * logvar).exp()), Normal(0.0, 1.0)).sum(1))
    torch.testing.assert_close(terms.loss, terms.recon + terms.kl)
    assert terms.loss.shape == (100,)


def test_beta_and_the_reduction_do_not_enter_the_elbo():
    weights = model_of().state_dict()
    losses = []
    for changes in ({}, {"beta": 100.0}, {"reduction": "mean"}):
        model = model_of(**changes)
        model.load_state_dict(weights)
        losses.append(evaluate.elbo_terms(model, IMAGES).loss)
    assert torch.equal(losses[0], losses[1])
    assert torch.equal(losses[0], losses[2])


@pytest.mark.parametrize("binarize", [False, True])
def test_the_same_seed_gives_the_same_terms_and_another_seed_others(binarize):
    model = model_of(binarize=binarize)
    first, again, other = (evaluate.elbo_terms(model, IMAGES, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.loss, again.loss)
    assert not torch.equal(first.recon, other.recon)


def test_judging_a_model_neither_uses_nor_moves_the_global_random_state():
    model = model_of(binarize=True)
    results = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        state = torch.get_rng_state()
        results.append((evaluate.elbo_terms(model, IMAGES).loss, evaluate.importance_weighted_bound(model, IMAGES, 2)))
        evaluate.encode(model, IMAGES)
        assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


def test_judging_a_model_changes_no_weight_and_keeps_no_gradient():
    model = model_of()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    terms = evaluate.elbo_terms(model, IMAGES)
    bound = evaluate.importance_weighted_bound(model, IMAGES, 2)
    assert not terms.loss.requires_grad
    assert not bound.requires_grad
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@torch.no_grad()
def test_a_blind_decoder_costs_log_two_a_pixel():
    model = model_of(binarize=True)
    for parameter in model.parameters():
        parameter.zero_()
    terms = evaluate.elbo_terms(model, IMAGES)
    torch.testing.assert_close(terms.recon, torch.full((100,), 64 * math.log(2)))
    assert terms.kl.abs().max() == 0
    torch.testing.assert_close(evaluate.importance_weighted_bound(model, IMAGES, 4), -terms.loss)


@torch.no_grad()
def test_a_model_trained_on_binary_pixels_is_judged_on_binary_pixels(monkeypatch):
    seen = []
    model = model_of(binarize=True)
    encode = model.encode
    monkeypatch.setattr(model, "encode", lambda x: seen.append(x.clone()) or encode(x))
    evaluate.elbo_terms(model, IMAGES)
    evaluate.importance_weighted_bound(model, IMAGES, 2)
    assert all(x.unique().tolist() == [0.0, 1.0] for x in seen)
    assert sum(len(x) for x in seen) == 200
    assert torch.cat(seen).mean().item() == pytest.approx(to_float(IMAGES).mean().item(), abs=0.02)
    evaluate.encode(model, IMAGES)  # codes are of the grey images: no draw
    assert torch.equal(seen[-1], to_float(IMAGES))


def test_more_samples_bring_the_bound_above_the_elbo():
    model = model_of(latent_dim=8)
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter *= 3
    elbo = -evaluate.elbo_terms(model, IMAGES).loss.mean().item()
    bounds = [evaluate.importance_weighted_bound(model, IMAGES, samples).mean().item() for samples in (1, 10, 100)]
    assert bounds[0] == pytest.approx(elbo, abs=3)  # other draws of the same thing
    assert bounds[0] < bounds[1] < bounds[2]


# Codes.


def test_the_kl_of_the_dimensions_adds_up_to_the_kl():
    model = model_of()
    mu, logvar = evaluate.encode(model, IMAGES)
    per_dimension = evaluate.kl_per_dimension(mu, logvar)
    assert per_dimension.shape == (3,)
    torch.testing.assert_close(per_dimension.sum(), evaluate.elbo_terms(model, IMAGES).kl.mean())


def test_the_kl_of_a_dimension_is_the_mean_over_the_images():
    mu, logvar = torch.tensor([[0.0, 2.0], [0.0, 0.0]]), torch.zeros(2, 2)
    torch.testing.assert_close(evaluate.kl_per_dimension(mu, logvar), torch.tensor([0.0, 1.0]))  # (2^2 / 2 + 0) / 2


def test_active_units_counts_the_dimensions_that_vary():
    random = np.random.default_rng(0)
    spread = np.array([1.0, 0.2, 0.05, 0.0])  # variances 1, 0.04, 0.0025, 0; the threshold is 0.01
    mu = torch.from_numpy(random.normal(size=(5000, 4)) * spread + [0, 9, 9, 9]).float()
    assert evaluate.active_units(mu) == sum(np.var(mu.numpy()[:, d], ddof=1) > 0.01 for d in range(4)) == 2
    assert evaluate.active_units(mu, threshold=1e-3) == 3
    assert evaluate.active_units(torch.zeros(100, 4)) == 0


def test_neighbours_of_random_codes_know_nothing_and_those_of_sorted_codes_everything():
    random = torch.Generator().manual_seed(0)
    labels, test_labels = torch.arange(1000) % 10, torch.arange(300) % 10
    noise, test_noise = torch.randn(1000, 10, generator=random), torch.randn(300, 10, generator=random)
    assert evaluate.knn_accuracy(noise, labels, test_noise, test_labels) < 0.3
    sorted_codes, sorted_test = noise + 20 * torch.eye(10)[labels], test_noise + 20 * torch.eye(10)[test_labels]
    assert evaluate.knn_accuracy(sorted_codes, labels, sorted_test, test_labels) == 1


def test_the_neighbours_are_those_of_a_plain_loop():
    digits = tiny_set(200, 60)
    codes, test_codes = to_float(digits.train_images).flatten(1), to_float(digits.test_images).flatten(1)
    hits = 0
    for code, label in zip(test_codes, digits.test_labels, strict=True):
        nearest = (codes - code).square().sum(1).argsort()[:10]
        hits += int(digits.train_labels[nearest].mode().values == label)  # both take the smallest class of a tie
    accuracy = evaluate.knn_accuracy(codes, digits.train_labels, test_codes, digits.test_labels)
    assert accuracy == pytest.approx(hits / 60)
    reference = KNeighborsClassifier(10).fit(codes, digits.train_labels).score(test_codes, digits.test_labels)
    assert accuracy == pytest.approx(reference)


def test_fewer_codes_than_neighbours_and_collapsed_codes_still_have_an_accuracy():
    labels = torch.tensor([0, 1, 1])
    asked = torch.tensor([1, 1, 0, 1])
    assert evaluate.knn_accuracy(torch.tensor([[0.0], [9], [9]]), labels, torch.tensor([[8.0], [7], [1], [9]]), asked) == 1.0
    assert 0 <= evaluate.knn_accuracy(torch.zeros(3, 2), labels, torch.zeros(4, 2), asked) <= 1


# Linear probe.


def test_the_vote_of_the_neighbours_leaves_the_point_itself_out():
    random = np.random.default_rng(0)
    points, labels = random.normal(size=(120, 3)), random.integers(0, 4, 120)
    points[:, 0] += labels
    right = 0
    for index in range(120):
        distance = np.linalg.norm(points - points[index], axis=1)
        distance[index] = np.inf
        right += np.bincount(labels[np.argsort(distance)[:10]], minlength=4).argmax() == labels[index]
    assert evaluate.neighbour_accuracy(points, labels) == pytest.approx(right / 120)


def test_labels_need_not_count_from_zero():
    points = np.array([[0.0], [0.1], [9.0], [9.1]])
    assert evaluate.neighbour_accuracy(points, np.array([5, 5, 9, 9]), neighbours=1) == 1.0


def test_a_probe_learns_digits_from_pixels_and_better_with_more_labels():
    digits = load("digits")
    features = [to_float(images) for images in (digits.train_images, digits.test_images)]
    few, many = (
        evaluate.linear_probe(features[0], digits.train_labels, features[1], digits.test_labels, shown=shown)
        for shown in (30, None)
    )
    assert 0.5 < few < many
    assert many > 0.88


def test_a_probe_on_features_without_information_is_at_chance():
    digits = load("digits")
    random = torch.Generator().manual_seed(0)
    features, test = torch.randn(1437, 5, generator=random), torch.randn(360, 5, generator=random)
    assert evaluate.linear_probe(features, digits.train_labels, test, digits.test_labels) < 0.2
    constant = evaluate.linear_probe(features * 0, digits.train_labels, test * 0, digits.test_labels)  # a collapsed posterior
    assert constant < 0.2


def test_the_scale_of_the_features_does_not_matter_to_a_probe():
    digits = load("digits")
    features, test = to_float(digits.train_images).flatten(1), to_float(digits.test_images).flatten(1)
    scale = torch.logspace(-3, 3, 64)
    plain, scaled = (
        evaluate.linear_probe(features * s, digits.train_labels, test * s, digits.test_labels, shown=200)
        for s in (torch.ones(64), scale)
    )
    assert scaled == pytest.approx(plain, abs=0.01)


def test_the_shown_labels_are_one_seeded_draw():
    digits = load("digits")
    features, test = to_float(digits.train_images), to_float(digits.test_images)
    accuracies = [
        evaluate.linear_probe(features, digits.train_labels, test, digits.test_labels, shown=40, seed=seed)
        for seed in (1, 1, 2, 3)
    ]
    assert accuracies[0] == accuracies[1]
    assert len(set(accuracies)) > 1


def test_the_shown_labels_are_balanced(monkeypatch):
    shown = []

    def look(self, features, labels, **_):
        shown.append(np.bincount(labels))
        raise StopIteration

    monkeypatch.setattr("sklearn.linear_model.LogisticRegression.fit", look)
    digits = load("digits")
    with pytest.raises(StopIteration):
        evaluate.linear_probe(to_float(digits.train_images), digits.train_labels, torch.zeros(0), torch.zeros(0), shown=100)
    assert shown[0].sum() == 100
    assert 9 <= shown[0].min() <= shown[0].max() <= 11


@pytest.mark.parametrize("shown", [0, -1, 9, 1436, 10_000])
def test_an_impossible_number_of_labels_is_refused_with_the_possible_ones(shown):
    digits = load("digits")
    features = to_float(digits.train_images)
    with pytest.raises(BadInput, match=r"can be shown 10 to 1,427 labels, not"):
        evaluate.linear_probe(features, digits.train_labels, features, digits.train_labels, shown=shown)


@pytest.mark.parametrize("labels", [[0] * 6, [0] * 5 + [1]], ids=["one class", "one image of a class"])
def test_a_probe_of_too_little_is_refused_in_a_sentence(labels):
    features, labels = torch.randn(6, 2), torch.tensor(labels)
    with pytest.raises(BadInput, match="two classes at least, and two training images of each"):
        evaluate.linear_probe(features, labels, features, labels)


def test_a_probe_takes_a_data_set_of_somebodys_own():
    from latentscape.work.analysis_worker import probe

    digits, told = load("digits"), []
    model = VAEConfig(image_shape=digits.image_shape, latent_dim=4, hidden=16).build()
    found = probe(lambda **content: told.append(content), lambda: False, model, digits, (40,))["found"]
    assert [(count, name) for count, name, _ in found] == [(40, "codes"), (40, "pixels")]
    assert told[-1] == {"found": found}


WIDE = [
    VAEConfig(hidden=4096), VAEConfig("conv-course", (3, 64, 64), 2, hidden=1024),
    VAEConfig("residual", hidden=896, depth=4), RestorerConfig((1, 28, 28), 116, 4), RestorerConfig((3, 64, 64), 52, 4),
    DenoisingConfig(hidden=4096), AutoencoderConfig(hidden=4096),
]


@pytest.mark.parametrize("config", WIDE, ids=lambda config: f"{config.kind} {config.hidden}")
def test_no_part_of_a_judgement_takes_long(config):
    model = config.build().eval()
    count = evaluate.at_once(model)
    assert 1 <= count <= evaluate.BATCH
    x = torch.zeros(1, *config.image_shape)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(*model.draw(x, torch.Generator()))
    assert count * counter.get_total_flops() <= 2 * evaluate.AT_ONCE * 1.01  # a multiplication and an addition


@pytest.mark.parametrize("config", [VAEConfig(hidden=16, binarize=True), DenoisingConfig(hidden=16, corruption="mixed")])
@given(size=st.integers(1, 70), batch=st.integers(1, 70), known=st.integers(0, 60))
@settings(deadline=None, max_examples=15)
def test_a_judgement_in_parts_is_the_whole_one_from_wherever_it_goes_on(config, size, batch, known):
    torch.manual_seed(0)
    model = replace(config, image_shape=(1, 8, 8)).build()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "BATCH", batch)
        whole = evaluate.terms(model, IMAGES[:60], seed=3)
        patch.setattr(evaluate, "at_once", lambda model: size)
        parts = list(evaluate.parts(model, IMAGES[:60], 3, known))
    for name in family_of(model).measured:
        assert all(0 < len(part[name]) <= min(size, batch) for part in parts)
        told = torch.cat([torch.zeros(0), *(part[name] for part in parts)])
        torch.testing.assert_close(told, whole[name][known:], rtol=1e-5, atol=1e-5)
