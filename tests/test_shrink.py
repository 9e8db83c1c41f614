"""What is decided for a set as a whole: the range of pictures of 16 bits, the paper below transparent ones; and several frames,
more formats, and what is wrong with a set."""

import contextlib
import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features
from test_folder import all_images, one, picture, saved, several, zipped

from vae_core import depth
from vae_core import picture as pictures
from vae_core.depth import Range, range_of
from vae_core.errors import BadInput
from vae_core.folder import read_pictures
from vae_core.picture import open_picture
from vae_core.report import faults_of
from vae_core.shrink import shrink


def scene(seed: int, channels: int = 1) -> np.ndarray:
    """uint8 (16, 16, channels): a blob on a slope, no two alike."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[:16, :16]
    blob = np.exp(-((down - rng.uniform(4, 12)) ** 2 + (across - rng.uniform(4, 12)) ** 2) / 12)
    return np.stack([40 + 2 * across + 170 * blob * rng.uniform(0.8, 1) for _ in range(channels)], -1).astype(np.uint8)


def png16(values: np.ndarray) -> bytes:
    """uint16 (H, W, 1, 2, 3 or 4) as PNG; Pillow writes grey ones alone."""
    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff16(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, values.squeeze(), photometric="minisblack" if values.shape[2] == 1 else "rgb")
    return file.getvalue()


# 16 bits.


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("write", [png16, tiff16])
def test_the_bits_that_a_set_uses_are_found_and_told(bits, channels, write):
    scenes = [scene(i, channels) for i in range(8)]
    deep = {f"{i}.x": write(pixels.astype(np.uint16) << (bits - 8)) for i, pixels in enumerate(scenes)}
    images, report = read_pictures(zipped(deep), 16)
    plain = {one(saved(Image.fromarray(pixels.squeeze())), 16).tobytes(): pixels for pixels in scenes}
    known = [np.frombuffer(raw, np.uint8).reshape(16, 16, 3).astype(int) for raw in plain]
    assert images.image_shape == (channels, 16, 16)
    for image in all_images(images):
        own = image.permute(1, 2, 0).numpy().astype(int)
        assert min(np.abs(own - other).max() for other in known) <= 2  # as the same scan in 8 bits
    assert ("of which all are used" if bits == 16 else f"of which {bits} are used") in report.depth
    assert report.depth in report.sentences()


def test_the_range_is_the_set_s_and_not_each_picture_s():
    dim, bright = np.full((16, 16, 1), 1000, np.uint16), np.full((16, 16, 1), 4000, np.uint16)
    dim[:8], bright[:8] = 500, 2000
    images, _ = read_pictures(zipped({f"{i}.png": png16(each + i) for i, each in enumerate([dim, bright] * 4)}), 16)
    tops = sorted(int(image.max()) for image in all_images(images))
    assert tops[0] < 70 < 240 < tops[-1]


def test_a_narrow_band_is_spread():
    rng = np.random.default_rng(0)
    files = {f"{i}.png": png16(rng.integers(29_000, 31_000, (16, 16, 1), dtype=np.uint16)) for i in range(6)}
    images, report = read_pictures(zipped(files), 16)
    assert (int(all_images(images).min()), int(all_images(images).max())) == (0, 255)
    assert "only values from 29,0" in report.depth


def test_one_picture_with_a_mark_does_not_make_the_others_black():
    files = [scene(i).astype(np.uint16) << 4 for i in range(60)]
    files[7][0, 0] = 65_535
    images, report = read_pictures(zipped({f"{i}.png": png16(each) for i, each in enumerate(files)}), 16)
    assert all_images(images).float().mean() > 50
    assert "of which 12 are used" in report.depth


@given(st.lists(st.tuples(st.integers(0, 65_535), st.integers(0, 65_535)).map(lambda ends: tuple(sorted(ends))), min_size=1))
@settings(deadline=None)
def test_any_bounds_have_a_range_with_a_rising_table(found):
    used = range_of(found)
    table = used.table.astype(int)
    assert used.black < used.white <= 65_535
    assert (np.diff(table) >= 0).all()
    assert (table[0], table[-1]) == (0, 255)


def test_pictures_of_eight_bits_beside_them_stay_as_they_are():
    files = {f"{i}.png": png16(scene(i).astype(np.uint16) << 4) for i in range(6)}
    plain = saved(Image.fromarray(scene(50).squeeze()))
    images = read_pictures(zipped(files | {"x.png": plain}), 16)[0]
    assert any((image.numpy() == one(plain, 16).transpose(2, 0, 1)[:1]).all() for image in all_images(images))


@pytest.mark.parametrize("channels", [2, 4])
def test_transparent_ones_of_sixteen_bits_keep_their_transparency(channels):
    values = np.full((16, 16, channels), 900, np.uint16)
    values[..., -1] = 65_535
    values[:8, :, -1] = 0
    small = shrink(png16(values), 16, "crop")
    assert small.alpha[:8].max() == 0
    assert small.alpha[8:].min() == 255
    assert small.notes == ("transparent",)


def test_a_single_picture_of_twelve_bits_is_opened_by_its_own_range():
    assert open_picture(png16(scene(3).astype(np.uint16) << 4)).max() > 128
    assert open_picture(png16(scene(3, 3).astype(np.uint16) << 4)).max() > 128


# Paper.


def icon(seed: int, ink: tuple[int, ...]) -> bytes:
    """A shape of one colour on transparency."""
    rng = np.random.default_rng(seed)
    pixels = np.zeros((16, 16, 4), np.uint8)
    top, left = rng.integers(1, 7, 2)
    pixels[top : top + 8, left : left + 6] = (*ink, 255)
    pixels[top + 2, left + 2 : left + 4, 3] = rng.integers(0, 255)
    return saved(Image.fromarray(pixels))


@pytest.mark.parametrize(
    ("inks", "paper"),
    [([(255, 255, 255)], "black"), ([(225, 225, 220)], "black"), ([(0, 0, 0)], "white"), ([(90, 90, 90)], "white"),
     ([(250, 210, 20)], "white"), ([(0, 0, 0), (255, 255, 255)], "grey")],
    ids=str,
)
def test_the_paper_is_chosen_by_the_ink_once_for_the_set(inks, paper):
    files = {f"{i}.png": icon(i, inks[i % len(inks)]) for i in range(24)}
    images, report = read_pictures(zipped(files), 16)
    assert report.paper == paper
    assert any(f"24 transparent: put on {paper}" in sentence for sentence in report.facts())
    corners = all_images(images)[:, :, 0, 0]
    assert corners.unique().tolist() == [{"white": 255, "black": 0, "grey": 128}[paper]]
    assert all(np.ptp(image.numpy()) > 60 for image in all_images(images))  # all are seen
    assert not report.faults


def test_one_light_picture_among_dark_ones_does_not_turn_the_paper():
    files = {f"{i}.png": icon(i, (0, 0, 0) if i else (255, 255, 255)) for i in range(24)}
    assert read_pictures(zipped(files), 16)[1].paper == "white"


def test_opaque_pictures_with_an_alpha_channel_are_not_called_transparent():
    files = {f"{i}.png": saved(Image.fromarray(scene(i, 3)).convert("RGBA")) for i in range(6)}
    assert read_pictures(zipped(files), 16)[1].transparent == 0


def test_margins_are_of_the_same_paper():
    files = {f"{i}.png": icon(i, (255, 255, 255)) for i in range(8)} | {"wide.png": picture(1, (32, 8))}
    images, report = read_pictures(zipped(files), 16, "letterbox")
    assert report.paper == "black"
    assert all_images(images)[:, :, 0, 0].max() == 0


# Several frames, more formats.


def frames(kind: str) -> bytes:
    made = [Image.fromarray(scene(i, 3)) for i in range(3)]
    return saved(made[0], kind, save_all=True, append_images=made[1:])


@pytest.mark.parametrize(
    ("kind", "note"), [("GIF", "animated"), ("PNG", "animated"), ("WEBP", "animated"), ("TIFF", "several"), ("MPO", "several"),
                       ("AVIF", "several")],
)
def test_several_frames_are_called_what_they_are(kind, note):
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    raw = frames(kind)
    report = read_pictures(zipped(several() | {"x.jpg": raw}), 8)[1]
    assert (report.animated, report.several) == ((1, 0) if note == "animated" else (0, 1))
    assert ("animated" in " ".join(report.facts())) == (note == "animated")
    first = one(saved(Image.fromarray(scene(0, 3))), 16).astype(int)
    assert np.abs(one(raw, 16) - first).mean() < 12


def test_one_frame_is_no_animation_whatever_the_format():
    for kind in ("GIF", "WEBP", "TIFF", "MPO", "PNG"):
        options = {} if kind == "MPO" else {"save_all": True}
        assert shrink(saved(Image.fromarray(scene(1, 3)), kind, **options), 8, "crop").notes == ()


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "group4"])
@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA", "CMYK", "P"])
def test_tiff_is_read_in_its_usual_forms(mode, compression):
    if (compression == "group4") != (mode == "1") or (compression == "jpeg" and mode not in ("L", "RGB")):
        return
    image = Image.fromarray(scene(2, 3)).convert(mode)
    expected = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(one(saved(image, "TIFF", compression=compression), 16) - expected).mean() < 4


@pytest.mark.parametrize("suffix", ["jfif", "JPE", "jpg", "tif", "unknown"])
def test_a_jpeg_is_one_by_whatever_name(suffix):
    files = {f"{i}.{suffix}": picture(i, kind="JPEG") for i in range(4)}
    assert read_pictures(zipped(files), 8)[1].read == 4
    assert "jfif" in pictures.SUFFIXES


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_avif_is_read_and_its_size_is_looked_at_first(monkeypatch):
    raw = saved(Image.fromarray(scene(2, 3)), "AVIF", quality=95)
    assert np.abs(one(raw, 16) - scene(2, 3).astype(int)).mean() < 8
    monkeypatch.setattr(pictures, "MAX_PIXELS", 255)
    with pytest.raises(BadInput, match="pixels"):
        one(raw)


def tiff(tags: dict[int, tuple[str, int, int]]) -> bytes:
    """A TIFF of one pixel's bytes whose header says these: tag -> type, count, value."""
    tags = {256: (4, 1, 16), 257: (4, 1, 16), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1), 277: (3, 1, 1)} | tags
    body = b"".join(struct.pack("<HHII", tag, *tags[tag]) for tag in sorted(tags))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + body + bytes(400)


@pytest.mark.parametrize(
    ("raw", "says"),
    [(saved(Image.new("F", (8, 8)), "TIFF"), "floating-point"), (saved(Image.new("I", (8, 8)), "TIFF"), "16 bits"),
     (tiff({322: (4, 1, 60_000), 323: (4, 1, 60_000), 324: (4, 1, 300), 325: (4, 1, 100)}), "tiles"),
     (tiff({256: (4, 1, 60_000), 257: (4, 1, 60_000), 273: (4, 1, 300), 279: (4, 1, 9)}), "million"),
     (tiff({50706: (1, 4, 0x101), 273: (4, 1, 300), 279: (4, 1, 256)}), "raw file"),
     (tiff({339: (3, 1, 2), 258: (3, 1, 16), 273: (4, 1, 300), 279: (4, 1, 256)}), "signed")],
    ids=["float", "32 bits", "tiles", "size", "raw", "signed"],
)
def test_tiffs_that_are_not_read_say_why(raw, says):
    with pytest.raises(BadInput, match=says):
        one(raw)


@given(edits=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=8), at=st.integers(0, 5))
@settings(deadline=None, max_examples=200)
def test_any_damage_to_the_newer_formats_is_a_picture_or_a_sentence(edits, at):
    raw = bytearray(DAMAGED[at % len(DAMAGED)])
    for place, value in edits:
        raw[place % len(raw)] = value
    with contextlib.suppress(BadInput):
        assert one(bytes(raw)).shape == (8, 8, 3)


DAMAGED = [
    frames("TIFF"), saved(Image.fromarray(scene(0, 3)), "TIFF", compression="tiff_lzw"),
    tiff16(scene(0, 3).astype(np.uint16) << 4), png16(scene(0, 3).astype(np.uint16) << 4), frames("MPO"),
    *([frames("AVIF")] if features.check("avif") else []),
]


# What is wrong with a set.


def of_set(images: list[np.ndarray]) -> str:
    files = {f"{i}.png": saved(Image.fromarray(each)) + bytes([i]) for i, each in enumerate(images)}
    return " ".join(read_pictures(zipped(files), 16)[1].faults)


@pytest.mark.parametrize(
    ("images", "says"),
    [([scene(0, 3)] * 9, "all alike"), ([np.full((16, 16, 3), 10 * i, np.uint8) for i in range(9)], "blank"),
     ([scene(i, 3) // 9 for i in range(9)], "nearly black"), ([255 - scene(i, 3) // 9 for i in range(9)], "nearly white"),
     ([scene(i, 3) if i % 2 else np.full((16, 16, 3), 255, np.uint8) for i in range(9)], "5 of 9 pictures are blank"),
     ([scene(i // 3, 3) for i in range(9)], "only 3 differ")],
    ids=["alike", "blank", "black", "white", "half blank", "copies"],
)
def test_a_set_from_which_nothing_can_be_learned_says_so(images, says):
    said = of_set(images)
    assert says in said
    assert any(word in said for word in ("bring", "take", "look at"))  # what to do


def test_good_sets_have_no_faults():
    assert of_set([scene(i, 3) for i in range(12)]) == ""
    strokes = [np.zeros((16, 16, 3), np.uint8) for _ in range(12)]
    for at, stroke in enumerate(strokes):
        stroke[2:14, 2 + at // 2 : 4 + at // 2 + at % 2] = 255
    assert of_set(strokes) == ""  # white on black, as MNIST is
    assert of_set([255 - stroke for stroke in strokes]) == ""


def test_the_table_of_a_range_is_exact():
    assert Range(0, 4095).table[[0, 2048, 4095, 65_535]].tolist() == [0, 128, 255, 255]
    assert (Range().table == np.round(np.arange(65_536) / 257)).all()
    assert depth.bounds(np.array([[[5, 9, 7, 65_535]]], np.uint16)) == (5, 9)


def test_looking_for_faults_takes_less_memory_than_the_set():
    images = np.random.default_rng(0).integers(0, 256, (6000, 3, 64, 64), dtype=np.uint8)
    tracemalloc.start()
    assert faults_of([images[:1000], images[1000:]]) == ()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < images.nbytes
