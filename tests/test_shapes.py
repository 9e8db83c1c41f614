"""The drawn data set: every picture once, its factors readable from the pixels; and the score of disentanglement."""

import colorsys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score

from vae_core import data, shapes
from vae_core.disentanglement import BINS, _binned, mutual_information_gap, names_of_dimensions, shared_information

NAMES = list(shapes.FACTORS)


@pytest.fixture(scope="module")
def drawn() -> data.ImageSet:
    return data.load("shapes")


def base(**changes) -> np.ndarray:
    """One row of factors: a middle-sized square in the middle, upright, but for the changes."""
    start = {"shape": 0, "hue": 0, "scale": 2, "x": 3, "y": 3, "rotation": 2} | changes
    return np.array([[start[name] for name in NAMES]])


def test_every_combination_is_drawn_once_and_no_two_pictures_are_the_same(drawn):
    factors = np.concatenate([drawn.train_factors, drawn.test_factors])
    assert len(np.unique(factors, axis=0)) == len(factors) == np.prod([len(values) for values in shapes.FACTORS.values()])
    images = np.concatenate([drawn.train_images, drawn.test_images])
    assert images.shape == (30_720, 3, 32, 32)
    assert len({image.tobytes() for image in images}) == len(images)


def test_the_set_has_names_classes_and_a_fixed_digest(drawn):
    assert drawn.factors == ("shape", "hue", "scale", "x", "y", "rotation")
    assert drawn.classes == ("square", "ellipse", "heart")
    assert (drawn.train_labels == drawn.train_factors[:, 0]).all()
    again = shapes.shapes()
    assert data.image_set("shapes", again[0], again[1][:, 0], again[2], again[3][:, 0], drawn.classes).digest == drawn.digest
    assert (shapes.shapes(seed=1)[1] != again[1]).any()


def test_the_centre_of_mass_is_where_x_and_y_say():
    for x, y in [(0, 0), (7, 2), (3, 7)]:
        ink = shapes.draw(base(x=x, y=y))[0].sum(0).astype(float)
        middle = np.arange(32) + 0.5
        assert (ink.sum(0) @ middle) / ink.sum() == pytest.approx(shapes.FACTORS["x"][x], abs=0.05)
        assert (ink.sum(1) @ middle) / ink.sum() == pytest.approx(shapes.FACTORS["y"][y], abs=0.05)


@pytest.mark.parametrize("shape", range(3))
def test_the_area_grows_with_the_square_of_the_scale(shape):
    areas = [shapes.draw(base(shape=shape, scale=scale))[0].max(0).sum() for scale in range(4)]
    expected = [(value / shapes.FACTORS["scale"][0]) ** 2 for value in shapes.FACTORS["scale"]]
    np.testing.assert_allclose(np.array(areas) / areas[0], expected, rtol=0.1)


def test_the_brightest_pixel_has_the_hue():
    for index, hue in enumerate(shapes.FACTORS["hue"]):
        image = shapes.draw(base(hue=index))[0]
        assert colorsys.rgb_to_hsv(*image[:, 16, 16])[0] == pytest.approx(hue, abs=0.01)


@pytest.mark.parametrize("shape", range(3))
def test_opposite_turns_are_mirror_images(shape):
    # x = 3 and 4 lie half a step to either side of the middle
    left, right = (shapes.draw(base(shape=shape, x=x, rotation=r))[0].astype(int) for x, r in ((3, 0), (4, 4)))
    assert abs(left - right[:, :, ::-1]).max() <= 1
    assert abs(left - shapes.draw(base(shape=shape, rotation=4))[0]).max() > 50


def test_nothing_touches_the_edge(drawn):
    largest = drawn.train_images[drawn.train_factors[:, 2] == 3]
    edges = [largest[..., 0, :], largest[..., -1, :], largest[..., :, 0], largest[..., :, -1]]
    assert max(int(edge.max()) for edge in edges) < 128


# The score.


def test_the_gap_of_a_case_computed_by_hand():
    """Two factors of two values, all four combinations. z1 is the first, z2 says nothing, z3 is 1 where both are 1:
    I(z3; v) = H(z3) - H(z3 | v) = H(1/4) - (0 + ln 2) / 2 with H(1/4) = ln 4 - (3/4) ln 3."""
    factors = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    codes = np.array([[-1.0, 5, 0], [-1, 5, 0], [1, 5, 0], [1, 5, 1]])
    third = (np.log(4) - 0.75 * np.log(3) - np.log(2) / 2) / np.log(2)
    shares = shared_information(codes, factors)
    np.testing.assert_allclose(shares, [[1, 0], [0, 0], [third, third]], atol=1e-12)
    assert mutual_information_gap(shares) == pytest.approx(((1 - third) + third) / 2)
    assert names_of_dimensions(shares, ("a", "b")) == ["a", None, "a"]


def test_a_perfect_code_has_a_gap_of_one_and_a_doubled_one_of_zero():
    factors = np.array([[i % 3, i % 5] for i in range(300)])
    perfect = factors.astype(float)
    assert mutual_information_gap(shared_information(perfect, factors)) == pytest.approx(1)
    doubled = np.hstack([perfect, -perfect])
    assert mutual_information_gap(shared_information(doubled, factors)) == pytest.approx(0, abs=1e-12)


def test_a_single_dimension_and_a_factor_of_one_value_are_allowed():
    factors = np.array([[i % 2, 4] for i in range(50)])
    shares = shared_information(factors[:, :1] * 1.0, factors)
    np.testing.assert_allclose(shares, [[1, 0]], atol=1e-12)
    assert mutual_information_gap(shares) == pytest.approx(0.5)


@given(seed=st.integers(0, 10**6), turn=st.floats(0, 3))
@settings(deadline=None, max_examples=30)
def test_the_information_agrees_with_scikit_learn(seed, turn):
    rng = np.random.default_rng(seed)
    factors = rng.integers(0, 4, (500, 2))
    codes = factors @ np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) + rng.normal(0, 0.3, (500, 2))
    shares = shared_information(codes, factors)
    for j in range(2):
        for k in range(2):
            entropy = mutual_info_score(factors[:, k], factors[:, k])
            assert shares[j, k] == pytest.approx(mutual_info_score(_binned(codes[:, j]), factors[:, k]) / entropy)


def test_bins_have_equal_width_and_the_largest_value_is_in_the_last():
    assert _binned(np.linspace(0, 1, 201)).tolist()[::10] == [*range(BINS), BINS - 1]
    assert (_binned(np.full(9, 3.0)) == 0).all()
