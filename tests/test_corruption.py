"""Damage: seeded, told by a mask that is right, and nothing else is touched."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vae_core import corruption
from vae_core.corruption import BLANK, KINDS, Corruption, merge, parse
from vae_core.errors import BadInput

SPECS = ("dropout:0.5", "dropout-rescaled:0.5", "salt-pepper:0.1", "gaussian:0.3", "block:10", "stroke", "half", "mixed")


def images(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(3)) * 0.4  # never BLANK


@pytest.mark.parametrize("shape", [(6, 1, 28, 28), (5, 3, 32, 20), (2, 1, 1, 1), (1, 4, 5, 7), (0, 1, 8, 8)])
@pytest.mark.parametrize("spec", SPECS)
def test_every_kind_works_on_every_shape_and_its_mask_says_what_changed(spec, shape):
    x = images(*shape)
    before = x.clone()
    image, mask = parse(spec)(x, 0)
    assert image.shape == x.shape
    assert (mask.shape, mask.dtype) == ((shape[0], 1, *shape[2:]), torch.bool)
    assert torch.equal(x, before)
    if spec != "dropout-rescaled:0.5":
        assert torch.equal(torch.where(mask, 0, image), torch.where(mask, 0, x))  # kept pixels keep their value
    if spec.split(":")[0] in ("dropout", "block", "stroke", "half"):
        assert torch.equal(image, torch.where(mask, torch.tensor(BLANK), x))
    assert torch.isfinite(image).all()


@pytest.mark.parametrize("spec", SPECS)
def test_the_same_seed_gives_the_same_damage_and_the_global_state_plays_no_part(spec):
    x = images(40, 1, 28, 28)
    torch.manual_seed(1)
    one = parse(spec)(x, 7)
    torch.manual_seed(2)
    other, third = parse(spec)(x, 7), parse(spec)(x, 8)
    assert torch.equal(one.image, other.image)
    assert torch.equal(one.mask, other.mask)
    assert torch.equal(one.mask, third.mask) == (spec in ("block:10", "half", "gaussian:0.3"))
    assert torch.equal(one.image, third.image) == (spec in ("block:10", "half"))


@pytest.mark.parametrize("rate", [0, 0.1, 0.5, 0.93, 1])
@pytest.mark.parametrize("kind", ["dropout", "salt-pepper"])
def test_the_rate_is_the_share_of_damaged_pixels(kind, rate):
    mask = Corruption(kind, rate)(images(60, 1, 28, 28), 0).mask
    assert mask.float().mean().item() == pytest.approx(rate, abs=0.01)


def test_rescaled_dropout_is_that_of_torch_on_pixels_from_minus_one_to_one():
    x = images(4, 1, 28, 28)
    image, mask = parse("dropout-rescaled:0.75")(x, 0)
    signed, was = 2 * image - 1, 2 * x - 1
    torch.testing.assert_close(signed[~mask], was[~mask] * 4)
    assert (signed[mask] == 0).all()
    many = parse("dropout-rescaled:0.5")(x[:1].expand(4000, 1, 28, 28), 0).image.mean(0)
    torch.testing.assert_close(many, x[0], atol=0.1, rtol=0)  # the expected value stays
    assert torch.equal(parse("dropout-rescaled:1")(x, 0).image, torch.full_like(x, BLANK))


def test_salt_and_pepper_are_half_each():
    x = images(60, 1, 28, 28)
    image, mask = parse("salt-pepper:0.4")(x, 0)
    assert set(image[mask].unique().tolist()) == {0.0, 1.0}
    assert image[mask].mean().item() == pytest.approx(0.5, abs=0.02)


def test_gaussian_noise_has_its_spread_and_stays_a_picture():
    x = torch.full((50, 1, 28, 28), 0.5)
    image, mask = parse("gaussian:0.1")(x, 0)
    assert (image - x).std().item() == pytest.approx(0.1, rel=0.02)
    assert mask.all()
    loud = parse("gaussian:1")(x, 0).image
    assert (loud.min(), loud.max()) == (0, 1)
    quiet = parse("gaussian:0")(x, 0)
    assert torch.equal(quiet.image, x)
    assert not quiet.mask.any()


def test_a_block_stands_in_the_centre_and_the_lower_half_is_the_lower_half():
    mask = parse("block:10")(images(2, 1, 28, 28), 0).mask
    rows = mask[1, 0].any(1).nonzero()[:, 0].tolist()
    assert (rows, mask[1].sum().item()) == (list(range(9, 19)), 100)
    assert parse("block:128")(images(2, 1, 28, 20), 0).mask.all()
    lower = parse("half")(images(2, 1, 28, 28), 0).mask
    assert lower[:, :, 14:].all()
    assert not lower[:, :, :14].any()


def test_a_stroke_is_one_connected_line_and_more_strokes_cover_more():
    from scipy.ndimage import label

    one = parse("stroke:1")(images(40, 1, 28, 28), 0).mask
    assert {label(mask[0].numpy())[1] for mask in one} <= {1}
    shares = [Corruption("stroke", count)(images(40, 1, 28, 28), 0).mask.float().mean().item() for count in (1, 3, 10)]
    assert 0.03 < shares[0] < shares[1] < shares[2] < 0.9


def test_the_mixture_holds_all_kinds():
    shares = parse("mixed")(images(600, 1, 28, 28), 0).mask.flatten(1).float().mean(1)
    assert (shares == 1).float().mean().item() == pytest.approx(0.05, abs=0.03)  # noise everywhere
    assert (shares == 0.5).float().mean().item() > 0.01  # halves
    assert (shares > 0).float().mean().item() > 0.99
    assert (shares > 0.6).float().mean().item() > 0.1  # a high dropout rate


@pytest.mark.parametrize("spec", SPECS)
def test_a_spec_reads_what_it_writes(spec):
    assert parse(str(parse(spec))) == parse(spec)


BAD = [
    "", "rust", "dropout:", "dropout:x", "dropout:2", "dropout:-0.1", "dropout:nan", "dropout:inf", "dropout:1e999", "block:0",
    "block:2.5", "block:1e9", "half:0.5", "mixed:1", "stroke:0", "gaussian:0.3:4", ":", "dropout:" + "9" * 5000, None, 3,
]


@pytest.mark.parametrize("spec", BAD, ids=lambda spec: str(spec)[:20])
def test_a_bad_spec_is_refused_with_one_sentence(spec):
    with pytest.raises(BadInput) as caught:
        parse(spec)
    assert str(caught.value).endswith(".")
    assert len(str(caught.value)) < 200


@given(st.text(max_size=30) | st.builds("{}:{}".format, st.sampled_from(list(KINDS)), st.text(max_size=8) | st.floats()))
@settings(deadline=None)
def test_any_text_is_a_corruption_or_is_refused(text):
    try:
        amount = parse(text).amount
        assert amount is None or math.isfinite(amount)
    except BadInput:
        pass


def test_two_pictures_are_merged_by_share_or_by_the_lighter_pixel():
    one, other = images(3, 1, 8, 8), 1 - images(3, 1, 8, 8)
    torch.testing.assert_close(merge(one, other), (one + other) / 2)
    torch.testing.assert_close(merge(one, other, 0.25), 0.75 * one + 0.25 * other)
    assert torch.equal(merge(one, other, None), torch.stack([one, other]).amax(0))
    assert torch.equal(merge(one, other, 0), one)
    for share in (-0.1, 1.1, math.nan):
        with pytest.raises(BadInput):
            merge(one, other, share)
    with pytest.raises(BadInput):
        merge(one, other[:2])


def test_damage_on_any_seeded_generator_goes_on_where_it_stands():
    generator = torch.Generator().manual_seed(0)
    x = images(5, 1, 28, 28)
    first, second = (corruption.dropout(x, 0.5, generator).mask for _ in range(2))
    assert not torch.equal(first, second)
