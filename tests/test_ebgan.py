"""The energy-based GAN: energies, hinge and pull-away are the paper's, and a picture's energy is its own."""

import math
from dataclasses import asdict

import numpy as np
import pytest
import torch
from test_train import a_run, tiny_set, told
from torch import nn

from vae_core import checkpoint, evaluate, train
from vae_core.data import to_float
from vae_core.errors import BadInput
from vae_core.models import FAMILIES
from vae_core.models.ebgan import NETWORKS, EBGANConfig, energy, hinge, pull_away
from vae_core.sample import sample
from vae_core.train import Diverged, Epoch, fit, from_bytes
from vae_core.watch import Watch

networks = pytest.mark.parametrize("network", NETWORKS)


def draws(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def a_model(network="linear", shape=(1, 8, 8), **settings):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return EBGANConfig(shape, latent_dim=5, network=network, hidden=8, ndf=8, **settings).build()


def small(network="linear", **settings):
    return {"network": network, "hidden": 8, "ndf": 8} | settings


# The losses.


def test_the_energy_is_the_squared_error_of_each_picture_in_pixels_from_zero_to_one():
    x, rebuilt = draws(3, 2, 4, 5), draws(3, 2, 4, 5, seed=1)
    for image, got in enumerate(energy(rebuilt, x)):
        pixels = zip(x[image].flatten().tolist(), rebuilt[image].flatten().tolist(), strict=True)
        assert got.item() == pytest.approx(sum(((a - b) / 2) ** 2 for a, b in pixels), rel=1e-5)


def test_the_energy_of_a_drawn_picture_teaches_by_both_its_sides():
    """The best-known program takes the picture out of the gradient."""
    x = draws(2, 1, 3, 3).requires_grad_()
    energy(torch.zeros(2, 1, 3, 3), x).sum().backward()
    torch.testing.assert_close(x.grad, x.detach() / 2)


@pytest.mark.parametrize("margin", [1.0, 10.0, 80.0])
def test_the_hinge_is_of_each_picture_and_not_of_their_mean(margin):
    energies = torch.tensor([0.0, 2 * margin])
    assert hinge(energies, margin).mean().item() == pytest.approx(margin / 2)  # the mean's would be 0
    assert hinge(torch.tensor([margin, margin + 1]), margin).tolist() == [0, 0]


def test_the_pull_away_term_is_zero_upright_and_one_along_a_line_whatever_its_sign_and_length():
    upright, same, opposite = (torch.tensor(codes) for codes in ([[1.0, 0], [0, 1]], [[1.0, 2], [1, 2]], [[1.0, 2], [-1, -2]]))
    assert [round(pull_away(codes).item(), 6) for codes in (upright, same, opposite)] == [0, 1, 1]
    codes = draws(6, 4)
    longer = codes * torch.tensor([7.0, 1, 1, 0.01, 1, 1])[:, None]
    assert pull_away(longer).item() == pytest.approx(pull_away(codes).item(), rel=1e-5)


def test_the_pull_away_term_is_the_mean_over_all_pairs():
    codes = draws(5, 3).numpy().astype(float)
    cosines = [
        (a @ b / np.linalg.norm(a) / np.linalg.norm(b)) ** 2 for i, a in enumerate(codes) for j, b in enumerate(codes) if i != j
    ]
    assert pull_away(torch.from_numpy(codes)).item() == pytest.approx(np.mean(cosines), rel=1e-5)


@pytest.mark.parametrize("codes", [torch.zeros(3, 2), torch.ones(1, 2), torch.ones(0, 2)], ids=["dead", "one", "none"])
def test_codes_that_have_no_angle_pull_nothing_away(codes):
    assert pull_away(codes).item() == 0


def test_the_best_energy_of_equal_distributions_loses_the_margin():
    """Theorem 1: with one energy for all, anywhere from 0 to m, the discriminator's loss is m."""
    for flat in torch.linspace(0, 10, 11):
        assert (flat + hinge(flat[None], 10.0)[0]).item() == pytest.approx(10)
    loss, *_, drawn = FAMILIES["ebgan"].terms
    assert [term.line(EBGANConfig(margin=7)) for term in (loss, drawn)] == [7, 7]


@networks
def test_each_turn_minimises_its_own_loss(network):
    model, x = a_model(network, margin=300.0, pull_away=0.5).train(), draws(6, 1, 8, 8).sigmoid()
    drawn = model.draw(x, torch.Generator().manual_seed(0))
    rebuild = nn.Sequential(model.discriminator.encoder, model.discriminator.decoder)
    real, made = 2 * x - 1, model.paint(drawn[1])
    loss = model.loss(x, drawn, model(*drawn))
    errors = [((rebuild(pictures) - pictures) / 2).square().flatten(1).sum(1) for pictures in (real, made)]
    torch.testing.assert_close(loss.objective, errors[0].mean() + (300 - errors[1]).clamp(min=0).mean())
    loss = model.loss(x, drawn, model(*drawn, part="generator"), part="generator")
    codes = model.discriminator.encoder(made).flatten(1)
    torch.testing.assert_close(loss.objective, errors[1].mean() + 0.5 * pull_away(codes))
    assert loss.terms["drawn"].item() == pytest.approx(errors[1].mean().item(), rel=1e-5)


# The networks.


def test_the_plain_one_is_that_of_the_paper():
    model = EBGANConfig().build()
    generator = [tuple(layer.weight.shape) for layer in model.generator if isinstance(layer, nn.Linear)]
    judge = [tuple(layer.weight.shape) for layer in model.discriminator.modules() if isinstance(layer, nn.Linear)]
    assert generator == [(400, 100), (800, 400), (784, 800)]
    assert judge == [(256, 784), (784, 256)]
    assert sum(isinstance(layer, nn.BatchNorm1d) for layer in model.generator) == 2
    assert (model.config.margin, model.config.pull_away, model.config.defaults.lr) == (10, 0.1, 1e-3)


@networks
def test_an_energy_does_not_depend_on_the_batch(network):
    model, x = a_model(network).train(), draws(6, 1, 8, 8)
    assert not any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in model.discriminator.modules())
    alone = torch.cat([model.discriminator(image[None])[0] for image in x])
    torch.testing.assert_close(model.discriminator(x)[0], alone)


@networks
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 64, 64), (1, 1, 1), (4, 9, 14)])
def test_pictures_of_every_shape_are_drawn_and_judged(network, shape):
    model = a_model(network, shape).eval()
    with torch.no_grad():
        images = model.decode(draws(2, 5))
        energies, codes = model.discriminator(2 * images - 1)
    assert images.shape == (2, *shape)
    assert 0 <= images.min() <= images.max() <= 1
    assert energies.shape == (2,)
    assert codes.ndim == 2


@pytest.mark.parametrize(
    "settings",
    [{"margin": 0.0}, {"margin": -1.0}, {"pull_away": -0.1}, {"network": "other"}, {"hidden": 1024, "network": "conv"}],
)
def test_settings_that_cannot_be_are_refused_in_a_sentence(settings):
    with pytest.raises(BadInput, match=r"[.;]"):
        EBGANConfig(**settings)


# Turns.


@networks
def test_a_half_step_changes_neither_weights_nor_buffers_of_the_other_network(monkeypatch, network):
    state, changed = a_run(kind="ebgan", model=small(network), epochs=1), []
    last = {name: tensor.clone() for name, tensor in state.model.state_dict().items()}
    for part, optimizer in state.optimizers.items():

        def step(part=part, real=optimizer.step):
            real()
            now = state.model.state_dict()
            changed.append((part, {name.split(".")[0] for name, before in last.items() if not torch.equal(before, now[name])}))
            last.update({name: tensor.clone() for name, tensor in now.items()})

        monkeypatch.setattr(optimizer, "step", step)
    next(fit(state, tiny_set()))
    assert changed == [(part, {part}) for part in ("discriminator", "generator")]


@networks
def test_it_goes_on_from_where_it_was_saved(network):
    cut, whole = [], [told(record) for record in fit(a_run(kind="ebgan", model=small(network), epochs=2), tiny_set())]
    state = a_run(kind="ebgan", model=small(network), epochs=2)
    while not state.finished:
        cut.append(told(next(fit(state, tiny_set()))))
        state = from_bytes(state.to_bytes(), tiny_set())
    assert cut == whole


def test_a_trained_one_is_watched_kept_opened_and_drawn_from():
    state = a_run(kind="ebgan", model=small(), epochs=1)
    for _ in fit(state, tiny_set()):
        pass
    frame = Watch(state.model, tiny_set()).frame()
    assert (len(frame["samples"]), len(frame["reconstructions"]), len(frame["points"])) == (21, 0, 0)
    weights, recipe = train.finish(state, tiny_set(), "Tiny", "python -m …")
    opened = checkpoint.open_bytes(weights, "tiny")
    assert opened.model.config == state.model.config == EBGANConfig(**recipe.config)
    assert asdict(state.model.config) == recipe.config | {"image_shape": (1, 8, 8)}
    z, images = sample(opened.model, 3)
    assert (z.shape, images.shape) == ((3, 100), (3, 1, 8, 8))
    measured = evaluate.terms(state.model, tiny_set().test_images)
    assert recipe.metrics["test_loss"] == pytest.approx((measured["real"] + measured["lacks"]).mean().item(), rel=1e-3)


# What goes wrong.


@networks
def test_a_batch_of_one_is_refused_and_a_last_batch_of_one_is_not(network):
    with pytest.raises(BadInput, match="at least 2 images at once"):
        a_run(kind="ebgan", model=small(network), batch_size=1)
    state = a_run(kind="ebgan", model=small(network), batch_size=299, epochs=1)
    tests = [record.test for record in fit(state, tiny_set()) if isinstance(record, Epoch)]
    assert all(map(math.isfinite, tests[0].values()))


def test_a_loss_that_is_no_number_stops_it_in_a_sentence():
    state = a_run(kind="ebgan", model=small())
    with torch.no_grad():
        state.model.generator[0].weight[0, 0] = torch.nan
    with pytest.raises(Diverged, match="stopped being a finite number"):
        next(fit(state, tiny_set()))


@networks
def test_it_learns_to_draw_and_to_rebuild(network):
    model = small(network, hidden=32, ndf=32, latent_dim=10)
    state = a_run(kind="ebgan", model=model, epochs=15, lr=2e-3, schedule="constant")
    mean = to_float(tiny_set().train_images).mean(0)

    def off():
        with torch.no_grad():
            return (state.model.eval().decode(draws(200, 10)).mean(0) - mean).abs().mean().item()

    before = off()
    records = [record for record in fit(state, tiny_set()) if isinstance(record, Epoch)]
    assert off() < before / 2
    assert records[-1].train["real"] < 0.7 * records[0].train["real"]
