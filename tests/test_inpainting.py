"""Filling holes: classic methods as their libraries do it, learned ones better, known pixels always as they were."""

import json
import math

import cv2
import numpy as np
import pytest
import torch
from skimage.restoration import inpaint_biharmonic

from vae_core import corruption, inpainting
from vae_core.corruption import BLANK, parse
from vae_core.data import load
from vae_core.errors import BadInput
from vae_core.inpainting import METHODS, asked_for, compare, local_median, median, read_mask, read_picture, restore
from vae_core.inpainting_cli import main
from vae_core.latent_search import search
from vae_core.models.denoising import DenoisingConfig
from vae_core.models.restorer import RestorerConfig
from vae_core.models.vae import VAE, VAEConfig

CLASSIC = ("telea", "navier-stokes", "biharmonic", "median")
methods = pytest.mark.parametrize("method", METHODS)
classic = pytest.mark.parametrize("method", CLASSIC)


def models(shape=(1, 28, 28)) -> dict:
    """Untrained models: what they paint does not matter here."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        configs = {"dae": DenoisingConfig(shape, 16), "restorer": RestorerConfig(shape, 8)}
        built = {name: config.build().eval() for name, config in configs.items()}
        return built | {"vae": VAE(VAEConfig(image_shape=shape, hidden=8, latent_dim=2)).eval()}


def digits(count: int = 4) -> torch.Tensor:
    return load("mnist").test_images[:count].float() / 255


def holes(count: int, *size: int, share: float = 0.3) -> torch.Tensor:
    return torch.rand(count, 1, *size, generator=torch.Generator().manual_seed(1)) < share


# Every method keeps what is known.


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 12, 17), (4, 9, 8)])
@methods
def test_known_pixels_are_kept_and_the_result_is_a_picture(method, shape):
    x = torch.rand(3, *shape, generator=torch.Generator().manual_seed(0))
    mask = holes(3, *shape[1:])
    before = x.clone(), mask.clone()
    filled = restore(method, x, mask, models(shape).get(method))
    assert torch.equal(torch.where(mask, 0.0, filled), torch.where(mask, 0.0, x))
    assert (filled.shape, filled.dtype) == (x.shape, x.dtype)
    assert 0 <= filled.min() <= filled.max() <= 1
    assert torch.equal(x, before[0])
    assert torch.equal(mask, before[1])


@methods
def test_what_stands_in_a_hole_is_never_looked_at(method):
    x, mask = digits(), holes(4, 28, 28)
    one = restore(method, x, mask, models().get(method))
    assert torch.equal(one, restore(method, torch.where(mask, 1.0, x), mask, models().get(method)))


@methods
def test_an_empty_mask_gives_the_picture_and_a_full_one_a_picture_without_knowing_any(method):
    x, model = digits(), models().get(method)
    nothing, everything = torch.zeros(4, 1, 28, 28, dtype=torch.bool), torch.ones(4, 1, 28, 28, dtype=torch.bool)
    assert torch.equal(restore(method, x, nothing, model), x)
    blind = restore(method, x, everything, model)
    assert torch.isfinite(blind).all()
    if method in CLASSIC:
        assert torch.equal(blind, torch.full_like(x, BLANK))
    else:
        assert torch.equal(blind, restore(method, 1 - x, everything, model))


@methods
def test_a_mask_only_at_the_border_is_filled(method):
    x = torch.full((2, 1, 28, 28), 0.8)
    mask = torch.zeros(2, 1, 28, 28, dtype=torch.bool)
    mask[:, :, [0, -1]] = True
    mask[..., [0, -1]] = True
    filled = restore(method, x, mask, models().get(method))
    assert torch.isfinite(filled).all()
    if method in CLASSIC:
        torch.testing.assert_close(filled, x, atol=3 / 255, rtol=0)


@pytest.mark.parametrize("value", [0, 1, 77, 128, 254, 255])
@classic
def test_a_constant_picture_with_a_tenth_of_holes_stays_constant_within_three(method, value):
    x = torch.full((3, 1, 28, 28), value / 255)
    filled = restore(method, x, holes(3, 28, 28, share=0.1))
    assert (255 * (filled - x)).abs().max() <= 3


@pytest.mark.parametrize("radius", [1.0, 3.0, 7])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("method", "flag"), [("telea", cv2.INPAINT_TELEA), ("navier-stokes", cv2.INPAINT_NS)])
def test_telea_and_navier_stokes_are_those_of_opencv(method, flag, channels, radius):
    x = torch.randint(0, 256, (3, channels, 20, 28), generator=torch.Generator().manual_seed(0)).float() / 255
    mask = holes(3, 20, 28)
    damaged = corruption.blank(x, mask)  # OpenCV lets some of what stands in a hole through: here there is nothing of it
    for picture, hole, got in zip(damaged, mask, restore(method, x, mask, radius=radius), strict=True):
        given = (picture * 255).round().byte().permute(1, 2, 0).numpy().copy()
        direct = cv2.inpaint(given, hole[0].numpy().astype(np.uint8) * 255, radius, flag).reshape(20, 28, channels)
        np.testing.assert_array_equal((got * 255).round().byte().permute(1, 2, 0), direct)


def test_biharmonic_is_that_of_scikit_image():
    x, mask = digits(3), holes(3, 28, 28)
    for picture, hole, got in zip(x, mask, restore("biharmonic", x, mask), strict=True):
        direct = inpaint_biharmonic(picture[0].double().numpy(), hole[0].numpy()).clip(0, 1)
        np.testing.assert_allclose(np.where(hole[0], got[0], 0), np.where(hole[0], direct, 0), atol=1e-6)


def test_the_median_is_that_of_a_loop():
    x, mask = digits(2), holes(2, 28, 28, share=0.4)
    got = local_median(x, mask)
    for y in range(28):
        for column in range(28):
            window = [
                float(x[1, 0, b, a])
                for b in range(max(y - 1, 0), min(y + 2, 28)) for a in range(max(column - 1, 0), min(column + 2, 28))
                if not mask[1, 0, b, a]
            ]
            expected = sorted(window)[(len(window) - 1) // 2] if window else math.nan
            assert got[1, 0, y, column].item() == pytest.approx(expected, nan_ok=True)


def test_a_hole_is_filled_from_its_rim_inwards():
    x = torch.zeros(1, 1, 12, 12)
    x[..., :4] = 1.0
    damaged, mask = corruption.block(x, 6)
    filled = median(damaged, mask)
    assert torch.isfinite(filled).all()
    assert set(filled.unique().tolist()) == {0.0, 1.0}


# What is wrong is said.


@pytest.mark.parametrize("radius", [0, -1, 1e9, math.nan, math.inf, "3", None])
def test_an_impossible_radius_is_refused(radius):
    with pytest.raises(BadInput, match="radius must be a number from 1 to 100"):
        restore("telea", digits(), holes(4, 28, 28), radius=radius)


BAD = {
    "method": ("magic", digits(), holes(4, 28, 28), None),
    "no model": ("restorer", digits(), holes(4, 28, 28), None),
    "another shape": ("dae", torch.zeros(1, 1, 8, 8), holes(1, 8, 8), models()["dae"]),
    "mask size": ("telea", digits(), holes(4, 27, 28), None),
    "mask count": ("telea", digits(), holes(3, 28, 28), None),
    "mask of numbers": ("telea", digits(), holes(4, 28, 28).float(), None),
    "mask of three channels": ("telea", digits(), holes(4, 28, 28).expand(4, 3, 28, 28), None),
    "one picture without its first axis": ("telea", digits()[0], holes(1, 28, 28), None),
    "bytes": ("telea", (digits() * 255).byte(), holes(4, 28, 28), None),
    "NaN": ("telea", torch.full((4, 1, 28, 28), math.nan), holes(4, 28, 28), None),
    "too large": ("telea", digits() * 255, holes(4, 28, 28), None),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_refused_with_one_sentence(name):
    with pytest.raises(BadInput) as caught:
        restore(*BAD[name])
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("method", [m for m in METHODS if m not in asked_for(holes=False)])
def test_without_a_hole_only_denoisers_can_be_asked(method):
    with pytest.raises(BadInput, match="fills holes"):
        restore(method, digits(), holes(4, 28, 28), models().get(method), holes=False)


# Arrays from outside.

SQUARE = np.arange(12 * 9).reshape(12, 9)


@pytest.mark.parametrize(
    "array",
    [
        SQUARE.astype(np.uint8), SQUARE.astype(np.uint8)[..., None], SQUARE.astype(np.uint16) * 257, SQUARE / 255.0,
        (SQUARE / 255).astype(np.float32), np.repeat(SQUARE.astype(np.uint8), 2, 1)[:, ::2], SQUARE.astype(np.uint8).T.copy().T,
        np.asfortranarray(SQUARE / 255),
    ],
    ids=["uint8", "one channel", "uint16", "float64", "float32", "every second", "transposed", "Fortran"],
)
def test_a_picture_is_read_whatever_its_type_and_layout(array):
    array.flags.writeable = False
    before = array.copy()
    picture = read_picture(array)
    torch.testing.assert_close(picture, torch.arange(108).view(1, 1, 12, 9) / 255, rtol=1e-4, atol=1e-6)
    picture.fill_(0.5)
    np.testing.assert_array_equal(array, before)


def test_colours_come_first_and_alpha_goes():
    rgba = np.random.default_rng(0).integers(0, 256, (5, 6, 4), np.uint8)
    picture = read_picture(rgba)
    assert picture.shape == (1, 3, 5, 6)
    np.testing.assert_allclose(picture[0].permute(1, 2, 0), rgba[..., :3] / 255, atol=1e-6)


@pytest.mark.parametrize(
    "array",
    [np.zeros(5), np.zeros((2, 3, 2)), np.zeros((0, 5)), np.zeros((2, 2, 2, 2)), np.full((4, 4), 300.0), np.full((4, 4), -0.1),
     np.full((4, 4), np.nan), np.full((4, 4), np.inf), np.zeros((4, 4), complex), np.zeros((4, 4), np.int64),
     np.full((4, 4), "x"), np.full((4, 4), None)],
)
def test_what_is_no_picture_is_refused(array):
    with pytest.raises(BadInput) as caught:
        read_picture(array)
    assert str(caught.value).endswith(".")


TRUE = np.random.default_rng(0).random((12, 9)) < 0.4


@pytest.mark.parametrize(
    "array",
    [TRUE, TRUE.astype(np.uint8), TRUE.astype(np.uint8) * 255, TRUE.astype(float), TRUE.astype(np.float64) * 255,
     TRUE[..., None], TRUE.astype(np.int64), np.asfortranarray(TRUE), np.repeat(TRUE, 2, 1)[:, ::2]],
    ids=["bool", "0/1", "0/255", "0.0/1.0", "0.0/255.0", "one channel", "int64", "Fortran", "every second"],
)
def test_a_mask_is_read_whatever_it_is_written_in(array):
    array = array.copy(order="K")
    array.flags.writeable = False
    mask = read_mask(array, (12, 9))
    assert (mask.shape, mask.dtype) == ((1, 1, 12, 9), torch.bool)
    np.testing.assert_array_equal(mask[0, 0], TRUE)
    mask.fill_(True)
    assert (array != 0).sum() == TRUE.sum()


@pytest.mark.parametrize(
    "array", [TRUE[:5], TRUE.T, np.zeros((12, 9, 3)), np.full((12, 9), np.nan), np.full((12, 9), "1"), np.zeros(0), np.array(1)]
)
def test_what_is_no_mask_of_this_picture_is_refused(array):
    with pytest.raises(BadInput) as caught:
        read_mask(array, (12, 9))
    assert str(caught.value).endswith(".")
    assert len(str(caught.value)) < 150


# The latent search.


def a_line() -> tuple[VAE, torch.Tensor]:
    """A VAE of one dimension that paints 16 grey values along a line, and an encoder that knows nothing."""
    model = VAE(VAEConfig(image_shape=(1, 4, 4), hidden=8, latent_dim=1)).eval()
    slopes = torch.linspace(-4, 4, 16)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.decoder[0].weight[0, 0], model.decoder[0].weight[1, 0] = 1.0, -1.0  # relu(z) and relu(-z)
        model.decoder[2].weight[:, 0], model.decoder[2].weight[:, 1] = slopes, -slopes
    return model, slopes


def test_the_search_finds_the_posterior_that_a_numeric_integral_gives():
    model, _ = a_line()
    x = torch.bernoulli(model.decode(torch.tensor([[0.9]])).detach(), generator=torch.Generator().manual_seed(3))
    mask = torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    mask[..., 2:, :] = True
    found = search(model, x, mask)
    z = torch.linspace(-6, 6, 4001)[:, None]
    with torch.no_grad():
        pictures = model.decode(z)
    log_p = (torch.distributions.Bernoulli(pictures).log_prob(x) * ~mask).sum((1, 2, 3)) - 0.5 * z[:, 0] ** 2
    weights = torch.softmax(log_p, 0)
    mean = (weights * z[:, 0]).sum()
    spread = ((weights * (z[:, 0] - mean) ** 2).sum()).sqrt()
    assert found.mu.item() == pytest.approx(mean.item(), abs=0.2)
    assert (0.5 * found.logvar).exp().item() == pytest.approx(spread.item(), rel=0.3)
    expected = (weights[:, None, None, None] * pictures).sum(0)
    torch.testing.assert_close(found.image[0], expected, atol=0.1, rtol=0)


def test_known_pixels_narrow_the_posterior_and_without_any_it_is_the_prior():
    model, _ = a_line()
    x = (model.decode(torch.tensor([[1.5]])).detach() > 0.5).float()
    spreads = []
    for rows in (1, 3, 4):
        mask = torch.zeros(1, 1, 4, 4, dtype=torch.bool)
        mask[..., :rows, :] = True
        spreads.append(search(model, x, mask).logvar.exp().item())
    assert max(spreads[:2]) < spreads[2]
    assert spreads[2] == pytest.approx(1, abs=0.35)


def test_a_search_is_seeded_tells_its_progress_and_leaves_the_model_alone():
    model, _ = a_line()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    told: list[float] = []
    x, mask = torch.rand(5, 1, 4, 4, generator=torch.Generator().manual_seed(0)), holes(5, 4, 4)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    one = search(model, x, mask, seed=4, progress=told.append)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(one, search(model, x, mask, seed=4), strict=True))
    assert not torch.equal(one.mu, search(model, x, mask, seed=5).mu)
    assert told == sorted(told)
    assert told[-1] == 1
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


# All methods on the same damage.


def test_all_methods_repair_the_same_damage(monkeypatch):
    seen = []
    real = inpainting.restore
    monkeypatch.setattr(inpainting, "restore", lambda *a: seen.append(a[1:3]) or real(*a))
    images = load("mnist").test_images[:6]
    results = list(compare(images, parse("stroke"), 3, models()))
    assert [result.method for result in results] == list(METHODS)
    assert all(torch.equal(a, seen[0][0]) and torch.equal(b, seen[0][1]) for a, b in seen)
    expected = parse("stroke")(images.float() / 255, 3)
    assert torch.equal(seen[0][1], expected.mask)
    assert torch.equal(images, load("mnist").test_images[:6])


def test_where_there_is_no_hole_the_denoisers_are_scored_over_the_whole_picture():
    results = [result.summary() for result in compare(load("mnist").test_images[:6], parse("gaussian:0.3"), 0, models())]
    assert [line["method"] for line in results] == asked_for(holes=False)
    assert {line["psnr_hole"] for line in results} == {None}
    assert all(line["psnr_image"] > 0 for line in results)


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("kind", ["dropout", "dropout-rescaled", "salt-pepper", "gaussian"])
def test_no_damage_and_nothing_but_damage_are_scored(kind, level):
    lines = [r.summary() for r in compare(load("mnist").test_images[:3], corruption.Corruption(kind, level), 0, models())]
    assert all(math.isfinite(line["psnr_image"]) for line in lines)
    if level == 0 and kind in ("dropout", "salt-pepper"):
        assert {(line["psnr_hole"], line["psnr_image"]) for line in lines} == {(None, 100.0)}


def test_a_curve_holds_the_means_of_every_amount_with_their_confidence():
    images, amounts = load("mnist").test_images[:40], (0, 0.2, 0.8)
    points = list(inpainting.damage_curve(images, "dropout", amounts, 5, {}, ("telea", "median")))
    assert [(point.amount, point.method) for point in points] == [(a, m) for a in (0.2, 0.8) for m in ("telea", "median")]
    (telea,) = compare(images, parse("dropout:0.8"), 5, {}, ("telea",))
    values = telea.scores.psnr_hole.numpy()
    assert points[2].psnr == pytest.approx(values.mean())
    assert points[2].high - points[2].low == pytest.approx(2 * 1.96 * values.std(ddof=1) / math.sqrt(40))
    assert points[0].psnr > points[2].high  # more damage, worse


@pytest.mark.parametrize(("spec", "over_navier_stokes", "over_dae"), [("dropout:0.5", 7.2, 4), ("block:10", 6, 5.5)])
def test_the_shipped_models_have_learned_what_interpolation_cannot_know(spec, over_navier_stokes, over_dae):
    asked = ("navier-stokes", "dae", "restorer", "vae")
    results = compare(load("mnist").test_images[:200], parse(spec), 0, inpainting.load_models(asked), asked)
    psnr = {result.method: result.summary()["psnr_hole"] for result in results}
    assert psnr["restorer"] > psnr["navier-stokes"] + over_navier_stokes
    assert psnr["restorer"] > psnr["dae"] + over_dae
    assert psnr["restorer"] > psnr["vae"] > psnr["dae"] > psnr["navier-stokes"]


def test_no_methods_are_none_and_an_unknown_one_is_said():
    images = load("mnist").test_images[:2]
    assert inpainting.load_models([]) == {}
    assert list(compare(images, parse("stroke"), 0, {}, [])) == []
    with pytest.raises(BadInput, match="no method called 'magic'"):
        list(compare(images, parse("stroke"), 0, {}, ["telea", "magic"]))


# The command.


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr("vae_core.inpainting_cli.load_models", lambda methods, *folder: models())


def lines(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_command_prints_one_object_a_method(small, capsys):
    assert main(["--images", "5", "--corruption", "dropout:0.5", "--seed", "0", "--json"]) == 0
    printed = lines(capsys)
    assert [line["method"] for line in printed] == list(METHODS)
    assert {tuple(line) for line in printed} == {("method", "psnr_hole", "psnr_image", "ssim_image", "ms_per_image")}
    truth = load("mnist").test_images[:5].float() / 255
    damaged, mask = parse("dropout:0.5")(truth, 0)
    telea = restore("telea", damaged, mask)
    by_hand = [-10 * math.log10(((a - b)[m] ** 2).mean()) for a, b, m in zip(telea, truth, mask, strict=True)]
    assert printed[0]["psnr_hole"] == pytest.approx(sum(by_hand) / 5, abs=1e-4)


def test_the_command_takes_some_methods_and_prints_a_table_for_people(small, capsys):
    assert main(["--images", "3", "--corruption", "half", "--methods", "median,dae"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in table] == ["median", "dae"]
    assert all("dB in the holes" in line for line in table)


@pytest.mark.parametrize(
    "words",
    ["--images 0", "--images 10001", "--seed -1", "--corruption rust", "--corruption block:1e9", "--methods magic",
     "--methods telea --corruption gaussian:0.3", "--checkpoints /nowhere"],
)
def test_a_bad_value_gives_exit_code_2_and_one_sentence(words, capsys):
    assert main(words.split()) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.endswith(".\n")
