"""The GAN: its losses are the papers', its networks the tutorial's, and neither player moves anything of the other."""

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from test_train import a_run, tiny_set, told, weights_of
from torch import nn

from vae_core import checkpoint, evaluate, train
from vae_core.data import load, to_float
from vae_core.encode import main as encode
from vae_core.errors import BadInput
from vae_core.models import FAMILIES
from vae_core.models.gan import DCGAN, GAMES, PENALTY, GANConfig, noticed, steepness
from vae_core.networks import left_alone
from vae_core.sample import sample
from vae_core.train import Diverged, Epoch, Step, fit, from_bytes
from vae_core.watch import Watch

GAME = pytest.mark.parametrize("loss", GAMES)


def draws(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def digits(count=6, side=8):
    return torch.rand(count, 1, side, side, generator=torch.Generator().manual_seed(1))


def a_model(loss="non-saturating", shape=(1, 8, 8), **settings):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return GANConfig(shape, latent_dim=5, hidden=8, game=loss, **settings).build()


# The losses.


def test_the_losses_are_those_of_the_papers_by_another_way():
    real, made = draws(50), 3 * draws(50, seed=1)
    ones, zeros, bce = torch.ones(50), torch.zeros(50), nn.BCEWithLogitsLoss(reduction="none")
    gan, squares, wasserstein = (GAMES[name] for name in ("non-saturating", "least-squares", "wgan-gp"))
    torch.testing.assert_close(gan.told(real, made), bce(real, ones) + bce(made, zeros))
    torch.testing.assert_close(gan.fooled(made), bce(made, ones))
    torch.testing.assert_close(squares.told(real, made), 0.5 * (F.mse_loss(real, ones, reduction="none") + made**2))
    torch.testing.assert_close(squares.fooled(made), 0.5 * F.mse_loss(made, ones, reduction="none"))
    torch.testing.assert_close(wasserstein.told(real, made), made - real)
    torch.testing.assert_close(wasserstein.fooled(made), -made)


@pytest.mark.parametrize("name", ["non-saturating", "least-squares"])
def test_the_best_discriminator_of_equal_distributions_says_one_half_and_loses_what_the_line_says(name):
    """On one point where real and drawn are as likely (Goodfellow et al. 2014, proposition 1): by a grid of scores."""
    game, scores = GAMES[name], torch.linspace(-3, 3, 60_001, dtype=torch.float64)
    losses = game.told(scores, scores)
    assert game.said(scores[losses.argmin()]).item() == pytest.approx(0.5, abs=1e-3)
    assert losses.min().item() == pytest.approx(game.balance, abs=1e-6)


def test_the_line_in_the_plot_is_that_of_the_loss():
    loss, *others = FAMILIES["gan"].terms
    assert loss.line(GANConfig()) == pytest.approx(2 * math.log(2))
    assert loss.line(GANConfig(game="wgan-gp")) is None
    assert all(term.line(GANConfig()) is None for term in others)


def test_the_penalty_is_that_of_a_slope_by_finite_differences():
    critic = nn.Sequential(nn.Flatten(), nn.Linear(9, 7), nn.Tanh(), nn.Linear(7, 1), nn.Flatten(0)).double()
    real, made = (draws(4, 1, 3, 3, seed=seed).double() for seed in (0, 1))
    mix = draws(4, 1, 1, 1, seed=2).double().sigmoid()
    got, at = steepness(critic, real, made, mix), mix * real + (1 - mix) * made
    for image in range(4):
        slopes = []
        for pixel in range(9):
            step = torch.zeros(9, dtype=torch.float64)
            step[pixel] = 1e-6
            up, down = (critic(at[image : image + 1] + sign * step.view(1, 1, 3, 3)).item() for sign in (1, -1))
            slopes.append((up - down) / 2e-6)
        assert got[image].item() == pytest.approx((np.linalg.norm(slopes) - 1) ** 2, rel=1e-5)
    got.sum().backward()  # it teaches the critic
    assert critic[1].weight.grad.abs().sum() > 0


def test_the_penalty_is_in_the_objective_and_in_no_term():
    model, x = a_model("wgan-gp").train(), digits()
    drawn = model.draw(x, torch.Generator().manual_seed(0))
    loss = model.loss(x, drawn, model(*drawn))
    steep = steepness(model.discriminator, 2 * x - 1, model.paint(drawn[1]), drawn[2]).mean()
    assert (loss.objective - loss.terms["loss"]).item() == pytest.approx(PENALTY * steep.item(), rel=1e-4)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in model.discriminator)  # it would mix the images of a batch


# The networks.


def tutorial(nz=100, ngf=64, ndf=64, nc=3):
    """PyTorch's DCGAN tutorial, layer by layer."""
    generator = nn.Sequential(
        nn.ConvTranspose2d(nz, ngf * 8, 4, 1, 0, bias=False), nn.BatchNorm2d(ngf * 8), nn.ReLU(True),
        nn.ConvTranspose2d(ngf * 8, ngf * 4, 4, 2, 1, bias=False), nn.BatchNorm2d(ngf * 4), nn.ReLU(True),
        nn.ConvTranspose2d(ngf * 4, ngf * 2, 4, 2, 1, bias=False), nn.BatchNorm2d(ngf * 2), nn.ReLU(True),
        nn.ConvTranspose2d(ngf * 2, ngf, 4, 2, 1, bias=False), nn.BatchNorm2d(ngf), nn.ReLU(True),
        nn.ConvTranspose2d(ngf, nc, 4, 2, 1, bias=False), nn.Tanh(),
    )
    discriminator = nn.Sequential(
        nn.Conv2d(nc, ndf, 4, 2, 1, bias=False), nn.LeakyReLU(0.2),
        nn.Conv2d(ndf, ndf * 2, 4, 2, 1, bias=False), nn.BatchNorm2d(ndf * 2), nn.LeakyReLU(0.2),
        nn.Conv2d(ndf * 2, ndf * 4, 4, 2, 1, bias=False), nn.BatchNorm2d(ndf * 4), nn.LeakyReLU(0.2),
        nn.Conv2d(ndf * 4, ndf * 8, 4, 2, 1, bias=False), nn.BatchNorm2d(ndf * 8), nn.LeakyReLU(0.2),
        nn.Conv2d(ndf * 8, 1, 4, 1, 0, bias=False), nn.Sigmoid(),
    )
    return generator, discriminator


def test_at_64_pixels_it_is_the_networks_of_the_tutorial():
    model = GANConfig((3, 64, 64)).build().eval()
    z, x = draws(2, 100), torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        for part, theirs in zip((model.generator, model.discriminator), tutorial(), strict=True):
            ours = dict(zip(theirs.state_dict(), part.state_dict().values(), strict=True))
            theirs.load_state_dict(ours)
            theirs.eval()
            if part is model.generator:
                torch.testing.assert_close(2 * model.decode(z) - 1, theirs(z[:, :, None, None]))
            else:
                torch.testing.assert_close(torch.sigmoid(part(2 * x - 1)), theirs(2 * x - 1).flatten())


def test_the_first_weights_are_drawn_as_the_tutorial_draws_them():
    for layer in GANConfig((3, 64, 64)).build().modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer.weight.numel() > 10_000:
            assert layer.weight.mean().item() == pytest.approx(0, abs=1e-3)
            assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
        elif isinstance(layer, nn.BatchNorm2d):
            assert layer.weight.mean().item() == pytest.approx(1, abs=0.02)
            assert not layer.bias.any()


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 64, 64), (1, 1, 1), (4, 9, 14), (3, 4, 128)])
def test_pictures_of_every_shape_are_drawn_and_judged(shape):
    model = GANConfig(shape, latent_dim=3, hidden=4).build().eval()
    with torch.no_grad():
        images = model.decode(draws(2, 3))
        assert images.shape == (2, *shape)
        assert 0 <= images.min() <= images.max() <= 1
        assert model.discriminator(2 * images - 1).shape == (2,)


def test_inside_pixels_are_between_minus_one_and_one(monkeypatch):
    model, seen = a_model(), []
    real = model.discriminator.forward
    monkeypatch.setattr(model.discriminator, "forward", lambda x: seen.append(x.detach()) or real(x))
    x = torch.stack([torch.zeros(1, 8, 8), torch.ones(1, 8, 8)])
    model(*model.draw(x, torch.Generator().manual_seed(0)))
    assert torch.equal(seen[0], 2 * x - 1)
    assert seen[1].min() < -1e-4  # a drawn one, which a sigmoid's would not be


@pytest.mark.parametrize("settings", [{"latent_dim": 0}, {"hidden": 3}, {"ndf": 0}, {"game": "hinge"}, {"hidden": 256}])
def test_settings_that_cannot_be_are_refused_in_a_sentence(settings):
    with pytest.raises(BadInput, match=r"[.;]"):
        GANConfig((3, 64, 64), **settings)


def test_the_largest_that_can_be_set_up_can_be_opened():
    with torch.device("meta"):
        model = GANConfig((4, 128, 128), 256, 56).build()
    assert 4 * sum(tensor.numel() for tensor in model.state_dict().values()) < checkpoint.MAX_BYTES


# Turns.


@GAME
def test_a_half_step_changes_neither_weights_nor_buffers_of_the_other_network(monkeypatch, loss):
    state, changed = a_run(kind="gan", model={"game": loss, "image_shape": (1, 8, 8)}, epochs=1), []
    last = {name: tensor.clone() for name, tensor in state.model.state_dict().items()}
    for part, optimizer in state.optimizers.items():

        def step(part=part, real=optimizer.step):
            real()
            now = state.model.state_dict()
            names = [name for name, before in last.items() if not torch.equal(before, now[name])]
            changed.append((part, {name.split(".")[0] for name in names}, {name.split(".")[-1] for name in names}))
            last.update({name: tensor.clone() for name, tensor in now.items()})

        monkeypatch.setattr(optimizer, "step", step)
    next(fit(state, tiny_set()))
    assert [(part, moved) for part, moved, _ in changed] == [(part, {part}) for part in ("discriminator", "generator")]
    assert {"weight", "running_mean", "running_var", "num_batches_tracked"} <= changed[1][2]


def test_what_is_left_alone_normalises_by_the_batch_all_the_same():
    norm, x = nn.BatchNorm2d(3), 2 + 5 * draws(4, 3, 2, 2)
    before = {name: tensor.clone() for name, tensor in norm.state_dict().items()}
    with left_alone(norm):
        alone = norm(x)
    assert all(torch.equal(tensor, before[name]) for name, tensor in norm.state_dict().items())
    assert torch.equal(alone, norm(x))
    assert not torch.equal(norm.running_mean, before["running_mean"])


def test_it_is_the_loop_of_the_tutorial():
    """Both half-steps by hand: gradients are set to zero, and the generator plays against what has just learned."""
    data = tiny_set()
    state, other = (a_run(kind="gan", model={"latent_dim": 5}, epochs=1, schedule="constant") for _ in range(2))
    records = [next(running := fit(state, data)), next(running)]
    model, noise = other.model.train(), torch.Generator().manual_seed(0)
    options = {"lr": DCGAN.lr, "betas": (0.5, state.config.beta2)}
    judge, painter = (torch.optim.Adam(part.parameters(), **options) for part in (model.discriminator, model.generator))
    order = torch.randperm(300, generator=torch.Generator().manual_seed(1))
    bce = nn.BCEWithLogitsLoss()
    for record, chosen in zip(records, order.split(64), strict=False):
        x, z = 2 * to_float(data.train_images[chosen]) - 1, torch.randn(64, 5, generator=noise)
        judge.zero_grad()
        made = model.paint(z)
        buffers = [buffer.clone() for buffer in model.generator.buffers()]
        wrong = bce(model.discriminator(x), torch.ones(64)) + bce(model.discriminator(made.detach()), torch.zeros(64))
        wrong.backward()
        judge.step()
        painter.zero_grad()
        kept = {name: tensor.clone() for name, tensor in model.discriminator.named_buffers()}
        caught = bce(model.discriminator(made), torch.ones(64))
        caught.backward()
        painter.step()
        for name, buffer in model.discriminator.named_buffers():
            buffer.copy_(kept[name])
        for buffer, after in zip(model.generator.buffers(), buffers, strict=True):
            torch.testing.assert_close(buffer, after)
        assert isinstance(record, Step)
        assert record.terms["loss"] == pytest.approx(wrong.item(), rel=1e-4)
        assert record.terms["fooled"] == pytest.approx(caught.item(), rel=1e-4)
        assert record.loss == pytest.approx((wrong + caught).item(), rel=1e-4)
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, state.model.state_dict()[name], rtol=1e-3, atol=1e-5)


@GAME
def test_it_goes_on_from_where_it_was_saved(loss):
    data, cut = tiny_set(), []
    whole = [told(record) for record in fit(a_run(kind="gan", model={"game": loss}, epochs=2), data)]
    state = a_run(kind="gan", model={"game": loss}, epochs=2)
    while not state.finished:
        cut.append(told(next(fit(state, data))))
        state = from_bytes(state.to_bytes(), data)
    assert cut == whole


# What is looked at, and what is kept.


def test_samples_are_the_same_draws_in_evaluation_mode_and_nothing_is_rebuilt():
    state = a_run(kind="gan", epochs=1)
    watch = Watch(state.model, tiny_set())
    for _ in fit(state, tiny_set()):
        before = {name: tensor.clone() for name, tensor in state.model.state_dict().items()}
        frame = watch.frame()
        assert all(torch.equal(tensor, before[name]) for name, tensor in state.model.state_dict().items())
        with torch.no_grad():
            one = state.model.eval().decode(watch.prior[:1])[0].mul(255).round().byte().numpy()  # whatever is drawn beside it
        np.testing.assert_allclose(frame["samples"][0].astype(int), one, atol=1)
    assert frame["samples"].shape == (21, 1, 8, 8)
    assert (len(frame["points"]), len(frame["reconstructions"]), watch.latent_dim) == (0, 0, 100)


def test_a_picture_is_judged_alone():
    """Not by the batch that it comes in: the test losses do not depend on how many are looked at at once."""
    state = a_run(kind="gan", epochs=1)
    for _ in fit(state, tiny_set()):
        pass
    images = tiny_set().test_images
    together = evaluate.terms(state.model, images)["real"]
    alone = torch.cat([evaluate.terms(state.model, image[None])["real"] for image in images[:5]])
    torch.testing.assert_close(together[:5], alone)


def test_a_trained_one_is_kept_opened_and_drawn_from(tmp_path, capsys):
    state = a_run(kind="gan", epochs=1)
    for _ in fit(state, tiny_set()):
        pass
    weights, recipe = train.finish(state, tiny_set(), "Tiny", "python -m …")
    opened = checkpoint.open_bytes(weights, "tiny")
    assert opened.model.config == state.model.config == GANConfig(**recipe.config)
    assert recipe.metrics.keys() == {"seconds", "test_loss", "test_fooled", "test_real", "test_drawn"}
    z, images = sample(opened.model, 3, seed=2)
    assert (z.shape, images.shape, images.dtype) == ((3, 100), (3, 1, 8, 8), np.uint8)
    checkpoint.save(tmp_path, "tiny", weights, recipe)
    assert encode([str(tmp_path / "tiny"), "--data", "digits", "--json"]) == 2
    assert capsys.readouterr().err.count("has no code") == 1


# What goes wrong.


def test_a_batch_of_one_is_refused_and_a_last_batch_of_one_is_not():
    with pytest.raises(BadInput, match="at least 2 images at once"):
        a_run(kind="gan", batch_size=1)
    state = a_run(kind="gan", batch_size=299, epochs=1)
    tests = [record.test for record in fit(state, tiny_set()) if isinstance(record, Epoch)]
    assert all(map(math.isfinite, tests[0].values()))


@pytest.mark.parametrize("part", ["generator", "discriminator"])
def test_a_loss_that_is_no_number_stops_it_before_the_weights_are_touched(part):
    state = a_run(kind="gan")
    with torch.no_grad():
        next(getattr(state.model, part).parameters()).view(-1)[0] = torch.nan
    before = dict(state.model.named_parameters())
    before = {name: weights.detach().clone() for name, weights in before.items() if part in name}
    with pytest.raises(Diverged, match="stopped being a finite number"):
        next(fit(state, tiny_set()))
    for name, weights in before.items():
        torch.testing.assert_close(weights_of(state)[name], weights, rtol=0, atol=0, equal_nan=True)


def test_a_discriminator_that_wins_at_once_is_said_and_its_losses_stay_numbers():
    state = a_run(kind="gan", epochs=1)
    with torch.no_grad():
        state.model.discriminator[-2].weight.mul_(1e4)
    tests = [record.test for record in fit(state, tiny_set()) if isinstance(record, Epoch)]
    assert all(map(math.isfinite, tests[0].values()))
    sure = {"loss": 0.01, "fooled": 9.0, "real": 0.999, "drawn": 0.001}
    assert "wins" in noticed(GANConfig(), sure)
    assert noticed(GANConfig(), sure | {"drawn": 0.4}) == ""
    assert noticed(GANConfig(game="wgan-gp"), sure | {"real": 40.0}) == ""  # no probabilities


def test_settings_are_what_a_recipe_holds():
    config = GANConfig((3, 32, 32), game="least-squares")
    assert GANConfig(**asdict(config)) == config == replace(config, ndf=64)


def test_it_learns():
    """From noise to strokes: the pictures' mean comes near that of digits, and the game is not over."""
    digits_set = load("digits")
    state = a_run(digits_set, {"hidden": 16, "latent_dim": 10}, "gan", epochs=12, lr=1e-3, schedule="constant")
    mean = to_float(digits_set.train_images).mean(0)

    def off():
        with torch.no_grad():
            return (state.model.eval().decode(draws(200, 10)).mean(0) - mean).abs().mean().item()

    before = off()
    records = [record for record in fit(state, digits_set) if isinstance(record, Epoch)]
    assert off() < before / 2
    assert 0.05 < records[-1].train["drawn"] < records[-1].train["real"] < 0.95
