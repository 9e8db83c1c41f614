"""Autoencoders without a prior: the course's networks, a denoiser, a restorer. They train, stop and open like the VAE."""

import copy
from dataclasses import asdict

import numpy as np
import pytest
import torch
from test_train import a_run as a_run_of
from test_train import same_weights, tiny_set, told, weights_of

from vae_core import checkpoint, evaluate, train
from vae_core.corruption import BLANK, parse
from vae_core.data import to_float
from vae_core.errors import BadInput
from vae_core.models import FAMILIES
from vae_core.models.autoencoder import AutoencoderConfig
from vae_core.models.denoising import DenoisingConfig
from vae_core.models.restorer import RestorerConfig, _folded, _unfolded
from vae_core.train import Epoch, fit, from_bytes

CONFIGS = {
    "ae": AutoencoderConfig((1, 8, 8), 6),
    "dae": DenoisingConfig((1, 8, 8), 16),
    "restorer": RestorerConfig((1, 8, 8), 8),
}
kinds = pytest.mark.parametrize("kind", CONFIGS)


def a_run(kind: str, **training) -> train.TrainState:
    return a_run_of(model=asdict(CONFIGS[kind]), kind=kind, **({"epochs": 2} | training))


def a_model(config, seed: int = 0) -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return config.build().eval()


def pictures(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(5))


# The networks.


def test_the_plain_one_is_the_courses_network():
    model = a_model(AutoencoderConfig())
    shapes = [tuple(parameter.shape) for parameter in model.parameters()]
    assert shapes == [(30, 784), (30,), (784, 30), (784,)]
    x = pictures(3, 1, 28, 28)
    weights = {name: tensor.numpy().astype(np.float64) for name, tensor in model.state_dict().items()}
    signed = (2 * x.numpy().astype(np.float64) - 1).reshape(3, 784)
    code = np.tanh(signed @ weights["encoder.0.weight"].T + weights["encoder.0.bias"])
    painted = np.tanh(code @ weights["decoder.0.weight"].T + weights["decoder.0.bias"])
    with torch.no_grad():
        np.testing.assert_allclose(model.encode(x), code, atol=1e-5)
        np.testing.assert_allclose(model(x).flatten(1), (painted + 1) / 2, atol=1e-5)


def test_the_loss_is_the_courses_mean_squared_error_times_half_the_pixels():
    x, x_hat = pictures(4, 1, 8, 8), pictures(8, 1, 8, 8)[4:]
    loss = a_model(CONFIGS["ae"]).loss(x, (x,), x_hat)
    courses = torch.nn.MSELoss()(2 * x_hat - 1, 2 * x - 1)
    assert loss.objective.item() == pytest.approx(courses.item() * 64 / 2, rel=1e-5)
    assert loss.terms == {"loss": loss.objective}


def test_a_gaussian_of_variance_one_gives_the_same_nats_but_for_its_constant():
    x, x_hat = pictures(4, 1, 8, 8), pictures(8, 1, 8, 8)[4:]
    normal = torch.distributions.Normal(2 * x_hat - 1, 1.0)
    nats = -normal.log_prob(2 * x - 1).flatten(1).sum(1) - 64 * 0.5 * np.log(2 * np.pi)
    torch.testing.assert_close(a_model(CONFIGS["ae"]).error(x, (x,), x_hat), nats, rtol=1e-4, atol=1e-4)


def test_the_restorer_is_judged_where_pixels_are_damaged_and_nowhere_else():
    model, x, x_hat = a_model(CONFIGS["restorer"]), pictures(4, 1, 8, 8), pictures(8, 1, 8, 8)[4:]
    mask = pictures(12, 1, 8, 8)[8:] < 0.3
    by_hand = [sum(0.5 * (2 * (a - b)) ** 2 for a, b, m in zip(*map(torch.flatten, triple), strict=True) if m)
               for triple in zip(x, x_hat, mask, strict=True)]
    got = model.error(x, (x, mask), x_hat)
    torch.testing.assert_close(got, torch.stack(by_hand))
    changed = torch.where(mask, x_hat, 0.0)
    assert torch.equal(got, model.error(x, (x, mask), changed))


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 9, 14), (1, 1, 1), (4, 5, 2)])
@kinds
def test_pictures_of_every_shape_come_back_in_it(kind, shape):
    model = a_model(type(CONFIGS[kind])(shape, 8))
    x, mask = pictures(2, *shape), torch.ones(2, 1, *shape[1:], dtype=torch.bool)
    with torch.no_grad():
        made = model.restore(x, mask) if FAMILIES[kind].repairs else model.decode(model.codes(x))
    assert made.shape == x.shape
    assert 0 <= made.min() <= made.max() <= 1


def test_folding_is_that_of_torch_also_where_a_batch_is_empty():
    x = pictures(3, 2, 6, 8)
    assert torch.equal(_folded(x), torch.nn.functional.pixel_unshuffle(x, 2))
    assert torch.equal(_unfolded(_folded(x)), x)
    assert _unfolded(_folded(x[:0])).shape == (0, 2, 6, 8)
    model, empty = a_model(CONFIGS["restorer"]), pictures(0, 1, 8, 8)
    assert model(empty, empty > 0).shape == (0, 1, 8, 8)


def test_the_restorer_reads_the_mask_and_each_picture_alone():
    model = a_model(CONFIGS["restorer"])
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(1))
    x, mask = pictures(3, 1, 8, 8), pictures(3, 1, 8, 8) < 0.5
    with torch.no_grad():
        together = model(x, mask)
        assert not torch.allclose(together, model(x, ~mask), atol=1e-3)
        torch.testing.assert_close(together[1:2], model(x[1:2], mask[1:2]))


def test_a_repair_is_the_mean_of_five_views():
    model, x = a_model(CONFIGS["restorer"]), pictures(2, 1, 8, 8)
    mask = pictures(2, 1, 8, 8) < 0.5
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(1))
    wide, unknown = torch.full((2, 1, 10, 10), BLANK), torch.ones(2, 1, 10, 10, dtype=torch.bool)
    wide[..., 1:9, 1:9], unknown[..., 1:9, 1:9] = x, mask
    with torch.no_grad():
        views = [
            model(wide[..., d : d + 8, r : r + 8], unknown[..., d : d + 8, r : r + 8])[..., 4 - d, 5 - r].clamp(0, 1)
            for d, r in ((1, 1), (1, 1), (1, 2), (1, 0), (2, 1), (0, 1))
        ]  # the pixel (3, 4) as each view has it, the straight one twice
        torch.testing.assert_close(model.restore(x, mask)[..., 3, 4], torch.stack(views).mean(0))
    model.forward = lambda image, mask: torch.full_like(image, 0.25)
    torch.testing.assert_close(model.restore(x, mask), torch.full_like(x, 0.25))  # also at the border


def test_the_denoiser_is_shown_damaged_pictures_and_asked_for_the_whole_ones():
    config = DenoisingConfig((1, 8, 8), 16, "dropout:0.3")
    x = pictures(50, 1, 8, 8)
    (shown,) = a_model(config).draw(x, torch.Generator().manual_seed(2))
    assert torch.equal(shown, parse("dropout:0.3")(x, 2).image)
    assert (shown != x).float().mean().item() == pytest.approx(0.3, abs=0.03)


def test_kernels_are_the_rows_of_the_first_layer_and_templates_the_columns_of_the_last():
    model = a_model(CONFIGS["ae"])
    assert model.kernels().shape == model.templates().shape == (6, 1, 8, 8)
    unit = torch.zeros(1, 1, 8, 8)
    unit[0, 0, 3, 5] = 1.0
    before = model.encoder[0](unit.flatten(1)) - model.encoder[0].bias
    torch.testing.assert_close(model.kernels()[:, 0, 3, 5], before[0].detach())
    painted = model.decoder[0](torch.eye(6)) - model.decoder[0].bias
    torch.testing.assert_close(model.templates().flatten(1), painted.detach())


BAD = [
    (AutoencoderConfig, {"hidden": 0}), (AutoencoderConfig, {"hidden": 5000}), (AutoencoderConfig, {"hidden": 2.0}),
    (AutoencoderConfig, {"image_shape": (1, 28)}), (AutoencoderConfig, {"image_shape": 28}),
    (AutoencoderConfig, {"image_shape": (4, 128, 128), "hidden": 4096}), (DenoisingConfig, {"corruption": "rust:0.5"}),
    (DenoisingConfig, {"corruption": 3}), (DenoisingConfig, {"corruption": "dropout:2"}), (DenoisingConfig, {"hidden": -1}),
    (RestorerConfig, {"hidden": 4}), (RestorerConfig, {"depth": 9}), (RestorerConfig, {"corruption": "block:0"}),
    (RestorerConfig, {"image_shape": (1, 128, 128), "hidden": 128}), (RestorerConfig, {"hidden": float("nan")}),
]


@pytest.mark.parametrize(("config", "values"), BAD, ids=str)
def test_a_bad_setting_is_refused_with_one_sentence(config, values):
    with pytest.raises(BadInput) as caught:
        config(**values)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


# Training is that of every model.


@kinds
def test_training_lowers_the_test_loss(kind):
    state = a_run(kind, epochs=25, lr=5e-3)
    before = evaluate.terms(state.model, tiny_set().test_images)["loss"].mean().item()
    epochs = [record for record in fit(state, tiny_set()) if isinstance(record, Epoch)]
    assert epochs[-1].test["loss"] < 0.6 * before
    assert {*epochs[0].test, *epochs[0].train} == {"loss"}  # there is no prior, and no KL
    assert epochs[-1].test["loss"] == evaluate.terms(state.model, tiny_set().test_images)["loss"].mean().item()


@kinds
def test_the_same_seed_gives_the_same_losses_and_a_resumed_run_goes_on_bit_for_bit(kind):
    state = a_run(kind)
    expected, weights = [told(record) for record in fit(state, tiny_set())], weights_of(state)
    torch.manual_seed(99)  # the global random state plays no part
    for records in (0, 3, 5, 8):
        state = a_run(kind)
        running = fit(state, tiny_set())
        first = [told(next(running)) for _ in range(records)]
        again = from_bytes(state.to_bytes(), tiny_set())
        assert type(again.model) is type(state.model)
        assert first + [told(record) for record in fit(again, tiny_set())] == expected
        assert same_weights(weights_of(again), weights)
    other = a_run(kind, seed=1)
    assert told(next(fit(other, tiny_set()))) != expected[0]


@kinds
def test_a_saved_model_opens_as_it_was(kind):
    state = a_run(kind, epochs=1)
    for _ in fit(state, tiny_set()):
        pass
    weights, recipe = train.finish(state, tiny_set(), "Tiny", "python -m …")
    opened = checkpoint.open_bytes(weights, "tiny")
    assert (opened.recipe.kind, opened.recipe.config["hidden"]) == (kind, CONFIGS[kind].hidden)
    assert opened.model.config == CONFIGS[kind]
    loss = evaluate.terms(opened.model, tiny_set().test_images)["loss"].mean().item()
    assert loss == pytest.approx(recipe.metrics["test_loss"], abs=0.05)


@kinds
def test_a_recipe_of_another_kind_is_refused(kind):
    state = a_run(kind)
    recipe = checkpoint.make_recipe(state.model, "Tiny", tiny_set(), {}, "", [], {})
    for other in FAMILIES.keys() - {kind, "dae" if kind == "ae" else "ae"}:
        wrong = checkpoint.to_bytes(state.model, recipe.model_copy(update={"kind": other}))
        with pytest.raises(BadInput):
            checkpoint.open_bytes(wrong, "tiny")


@pytest.mark.parametrize("config", [AutoencoderConfig((4, 128, 128), 122), RestorerConfig((1, 64, 64), 52, 4)])
def test_a_model_that_can_be_set_up_is_never_too_large_to_be_opened(config):
    with torch.device("meta"):
        model = config.build()
    assert 4 * sum(tensor.numel() for tensor in model.state_dict().values()) < checkpoint.MAX_BYTES


@kinds
def test_judging_leaves_the_model_as_it_was(kind):
    state = a_run(kind)
    before = copy.deepcopy(weights_of(state))
    one, other = (evaluate.terms(state.model, tiny_set().test_images, seed=3)["loss"] for _ in range(2))
    assert torch.equal(one, other)
    assert same_weights(before, weights_of(state))
    assert torch.isfinite(one).all()
    assert one.shape == (len(tiny_set().test_images),)
    if kind == "ae":
        x = to_float(tiny_set().test_images)
        with torch.no_grad():
            by_hand = 2 * (state.model(x) - x).square().flatten(1).sum(1)
        torch.testing.assert_close(one, by_hand, rtol=1e-4, atol=1e-4)
