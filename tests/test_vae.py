"""The model and its losses against torch.distributions, plain loops, closed forms and a numeric integral."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence

from vae_core.errors import BadInput, in_range
from vae_core.models.vae import (
    ARCHITECTURES,
    VAE,
    VAEConfig,
    iwae_bound,
    kl_per_image,
    recon_per_image,
    reparameterize,
    vae_loss,
)

torch.set_num_threads(1)

TINY = VAEConfig(image_shape=(1, 2, 3), latent_dim=2, hidden=8)


def draws(*shape, seed=0, scale=1.0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale


def tiny_model(seed=0, **changes) -> VAE:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return VAE(VAEConfig(**{"image_shape": (1, 2, 3), "latent_dim": 2, "hidden": 8} | changes)).eval()


# The two terms.


@given(seed=st.integers(0, 10**6), scale=st.floats(0.01, 3))
@settings(deadline=None, max_examples=50)
def test_the_kl_agrees_with_torch_distributions(seed, scale):
    mu, logvar = draws(5, 4, seed=seed, scale=scale), draws(5, 4, seed=seed + 1, scale=scale)
    expected = kl_divergence(Normal(mu, (0.5 * logvar).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(kl_per_image(mu, logvar), expected, rtol=1e-4, atol=1e-5)


@given(seed=st.integers(0, 10**6), scale=st.floats(0, 5))
@settings(deadline=None, max_examples=50)
def test_the_kl_is_never_below_zero_and_zero_at_the_prior(seed, scale):
    mu, logvar = draws(3, 4, seed=seed, scale=scale), draws(3, 4, seed=seed + 1, scale=scale)
    assert (kl_per_image(mu, logvar) > -1e-6).all()
    assert (kl_per_image(torch.zeros(3, 4), torch.zeros(3, 4)) == 0).all()


def test_the_kl_agrees_with_a_numeric_integral():
    mu, sigma = 0.7, 0.4
    z = np.linspace(-6, 6, 200_001)
    q = np.exp(-0.5 * ((z - mu) / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi))
    log_ratio = -0.5 * ((z - mu) / sigma) ** 2 - math.log(sigma) + 0.5 * z**2
    expected = np.trapezoid(q * log_ratio, z)
    assert kl_per_image(torch.tensor([[mu]]), torch.tensor([[2 * math.log(sigma)]])).item() == pytest.approx(expected, abs=1e-5)


def test_the_reconstruction_on_binary_pixels_is_a_bernoulli_log_likelihood():
    logits, x = draws(4, 1, 3, 5, scale=3), (draws(4, 1, 3, 5, seed=1) > 0).float()
    expected = -Independent(Bernoulli(logits=logits), 3).log_prob(x)
    torch.testing.assert_close(recon_per_image(logits, x), expected)


def test_the_grey_reconstruction_is_the_cross_entropy_by_hand():
    logits, x = draws(2, 1, 2, 3, scale=2), torch.rand(2, 1, 2, 3, generator=torch.Generator().manual_seed(3))
    for image in range(2):
        by_hand = 0.0
        for logit, pixel in zip(logits[image].flatten().tolist(), x[image].flatten().tolist(), strict=True):
            p = 1 / (1 + math.exp(-logit))
            by_hand -= pixel * math.log(p) + (1 - pixel) * math.log(1 - p)
        assert recon_per_image(logits, x)[image].item() == pytest.approx(by_hand, rel=1e-5)


def test_logits_of_ten_thousand_give_a_finite_loss():
    logits = torch.full((1, 1, 2, 2), 1e4)
    assert recon_per_image(logits, torch.ones(1, 1, 2, 2)).item() == 0
    assert recon_per_image(logits, torch.zeros(1, 1, 2, 2)).item() == pytest.approx(4e4)


def test_the_loss_sums_over_pixels_and_dimensions_and_averages_over_the_batch():
    logits, x = draws(7, 1, 4, 5), torch.rand(7, 1, 4, 5, generator=torch.Generator().manual_seed(1))
    mu, logvar = draws(7, 3, seed=2), draws(7, 3, seed=3)
    terms = vae_loss(logits, x, mu, logvar, beta=2.5)
    recon = sum(recon_per_image(logits[i : i + 1], x[i : i + 1]).item() for i in range(7)) / 7
    kl = sum(kl_per_image(mu[i], logvar[i]).sum().item() for i in range(7)) / 7
    assert terms.recon.item() == pytest.approx(recon, rel=1e-5)
    assert terms.kl.item() == pytest.approx(kl, rel=1e-5)
    assert terms.loss.item() == pytest.approx(recon + 2.5 * kl, rel=1e-5)


def test_repeating_the_batch_changes_no_term():
    logits, x = draws(3, 1, 4, 5), torch.rand(3, 1, 4, 5, generator=torch.Generator().manual_seed(1))
    mu, logvar = draws(3, 2, seed=2), draws(3, 2, seed=3)
    once = vae_loss(logits, x, mu, logvar)
    thrice = vae_loss(*(tensor.repeat(3, *[1] * (tensor.ndim - 1)) for tensor in (logits, x, mu, logvar)))
    torch.testing.assert_close(torch.stack(once), torch.stack(thrice))


def test_mean_reduction_divides_only_the_objective_by_the_pixels():
    logits, x, mu, logvar = draws(3, 1, 4, 5), torch.full((3, 1, 4, 5), 0.5), draws(3, 2, seed=2), draws(3, 2, seed=3)
    right, wrong = vae_loss(logits, x, mu, logvar), vae_loss(logits, x, mu, logvar, reduction="mean")
    assert (wrong.recon, wrong.kl) == (right.recon, right.kl)
    assert wrong.loss.item() == pytest.approx((right.recon / 20 + right.kl).item(), rel=1e-6)


# The model.


def test_the_mlp_is_the_tutorial_network():
    shapes = {name: tuple(tensor.shape) for name, tensor in VAE(VAEConfig("mlp", latent_dim=20)).state_dict().items()}
    assert sorted(shapes.values()) == sorted([(400, 784), (400,), (40, 400), (40,), (400, 20), (400,), (784, 400), (784,)])
    assert sum(math.prod(shape) for shape in shapes.values()) == 652_824  # the count that the tutorial prints


def test_the_mlp_computes_what_its_weights_say():
    model = tiny_model()
    w = {name: tensor.double().numpy() for name, tensor in model.state_dict().items()}
    x = np.random.default_rng(0).random((4, 6))
    hidden = np.maximum(x @ w["encoder.0.weight"].T + w["encoder.0.bias"], 0)
    code = hidden @ w["encoder.2.weight"].T + w["encoder.2.bias"]
    mu, logvar = model.encode(torch.from_numpy(x).float().view(4, 1, 2, 3))
    np.testing.assert_allclose(mu.detach(), code[:, :2], atol=1e-5)
    np.testing.assert_allclose(logvar.detach(), code[:, 2:], atol=1e-5)
    hidden = np.maximum(code[:, :2] @ w["decoder.0.weight"].T + w["decoder.0.bias"], 0)
    logits = hidden @ w["decoder.2.weight"].T + w["decoder.2.bias"]
    np.testing.assert_allclose(model.decode(mu).detach().flatten(1), 1 / (1 + np.exp(-logits)), atol=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 4, 5)])
@pytest.mark.parametrize("latent_dim", [1, 2, 7])
def test_every_architecture_keeps_the_shapes_it_promises(architecture, depth, shape, latent_dim):
    model = tiny_model(architecture=architecture, depth=depth, image_shape=shape, latent_dim=latent_dim, hidden=8)
    x, noise = torch.rand(5, *shape), draws(5, latent_dim)
    logits, mu, logvar = model(x, noise)
    assert logits.shape == (5, *shape)
    assert mu.shape == logvar.shape == (5, latent_dim)
    x_hat = model.decode(noise)
    assert x_hat.shape == (5, *shape)
    assert ((x_hat >= 0) & (x_hat <= 1)).all()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_weight_of_an_architecture_gets_a_gradient_once_trained_a_little(architecture):
    model = tiny_model(architecture=architecture, depth=2, image_shape=(1, 8, 8))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    x = torch.rand(16, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    for step in range(3):
        optimizer.zero_grad()
        logits, mu, logvar = model(x, draws(16, 2, seed=step))
        vae_loss(logits, x, mu, logvar).loss.backward()
        optimizer.step()
    reached = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert reached == {name for name, _ in model.named_parameters()}


def test_a_residual_block_starts_as_the_identity():
    shallow, deep = (tiny_model(architecture="residual", depth=depth) for depth in (1, 4))
    block = deep.encoder[1]
    h = draws(3, 8)
    torch.testing.assert_close(block(h), h, rtol=0, atol=0)
    assert len(list(deep.parameters())) > len(list(shallow.parameters()))


def test_encoding_draws_nothing():
    model, x = tiny_model(), torch.rand(4, 1, 2, 3)
    state = torch.get_rng_state()
    first, second = model.encode(x), model.encode(x)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert torch.equal(torch.get_rng_state(), state)


def test_no_noise_means_z_is_mu():
    model, x = tiny_model(), torch.rand(4, 1, 2, 3)
    logits, mu, _ = model(x, torch.zeros(4, 2))
    torch.testing.assert_close(logits, model.decode_logits(mu))


def test_draws_have_the_mean_and_spread_of_the_posterior():
    mu, logvar = torch.tensor([[0.5, -2.0]]), torch.tensor([[-1.0, 1.0]])
    z = reparameterize(mu, logvar, draws(200_000, 2))
    torch.testing.assert_close(z.mean(0), mu[0], rtol=0, atol=0.02)
    torch.testing.assert_close(z.var(0), logvar[0].exp(), rtol=0.02, atol=0)


def test_the_draw_lets_gradients_through():
    mu, logvar, noise = torch.zeros(1, 1, requires_grad=True), torch.zeros(1, 1, requires_grad=True), torch.tensor([[1.5]])
    reparameterize(mu, logvar, noise).backward()
    assert mu.grad.item() == 1
    assert logvar.grad.item() == pytest.approx(0.75)  # d/dlogvar exp(logvar / 2) * 1.5 at 0


# The importance-weighted bound.


def log_evidence(model: VAE, x: torch.Tensor) -> np.ndarray:
    """log p(x) of a model with one latent dimension, by the trapezium rule over z."""
    z = torch.linspace(-12, 12, 40_001, dtype=torch.float64)[:, None]
    with torch.no_grad():
        logits = model.decode_logits(z.float()).double()
        log_likelihood = torch.stack([Independent(Bernoulli(logits=logits), 3).log_prob(image.double()) for image in x])
    log_prior = Normal(0.0, 1.0).log_prob(z[:, 0])
    return (torch.logsumexp(log_likelihood + log_prior, 1) + math.log(24 / 40_000)).numpy()


@pytest.fixture
def one_dimensional() -> tuple[VAE, torch.Tensor]:
    model = tiny_model(seed=3, latent_dim=1)
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter *= 3  # so that z matters
        model.encoder[-1].bias[1] = 1.0  # a wide posterior: where it is too narrow, the sum of weights converges slowly
    return model, torch.bernoulli(torch.full((6, 1, 2, 3), 0.5), generator=torch.Generator().manual_seed(1))


def test_the_bound_agrees_with_a_loop_in_numpy():
    model, x = tiny_model(seed=1), torch.bernoulli(torch.full((3, 1, 2, 3), 0.5), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        bound = iwae_bound(model, x, 5, torch.Generator().manual_seed(7))
        mu, logvar = model.encode(x)
        generator, weights = torch.Generator().manual_seed(7), np.zeros((5, 3))
        for k in range(5):
            z = mu + (0.5 * logvar).exp() * torch.randn(3, 2, generator=generator)
            for image in range(3):
                likelihood = Bernoulli(logits=model.decode_logits(z[image : image + 1])[0]).log_prob(x[image]).sum()
                prior = Normal(0.0, 1.0).log_prob(z[image]).sum()
                posterior = Normal(mu[image], (0.5 * logvar[image]).exp()).log_prob(z[image]).sum()
                weights[k, image] = np.exp((likelihood + prior - posterior).item())
    np.testing.assert_allclose(bound, np.log(weights.mean(0)), rtol=1e-5)


@torch.no_grad()
def test_with_many_samples_the_bound_reaches_the_evidence(one_dimensional):
    model, x = one_dimensional
    bound = iwae_bound(model, x.repeat_interleave(50, 0), 2_000, torch.Generator().manual_seed(0)).view(6, 50).mean(1)
    np.testing.assert_allclose(bound, log_evidence(model, x), atol=0.02)


@torch.no_grad()
def test_the_bound_tightens_with_samples_and_stays_below_the_evidence(one_dimensional):
    model, x = one_dimensional
    repeated = x.repeat_interleave(4000, 0)
    bounds = []
    for k in (1, 5, 50):
        bounds.append(iwae_bound(model, repeated, k, torch.Generator().manual_seed(k)).view(6, 4000).mean(1).numpy())
    evidence = log_evidence(model, x)
    assert bounds[0].mean() + 0.02 < bounds[1].mean() < bounds[2].mean() + 1e-3
    assert (bounds[2] < evidence + 0.02).all()
    assert (bounds[0] < evidence).all()


@torch.no_grad()
def test_with_one_sample_the_bound_is_the_elbo_on_average():
    model = tiny_model(seed=1)
    x = torch.bernoulli(torch.full((2, 1, 2, 3), 0.5), generator=torch.Generator().manual_seed(1)).repeat_interleave(50_000, 0)
    bound = iwae_bound(model, x, 1, torch.Generator().manual_seed(0)).view(2, -1).mean(1)
    logits, mu, logvar = model(x, draws(100_000, 2, seed=5))
    elbo = -(recon_per_image(logits, x) + kl_per_image(mu, logvar).sum(1)).view(2, -1).mean(1)
    torch.testing.assert_close(bound, elbo, rtol=0, atol=0.02)


@torch.no_grad()
@pytest.mark.parametrize("samples", [1, 7])
def test_where_the_posterior_is_exact_every_sample_gives_the_evidence(samples):
    model = tiny_model()
    for parameter in model.parameters():
        parameter.zero_()  # q(z|x) = p(z), and x does not depend on z: log p(x) is known
    model.decoder[-1].bias.copy_(torch.tensor([0.5, -1.0, 2.0, 0.0, 0.3, -0.2]))
    x = torch.bernoulli(torch.full((4, 1, 2, 3), 0.5), generator=torch.Generator().manual_seed(1))
    expected = Bernoulli(logits=model.decoder[-1].bias).log_prob(x.flatten(1)).sum(1)
    torch.testing.assert_close(iwae_bound(model, x, samples, torch.Generator().manual_seed(2)), expected)


@torch.no_grad()
def test_the_bound_survives_weights_too_small_for_a_float():
    model = tiny_model(image_shape=(1, 40, 40))
    model.decoder[-1].bias.fill_(20.0)  # p(x|z) of black images is about exp(-32,000)
    bound = iwae_bound(model, torch.zeros(2, 1, 40, 40), 3, torch.Generator().manual_seed(0))
    assert torch.isfinite(bound).all()
    assert (bound < -20_000).all()


# The settings.


BAD_CONFIGS = [
    {"architecture": "transformer"}, {"architecture": ""}, {"reduction": "max"},
    {"latent_dim": 0}, {"latent_dim": -1}, {"latent_dim": 257}, {"latent_dim": 10**9}, {"latent_dim": 2.0},
    {"latent_dim": True}, {"latent_dim": "2"}, {"hidden": 7}, {"hidden": -400}, {"hidden": 4097}, {"depth": 0}, {"depth": 13},
    {"beta": -0.1}, {"beta": 1e12}, {"beta": math.nan}, {"beta": math.inf}, {"beta": "1"},
    {"image_shape": (28, 28)}, {"image_shape": (1, 0, 28)}, {"image_shape": (5, 28, 28)}, {"image_shape": (1, 28, 129)},
    {"image_shape": (1, 28.0, 28)}, {"image_shape": (1, 28, 28, 1)}, {"binarize": "no"},
]


@pytest.mark.parametrize("values", BAD_CONFIGS, ids=str)
def test_a_bad_setting_is_refused_with_one_sentence(values):
    with pytest.raises(BadInput) as caught:
        VAEConfig(**values)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_both_ends_of_every_range_are_allowed():
    VAEConfig(latent_dim=1, hidden=8, depth=1, beta=0, image_shape=(1, 1, 1))
    VAEConfig(latent_dim=256, depth=12, beta=1000)
    VAEConfig(hidden=4096)
    VAEConfig(hidden=8, image_shape=(4, 128, 128))


@given(value=st.one_of(st.floats(), st.integers(), st.text(), st.none(), st.booleans()))
@settings(deadline=None)
def test_in_range_passes_exactly_what_is_in_range(value):
    inside = isinstance(value, (int, float)) and not isinstance(value, bool) and 1 <= value <= 5
    if inside:
        in_range("value", value, 1, 5)
    else:
        with pytest.raises(BadInput, match="The value must be a number from 1 to 5"):
            in_range("value", value, 1, 5)


def test_each_architecture_fills_in_its_own_width_and_depth():
    for name, architecture in ARCHITECTURES.items():
        config = VAEConfig(name)
        assert (config.hidden, config.depth) == (architecture.hidden, architecture.depth)
        assert VAEConfig(name, hidden=32, depth=2).hidden == 32
        assert 0 < architecture.lr <= 1
        assert architecture.title
    assert VAEConfig("mlp").hidden == 400


def test_a_shape_given_as_a_list_makes_the_same_settings():
    assert VAEConfig(image_shape=[1, 8, 8]) == VAEConfig(image_shape=(1, 8, 8))
    assert VAEConfig(image_shape=[3, 8, 8]).pixels == 192
