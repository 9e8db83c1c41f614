"""A visitor's picture: what it becomes, and what is refused."""

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from vae_core import data
from vae_core.errors import BadInput
from vae_core.picture import MAX_FILE, drawn_on_black, fitted, like_mnist, open_picture


def packed(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def enlarged(image, times: int) -> np.ndarray:
    """uint8 (1, H, W) -> RGB picture."""
    return np.repeat(np.kron(image[0].numpy(), np.ones((times, times), np.uint8))[..., None], 3, 2)


def stroke(*, ink=(0, 0, 0), paper=(255, 255, 255), size=(120, 90)) -> Image.Image:
    """A thick upright bar, left of the middle."""
    image = Image.new("RGB", size, paper)
    image.paste(ink, (30, 20, 40, 70))
    return image


def test_mnist_stays_what_it_is_at_any_size_and_with_ink_on_paper():
    images = data.load("mnist").test_images[:200]
    different = np.median(np.abs(images[1:].numpy().astype(float) - images[:-1].numpy()).mean((1, 2, 3)))
    for times in (1, 4, 10):
        for invert in (False, True):
            pictures = [enlarged(image, times) for image in images]
            own = np.array([like_mnist(255 - p if invert else p).numpy() for p in pictures]).astype(float)
            apart = np.abs(own - images.numpy()).mean((1, 2, 3))
            assert np.median(apart) < different / 6


def test_a_moved_and_scaled_digit_becomes_the_same_image():
    digit = enlarged(data.load("mnist").test_images[7], 6)
    canvas = np.zeros((400, 500, 3), np.uint8)
    canvas[200:368, 300:468] = digit
    np.testing.assert_array_equal(like_mnist(canvas), like_mnist(digit))


def test_mnist_s_own_recipe():
    image = like_mnist(open_picture(packed(stroke())))[0].numpy().astype(float) / 255
    rows, columns = np.flatnonzero(image.sum(1)), np.flatnonzero(image.sum(0))
    assert len(rows) == 20
    assert len(columns) == 4  # 10 of 50
    middle = [(np.arange(28) + 0.5) @ image.sum(axis) / image.sum() for axis in (1, 0)]
    assert all(14 <= value <= 15 for value in middle)
    assert image.max() == 1


@pytest.mark.parametrize(
    "image",
    [
        stroke(),
        stroke(ink=(255, 255, 255), paper=(0, 0, 0)),
        stroke(ink=(20, 20, 20), paper=(190, 185, 180)),
        stroke().convert("L"),
        stroke().convert("1"),
        stroke().convert("P"),
        Image.fromarray(np.asarray(stroke().convert("L")).astype(np.uint16) * 257),
    ],
    ids=["black on white", "white on black", "grey paper", "L", "1 bit", "palette", "16 bit"],
)
def test_every_kind_of_picture_gives_the_same_drawing(image):
    expected = like_mnist(open_picture(packed(stroke()))).numpy().astype(int)
    assert np.abs(like_mnist(open_picture(packed(image))).numpy() - expected).max() <= 8


@pytest.mark.parametrize("ink", [0, 255])
def test_ink_on_a_transparent_ground_is_seen(ink):
    array = np.zeros((90, 120, 4), np.uint8)
    array[20:70, 30:40] = (ink, ink, ink, 255)
    expected = like_mnist(open_picture(packed(stroke())))
    np.testing.assert_array_equal(like_mnist(open_picture(packed(Image.fromarray(array)))), expected)


def test_cmyk_webp_gif_and_exif():
    assert open_picture(packed(stroke().convert("CMYK"), "JPEG")).shape == (90, 120, 3)
    assert open_picture(packed(stroke(), "WEBP", lossless=True)).shape == (90, 120, 3)
    frames = packed(stroke(), "GIF", save_all=True, append_images=[Image.new("RGB", (120, 90))])
    assert open_picture(frames).max() == 255  # the first frame
    exif = Image.Exif()
    exif[0x0112] = 6  # lying on its side
    turned = open_picture(packed(stroke(), "JPEG", exif=exif))
    assert turned.shape == (120, 90, 3)
    assert len(np.flatnonzero(like_mnist(turned)[0].numpy().sum(1))) < 10  # the bar lies


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_a_telephone_s_picture_is_made_smaller_first(mode):
    digit = data.load("mnist").test_images[7]
    picture = open_picture(packed(Image.fromarray(255 - enlarged(digit, 150)).convert(mode)))
    assert picture.shape == (1024, 1024, 3)
    expected = like_mnist(enlarged(digit, 10)).numpy().astype(int)
    assert np.abs(like_mnist(picture).numpy() - expected).mean() < 1


def huge_png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


GOOD = packed(stroke())


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "intact"),
        (b"<html>hello</html>", "intact"),
        (np.random.default_rng(0).bytes(5000), "intact"),
        (GOOD[: len(GOOD) // 2], "intact"),
        (GOOD[:20], "intact"),
        (packed(stroke(), "JPEG")[:400], "intact"),
        (packed(stroke().convert("F"), "TIFF"), "floating-point"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "EPS"),
        (huge_png(60_000, 60_000), "million"),
        (huge_png(12_000, 12_000), "million"),
        (huge_png(100, 100), "intact"),
        (b"\0" * (MAX_FILE + 1), "MB"),
    ],
    ids=["empty", "html", "random", "half", "header", "jpeg", "tiff", "eps", "60000", "12000", "few rows", "long"],
)
def test_what_is_no_picture_is_refused_in_a_sentence(raw, says):
    with pytest.raises(BadInput, match=says):
        open_picture(raw)


def test_damaged_bytes_raise_nothing_else():
    random = np.random.default_rng(1)
    files = [packed(stroke(), kind) for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP")]
    for attempt in range(300):
        broken = bytearray(files[attempt % len(files)])
        for place in random.integers(0, len(broken), 4):
            broken[place] = random.integers(256)
        with contextlib.suppress(BadInput):
            assert open_picture(bytes(broken)).shape[2] == 3


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_blank_picture_is_refused(value):
    with pytest.raises(BadInput, match="Nothing is drawn"):
        like_mnist(np.full((50, 50, 3), value, np.uint8))


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (1, 128, 16)])
@pytest.mark.parametrize("size", [(90, 120), (1, 1), (1, 500), (500, 1)])
def test_other_shapes_are_fitted_in_proportion(shape, size):
    picture = np.full((*size, 3), 200, np.uint8)
    image = fitted(picture, shape, on_black=False)
    assert image.shape == shape
    rows, columns = (len(np.flatnonzero(image[0].numpy().max(axis))) for axis in (1, 0))
    scale = min(shape[1] / size[0], shape[2] / size[1])
    assert (rows, columns) == (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
    assert image.max() == 200


def test_a_drawing_is_cut_to_its_ink_and_colours_stay():
    assert fitted(open_picture(GOOD), (1, 8, 8), on_black=True)[0].numpy().max(1).min() > 200  # fills all rows
    red = fitted(open_picture(packed(Image.new("RGB", (64, 64), (250, 10, 20)))), (3, 32, 32), on_black=False)
    assert red[:, 16, 16].tolist() == [250, 10, 20]
    with pytest.raises(BadInput, match="2 channels"):
        fitted(red.permute(1, 2, 0).numpy(), (2, 8, 8), on_black=False)


def test_which_sets_are_drawings():
    assert drawn_on_black(data.load("mnist").test_images[:100])
    assert not drawn_on_black(255 - data.load("mnist").test_images[:100])
    assert not drawn_on_black(data.load("mnist").test_images[:100].repeat(1, 3, 1, 1))
