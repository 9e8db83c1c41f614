"""Learned priors: their moments, their densities, which end of a flow is the data, and that each belongs to one model."""

import copy
import json

import numpy as np
import pytest
import safetensors.torch
import torch
from sklearn.mixture import GaussianMixture

from vae_core import checkpoint, draws, evaluate, prior
from vae_core.data import load
from vae_core.errors import BadInput
from vae_core.latent import prior_draws
from vae_core.prior import PriorConfig

torch.set_num_threads(1)
GENERATOR = torch.Generator().manual_seed(0)
DIGITS = load("digits")


@pytest.fixture(autouse=True)
def small_steps(monkeypatch):
    """Flows of few dimensions need no large batches. And each test has its own draws, whichever ran before."""
    monkeypatch.setattr(prior, "BATCH", 256)
    GENERATOR.manual_seed(0)


def learned(kind: str, codes: torch.Tensor, steps: int = 300, **settings):
    *_, last = prior.learn(PriorConfig(codes.shape[1], kind, **settings), codes, steps)
    return last.network


def two_clouds(count: int) -> torch.Tensor:
    """Codes of two classes, far apart, each narrow: what no Gaussian fits."""
    side = torch.randint(2, (count, 1), generator=GENERATOR) * 2.0 - 1
    return torch.cat([10 + 4 * side, torch.zeros(count, 1)], 1) + 0.5 * torch.randn(count, 2, generator=GENERATOR)


def slanted(count: int, size: int = 3) -> torch.Tensor:
    """Codes of a Gaussian that is neither round nor in the middle."""
    mixing = torch.tensor([[2.0, 0.0, 0.0], [1.5, 0.5, 0.0], [-1.0, 0.2, 0.1]])[:size, :size]
    return torch.randn(count, size, generator=GENERATOR) @ mixing.T + torch.tensor([5.0, -3.0, 1.0])[:size]


@pytest.fixture(scope="module")
def opened(weights):
    return checkpoint.open_bytes(weights, "tiny")


# What is drawn.


def test_the_normal_prior_is_what_a_vae_is_decoded_from():
    assert torch.equal(learned("normal", slanted(50)).draw(20, seed=3), prior_draws(20, 3, seed=3))


@pytest.mark.parametrize("kind", ["gaussian", "mixture", "flow"])
def test_from_codes_of_a_gaussian_each_draws_with_their_moments(kind):
    codes = slanted(4000)
    drawn = learned(kind, codes, steps=800, components=3, hidden=32).draw(20_000, seed=1)
    spread = codes.std(0)
    assert ((drawn.mean(0) - codes.mean(0)).abs() < 0.06 * spread).all()
    assert ((drawn.T.cov() - codes.T.cov()).abs() < 0.08 * spread[:, None] * spread).all()


@pytest.mark.parametrize("kind", ["mixture", "flow"])
def test_two_clouds_are_drawn_as_two_where_a_gaussian_fills_the_gap(kind):
    codes = two_clouds(4000)
    network = learned(kind, codes, steps=800, components=2, hidden=64)
    middle = lambda drawn: ((drawn[:, 0] - 10).abs() < 2).double().mean().item()  # noqa: E731
    assert middle(codes) < 0.001
    drawn, filled = network.draw(4000, seed=0), middle(learned("gaussian", codes).draw(4000, 0))
    assert filled > 0.3
    assert middle(drawn) < 0.4 * filled  # a flow that has learned for a second or two; the mixture has next to none there
    assert 0.4 < (drawn[:, 0] > 10).double().mean() < 0.6
    assert draws.quality(codes[:1500], drawn[:1500]).coverage > 0.75
    assert draws.quality(codes[:1500], learned("gaussian", codes).draw(1500, 0)).coverage < 0.75


@pytest.mark.parametrize("kind", ["normal", "gaussian", "mixture", "flow"])
def test_the_same_seed_draws_the_same_and_nobody_elses_draws_are_moved(kind):
    state = torch.get_rng_state()
    network = learned(kind, slanted(300), steps=3, components=2, hidden=8)
    assert torch.equal(network.draw(5, seed=2), network.draw(5, seed=2))
    assert not torch.equal(network.draw(5, seed=2), network.draw(5, seed=4))
    assert torch.equal(torch.get_rng_state(), state)


def test_a_flow_is_learned_the_same_from_the_same_seed():
    codes = two_clouds(500)
    one, same = (learned("flow", codes, steps=4, hidden=8) for _ in range(2))
    for a, b in zip(one.parameters(), same.parameters(), strict=True):
        assert torch.equal(a, b)


# The mixture.


def test_the_mixtures_density_is_scikit_learns_from_the_same_codes():
    codes = torch.cat([torch.randn(600, 3, generator=GENERATOR), 2 * torch.randn(400, 3, generator=GENERATOR) + 7])
    codes[:, 2] += codes[:, 0]
    network = learned("mixture", codes, components=2)
    judge = GaussianMixture(2, reg_covar=1e-9, random_state=5).fit(codes.double().numpy())
    ours = network.log_prob(codes)
    np.testing.assert_allclose(ours.mean(), judge.score(codes.double().numpy()), atol=0.02)  # a little kept from every point
    order = np.argsort(judge.means_[:, 1]), network.means[:, 1].argsort()  # a component has no number
    np.testing.assert_allclose(network.means[order[1]], judge.means_[order[0]], atol=0.05)
    np.testing.assert_allclose(network.weights[order[1]], judge.weights_[order[0]], atol=0.01)


def test_its_density_integrates_to_one_and_one_component_is_the_normal_density():
    network = learned("mixture", two_clouds(800), components=3)
    across, along = torch.linspace(0, 20, 401), torch.linspace(-6, 6, 241)
    grid = torch.stack(torch.meshgrid(across, along, indexing="ij"), 2).view(-1, 2)
    assert (network.log_prob(grid).exp().sum() * 0.05 * 0.05).item() == pytest.approx(1, abs=1e-3)
    codes = slanted(500)
    expected = torch.distributions.MultivariateNormal(codes.double().mean(0), codes.double().T.cov()).log_prob(codes.double())
    np.testing.assert_allclose(learned("gaussian", codes).log_prob(codes), expected, atol=1e-2)


def test_codes_that_are_one_point_or_a_few_leave_no_nan():
    same = torch.ones(50, 3)
    few = slanted(4).repeat(20, 1)
    flat = slanted(200)
    flat[:, 1] = 7.0  # a unit that never moves
    for codes in (same, few, flat):
        for kind in ("gaussian", "mixture", "flow"):
            drawn = learned(kind, codes, steps=5, components=10, hidden=8).draw(100, seed=0)
            assert drawn.isfinite().all()
            assert (drawn.mean(0) - codes.mean(0)).abs().max() < 3 * codes.std(0).max() + 0.01
    assert (learned("gaussian", flat).draw(100, 0)[:, 1] - 7).abs().max() < 0.01


# The flow.


def test_which_end_is_the_data():
    noise, codes = torch.randn(5, 2, generator=GENERATOR), two_clouds(5)
    assert torch.equal(prior.between(noise, codes, torch.zeros(5, 1)), noise)
    assert torch.equal(prior.between(noise, codes, torch.ones(5, 1)), codes)
    network = learned("flow", two_clouds(2000), steps=800, hidden=64)
    start = prior_draws(500, 2, 0)
    path = network.path(start, 8)
    assert path.shape == (9, 500, 2)
    torch.testing.assert_close(path[0], network.mean + start @ network.root.T)  # t = 0: noise, as wide as the codes
    assert torch.equal(network.path(start)[-1], network.draw(500, 0))  # t = 1: what is drawn
    gap = lambda places: ((places[:, 0] - 10).abs() < 2).double().mean()  # noqa: E731
    assert gap(path[0]) > 0.3
    assert gap(path[-1]) < 0.5 * gap(path[0])


def test_the_learned_velocity_is_the_one_that_is_known_at_both_ends():
    """At t = 0 nothing is known of the code: the mean of code - noise is -u. At t = 1 nothing of the noise: it is u."""
    network = learned("flow", slanted(3000), steps=600, hidden=64)
    u = torch.randn(200, 3, generator=GENERATOR)
    for t, sign in ((0.0, -1), (1.0, 1)):
        error = (network(u, torch.full((200, 1), t)) - sign * u).square().mean().sqrt()
        assert error < 0.25
    halfway = network(u, torch.full((200, 1), 0.5))  # of two like Gaussians there nothing moves
    assert halfway.square().mean().sqrt() < 0.2


def exact_velocity(mean: float, spread: float):
    """Of straight paths from N(0, 1) to N(mean, spread^2): the mean of code - noise where a particle is at time t."""

    def velocity(u, t):
        variance = (1 - t) ** 2 + (t * spread) ** 2
        return mean + (t * spread**2 - (1 - t)) / variance * (u - t * mean)

    return velocity


@pytest.mark.parametrize(("mean", "spread"), [(3.0, 0.5), (-1.0, 2.0), (0.0, 1.0)])
def test_from_gaussian_to_gaussian_the_moments_are_right(mean, spread):
    u = torch.randn(1000, 1, generator=GENERATOR, dtype=torch.float64)
    *_, last = prior.heun(exact_velocity(mean, spread), u, 40)
    torch.testing.assert_close(last, mean + spread * u, atol=5e-3, rtol=0)  # in one dimension each particle's place is known


def test_time_begins_at_zero_ends_at_one_and_the_method_is_of_second_order():
    asked = []

    def velocity(u, t):
        asked.append(t[0].item())
        return 3 * t**2 + 0 * u  # u(1) = u(0) + 1

    u = torch.zeros(1, 1, dtype=torch.float64)
    places = list(prior.heun(velocity, u, 4))
    assert len(places) == 5
    assert asked == [0, 0.25, 0.25, 0.5, 0.5, 0.75, 0.75, 1]
    errors = [abs(list(prior.heun(velocity, u, steps))[-1].item() - 1) for steps in (4, 8, 16)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.01)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.01)


def test_before_it_has_learned_a_flow_draws_from_the_codes_own_gaussian():
    codes = slanted(2000)
    first = copy.deepcopy(next(iter(prior.learn(PriorConfig(3, "flow", hidden=8), codes))))
    assert (first.done, first.steps) == (1, 2500)
    drawn, own = first.network.draw(5000, 0), learned("gaussian", codes).draw(5000, 0)
    assert draws.frechet_distance(drawn, own) < 0.02 * draws.moments(codes).covariance.trace()


def test_the_loss_falls_and_the_weights_that_draw_are_averages(monkeypatch):
    config, codes = PriorConfig(2, hidden=32), two_clouds(800)

    def followed(averaged: float) -> tuple[list[float], list[torch.Tensor]]:
        monkeypatch.setattr(prior, "AVERAGED", averaged)
        steps = [(each.loss, each.network.last.weight.clone()) for each in prior.learn(config, codes, 150)]
        return [loss for loss, _ in steps], [weight for _, weight in steps]

    losses, last = followed(0.0)  # each step's own weights
    assert np.mean(losses[-20:]) < np.mean(losses[:20])
    expected = torch.zeros_like(last[0])
    for step, weight in enumerate(last):
        kept = min(0.95, (1 + step) / (10 + step))
        expected = kept * expected + (1 - kept) * weight
    torch.testing.assert_close(followed(20 / 150)[1][-1], expected)


def test_whitened_codes_have_unit_covariance_and_come_back():
    codes = slanted(500).double()
    mean, root, inverse = prior.whitening(codes)
    whitened = (codes - mean) @ inverse.T
    torch.testing.assert_close(whitened.T.cov(), torch.eye(3, dtype=torch.float64))
    torch.testing.assert_close(mean + whitened @ root.T, codes)
    torch.testing.assert_close(root @ root.T, codes.T.cov())


# Codes, and which model they are of.


def test_codes_are_drawn_from_the_posterior_where_there_is_one(opened):
    images = DIGITS.test_images[:200]
    mu, logvar = evaluate.encode(opened.model, images)
    codes = prior.sampled_codes(opened.model, images, seed=1)
    away = (codes - mu) / torch.exp(0.5 * logvar)
    assert away.mean().abs() < 0.15
    assert away.std() == pytest.approx(1, abs=0.1)
    assert torch.equal(codes, prior.sampled_codes(opened.model, images, seed=1))
    linear = checkpoint.find("mnist-linear-2d").model
    some = load("mnist").test_images[:3]
    torch.testing.assert_close(prior.sampled_codes(linear, some), linear.codes(some / 255).detach())
    with pytest.raises(BadInput, match="no code"):
        prior.sampled_codes(checkpoint.find("mnist-restorer").model, some)


@pytest.mark.parametrize("kind", ["normal", "gaussian", "mixture", "flow"])
def test_it_is_opened_as_it_was_saved_for_its_own_model(opened, kind, tmp_path):
    kept = prior.belonging(learned(kind, two_clouds(300), steps=3, components=4, hidden=8), opened)
    weights, recipe = prior.to_bytes(kept, opened, {"steps": 3}, {"frechet_distance": 1.5})
    prior.companion.save(tmp_path / "it", weights, recipe)
    again = prior.open_file(tmp_path / "it.safetensors", opened)
    assert torch.equal(again.draw(7, seed=1), kept.draw(7, seed=1))
    assert again.recipe.model.digest == opened.digest
    assert again.recipe.data == opened.recipe.data
    assert json.loads((tmp_path / "it.json").read_text())["weights_sha256"] == again.digest


def test_a_prior_for_another_model_is_refused_in_a_sentence(opened):
    kept = prior.belonging(learned("gaussian", two_clouds(30)), opened)
    weights, _ = prior.to_bytes(kept, opened, {})
    other = checkpoint.find("mnist-2d-tutorial")
    said = r"^This prior was learned from the codes of tiny, which is another model than mnist-2d-tutorial; learn one .*\.$"
    with pytest.raises(BadInput, match=said):
        prior.open_bytes(weights, "mine", other)
    with pytest.raises(BadInput, match=said):
        prior.to_bytes(kept, other, {})
    with pytest.raises(BadInput, match="is no prior that Latentscape saved"):
        prior.open_bytes(safetensors.torch.save({"a": torch.zeros(1)}), "mine", opened)


@pytest.mark.parametrize(
    ("config", "codes", "said"),
    [
        ({"kind": "flow"}, torch.zeros(9, 4), "codes of 3 numbers"),
        ({"kind": "flow"}, torch.zeros(1, 3), "from 2 codes at least"),
        ({"kind": "mixture", "components": 10}, torch.zeros(9, 3), "from 10 codes at least"),
        ({"kind": "gaussian"}, torch.full((9, 3), torch.inf), "no finite numbers"),
    ],
)
def test_codes_that_nothing_can_be_learned_from_are_refused(config, codes, said):
    with pytest.raises(BadInput, match=said) as refused:
        list(prior.learn(PriorConfig(3, **config), codes))
    assert str(refused.value).endswith(".")


def test_more_gaussians_than_a_file_holds_are_refused():
    with pytest.raises(BadInput, match="choose fewer components"):
        PriorConfig(1000, "mixture", components=20)
    assert PriorConfig(1000, "gaussian", components=20).components == 1


def test_a_kind_that_is_none_is_refused():
    with pytest.raises(BadInput, match="choose one of normal, gaussian, mixture, flow"):
        PriorConfig(3, "uniform")
