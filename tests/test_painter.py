"""Pixel by pixel in the browser against torch: the same conditionals, and with the same uniform numbers the same pictures."""

import base64

import numpy as np
import pytest
import torch
from test_pad_runtime import in_chromium, in_js, in_node, modules, pack, shaken, unpack  # noqa: F401

from latent_pad.painter import pack_painter
from vae_core.models.fvsbn import FVSBNConfig
from vae_core.models.made import MADEConfig
from vae_core.models.pixelcnn import PixelCNNConfig
from vae_core.pixels import in_levels

TOLERANCE = 1e-4
SMALL = (1, 8, 9)
CONFIGS = {
    "masked": PixelCNNConfig(image_shape=SMALL, hidden=8, depth=3),
    "masked, 4 levels": PixelCNNConfig(image_shape=SMALL, hidden=8, depth=2, levels=4),
    "gated": PixelCNNConfig(image_shape=SMALL, hidden=8, depth=2, gated=True),
    "gated, 8 levels": PixelCNNConfig(image_shape=SMALL, hidden=8, depth=1, gated=True, levels=8),
    "made": MADEConfig(image_shape=SMALL, hidden=100),
    "made, deep": MADEConfig(image_shape=SMALL, hidden=50, depth=3),
    "fvsbn": FVSBNConfig(image_shape=SMALL),
}


def painted(ask, model, images, uniform, known=0) -> dict:
    parcel = base64.b64encode(pack_painter(model).payload).decode()
    return ask("paint", {"parcel": parcel, "images": pack(images), "uniform": pack(uniform), "known": known})


@pytest.fixture(params=CONFIGS)
def model(request):
    torch.manual_seed(0)
    return shaken(CONFIGS[request.param].build())


@torch.no_grad()
def test_conditionals_are_torch_s_on_a_thousand_inputs(in_js, model):  # noqa: F811
    generator = torch.Generator().manual_seed(1)
    images = in_levels(torch.rand(1000, *SMALL, generator=generator), model.levels, generator)
    expected = model(images)
    got = unpack(painted(in_js, model, images, images[:0])["logits"]).reshape(1000, -1, expected.shape[1])
    expected = expected.flatten(2).transpose(1, 2).numpy()
    assert expected.std() > 0.1
    assert np.abs(got - expected).max() < TOLERANCE


@torch.no_grad()
@pytest.mark.parametrize("rows", [0, 4])
def test_the_same_uniform_numbers_paint_the_same_pictures(in_js, model, rows):  # noqa: F811
    generator = torch.Generator().manual_seed(2)
    uniform = torch.rand(12, *SMALL, generator=generator)
    image = in_levels(torch.rand(1, *SMALL, generator=generator), model.levels, generator)
    known = torch.zeros(1, *SMALL, dtype=torch.bool)
    known[:, :, :rows] = True
    expected = model.paint(uniform, image.expand_as(uniform).clone(), known.expand_as(uniform))
    got = unpack(painted(in_js, model, image, uniform, rows * SMALL[2])["drawn"]).reshape(expected.shape)
    assert len(np.unique(got.reshape(12, -1), axis=0)) > 1
    np.testing.assert_allclose(got, expected.numpy(), atol=1e-6)


@pytest.mark.browser
def test_a_whole_digit_of_the_size_that_ships_is_drawn_in_chromium(in_chromium, record_property):  # noqa: F811
    torch.manual_seed(0)
    model = shaken(PixelCNNConfig().build())
    got = painted(in_chromium, model, torch.zeros(1, 1, 28, 28), torch.rand(6, 1, 28, 28))
    assert 0 < unpack(got["drawn"]).mean() < 1
    record_property("milliseconds", got["milliseconds"])
    print(f"A digit by PixelCNN 64x6 in Chromium: {got['milliseconds']:.0f} ms")
