"""Convolutional VAEs: shapes, the course's network, a Gaussian likelihood, batch normalisation through files and pauses."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal

from latent_pad.decoder_plan import decoder_plan
from vae_core import checkpoint, data, evaluate, networks, train
from vae_core.errors import BadInput
from vae_core.models.vae import (
    FIRST_LOG_SIGMA,
    LOWEST_LOG_SIGMA,
    VAE,
    VAEConfig,
    iwae_bound,
    pixel_nats,
    recon_per_image,
    vae_loss,
)

torch.set_num_threads(1)

CONVOLUTIONAL = ("conv", "conv-course")


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def pictures(count: int, shape: tuple[int, int, int]) -> torch.Tensor:
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(1))


# The networks.


@pytest.mark.parametrize("architecture", CONVOLUTIONAL)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 48, 48), (3, 64, 64), (1, 29, 35), (4, 33, 64)], ids=str)
def test_convolutions_take_any_shape_and_the_browser_runs_their_decoder(architecture, shape):
    model = VAEConfig(architecture, image_shape=shape, latent_dim=5).build()
    logits, mu, logvar = model(pictures(2, shape), noise(2, 5))
    assert logits.shape == (2, *shape)
    assert mu.shape == logvar.shape == (2, 5)
    assert {"conv_transpose", "reshape"} <= {step["op"] for step in decoder_plan(model.decoder)}


def test_the_course_network_has_the_course_widths():
    model = VAEConfig("conv-course", image_shape=(3, 32, 32), latent_dim=180).build()
    down = [layer.out_channels for layer in model.encoder if isinstance(layer, nn.Conv2d)]
    up = [(layer.in_channels, layer.out_channels) for layer in model.decoder if isinstance(layer, nn.ConvTranspose2d)]
    assert down == [6, 12, 24]
    assert up == [(180, 200), (200, 120), (120, 60), (60, 3)]
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in model.decoder) == 3


def test_images_are_halved_down_to_eight_pixels():
    assert networks.halvings((1, 28, 28)) == [(28, 28), (14, 14), (7, 7)]
    assert networks.halvings((3, 64, 48)) == [(64, 48), (32, 24), (16, 12), (8, 6)]
    assert networks.halvings((1, 5, 3)) == [(5, 3), (3, 2)]  # once at least


@pytest.mark.parametrize("architecture", networks.ARCHITECTURES)
def test_weights_are_counted_before_they_are_allocated(architecture):
    config = VAEConfig(architecture, image_shape=(3, 32, 32), latent_dim=7)
    built = sum(parameter.numel() for parameter in config.build().parameters() if parameter.ndim > 1)
    assert config.weights == built
    before = torch.get_rng_state()
    assert networks.weights(architecture, (3, 32, 32), 7, 64, 2) > 0
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("architecture", CONVOLUTIONAL)
def test_a_convolutional_model_too_large_to_keep_is_refused(architecture):
    with pytest.raises(BadInput, match="million weights"):
        VAEConfig(architecture, image_shape=(3, 64, 64), hidden=4096, depth=12)


@pytest.mark.parametrize(("shape", "limit"), [((3, 32, 32), 5e6), ((3, 64, 64), 12e6)])
def test_default_decoders_stay_within_what_a_browser_does_in_a_frame(shape, limit):
    """Multiplications of a decoding: 17 and 22 milliseconds a frame allow about these."""
    model = VAEConfig("conv", image_shape=shape, latent_dim=32).build()
    done = []
    for layer in model.decoder.modules():
        if isinstance(layer, nn.Linear | nn.ConvTranspose2d):  # of an image each input pixel meets the whole kernel
            layer.register_forward_hook(lambda layer, x, _: done.append(layer.weight.numel() * x[0].shape[2:].numel()))
    model.decode(noise(1, 32))
    assert 1e5 < sum(done) < limit


# A Gaussian with one learned variance.


def gaussian(**changes) -> VAE:
    return VAEConfig(**{"image_shape": (3, 4, 5), "latent_dim": 2, "hidden": 8, "likelihood": "gaussian"} | changes).build()


def test_the_gaussian_reconstruction_agrees_with_torch_distributions():
    logits, x, log_sigma = 2 * noise(4, 3, 4, 5), pictures(4, (3, 4, 5)), torch.tensor([-1.3])
    normal = Independent(Normal(torch.sigmoid(logits), log_sigma.exp()), 3)
    torch.testing.assert_close(recon_per_image(logits, x, log_sigma), -normal.log_prob(x), rtol=1e-4, atol=1e-3)
    terms = vae_loss(logits, x, torch.zeros(4, 2), torch.zeros(4, 2), log_sigma=log_sigma)
    torch.testing.assert_close(terms.recon, -normal.log_prob(x).mean())
    assert terms.kl == 0


def test_sigma_is_learned_until_it_is_the_error_that_is_made():
    """The best sigma^2 of a fixed mean is the mean squared error (sigma-VAE, equation 5)."""
    model = gaussian()
    x, logits = pictures(64, (3, 4, 5)), torch.zeros(64, 3, 4, 5)
    assert model.log_sigma.item() == pytest.approx(FIRST_LOG_SIGMA, abs=0.02)
    optimizer = torch.optim.Adam([model.scale], lr=1e-2)
    for _ in range(300):
        optimizer.zero_grad()
        pixel_nats(logits, x, model.log_sigma).mean().backward()
        optimizer.step()
    assert model.log_sigma.exp().item() == pytest.approx((x - 0.5).square().mean().sqrt().item(), rel=0.02)


def test_sigma_has_a_floor_for_pictures_that_are_all_the_same():
    model = gaussian()
    with torch.no_grad():
        model.scale.fill_(-1e4)
    assert model.log_sigma.item() == pytest.approx(LOWEST_LOG_SIGMA)
    assert torch.isfinite(recon_per_image(torch.zeros(1, 3, 4, 5), torch.ones(1, 3, 4, 5), model.log_sigma)).all()


@torch.no_grad()
def test_the_bound_of_one_sample_is_the_elbo_of_the_same_draw():
    model, x = gaussian().eval(), pictures(5, (3, 4, 5))
    mu, logvar = model.encode(x)
    drawn = torch.randn(mu.shape, generator=torch.Generator().manual_seed(3))
    z = mu + torch.exp(0.5 * logvar) * drawn
    log_p = Independent(Normal(model.decode(z), model.log_sigma.exp()), 3).log_prob(x)
    log_ratio = Normal(0.0, 1.0).log_prob(z).sum(1) - Normal(mu, torch.exp(0.5 * logvar)).log_prob(z).sum(1)
    bound = iwae_bound(model, x, 1, torch.Generator().manual_seed(3))
    torch.testing.assert_close(bound, log_p + log_ratio, rtol=1e-4, atol=1e-3)


def test_bits_per_dimension_of_a_uniform_byte_are_eight():
    # a density of 255/256 over 256 bins 1/255 wide: each has a probability of 1/256
    assert evaluate.bits_per_dimension(-12 * math.log(255 / 256), 12) == pytest.approx(8)
    assert evaluate.bits_per_dimension(12 * math.log(2), 12) == pytest.approx(1 + math.log2(255))


def test_black_and_white_pixels_are_not_gaussian():
    with pytest.raises(BadInput, match="Bernoulli"):
        VAEConfig(likelihood="gaussian", binarize=True)
    with pytest.raises(BadInput, match="likelihood"):
        VAEConfig(likelihood="laplace")


# Training, files and pauses.


def a_run(architecture: str = "conv-course", epochs: int = 2, **training) -> train.TrainState:
    config = VAEConfig(architecture, image_shape=(1, 8, 8), latent_dim=3, hidden=32, likelihood="gaussian")
    return train.start(config, data.load("digits"), train.TrainConfig(epochs=epochs, batch_size=240, **training))


@pytest.mark.parametrize("half", [False, True])
def test_a_checkpoint_keeps_running_means_and_sigma(half):
    digits = data.load("digits")
    state = a_run(epochs=1)
    list(train.fit(state, digits))
    recipe = checkpoint.make_recipe(state.model, "t", digits, {}, "", [], {})
    opened = checkpoint.open_bytes(checkpoint.to_bytes(state.model, recipe, half), "t").model
    assert state.model.encoder[2].running_mean.abs().max() > 1e-3
    x = data.to_float(digits.test_images[:50])
    expected, got = state.model.eval().encode(x)[0], opened.encode(x)[0]
    torch.testing.assert_close(got, expected, rtol=0, atol=0.02 if half else 0)
    torch.testing.assert_close(opened.log_sigma, state.model.log_sigma, rtol=1e-3, atol=0)
    assert not any("num_batches" in name for name in checkpoint.numbers(opened))


def test_a_finished_gaussian_tells_bits_and_sigma():
    digits = data.load("digits")
    state = a_run(epochs=1)
    list(train.fit(state, digits))
    metrics = train.finish(state, digits, "t", "")[1].metrics
    assert metrics["bits_per_dimension"] == pytest.approx(metrics["test_loss"] / 64 / math.log(2) + math.log2(255))
    assert metrics["sigma"] == pytest.approx(state.model.log_sigma.exp().item())


def test_a_run_that_is_looked_at_and_resumed_has_the_losses_of_one_that_is_not():
    digits = data.load("digits")
    settings = {"flip": True, "shift": 2}
    whole = [record.loss for record in train.fit(a_run(**settings), digits) if isinstance(record, train.Step)]
    state, losses = a_run(**settings), []
    for record in train.fit(state, digits):
        if isinstance(record, train.Step):
            losses.append(record.loss)
            evaluate.encode(state.model, digits.test_images[:9])  # leaves the model in evaluation mode
        if len(losses) == 3:
            break
    again = train.from_bytes(state.to_bytes(), digits)
    losses += [record.loss for record in train.fit(again, digits) if isinstance(record, train.Step)]
    assert losses == whole
    assert len(set(whole)) == len(whole)
