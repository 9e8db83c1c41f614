"""Training: it learns, it is the same run however it is cut into pieces or shared between processes, it stops with a reason."""

import dataclasses
import hashlib
import json
import math
import os
import struct
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from conftest import PATIENCE
from hypothesis import given, settings
from hypothesis import strategies as st

from vae_core import checkpoint, devices, evaluate, train
from vae_core.data import ImageSet, load, to_float
from vae_core.errors import BadInput
from vae_core.models import FAMILIES, vae
from vae_core.models.vae import ARCHITECTURES, VAE, recon_per_image
from vae_core.train import Diverged, Epoch, Step, TrainConfig, fit, from_bytes, learning_rate, resume, start

ROOT = Path(__file__).resolve().parent.parent


@cache
def tiny_set(train_images: int = 300, test_images: int = 100) -> ImageSet:
    """The first of scikit-learn's 8x8 digits."""
    digits = load("digits")
    parts = (
        digits.train_images[:train_images], digits.train_labels[:train_images],
        digits.test_images[:test_images], digits.test_labels[:test_images],
    )
    digest = hashlib.sha256(f"{train_images} {test_images}".encode()).hexdigest()
    return ImageSet("tiny", *parts, classes=digits.classes, digest=digest)


def a_run(data: ImageSet | None = None, model: dict | None = None, kind: str = "vae", **training) -> train.TrainState:
    """A fresh run on the tiny set: three epochs of five batches, the last one smaller."""
    data = data or tiny_set()
    options = {"epochs": 3, "batch_size": 64, "precision": "fp32", "device": "cpu"} | training
    size = {"hidden": 16} if FAMILIES[kind].has("hidden") else {}
    settings = {"image_shape": data.image_shape} | size | ({"latent_dim": 2} if kind == "vae" else {}) | (model or {})
    return start(FAMILIES[kind].config(**settings), data, TrainConfig(**options))


def told(record: Step | Epoch) -> dict:
    """A record without what the clock put into it."""
    flat = record.flat() if isinstance(record, Epoch) else dict(vars(record))
    flat |= {f"its_{name}": value for name, value in flat.pop("terms", {}).items()}
    return {name: value for name, value in flat.items() if name not in ("seconds", "images_per_second")}


def all_of(state: train.TrainState, data: ImageSet | None = None) -> list[dict]:
    return [told(record) for record in fit(state, data or tiny_set())]


def weights_of(state: train.TrainState) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in state.model.state_dict().items()}


def same_weights(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


# It learns.


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_training_lowers_the_test_loss_and_sorts_the_digits(architecture):
    digits = load("digits")
    hidden = 256 if architecture == "conv-course" else 64  # a few per cent of it are the encoder's channels
    epochs, lr = {"conv": (6, 2e-3), "conv-course": (8, 5e-3)}.get(architecture, (15, 5e-3))  # those compute longest
    state = a_run(digits, {"architecture": architecture, "latent_dim": 8, "hidden": hidden}, epochs=epochs, lr=lr)
    before = evaluate.elbo_terms(state.model, digits.test_images).loss.mean().item()
    epochs = [record for record in fit(state, digits) if isinstance(record, Epoch)]
    codes, test_codes = (evaluate.encode(state.model, images)[0] for images in (digits.train_images, digits.test_images))
    test, mean = to_float(digits.test_images), to_float(digits.train_images).mean(0).clamp(1 / 512, 1 - 1 / 512)
    assert before > 0.98 * F.binary_cross_entropy(mean.expand_as(test), test, reduction="none").sum() / len(test)
    assert epochs[-1].test["loss"] < 30
    assert epochs[-1].test["loss"] < epochs[0].test["loss"]
    assert evaluate.knn_accuracy(codes, digits.train_labels, test_codes, digits.test_labels) > 0.7


BEGINNERS = {
    "vae": [{"architecture": name, "hidden": 64} for name in ARCHITECTURES], "ae": [{}], "dae": [{}],
    "linear": [{"tied": True}, {"tied": False}],
}


@pytest.mark.parametrize(("kind", "model"), [(kind, model) for kind, models in BEGINNERS.items() for model in models])
def test_the_first_picture_is_the_mean_of_the_training_images(kind, model):
    assert BEGINNERS.keys() == {name for name, family in FAMILIES.items() if family.decodes and family.encodes}
    digits = load("digits")
    mean = to_float(digits.train_images).mean(0)
    if model.get("architecture", "").startswith("conv"):  # the last layer's bias has one number a channel
        mean = mean.mean((1, 2), keepdim=True).expand_as(mean)
    off = {}
    for begins in (True, False):
        built = a_run(digits, model, kind, mean_start=begins).model.eval()
        with torch.no_grad():
            off[begins] = (built.decode(built.codes(to_float(digits.test_images))).mean(0) - mean).abs().mean().item()
    assert off[True] < 0.1
    assert off[True] < off[False] / 2


def test_mean_reduction_collapses_the_kl():
    digits = load("digits")
    kl, active = {}, {}
    for reduction in ("sum", "mean"):
        state = a_run(digits, {"reduction": reduction, "latent_dim": 4, "hidden": 64}, epochs=15, lr=5e-3)
        kl[reduction] = list(fit(state, digits))[-1].test["kl"]
        active[reduction] = evaluate.active_units(evaluate.encode(state.model, digits.test_images)[0])
    assert kl["sum"] > 1.5
    assert kl["mean"] < 0.05
    assert (active["sum"], active["mean"]) == (4, 0)


def test_a_larger_beta_buys_a_smaller_kl_with_a_worse_reconstruction():
    ends = []
    for beta in (0.1, 1.0, 5.0):
        *_, end = fit(a_run(load("digits"), {"beta": beta, "latent_dim": 4, "hidden": 64}, epochs=8, lr=5e-3), load("digits"))
        ends.append(end)
    assert ends[0].test["kl"] > ends[1].test["kl"] > ends[2].test["kl"]
    assert ends[0].test["recon"] < ends[1].test["recon"] < ends[2].test["recon"]


# What is told.


def test_a_run_tells_every_batch_once_and_the_last_of_a_pass_as_its_epoch():
    records = all_of(a_run())
    assert [(r["epoch"], r.get("batch")) for r in records] == [(e, b) for e in (1, 2, 3) for b in (1, 2, 3, 4, None)]
    assert [r["images"] for r in records if "batch" in r] == [e * 300 + b * 64 for e in range(3) for b in (1, 2, 3, 4)]
    assert {r["batches"] for r in records if "batch" in r} == {5}


def test_seconds_only_grow_and_evaluation_is_left_out(monkeypatch):
    clock = iter(range(10**6))
    monkeypatch.setattr(train.time, "perf_counter", lambda: float(next(clock)))  # each look at the clock takes a second
    real = evaluate.parts
    monkeypatch.setattr(evaluate, "parts", lambda *a: [next(clock) for _ in range(99)] and real(*a))
    records = list(fit(a_run(), tiny_set()))
    assert [record.seconds for record in records] == list(range(1, 16))
    assert [r.images_per_second for r in records if isinstance(r, Epoch)] == [60.0] * 3  # 300 images in 5 seconds


def test_an_epoch_tells_the_means_over_all_images_also_where_the_last_batch_is_smaller():
    state = a_run(lr=1e-8)  # stands still
    bias = torch.linspace(-2, 2, 64)
    with torch.no_grad():
        for parameter in state.model.parameters():
            parameter.zero_()
        state.model.decoder[-1].bias.copy_(bias)  # the same picture whatever z is
        state.model.encoder[-1].bias[:2] = 0.5  # mu
    x = to_float(tiny_set().train_images)
    record = next(r for r in fit(state, tiny_set()) if isinstance(r, Epoch))
    recon = recon_per_image(bias.view(1, 1, 8, 8).expand(300, 1, 8, 8), x).mean().item()
    assert record.train["recon"] == pytest.approx(recon, abs=1e-3)
    assert record.train["kl"] == pytest.approx(2 * 0.5 * 0.25, abs=1e-4)
    assert record.train["loss"] == pytest.approx(recon + 0.25, abs=1e-3)


def test_an_epoch_tells_the_elbo_of_the_model_as_it_stands():
    state = a_run(seed=4, model={"beta": 3.0})
    for record in fit(state, tiny_set()):
        if isinstance(record, Epoch):
            terms = evaluate.elbo_terms(state.model, tiny_set().test_images, seed=4)
            assert record.test["recon"] == terms.recon.mean().item()
            assert record.test["kl"] == terms.kl.mean().item()
            assert record.test["loss"] == record.test["recon"] + record.test["kl"]  # beta left out


def test_a_step_tells_the_objective_with_beta_and_reduction_in_it():
    for changes, divisor in (({"beta": 2.5}, 1), ({"reduction": "mean"}, 64)):
        for record in fit(a_run(model=changes), tiny_set()):
            if isinstance(record, Step):
                beta = changes.get("beta", 1)
                assert record.loss == pytest.approx(record.terms["recon"] / divisor + beta * record.terms["kl"], rel=1e-5)


@pytest.mark.parametrize("warmup", [0.4, 1.0, 2.5, 100.0])
def test_beta_grows_in_a_straight_line_over_the_warm_up(warmup):
    state = a_run(model={"beta": 4.0}, kl_warmup=warmup)
    for record in fit(state, tiny_set()):
        if isinstance(record, Step):
            beta = 4.0 * min(1.0, ((record.epoch - 1) * 5 + record.batch) / (warmup * 5))
            assert record.loss == pytest.approx(record.terms["recon"] + beta * record.terms["kl"], rel=1e-5)


def test_binarised_training_draws_every_pixel_anew(monkeypatch):
    seen = []
    real = vae.vae_loss
    monkeypatch.setattr(vae, "vae_loss", lambda logits, x, *rest: seen.append(x.clone()) or real(logits, x, *rest))
    data = tiny_set(2, 10)
    list(fit(a_run(data, {"binarize": True}, epochs=400, batch_size=2, lr=1e-8), data))
    assert set(torch.cat(seen).unique().tolist()) == {0.0, 1.0}
    assert len({x.numpy().tobytes() for x in seen}) > 300
    torch.testing.assert_close(torch.cat(seen).mean(0), to_float(data.train_images).mean(0), rtol=0, atol=0.1)
    seen.clear()
    list(fit(a_run(data, epochs=2, batch_size=2), data))
    assert torch.equal(seen[0].sum(0), to_float(data.train_images).sum(0))  # without the option: the grey pixels


def test_every_image_is_used_once_in_a_pass_and_each_pass_has_its_own_order(monkeypatch):
    seen = []
    real = vae.vae_loss
    monkeypatch.setattr(vae, "vae_loss", lambda logits, x, *rest: seen.append(x.clone()) or real(logits, x, *rest))
    list(fit(a_run(epochs=2), tiny_set()))
    passes = [torch.cat(seen[:5]), torch.cat(seen[5:])]
    expected = sorted(image.numpy().tobytes() for image in to_float(tiny_set().train_images))
    assert [sorted(image.numpy().tobytes() for image in one) for one in passes] == [expected] * 2
    assert not torch.equal(*passes)


# The same run again.


def test_the_same_seed_gives_the_same_losses_and_another_seed_others():
    assert all_of(a_run(seed=7)) == all_of(a_run(seed=7))
    assert all_of(a_run(seed=7))[0] != all_of(a_run(seed=8))[0]


def test_training_neither_uses_nor_moves_the_global_random_state():
    results = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        results.append(all_of(a_run(model={"binarize": True})))
        assert torch.equal(torch.get_rng_state(), before)
    assert results[0] == results[1]


def test_the_images_are_left_as_they_were():
    data = tiny_set()
    before = [tensor.clone() for tensor in (data.train_images, data.test_images)]
    all_of(a_run(data, {"binarize": True}), data)
    assert torch.equal(data.train_images, before[0])
    assert torch.equal(data.test_images, before[1])


VARIANTS = {
    "mlp": ({}, {}),
    "residual, binarised, warm-up": ({"architecture": "residual", "binarize": True}, {"kl_warmup": 1.7}),
    "constant rate, mean": ({"reduction": "mean"}, {"schedule": "constant", "lr": 1e-2}),
}


@cache
def uninterrupted(variant: str) -> tuple[list[dict], dict]:
    model, training = VARIANTS[variant]
    state = a_run(model=model, **training)
    return all_of(state), weights_of(state)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("records", [0, 1, 3, 4, 5, 7, 10, 14, 15])
@pytest.mark.parametrize("way", ["bytes", "folder"])
def test_a_resumed_run_goes_on_bit_for_bit(tmp_path, variant, records, way):
    expected, weights = uninterrupted(variant)
    model, training = VARIANTS[variant]
    state = a_run(model=model, **training)
    running = fit(state, tiny_set())
    first = [told(next(running)) for _ in range(records)]
    running.close()
    if way == "bytes":
        again = from_bytes(state.to_bytes(), tiny_set())
    else:
        state.save(tmp_path / "run")
        again = resume(tmp_path / "run", tiny_set())
    assert again.finished == (records == 15)
    assert first + all_of(again) == expected
    assert same_weights(weights_of(again), weights)
    assert again.seconds >= state.seconds


def test_a_run_cut_after_every_record_is_still_the_same_run():
    expected, weights = uninterrupted("residual, binarised, warm-up")
    model, training = VARIANTS["residual, binarised, warm-up"]
    state, records = a_run(model=model, **training), []
    while not state.finished:
        records.append(told(next(fit(state, tiny_set()))))
        state = from_bytes(state.to_bytes(), tiny_set())
    assert records == expected
    assert same_weights(weights_of(state), weights)


@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize("part", [7, 40, 99])
@pytest.mark.parametrize("way", ["bytes", "the same state"])
def test_a_run_cut_in_the_middle_of_its_judgement_is_still_the_same_run(monkeypatch, kind, part, way):
    model = {"binarize": True} if kind == "vae" else {"corruption": "mixed"} if kind in ("dae", "restorer") else {}
    monkeypatch.setattr(evaluate, "BATCH", 60)  # draws are made for so many images at once
    whole = a_run(model=model, kind=kind, epochs=2)
    expected = [record for record in all_of(whole) if "judged" not in record]  # in one part, or in two
    monkeypatch.setattr(evaluate, "at_once", lambda model: part)
    state, records = a_run(model=model, kind=kind, epochs=2), []
    while not state.finished:
        records.append(told(next(fit(state, tiny_set()))))
        if way == "bytes":
            state = from_bytes(state.to_bytes(), tiny_set())
    judged = [record["judged"] for record in records if "judged" in record]
    assert len(judged) >= 2
    assert judged[: len(judged) // 2] == judged[len(judged) // 2 :] == sorted(set(judged))  # the same in each epoch, forwards
    assert max(judged) < 100
    told_of = [record for record in records if "judged" not in record]
    assert [r.keys() for r in told_of] == [r.keys() for r in expected]
    for record, same in zip(told_of, expected, strict=True):
        assert record == pytest.approx(same, rel=1e-5)  # other parts, other last digits of the test losses; weights the same
    assert same_weights(weights_of(state), weights_of(whole))
    unbroken = a_run(model=model, kind=kind, epochs=2)
    assert all_of(unbroken) == records  # in the same parts, bit for bit


@given(st.integers(1, 99), st.integers(2, 5))
@settings(deadline=None, max_examples=10)
def test_a_run_left_at_any_of_its_records_goes_on_bit_for_bit(part, cuts):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "at_once", lambda model: part)
        expected = all_of(a_run(epochs=2))
        state, records = a_run(epochs=2), []
        while not state.finished:
            running = fit(state, tiny_set())
            records += [told(record) for _, record in zip(range(cuts), running, strict=False)]
            running.close()
            state = from_bytes(state.to_bytes(), tiny_set())
        assert records == expected


def test_a_state_with_a_judgement_that_cannot_be_is_refused():
    for tested in (torch.zeros(2, 100), torch.zeros(3, 5), torch.zeros(4)):
        state = a_run()
        state.tested = tested
        with pytest.raises(BadInput, match="damaged"):
            from_bytes(state.to_bytes(), tiny_set())


def test_saving_in_between_changes_nothing(tmp_path):
    state, records = a_run(), []
    for record in fit(state, tiny_set()):
        records.append(told(record))
        state.save(tmp_path)
        state.to_bytes()
        train.finish(state, tiny_set(), "title", "command")
        train.finish(state, tiny_set(), "title", "command", quick=True)
    assert records == uninterrupted("mlp")[0]


def test_a_finished_run_has_nothing_more_to_tell():
    state = a_run(epochs=1)
    all_of(state)
    assert state.finished
    assert all_of(state) == []


def test_a_batch_size_equal_to_the_data_is_one_step_an_epoch():
    assert [r["epoch"] for r in all_of(a_run(batch_size=300, epochs=2))] == [1, 2]
    assert all("batch" not in r for r in all_of(a_run(batch_size=300, epochs=1)))


# The schedule.


@pytest.mark.parametrize(("total", "peak"), [(4, 0.3), (5, 0.3), (10, 0.15), (10, 0.3), (47, 0.15), (1000, 0.3), (1000, 0.9)])
@pytest.mark.parametrize("lr", [1e-3, 0.5])
def test_the_schedule_is_the_one_cycle_of_torch(total, peak, lr):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    reference = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=lr, total_steps=total, pct_start=peak)
    config = TrainConfig(lr=lr, peak=peak)
    for step in range(total):
        assert learning_rate(step, total, config) == pytest.approx(reference.get_last_lr()[0], rel=1e-6)
        if step + 1 < total:
            optimizer.step()
            reference.step()


@pytest.mark.parametrize("total", [1, 2, 3])
@pytest.mark.parametrize("peak", [0, 0.15, 0.3, 1])
def test_the_shortest_runs_have_a_positive_rate_no_higher_than_asked(total, peak):
    assert all(0 < learning_rate(step, total, TrainConfig(lr=1e-3, peak=peak)) <= 1e-3 for step in range(total))


def test_a_constant_rate_is_constant():
    assert {learning_rate(step, 50, TrainConfig(lr=2e-3, schedule="constant")) for step in range(50)} == {2e-3}


def test_the_optimiser_gets_the_rate_of_its_step():
    state = a_run(lr=1e-2)
    rates = []
    for _ in fit(state, tiny_set()):
        rates.append(state.optimizers["model"].param_groups[0]["lr"])
    assert rates == [learning_rate(step, 15, state.config) for step in range(15)]
    assert max(rates) == pytest.approx(1e-2, rel=0.05)


def test_a_pass_is_the_plain_loop_of_the_tutorials():
    state, reference = a_run(schedule="constant", lr=1e-2, beta2=0.999, epochs=1), a_run()
    optimizer = torch.optim.Adam(reference.model.parameters(), lr=1e-2)
    records = list(fit(state, tiny_set()))
    # The same batches by hand: order and noise are those of the seed.
    order = torch.randperm(300, generator=torch.Generator().manual_seed(1))
    noise = torch.Generator().manual_seed(0)
    for batch in range(5):
        x = to_float(tiny_set().train_images[order[batch * 64 : (batch + 1) * 64]])
        optimizer.zero_grad()
        logits, mu, logvar = reference.model(x, torch.randn(len(x), 2, generator=noise))
        kl = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)
        loss = (torch.nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="none").sum((1, 2, 3)) + kl).mean()
        if batch < 4:
            assert records[batch].loss == pytest.approx(loss.item(), rel=1e-4)
            assert records[batch].terms["kl"] == pytest.approx(kl.mean().item(), rel=1e-3)
        loss.backward()
        optimizer.step()
    for name, tensor in reference.model.state_dict().items():
        torch.testing.assert_close(state.model.state_dict()[name], tensor, rtol=1e-3, atol=1e-4)


# Diverging.


def assert_reason(error: BaseException) -> None:
    text = str(error)
    assert "\n" not in text
    assert text.endswith(".")
    assert "try" in text
    assert "finite" in text


@pytest.mark.parametrize("moment", [0, 3, 5, 12])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_the_run_and_leaves_the_weights(monkeypatch, moment, value):
    state, steps = a_run(), iter(range(100))
    real = vae.vae_loss

    def poisoned(*arguments):
        terms = real(*arguments)
        return terms._replace(loss=terms.loss * value) if next(steps) == moment else terms

    monkeypatch.setattr(vae, "vae_loss", poisoned)
    running = fit(state, tiny_set())
    for _ in range(moment):
        next(running)
    before = weights_of(state)
    with pytest.raises(Diverged) as caught:
        next(running)
    assert_reason(caught.value)
    assert f"batch {moment + 1} " in str(caught.value)
    assert same_weights(weights_of(state), before)
    assert state.steps == moment


def test_huge_weights_stop_the_run_and_are_left():
    state = a_run()
    with torch.no_grad():
        state.model.encoder[-1].weight.mul_(1e6)
    before = weights_of(state)
    with pytest.raises(Diverged) as caught:
        next(fit(state, tiny_set()))
    assert_reason(caught.value)
    assert same_weights(weights_of(state), before)
    assert state.epochs == []


def test_a_run_whose_last_step_spoils_the_model_is_no_success():
    """The loss before the step was finite, the model after it is not: no Epoch may tell numbers that are none."""
    state = a_run(epochs=1, batch_size=300)
    step = state.optimizers["model"].step

    def spoil():
        step()
        with torch.no_grad():
            state.model.encoder[-1].bias.fill_(1000.0)  # exp(logvar) leaves the range of a float

    state.optimizers["model"].step = spoil
    running = fit(state, tiny_set())
    with pytest.raises(Diverged) as caught:
        next(running)
    assert_reason(caught.value)
    assert state.epochs == []


@pytest.mark.parametrize("moment", [0, 4])
def test_a_gradient_that_is_no_number_stops_the_run_before_an_epoch_tells_it(monkeypatch, moment):
    """A finite loss may have a gradient that is not: the root of zero, times zero."""
    real, steps = vae.vae_loss, iter(range(100))

    def poisoned(logits, *rest):
        terms = real(logits, *rest)
        return terms._replace(loss=terms.loss + (logits * 0).square().sum().sqrt()) if next(steps) == moment else terms

    monkeypatch.setattr(vae, "vae_loss", poisoned)
    state = a_run()
    with pytest.raises(Diverged) as caught:
        all_of(state)
    assert_reason(caught.value)
    assert state.epochs == []


def test_gradients_of_the_residual_model_are_clipped_and_those_of_the_tutorial_are_not(monkeypatch):
    clipped = []
    real = torch.nn.utils.clip_grad_norm_
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda p, limit: clipped.append(limit) or real(p, limit))
    next(fit(a_run(), tiny_set()))
    assert clipped == []
    next(fit(a_run(model={"architecture": "residual"}), tiny_set()))
    assert clipped == [ARCHITECTURES["residual"].clip]


# Settings that do not fit.


BAD_SETTINGS = [
    {"epochs": 0}, {"epochs": -1}, {"epochs": 1001}, {"epochs": 1.5}, {"epochs": True},
    {"batch_size": 0}, {"batch_size": -5}, {"batch_size": 2**20}, {"batch_size": 12.0},
    {"lr": 0}, {"lr": -1e-3}, {"lr": 1e9}, {"lr": math.nan}, {"lr": math.inf}, {"lr": "1e-3"},
    {"kl_warmup": -1}, {"kl_warmup": math.nan}, {"seed": -1}, {"seed": 2**31}, {"seed": 0.5},
    {"schedule": "cosine"}, {"device": "tpu"}, {"precision": "fp16"}, {"device": ""}, {"schedule": None},
]


@pytest.mark.parametrize("values", BAD_SETTINGS, ids=str)
def test_a_bad_setting_is_refused_with_one_sentence(values):
    with pytest.raises(BadInput) as caught:
        TrainConfig(**values)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(BadInput, match=r"batch size 301 is larger than the data set \(300 images\)"):
        a_run(batch_size=301)


def test_without_a_batch_size_a_small_set_is_one_batch():
    assert a_run(tiny_set(40), batch_size=None).config.batch_size == 40


@pytest.mark.parametrize("counts", [(1, 5), (0, 5), (5, 0)])
def test_too_few_images_are_refused(counts):
    with pytest.raises(BadInput, match="at least 2 are needed, and 1 to test"):
        a_run(tiny_set(*counts), batch_size=None)


def test_two_images_are_enough():
    data = tiny_set(2, 1)
    assert len(all_of(a_run(data, batch_size=2), data)) == 3


def test_a_model_for_other_images_is_refused():
    with pytest.raises(BadInput, match=r"expects images of \(1, 28, 28\), but those of tiny are \(1, 8, 8\)"):
        a_run(model={"image_shape": (1, 28, 28)})


def test_each_architecture_trains_with_its_own_rate_and_batch():
    for name, architecture in ARCHITECTURES.items():
        state = a_run(model={"architecture": name}, lr=None, batch_size=None)
        assert (state.config.lr, state.config.batch_size) == (architecture.lr, min(architecture.batch_size, 300))


# Devices and precision.


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_absent_is_refused_in_one_sentence(monkeypatch, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(BadInput, match=f"There is no {device} device on this machine; choose cpu or auto"):
        a_run(device=device)
    assert devices.choose_device("auto") == "cpu"


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_a_run_starts_and_resumes_on_cuda(monkeypatch, device):
    """Here without the hardware: the model stays on the CPU, all else is as with one GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: (9, 0))
    monkeypatch.setattr(VAE, "to", lambda self, *_: self)
    state = a_run(device=device, precision="auto")
    assert state.config.device.startswith("cuda")
    assert state.config.precision == "bf16"
    again = from_bytes(state.to_bytes(), tiny_set())
    assert again.config == state.config


def test_a_run_saved_on_a_gpu_goes_on_where_there_is_none(monkeypatch):
    """`from_bytes` promises the state "on this machine's device"."""
    raw = a_run(device="auto").to_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    about = json.loads(header["__metadata__"]["state"])
    about["training"] |= {"device": "cuda:0", "precision": "fp32"}
    header["__metadata__"]["state"] = json.dumps(about)
    text = json.dumps(header).encode()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    state = from_bytes(struct.pack("<Q", len(text)) + text + raw[8 + length :], tiny_set())
    assert state.config.device == "cpu"
    assert all_of(state) == uninterrupted("mlp")[0]


def test_auto_precision_is_bf16_only_where_the_hardware_has_it(monkeypatch):
    for capabilities, expected in (({"avx512_bf16": True}, "bf16"), ({"amx_bf16": True}, "bf16"), ({"avx2": True}, "fp32")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda c=capabilities: c)
        assert devices.choose_precision("auto", "cpu") == expected
        assert devices.choose_precision("fp32", "cpu") == "fp32"
        assert devices.choose_precision("bf16", "cpu") == "bf16"
    for capability, expected in (((8, 0), "bf16"), ((9, 0), "bf16"), ((7, 5), "fp32")):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_, c=capability: c)
        assert devices.choose_precision("auto", "cuda:0") == expected


def test_bf16_learns_nearly_what_fp32_learns():
    ends = [all_of(a_run(precision=precision, model={"latent_dim": 4}, lr=5e-3))[-1] for precision in ("fp32", "bf16")]
    assert ends[0]["test_loss"] != ends[1]["test_loss"]
    assert ends[0]["test_loss"] == pytest.approx(ends[1]["test_loss"], rel=0.02)


def test_the_weights_stay_in_fp32_under_bf16():
    state = a_run(precision="bf16")
    all_of(state)
    assert {tensor.dtype for tensor in state.model.state_dict().values()} == {torch.float32}


# What is saved.


def test_the_saved_state_is_safetensors_with_json_for_people(tmp_path):
    state = a_run(epochs=1)
    all_of(state)
    state.save(tmp_path / "deep" / "folder")
    assert sorted(path.name for path in (tmp_path / "deep" / "folder").iterdir()) == ["state.json", "state.safetensors"]
    about = json.loads((tmp_path / "deep" / "folder" / "state.json").read_text())
    assert about["steps"] == 5
    assert about["epochs"][0]["epoch"] == 1
    tensors = safetensors.torch.load((tmp_path / "deep" / "folder" / "state.safetensors").read_bytes())
    assert {name.split(".")[0] for name in tensors} == {"model", "optimizer", "noise", "sums"}


def test_a_kill_while_the_state_is_saved_leaves_the_old_one(tmp_path, monkeypatch):
    state = a_run()
    running = fit(state, tiny_set())
    next(running)
    state.save(tmp_path)
    next(running)
    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                state.save(tmp_path)
        assert resume(tmp_path, tiny_set()).steps == 1
    state.save(tmp_path)
    assert resume(tmp_path, tiny_set()).steps == 2


def test_a_folder_that_cannot_be_written_is_told_in_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadInput, match="could not be saved") as caught:
        a_run().save(tmp_path / "file" / "below")
    assert str(tmp_path) not in str(caught.value)


def test_a_run_that_is_not_there_or_had_other_images_is_not_resumed(tmp_path):
    with pytest.raises(BadInput, match="no run to resume in empty"):
        resume(tmp_path / "empty", tiny_set())
    a_run().save(tmp_path)
    with pytest.raises(BadInput, match="trained on other images"):
        resume(tmp_path, tiny_set(200))


@cache
def saved() -> bytes:
    state = a_run(model={"hidden": 8})
    running = fit(state, tiny_set())
    for _ in range(7):
        next(running)
    return state.to_bytes()


@given(st.binary(max_size=300))
@settings(deadline=None, max_examples=100)
def test_random_bytes_are_no_run(noise):
    for raw in (noise, struct.pack("<Q", len(noise)) + noise):
        with pytest.raises(BadInput):
            from_bytes(raw, tiny_set())


DAMAGE = st.tuples(st.integers(0, 3000), st.binary(min_size=1, max_size=4))


@given(st.lists(DAMAGE, min_size=1, max_size=4))
@settings(deadline=None, max_examples=100)
def test_a_damaged_run_is_resumed_or_refused_and_nothing_else(damage):
    raw = bytearray(saved())
    for place, content in damage:
        raw[place : place + len(content)] = content
    try:
        state = from_bytes(bytes(raw), tiny_set())
    except BadInput:
        return
    assert isinstance(state, train.TrainState)


@pytest.mark.parametrize("part", [0, 7, 8, 100, 2000, -1])
def test_a_run_that_was_cut_is_refused(part):
    with pytest.raises(BadInput):
        from_bytes(saved()[:part], tiny_set())


def test_finishing_gives_a_checkpoint_of_the_model_as_it_stands():
    state = a_run()
    all_of(state)
    weights, recipe = train.finish(state, tiny_set(), "A title", "python -m x")
    opened = checkpoint.open_bytes(weights, "mine")
    assert opened.half
    assert opened.recipe == recipe
    assert opened.recipe.title == "A title"
    assert opened.recipe.data.digest == tiny_set().digest
    assert len(opened.recipe.epochs) == 3
    assert opened.recipe.metrics["test_loss"] == pytest.approx(state.epochs[-1].test["loss"], rel=1e-6)
    terms = evaluate.elbo_terms(opened.model, tiny_set().test_images, state.config.seed)
    assert terms.loss.mean().item() == pytest.approx(state.epochs[-1].test["loss"], abs=0.05)
    x_hat, expected = (model.decode(torch.zeros(1, 2)) for model in (opened.model, state.model))
    torch.testing.assert_close(x_hat, expected, rtol=0, atol=5e-3)


def test_half_precision_is_left_out_where_it_moves_the_loss():
    state = a_run(epochs=1)
    all_of(state)
    with torch.no_grad():  # two weights that cancel only when they keep all their digits
        state.model.decoder[0].bias[:2] = torch.tensor([30_001.0, 30_001.0])
        state.model.decoder[2].weight[:, :2] = torch.tensor([1.0003, -1.0])
    weights, _ = train.finish(state, tiny_set(), "t", "c")
    opened = checkpoint.open_bytes(weights, "mine")
    assert not opened.half
    assert same_weights(dict(opened.model.state_dict()), weights_of(state))


@pytest.mark.parametrize("quick", [False, True])
def test_a_run_that_was_stopped_before_its_first_epoch_still_gives_a_checkpoint(quick):
    state = a_run()
    next(fit(state, tiny_set()))
    weights, _ = train.finish(state, tiny_set(), "t", "c", quick=quick)
    assert checkpoint.open_bytes(weights, "mine").recipe.epochs == []


@pytest.mark.parametrize("kind", FAMILIES)
def test_who_stops_while_a_model_is_judged_gets_it_at_once_and_no_number_of_other_weights(monkeypatch, kind):
    monkeypatch.setattr(evaluate, "at_once", lambda model: 10)
    calls = []
    state = a_run(kind=kind)
    real = type(state.model).terms
    monkeypatch.setattr(type(state.model), "terms", lambda *a: calls.append(1) or real(*a))
    running = fit(state, tiny_set())
    ends = [record for record in (next(running) for _ in range(20)) if isinstance(record, Epoch)]
    assert len(ends) == 1
    assert state.steps > state.batches
    for answers in ([True], [False, True], [False] * 12 + [True]):
        asked, calls[:] = iter(answers), []
        recipe = train.finish(state, tiny_set(), "t", "c", stopped=lambda asked=asked: next(asked))[1]
        assert next(asked, None) is None  # asked, and not again once it said yes
        assert len(calls) <= len(answers)
        assert set(recipe.metrics) == {"seconds"}  # these weights were not judged
        assert recipe.epochs[-1]["test_loss"] == ends[0].test["loss"]  # and this one was, after its epoch
    for record in running:
        if isinstance(record, Epoch):
            break
    recipe = train.finish(state, tiny_set(), "t", "c", stopped=lambda: True)[1]
    assert recipe.metrics["test_loss"] == record.test["loss"]  # of these very weights


@pytest.mark.parametrize("quick", [False, True])
def test_weights_too_large_for_half_precision_give_a_checkpoint_that_opens(quick):
    state = a_run(epochs=1)
    all_of(state)
    with torch.no_grad():
        state.model.decoder[0].bias[0] = -1e5  # above 65,504, the largest float16; a dead unit
    weights, _ = train.finish(state, tiny_set(), "t", "c", quick=quick)
    assert not checkpoint.open_bytes(weights, "mine").half


# Several processes.

PROGRAM = """
import json, os, sys
import torch, torch.distributed as dist
torch.set_num_threads(1)
from dataclasses import replace
from vae_core.data import load
from vae_core.train import Diverged, Epoch, TrainConfig, fit, start
from vae_core.train_cli import leave
from vae_core.models import FAMILIES
dist.init_process_group("gloo", init_method="file://" + sys.argv[2], rank=int(sys.argv[3]), world_size=2)
digits = load("digits")
tiny = replace(digits, train_images=digits.train_images[:300], train_labels=digits.train_labels[:300],
               test_images=digits.test_images[:100], test_labels=digits.test_labels[:100])
results = []
for kind, model, training in json.loads(sys.argv[1]):
    records = []
    try:
        for r in fit(start(FAMILIES[kind].config(**model), tiny, TrainConfig(**training)), tiny):
            records.append(r.flat() if isinstance(r, Epoch) else vars(r) | {f"its_{n}": v for n, v in r.terms.items()})
    except Diverged as error:
        records.append(str(error))
    results.append(records)
print(json.dumps(results))
dist.barrier()
dist.destroy_process_group()
os.environ["WORLD_SIZE"] = "2"
leave(0)
"""
SHARED = {
    "plain": ({}, {}),
    "residual, binarised, warm-up": ({"architecture": "residual", "binarize": True}, {"kl_warmup": 1.0, "seed": 3}),
    "denoising": ({}, {"kind": "dae", "seed": 3}),
    "restorer": ({}, {"kind": "restorer", "batch_size": 299}),
    "odd shares": ({"reduction": "mean"}, {"batch_size": 75, "schedule": "constant"}),
    "a last batch of one image for two processes": ({}, {"batch_size": 299}),
}


def test_two_processes_tell_the_losses_of_one(tmp_path):
    runs = [a_run(model=model, **training) for model, training in SHARED.values()]
    cases = json.dumps(
        [(run.model.config.kind, dataclasses.asdict(run.model.config), dataclasses.asdict(run.config)) for run in runs]
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, cases, str(tmp_path / "meeting"), rank],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in "01"
    ]
    try:
        outputs = [process.communicate(timeout=PATIENCE) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], outputs[0][1][-2000:]
    first, second = (json.loads(out) for out, _ in outputs)
    losses = ("loss", *(f"{part}_{term}" for part in ("its", "train", "test") for term in ("loss", "recon", "kl")))
    for name, run, seen, other in zip(SHARED, runs, first, second, strict=True):
        alone = all_of(run)
        assert len(seen) == len(other) == len(alone), f"{name}: {seen[-1]}"
        for record, same, expected in zip(seen, other, alone, strict=True):
            assert {k: record[k] for k in expected} == pytest.approx(expected, rel=1e-4), name
            assert {k: v for k, v in record.items() if k in losses} == {k: v for k, v in same.items() if k in losses}, name


def test_settings_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainConfig().lr = 1
    assert replace(TrainConfig(), epochs=3).epochs == 3
