"""A photographed digit: the stroke counts, whatever the paper and the light. The photographs are made here, of test digits."""

import contextlib
import functools
import io

import cv2
import numpy as np
import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from latentscape.ui import picker
from vae_core import checkpoint, data, evaluate
from vae_core.errors import BadInput
from vae_core.photographed import drawing
from vae_core.picture import like_mnist, open_picture

DIGITS = (3, 2, 1, 4, 11, 61)  # test images: 0, 1, 2, 4, 6, 8
MOST = 15  # nats that the light may cost
WHITE, GREY, YELLOW, PINK, BOARD = (238, 236, 230), (150, 150, 148), (245, 225, 120), (250, 190, 200), (45, 70, 55)
BLACK, BLUE, RED, PENCIL, CHALK = (35, 35, 40), (40, 60, 150), (190, 30, 40), (140, 140, 140), (225, 230, 220)
RULED, SQUARED = ("ruled", (170, 190, 220)), ("squared", (180, 185, 200))


def shade(light: str, depth: float, height: int, width: int) -> np.ndarray:
    """What share of the light arrives where, (H, W)."""
    down, across = np.mgrid[0:1 : height * 1j, 0:1 : width * 1j]
    return {
        "even": np.ones((height, width)),
        "left": 1 - depth * (1 - across),
        "down": 1 - depth * down,
        "diagonal": 1 - depth * (across + down) / 2,
        "corners": 1 - 2 * depth * ((across - 0.5) ** 2 + (down - 0.5) ** 2),
        "lamp": 1 - depth + depth * np.exp(-3 * ((across - 0.3) ** 2 + (down - 0.3) ** 2)),
        "edge": np.where(across + 0.2 * down > 0.66, 1 - depth, 1.0),
        "hand": np.where(((across - 0.85) / 0.25) ** 2 + ((down - 0.9) / 0.5) ** 2 < 1, 1 - depth, 1.0),
    }[light]


def photograph(
    digit: np.ndarray | None, light: str = "even", depth: float = 0.4, *, paper=WHITE, ink=BLACK, lines=None, turned: float = 0,
    noise: float = 2, specks: int = 0, quality: int | None = None, share: float = 0.6, side: int = 360, seed: int = 0,
) -> np.ndarray:
    """uint8 (28, 28) written on paper (None: nothing), lit and photographed: RGB (side, 4/3 side, 3)."""
    random = np.random.default_rng(seed)
    height, width = side, side * 4 // 3
    page = np.full((height, width, 3), paper, np.float32)
    if lines:
        kind, colour = lines
        page[side // 28 :: side // 14] = page[side // 28 + 1 :: side // 14] = colour
        if kind == "squared":
            page[:, side // 28 :: side // 14] = page[:, side // 28 + 1 :: side // 14] = colour
    if digit is not None:
        large = int(side * share)
        top, left = (height - large) // 2, (width - large) // 2
        covered = np.zeros((height, width, 1), np.float32)
        written = cv2.resize(digit.astype(np.float32) / 255, (large, large), interpolation=cv2.INTER_CUBIC)
        covered[top : top + large, left : left + large, 0] = written.clip(0, 1)
        page = page * (1 - covered) + np.array(ink, np.float32) * covered
    for _ in range(specks):
        spot = int(random.integers(5, width - 5)), int(random.integers(5, height - 5))
        cv2.circle(page, spot, int(random.integers(1, 4)), ink, -1)
    if turned:
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), turned, 1 + 1.2 * abs(np.sin(np.radians(turned))))
        page = cv2.warpAffine(page, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    soft = cv2.GaussianBlur(shade(light, depth, height, width).astype(np.float32), (0, 0), 3)
    seen = cv2.GaussianBlur(page * soft[..., None], (0, 0), 0.8) + random.normal(scale=noise, size=page.shape)
    seen = seen.clip(0, 255).round().astype(np.uint8)
    if quality is None:
        return seen
    file = io.BytesIO()
    Image.fromarray(seen).save(file, "JPEG", quality=quality)
    return open_picture(file.getvalue())


def one(number: int) -> np.ndarray:
    return data.load("mnist").test_images[number, 0].numpy()




def encoded(picture: np.ndarray) -> torch.Tensor:
    return like_mnist(drawing(picture))


@functools.cache
def models() -> list:
    return [checkpoint.open_file(picker.SHIPPED / name).model for name in ("mnist-2d", "mnist-20d")]


def nats(**taken) -> np.ndarray:
    """-ELBO of the DIGITS photographed so, by both models, every one with the same draw: (2, N)."""
    images = [encoded(photograph(one(number), **taken))[None] for number in DIGITS]
    return np.array([[evaluate.elbo_terms(model, image).loss.item() for image in images] for model in models()])


@functools.cache
def nats_without_a_shadow(**taken) -> np.ndarray:
    return nats(**taken)


@pytest.mark.parametrize("light", ["left", "down", "diagonal", "corners", "lamp", "edge", "hand"])
def test_a_shadow_costs_next_to_nothing(light):
    assert np.abs(nats(light=light, seed=1) - nats_without_a_shadow()).max() < MOST


KINDS = {
    "ruled": {"lines": RULED},
    "squared": {"lines": SQUARED},
    "ruled without a shadow": {"lines": RULED, "light": "even", "noise": 0},
    "dark lines": {"lines": ("ruled", (110, 115, 140))},
    "grey paper": {"paper": GREY},
    "yellow paper and blue ink": {"paper": YELLOW, "ink": BLUE},
    "pink paper and red ink": {"paper": PINK, "ink": RED},
    "pencil on lines": {"ink": PENCIL, "lines": ("ruled", (200, 208, 225))},
    "chalk": {"paper": BOARD, "ink": CHALK},
    "chalk on a squared board": {"paper": BOARD, "ink": CHALK, "lines": ("squared", (85, 105, 92))},
    "grain": {"noise": 8},
    "JPEG": {"quality": 40, "noise": 4, "lines": RULED},
    "specks": {"specks": 25},
    "specks without a shadow": {"specks": 25, "light": "even", "noise": 0},
    "large in the picture": {"share": 1.0},
    "a quarter of the picture": {"share": 0.25, "side": 700},
    "a dark room": {"depth": 0.8},
    "a telephone's picture": {"side": 768},
}


@pytest.mark.parametrize("kind", KINDS)
def test_paper_ink_and_camera_cost_next_to_nothing(kind):
    wanted = {"light": "left"} | KINDS[kind]
    bare = {name: wanted[name] for name in ("share", "side") if name in wanted}
    assert np.abs(nats(seed=2, **wanted) - nats_without_a_shadow(**bare)).max() < MOST + 5  # another pen has another edge


@settings(max_examples=20, deadline=None)
@given(
    digit=st.sampled_from(DIGITS), light=st.sampled_from(["left", "down", "corners", "edge"]), depth=st.floats(0, 0.6),
    surface=st.sampled_from([(WHITE, BLACK), (GREY, BLACK), (YELLOW, BLUE), (PINK, RED), (BOARD, CHALK)]),
    lines=st.sampled_from([None, RULED, SQUARED]), turned=st.floats(-4, 4), noise=st.floats(0, 6),
    share=st.floats(0.35, 0.9), quality=st.sampled_from([None, 50, 85]), seed=st.integers(0, 9),
)
def test_what_is_encoded_is_the_stroke_and_nothing_else(digit, surface, lines, **taken):
    paper, ink = surface
    if lines and paper is not WHITE:
        lines = (lines[0], tuple(int(0.75 * p + 0.25 * i) for p, i in zip(paper, ink, strict=True)))
    own = encoded(photograph(one(digit), paper=paper, ink=ink, lines=lines, **taken))[0].numpy() / 255.0
    rows, columns = np.flatnonzero(own.max(1)), np.flatnonzero(own.max(0))
    assert 18 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 20
    middle = [(np.arange(28) + 0.5) @ own.sum(axis) / own.sum() for axis in (1, 0)]
    assert all(13.9 <= value <= 15.1 for value in middle)
    upright = cv2.getRotationMatrix2D((14, 14), taken["turned"], 1)
    original = cv2.warpAffine(one(digit), upright, (28, 28)) / 255.0
    shifts = [(np.roll(own, (y - 2, x - 2), (0, 1)) * original).sum() for y, x in np.ndindex(5, 5)]
    assert max(shifts) > 0.8 * np.sqrt((own**2).sum() * (original**2).sum())


@pytest.mark.parametrize("width", [1, 3, 6, 40, 60])
def test_a_pen_far_from_mnist_s_becomes_a_stroke_as_mnist_has(width):
    page = np.zeros((420, 560), np.uint8)
    cv2.polylines(page, [np.array([[200, 90], [360, 90], [240, 330]])], False, 255, width)
    page = (238 - 200.0 * cv2.GaussianBlur(page, (0, 0), 0.8) / 255) * shade("left", 0.4, *page.shape)
    own = encoded(np.repeat(page.round().astype(np.uint8)[..., None], 3, 2)).numpy() / 255.0
    mnist = data.load("mnist").test_images[data.load("mnist").test_labels == 7] / 255.0
    low, high = np.quantile(mnist.sum((1, 2, 3)), (0.005, 0.995))
    assert low <= own.sum() <= high


@pytest.mark.parametrize("light", ["even", "left", "corners", "edge", "hand"])
@pytest.mark.parametrize("lines", [None, RULED, SQUARED], ids=["plain", "ruled", "squared"])
@pytest.mark.parametrize("noise", [0, 6])
def test_a_photograph_of_empty_paper_is_a_sentence(light, lines, noise):
    turned, specks = (2, 6) if noise else (0, 0)
    with pytest.raises(BadInput, match="Nothing is drawn"):
        encoded(photograph(None, light, lines=lines, noise=noise, turned=turned, specks=specks))


def clean(digit: np.ndarray, times: int, invert: bool) -> np.ndarray:
    large = np.kron(digit, np.ones((times, times), np.uint8))
    return np.repeat((255 - large if invert else large)[..., None], 3, 2)


@settings(max_examples=40, deadline=None)
@given(number=st.integers(0, 9999), times=st.sampled_from([1, 2, 4, 10, 20]), invert=st.booleans())
@example(number=7, times=1, invert=False)
def test_a_clean_drawing_is_what_it_was(number, times, invert):
    digit = one(number)
    blot = cv2.erode(digit, np.ones((7, 7), np.uint8)).max() > 0
    assume(not blot and cv2.connectedComponents((digit > 0).astype(np.uint8))[0] == 2)  # some of MNIST's have specks
    picture = clean(digit, times, invert)
    assert torch.equal(encoded(picture), like_mnist(picture))


def test_a_drawing_from_the_canvas_s_file_is_what_it_was():
    page = np.zeros((280, 280, 3), np.uint8)
    cv2.polylines(page, [np.array([[80, 60], [200, 60], [120, 230]])], False, (255, 255, 255), 22, cv2.LINE_AA)
    assert drawing(page) is page


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 300), width=st.integers(1, 300), kind=st.sampled_from(["noise", "one", "box", "ramp", "two"]),
    seed=st.integers(0, 10**6),
)
def test_any_picture_becomes_an_image_or_a_sentence(height, width, kind, seed):
    random = np.random.default_rng(seed)
    picture = np.full((height, width, 3), random.integers(0, 256), np.uint8)
    if kind == "noise":
        picture = random.integers(0, 256, picture.shape).astype(np.uint8)
    elif kind == "box":
        top, left = random.integers(0, height), random.integers(0, width)
        picture[top : top + random.integers(1, height + 1), left : left + random.integers(1, width + 1)] = random.integers(256)
    elif kind == "ramp":
        picture[:] = np.outer(np.linspace(0, 255, height), np.linspace(0, 1, width))[..., None]
    elif kind == "two":
        picture[:] = np.where(random.random((height, width, 1)) < 0.5, 0, 255)
    before = picture.copy()
    with contextlib.suppress(BadInput):
        assert encoded(picture).shape == (1, 28, 28)
    np.testing.assert_array_equal(picture, before)
