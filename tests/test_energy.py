"""Reconstruction energies agree with the models' own losses, and the detector's score with counting pairs."""

import pytest
import torch

import vae_core
from vae_core import energy
from vae_core.data import load
from vae_core.models.autoencoder import AutoencoderConfig
from vae_core.models.vae import VAEConfig

IMAGES = torch.rand(7, 1, 6, 5, generator=torch.Generator().manual_seed(3))


def test_the_energy_of_an_autoencoder_is_its_loss_of_each_image(monkeypatch):
    monkeypatch.setattr(energy, "BATCH", 3)
    model = AutoencoderConfig((1, 6, 5), 4).build()
    expected = torch.stack([model.loss(x[None], (x[None],), model(x[None])).objective for x in IMAGES])
    torch.testing.assert_close(energy.energies(model, IMAGES), expected.detach())


def test_the_energy_of_a_vae_is_that_of_the_picture_of_its_mean():
    model = VAEConfig(image_shape=(1, 6, 5), latent_dim=2, hidden=8).build()
    with torch.no_grad():
        mu, _ = model.encode(IMAGES)
        x_hat = torch.sigmoid(model.decode_logits(mu))
    expected = [0.5 * sum((2 * a - 2 * b) ** 2 for a, b in zip(x.flatten(), y.flatten(), strict=True))
                for x, y in zip(IMAGES, x_hat, strict=True)]
    torch.testing.assert_close(energy.energies(model, IMAGES), torch.stack(expected))


@pytest.mark.parametrize(
    ("usual", "odd", "share"),
    [([1, 2], [3, 4], 1.0), ([3, 4], [1, 2], 0.0), ([1, 3], [2, 3], (1 + 1 + 0.5) / 4), ([1], [1], 0.5)],
)
def test_the_separation_is_the_share_of_pairs_in_the_right_order(usual, odd, share):
    assert energy.separation(torch.tensor(usual), torch.tensor(odd)) == pytest.approx(share)


def test_noise_is_seeded_and_fills_the_range():
    one, same, other = (energy.noise(20, (1, 28, 28), seed) for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert one.min() >= 0
    assert one.max() <= 1
    assert one.std() == pytest.approx(12**-0.5, abs=0.01)


def test_a_narrow_bottleneck_tells_noise_from_digits_and_the_denoiser_fails_on_plain_pictures():

    digits = load("mnist").test_images[:200].float() / 255
    model = vae_core.load("mnist-ae-30")
    usual = energy.energies(model, digits)
    assert energy.separation(usual, energy.energies(model, energy.noise(200, (1, 28, 28)))) == 1
    black = torch.zeros(1, 1, 28, 28)
    assert energy.separation(usual, energy.energies(model, black)) < 0.2  # an empty picture is no digit, and easily rebuilt
