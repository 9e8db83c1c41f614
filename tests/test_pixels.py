"""Models that go pixel by pixel: nothing looks ahead or at itself, everything that may be looked at is, probabilities sum to 1,
and what draws fast draws the same."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from vae_core import checkpoint, evaluate
from vae_core.data import load, to_float
from vae_core.errors import BadInput
from vae_core.models import fvsbn, made, pixelcnn
from vae_core.models.fvsbn import FVSBNConfig
from vae_core.models.made import MADEConfig
from vae_core.models.pixelcnn import PixelCNNConfig
from vae_core.pixels import drawn_level, in_levels, nats_of_guessing, pixel_nats
from vae_core.train_config import TrainConfig

torch.set_num_threads(1)
CONFIGS = {
    "fvsbn": FVSBNConfig(),
    "made": MADEConfig(hidden=60),
    "made-deep": MADEConfig(hidden=50, depth=3),
    "masked": PixelCNNConfig(hidden=8, depth=2),
    "gated": PixelCNNConfig(hidden=8, depth=2, gated=True),
    "masked-4": PixelCNNConfig(hidden=8, depth=1, levels=4),
    "gated-4": PixelCNNConfig(hidden=8, depth=1, gated=True, levels=4),
}
every_model = pytest.mark.parametrize("name", CONFIGS)
DIGITS = load("digits")


def model_of(name: str, height: int, width: int, seed: int = 0):
    """One with weights that are all at work, and none near 0."""
    torch.manual_seed(seed)
    model = replace(CONFIGS[name], image_shape=(1, height, width)).build().eval()
    for part in model.parameters():
        torch.nn.init.normal_(part, std=1.5 * part[0].numel() ** -0.5 if part.ndim > 1 else 0.3)
    return model


def pictures(count: int, height: int, width: int, levels: int = 2) -> torch.Tensor:
    drawn = torch.randint(levels, (count, 1, height, width), generator=torch.Generator().manual_seed(1))
    return drawn / (levels - 1)


# What a pixel looks at.


def looked_at(model, height: int, width: int) -> torch.Tensor:
    """Whether the logits of pixel i depend on pixel j, (D, D) bool: from the Jacobian in float64 at a few pictures."""
    seen = torch.zeros(height * width, height * width, dtype=torch.bool)
    model.double()
    for x in torch.rand(6, 1, 1, height, width, generator=torch.Generator().manual_seed(2), dtype=torch.float64):
        slopes = torch.autograd.functional.jacobian(lambda x: model(x)[0].flatten(1).sum(0), x)
        seen |= slopes.flatten(1) != 0
    return seen


def field_of_square_kernels(height: int, width: int, depth: int) -> torch.Tensor:
    """The same by walking: one step of the first kernel, then `depth` of the others, as they are drawn in the paper."""

    def steps(side: int, itself: bool) -> list[tuple[int, int]]:
        half = side // 2
        around = itertools.product(range(-half, half + 1), repeat=2)
        return [(down, right) for down, right in around if down < 0 or (down == 0 and (right < 0 or (itself and right == 0)))]

    seen = torch.zeros(height * width, height * width, dtype=torch.bool)
    for row, column in itertools.product(range(height), range(width)):
        places = {(row, column)}
        for _ in range(depth):
            places = {(r + down, c + right) for r, c in places for down, right in steps(pixelcnn.NEXT, True)}
        places = {(r + down, c + right) for r, c in places for down, right in steps(pixelcnn.FIRST, False)}
        for r, c in places:
            if 0 <= r < height and 0 <= c < width:
                seen[row * width + column, r * width + c] = True
    return seen


@pytest.mark.parametrize("name", ["fvsbn", "made", "made-deep", "gated", "gated-4"])
def test_a_pixel_depends_on_all_before_it_and_on_nothing_else(name):
    before = torch.ones(20, 20).tril(-1).bool()
    assert torch.equal(looked_at(model_of(name, 4, 5), 4, 5), before)


@pytest.mark.parametrize(("name", "depth"), [("masked", 2), ("masked-4", 1)])
def test_square_kernels_see_their_field_and_have_a_blind_spot(name, depth):
    height, width = 7, 12
    seen, field = looked_at(model_of(name, height, width), height, width), field_of_square_kernels(height, width, depth)
    assert torch.equal(seen, field)
    before = torch.ones_like(field).tril(-1)
    assert not (seen & ~before).any()
    row, column = 4, 4
    here = seen[row * width + column].view(height, width)
    assert here[row, :column].all()
    assert not here[row - 1, column + 3 + depth :].any()  # near, above, to the right: and never seen, however deep
    gated = looked_at(model_of("gated", height, width), height, width)[row * width + column].view(height, width)
    assert gated[row - 1, column + 3 + depth :].any()


def test_a_gated_model_sees_its_field_as_far_as_its_kernels_reach():
    height, width, depth = 3, 16, 2  # the first kernel reaches three pixels aside, each other one more
    seen = looked_at(model_of("gated", height, width), height, width)
    for row, column in ((1, 8), (2, 8)):
        here = seen[row * width + column].view(height, width)
        reach = 3 + depth
        expected = torch.zeros_like(here)
        expected[:row, column - reach : column + reach + 1] = True
        expected[row, column - reach : column] = True
        assert torch.equal(here, expected)


def test_half_of_the_regressions_is_not_there():
    model = model_of("fvsbn", 3, 3)
    assert torch.equal(model.templates().flatten(1), model.regressions.weight.tril(-1))


# Probabilities.


@every_model
def test_the_probabilities_of_all_pictures_sum_to_one(name):
    levels = getattr(CONFIGS[name], "levels", 2)
    height, width = (3, 3) if levels == 2 else (2, 2)
    model = model_of(name, height, width).double()
    every = torch.tensor(list(itertools.product(range(levels), repeat=height * width)), dtype=torch.float64) / (levels - 1)
    assert len(every) == (512 if levels == 2 else 256)
    with torch.no_grad():
        chances = model.log_likelihood(every.view(-1, 1, height, width)).exp()
    assert chances.sum().item() == pytest.approx(1, abs=1e-9)
    assert chances.std() / chances.mean() > 0.2  # and they are not all alike


@every_model
def test_draws_are_as_frequent_as_they_are_probable(name):
    if "4" in name:
        height, width, levels = 1, 2, 4
    else:
        height, width, levels = 2, 2, 2
    model, count = model_of(name, height, width), 4000
    every = torch.tensor(list(itertools.product(range(levels), repeat=height * width))) / (levels - 1)
    drawn = model.sample(count, seed=3).flatten(1)
    counts = (drawn[:, None] == every).all(2).sum(0)
    assert counts.sum() == count
    with torch.no_grad():
        expected = count * model.log_likelihood(every.view(-1, 1, height, width)).exp()
    chi_squared = ((counts - expected).square() / expected).sum().item()
    assert chi_squared < 44  # of 15 degrees of freedom, exceeded once in ten thousand


@every_model
def test_nats_terms_and_loss_are_one_sum(name):
    model, levels = model_of(name, 4, 5), getattr(CONFIGS[name], "levels", 2)
    x = pictures(6, 4, 5, levels)
    with torch.no_grad():
        logits = model(x)
        each = -model.log_likelihood(x)
        loss = model.loss(x, (x,), logits)
        torch.testing.assert_close(model.terms(x, (x,))["loss"], each)
        torch.testing.assert_close(model.nats(x).sum((1, 2, 3)), each)
    torch.testing.assert_close(loss.objective, each.mean())
    torch.testing.assert_close(loss.terms["loss"], each.mean())
    if levels == 2:
        expected = -torch.distributions.Bernoulli(logits=logits).log_prob(x).sum((1, 2, 3))
    else:
        by_level = torch.distributions.Categorical(logits=logits.permute(0, 2, 3, 1))
        expected = -by_level.log_prob((x[:, 0] * (levels - 1)).round()).sum((1, 2))
    torch.testing.assert_close(each, expected)


@every_model
def test_one_picture_is_worth_the_same_alone_and_in_a_row_of_sixteen(name):
    model, levels = model_of(name, 6, 5), getattr(CONFIGS[name], "levels", 2)
    x = pictures(16, 6, 5, levels)
    with torch.no_grad():
        torch.testing.assert_close(model(x[7:8]), model(x)[7:8], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(model.log_likelihood(x[7:8]), model.log_likelihood(x)[7:8])
    assert torch.equal(model.sample(16, seed=4)[:1], model.sample(1, seed=4))


# Drawing.


@torch.no_grad()
def plainly(model, uniform: torch.Tensor, image: torch.Tensor | None = None, known: torch.Tensor | None = None) -> torch.Tensor:
    """The whole network for every pixel, one after the other."""
    canvas = torch.full_like(uniform, 0.5)
    for row, column in itertools.product(range(uniform.shape[2]), range(uniform.shape[3])):
        logits = model(canvas)[:, :, row, column]
        value = drawn_level(logits, uniform[:, 0, row, column], model.levels)
        given = None if known is None else known[:, 0, row, column]
        canvas[:, 0, row, column] = value if given is None else torch.where(given, image[:, 0, row, column], value)
    return canvas


@every_model
def test_what_computes_each_position_once_paints_what_the_whole_network_paints(name):
    model = model_of(name, 9, 8)
    uniform = torch.rand(5, 1, 9, 8, generator=torch.Generator().manual_seed(5))
    painted = model.paint(uniform)
    assert torch.equal(painted, plainly(model, uniform))
    assert 0.1 < painted.mean() < 0.9  # not all of it one colour
    with torch.no_grad():
        fast = torch.stack([logits.clone() for logits in model.in_turn(painted)], 2)
        torch.testing.assert_close(fast, model(painted).flatten(2), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["made-deep", "masked", "gated"])
def test_no_layer_is_computed_twice_for_a_position(name):
    model, calls = model_of(name, 5, 5), {}
    counted = [layer for layer in model.modules() if isinstance(layer, torch.nn.Conv2d)]
    for layer in counted:
        layer.register_forward_hook(lambda layer, given, made: calls.update({layer: calls.get(layer, 0) + made[0, 0].numel()}))
    model.sample(1)
    assert all(times <= 25 for times in calls.values())
    assert bool(calls) == (name != "made-deep")  # whose sums grow outside of its layers


@every_model
def test_a_half_picture_is_finished_from_what_is_known(name):
    model, levels = model_of(name, 6, 5), getattr(CONFIGS[name], "levels", 2)
    image = pictures(1, 6, 5, levels)[0]
    known = torch.zeros(1, 6, 5, dtype=torch.bool)
    known[:, :3] = True
    finished = model.complete(image, known, 12, seed=6)
    assert finished.shape == (12, 1, 6, 5)
    assert (finished[:, :, :3] == image[:, :3]).all()
    assert len(finished.flatten(1).unique(dim=0)) > 6  # several ways
    uniform = torch.rand(12, 1, 6, 5, generator=torch.Generator().manual_seed(6))
    given = image.expand(12, 1, 6, 5), known.expand(12, 1, 6, 5)
    assert torch.equal(finished, plainly(model, uniform, *given))
    scattered = torch.rand(6, 5, generator=torch.Generator().manual_seed(7))[None] < 0.5
    assert torch.equal(model.complete(image, scattered, 1, 6), plainly(model, uniform[:1], image[None], scattered[None]))
    assert torch.equal(model.complete(image, torch.ones_like(known), 1), image[None])


def test_painting_shows_each_pixel_once_and_can_be_left():
    model = model_of("masked", 4, 4)
    shown = [canvas.clone() for canvas in model.painting(torch.zeros(1, 1, 4, 4))]
    assert len(shown) == 16
    known = torch.ones(1, 1, 4, 4, dtype=torch.bool)
    known[..., 2, 1:3] = False
    assert len(list(model.painting(torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4), known))) == 2


def test_a_chance_picks_the_level_whose_share_it_falls_into():
    logits = torch.tensor([[0.1, 0.2, 0.3, 0.4]]).log().expand(6, 4)
    picked = drawn_level(logits, torch.tensor([0.0, 0.099, 0.101, 0.299, 0.599, 0.999]), 4)
    assert (picked * 3).round().tolist() == [0, 0, 1, 1, 2, 3]
    two = drawn_level(torch.tensor([[math.log(3)]]).expand(3, 1), torch.tensor([0.24, 0.26, 0.99]), 2)  # P(1) = 3/4
    assert two.tolist() == [0, 1, 1]


# Levels.


def test_two_levels_are_the_usual_dynamic_binarisation():
    x = to_float(load("mnist").test_images[:20])
    drawn = in_levels(x, 2, torch.Generator().manual_seed(0))
    assert torch.equal(drawn, torch.bernoulli(x, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("levels", [2, 3, 4, 8])
def test_a_pixel_is_drawn_as_one_of_the_two_levels_that_it_lies_between(levels):
    x = torch.linspace(0, 1, 41).repeat(5000, 1)
    drawn = in_levels(x, levels, torch.Generator().manual_seed(0))
    assert ((drawn * (levels - 1)) % 1 == 0).all()
    assert (drawn - x).abs().max() <= 1 / (levels - 1) + 1e-6
    torch.testing.assert_close(drawn.mean(0), x[0], atol=0.04, rtol=0)
    assert torch.equal(drawn[:, [0, 20 if levels % 2 else 0, -1]], x[:, [0, 20 if levels % 2 else 0, -1]])


def test_guessing_costs_what_it_costs():
    x = pictures(2, 4, 4)
    assert pixel_nats(torch.zeros_like(x), x).sum().item() == pytest.approx(2 * nats_of_guessing(16))
    x = pictures(2, 4, 4, levels=4)
    assert pixel_nats(torch.zeros(2, 4, 4, 4), x, 4).sum().item() == pytest.approx(2 * nats_of_guessing(16, 4))


# Learning.


def learned(config, epochs: int, lr: float):
    """As vae_core.train does it, in few words: the small digits, Adam."""
    torch.manual_seed(0)
    model, generator = config.build(), torch.Generator().manual_seed(0)
    x = to_float(DIGITS.train_images)
    model.begin_at(x.mean(0))
    optimizer = torch.optim.Adam(model.parameters(), lr)
    for _ in range(epochs):
        for some in x[torch.randperm(len(x), generator=generator)].split(64):
            drawn = model.draw(some, generator)
            optimizer.zero_grad()
            model.loss(some, drawn, model(*drawn)).objective.backward()
            optimizer.step()
    return model.eval()


@torch.no_grad()
def nats_of(model) -> float:
    x = to_float(DIGITS.test_images)
    return model.terms(x, model.draw(x, torch.Generator().manual_seed(1)))["loss"].mean().item()


def test_what_sees_more_learns_more():
    """Independent pixels, then regressions, then units, then convolutions: each takes nats off."""
    shape = DIGITS.image_shape
    independent = learned(FVSBNConfig(shape), 0, 0.0)
    x = to_float(DIGITS.test_images)
    chances = to_float(DIGITS.train_images).mean(0).clamp(1 / 512, 1 - 1 / 512)
    drawn = in_levels(x, 2, torch.Generator().manual_seed(1))
    alone = F.binary_cross_entropy(chances.expand_as(drawn), drawn, reduction="none").sum((1, 2, 3)).mean().item()
    assert nats_of(independent) == pytest.approx(alone, rel=1e-4)
    regressions = nats_of(learned(FVSBNConfig(shape), 15, 1e-2))
    units = nats_of(learned(MADEConfig(shape, hidden=128), 15, 3e-3))
    convolutions = nats_of(learned(PixelCNNConfig(shape, hidden=16, depth=2), 15, 5e-3))
    gated = nats_of(learned(PixelCNNConfig(shape, hidden=16, depth=2, gated=True), 15, 5e-3))
    assert regressions < alone - 3
    assert units < regressions
    assert convolutions < alone - 2  # they are the same everywhere in a picture, which of 64 pixels spares little
    assert gated < alone - 2


@pytest.mark.parametrize("name", ["fvsbn", "made", "masked", "gated"])
def test_it_begins_with_the_mean_brightness(name):
    torch.manual_seed(0)
    model = replace(CONFIGS[name], image_shape=(1, 8, 8)).build()
    mean = to_float(DIGITS.train_images).mean(0)
    model.begin_at(mean)
    bias = model.last.bias if name in ("masked", "gated") else (model.regressions if name == "fvsbn" else model.direct).bias
    expected = mean.mean() if name in ("masked", "gated") else mean.clamp(1 / 512, 1 - 1 / 512).flatten()
    torch.testing.assert_close(torch.sigmoid(bias.detach()), expected.expand_as(bias))


# What a family says, and what is refused.


@pytest.mark.parametrize("family", [fvsbn.FAMILY, made.FAMILY, pixelcnn.FAMILY], ids=lambda family: family.name)
def test_its_family_says_what_it_can(family):
    assert family.likelihood == "exact"
    assert not any((family.encodes, family.decodes, family.has_prior, family.has_posterior))
    config = family.config()
    assert config.kind == family.name
    assert config.loss_name.startswith("-log p")
    assert family.size.format(**vars(config))
    assert family.measured == ("loss",)
    for preset in family.presets:
        known = {name: value for name, value in preset.changes.items() if name in vars(config)}
        family.config(**known)
        TrainConfig(**{name: value for name, value in preset.changes.items() if name not in known})


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: FVSBNConfig((3, 8, 8)), "take grey ones"),
        (lambda: PixelCNNConfig((3, 8, 8)), "take grey ones"),
        (lambda: FVSBNConfig((1, 128, 128)), "million weights"),
        (lambda: MADEConfig(hidden=8192, depth=4), "million weights"),
        (lambda: PixelCNNConfig(hidden=256, depth=20, gated=True), "million weights"),
        (lambda: PixelCNNConfig(levels=1), "grey levels"),
        (lambda: PixelCNNConfig(levels=2.5), "grey levels"),
        (lambda: MADEConfig(hidden=4), "hidden width"),
    ],
)
def test_what_cannot_be_built_is_refused_in_a_sentence(make, said):
    with pytest.raises(BadInput, match=said) as refused:
        make()
    assert str(refused.value).endswith(".")


def test_a_picture_of_another_size_is_not_finished():
    model = model_of("masked", 4, 4)
    with pytest.raises(BadInput, match="finishes pictures of"):
        model.complete(torch.zeros(1, 5, 4), torch.zeros(1, 5, 4, dtype=torch.bool), 1)


@pytest.mark.parametrize("name", ["fvsbn", "made", "masked", "gated"])
def test_one_pixel_and_one_row_are_pictures_too(name):
    for height, width in ((1, 1), (1, 6), (6, 1)):
        model = model_of(name, height, width)
        assert model.sample(3).shape == (3, 1, height, width)
        uniform = torch.rand(3, 1, height, width)
        assert torch.equal(model.paint(uniform), plainly(model, uniform))


SHIPPED = {"mnist-pixelcnn": 88.0, "mnist-made": 88.0, "mnist-fvsbn": 97.5}  # nats that they stay below


@pytest.mark.parametrize("name", SHIPPED)
def test_what_ships_has_the_exact_nats_that_it_says(name):
    """Of pixels drawn black or white anew; of ten thousand test images, or of every tenth where that takes too long."""
    opened, images = checkpoint.open_file(checkpoint.SHIPPED / name), load("mnist").test_images
    told = opened.recipe.metrics["test_loss"]
    assert told < SHIPPED[name]
    some = images[:: 10 if evaluate.at_once(opened.model) < evaluate.BATCH else 1]
    nats = evaluate.terms(opened.model, some, seed=1)["loss"]
    assert abs(nats.mean().item() - told) < 4 * nats.std().item() / len(nats) ** 0.5
