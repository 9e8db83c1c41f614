"""Arrays from outside: each becomes the bytes that it means when told how, or is asked about or refused in one sentence."""

import io
import pickle
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_data import assert_one_sentence

from vae_core import archive, array_file, arrays, data, folder, pixel_table
from vae_core.array_file import read_arrays
from vae_core.arrays import Untold, images_of
from vae_core.data import image_set
from vae_core.errors import BadInput

BYTES = np.random.default_rng(0).integers(0, 256, (40, 12, 10), dtype=np.uint8)
BYTES[0, 0, :2] = 0, 255
COLOUR = np.random.default_rng(1).integers(0, 256, (20, 3, 9, 9), dtype=np.uint8)
LABELS = np.arange(40) % 4


def made(array, **told) -> np.ndarray:
    """What becomes of one array."""
    (images,), _ = images_of("x", [array], **told)
    assert images.dtype == np.uint8
    return images


def refused(call, match: str | None = None) -> BadInput:
    with pytest.raises(BadInput, match=match) as caught:
        call()
    assert_one_sentence(caught.value)
    return caught.value


def npz(compressed: bool = False, **parts) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, **parts)
    return file.getvalue()


def npy(array: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def table(rows: np.ndarray, names: str | None = None, labels=None, last: bool = False, separator: str = ",") -> bytes:
    lines = [] if names is None else [names]
    for at, row in enumerate(rows.reshape(len(rows), -1)):
        cells = [f"{value}" for value in row]
        label = [] if labels is None else [f"{labels[at]}"]
        lines.append(separator.join([*cells, *label] if last else [*label, *cells]))
    return ("\n".join(lines) + "\n").encode()


def pixel_names(count: int) -> str:
    return ",".join(f"pixel{at}" for at in range(count))


def everything(images) -> np.ndarray:
    return torch.cat([images.train_images, images.test_images]).numpy()


def as_sets(pictures: np.ndarray) -> set[bytes]:
    return {picture.tobytes() for picture in pictures}


# The range of pixels.

RANGES = {
    "float in [0, 1]": ((BYTES / 255).astype(np.float32), "0..1"),
    "double in [0, 1]": (BYTES / 255, "0..1"),
    "half in [0, 1]": ((BYTES / 255).astype(np.float16), "0..1"),
    "float in [-1, 1]": ((BYTES / 127.5 - 1).astype(np.float32), "-1..1"),
    "float in [-0.5, 0.5]": ((BYTES / 255 - 0.5).astype(np.float32), " -.5 .. .5 "),
    "float in [0, 255]": (BYTES.astype(np.float32), "0..255"),
    "int64 in [0, 255]": (BYTES.astype(np.int64), "0..255"),
    "int8": ((BYTES.astype(np.int16) - 128).astype(np.int8), "-128..127"),
    "uint16": (BYTES.astype(np.uint16) * 257, "0..65535"),
    "big endian": ((BYTES / 255).astype(">f4"), "0..1"),
    "Fortran order": (np.asfortranarray(BYTES / 255), "0..1"),
    "a view with steps": (np.repeat(BYTES / 255, 2, axis=2)[:, :, ::2], "0..1"),
    "a tensor": (torch.from_numpy(BYTES).float().requires_grad_() / 255, "0..1"),
}


@pytest.mark.parametrize("what", RANGES)
def test_all_but_bytes_are_converted_when_told_how_and_else_asked_about(what):
    array, pixels = RANGES[what]
    np.testing.assert_array_equal(made(array, pixels=pixels)[:, 0], BYTES)
    untold = refused(lambda: made(array), "say with pixels")
    assert isinstance(untold, Untold)
    assert untold.asked == "pixels"
    kind = array.numpy(force=True).dtype.name if isinstance(array, torch.Tensor) else array.dtype.name
    assert f"{kind} from " in str(untold)
    assert "(40, 12, 10)" in str(untold)


def test_the_sentence_says_what_was_found_and_offers_what_holds_it():
    untold = refused(lambda: made(BYTES / 127.5 - 1))
    assert "float64 from -1 to 1" in str(untold)
    assert untold.choices == ("-1..1",)
    assert refused(lambda: made(BYTES / 255)).choices == ("0..1", "-1..1")
    assert refused(lambda: made(BYTES // 16 * 1.0)).choices[0] == "0..15"
    found = refused(lambda: made((BYTES / 255 - 0.1307) / 0.3081)).choices[0]  # as torchvision normalises
    np.testing.assert_allclose(made((BYTES / 255 - 0.1307) / 0.3081, pixels=found)[:, 0], BYTES, atol=1)


def test_what_a_choice_makes_of_some_pictures_is_shown():
    untold = refused(lambda: made(BYTES / 255))
    assert untold.by("0..1").shape == (arrays.SHOWN, 1, 12, 10)
    assert as_sets(untold.by("0..1")) <= as_sets(BYTES[:, None])
    assert untold.by("-1..1").min() == 128
    rows = refused(lambda: made(COLOUR.reshape(20, -1) / 255))
    assert (rows.asked, rows.choices[:2]) == ("layout", ("3x9x9", "9x9x3"))
    assert np.abs(rows.by("3x9x9").astype(int) - COLOUR[np.linspace(0, 19, 8).astype(int)]).max() <= 1


def test_bytes_and_booleans_need_no_telling_unless_bytes_are_bits():
    assert made(BYTES[:, None]).base is BYTES or np.shares_memory(made(BYTES[:, None]), BYTES)
    np.testing.assert_array_equal(made(BYTES > 99)[:, 0], np.where(BYTES > 99, 255, 0))
    bits = (BYTES > 99).astype(np.uint8)
    assert refused(lambda: made(bits)).choices[0] == "0..1"
    np.testing.assert_array_equal(made(bits, pixels="0..1")[:, 0], bits * 255)
    np.testing.assert_array_equal(made(bits, pixels="0..255")[:, 0], bits)
    assert not made(np.zeros((3, 8, 8), np.uint8)).any()


def test_a_range_that_is_told_holds_for_all_parts_and_a_little_rounding_is_forgiven():
    with pytest.raises(Untold, match="float64 and uint8"):
        images_of("x", [BYTES, BYTES / 255])
    over = np.clip(BYTES / 255, 0, 1)
    over[3, 4, 5], over[3, 4, 6] = 1.0009, -0.0009
    images = made(over, pixels="0..1")
    assert (images[3, 0, 4, 5], images[3, 0, 4, 6]) == (255, 0)
    over[30, 4, 5] = 1.2
    sentence = str(refused(lambda: images_of("x", [BYTES / 255, over], "0..1")))
    assert "Picture 71 of x has the value 1.2, outside of pixels 0..1" in sentence


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_with_their_picture(value):
    array = BYTES / 255
    array[17, 3, 3] = array[20, 1, 1] = value
    for told in ({}, {"pixels": "0..1"}):
        assert "2 pictures of x hold values that are not finite" in str(refused(lambda told=told: made(array, **told)))
    assert "picture 18" in str(refused(lambda: made(array)))


@pytest.mark.parametrize("pixels", ["", "0", "1..0", "1..1", "a..b", "0-1", "nan..1", "0..inf", "0..1e99", "0..1..2", (0, 1)])
def test_what_is_no_range_is_refused(pixels):
    refused(lambda: made(BYTES, pixels=pixels), "Pixels are LOW..HIGH")


# The order of the numbers.


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_come_first_or_last(channels):
    first = np.ascontiguousarray(np.repeat(BYTES[:, None], channels, axis=1))
    first[:, -1] //= 2
    np.testing.assert_array_equal(made(first), first)
    np.testing.assert_array_equal(made(first.transpose(0, 2, 3, 1)), first)


def test_rows_that_are_a_square_need_no_telling_and_others_do():
    square = BYTES[:, :10]
    np.testing.assert_array_equal(made(square.reshape(40, 100))[:, 0], square)
    for rows, layout, expected in (
        (BYTES.reshape(40, 120), "12x10", BYTES[:, None]), (COLOUR.reshape(20, 243), "3x9x9", COLOUR),
        (COLOUR.transpose(0, 2, 3, 1).reshape(20, 243), "9x9x3", COLOUR),
    ):
        untold = refused(lambda rows=rows: made(rows), "say the layout")
        assert (untold.asked, layout in untold.choices) == ("layout", True)
        np.testing.assert_array_equal(made(rows, layout=layout), expected)


@pytest.mark.parametrize(
    "layout", ["", "12", "12 x 10", "120", "10x10", "0x0", "3x12x10", "12x10x1x1", "-12x-10", 12, "9" * 50]
)
def test_a_layout_that_does_not_fit_is_refused(layout):
    refused(lambda: made(BYTES.reshape(40, 120), layout=layout), "layout")
    refused(lambda: made(BYTES, layout=layout), "layout")


WRONG = {
    "one number": 3, "nothing": None, "words": ["a", "b"], "one dimension": np.zeros(9),
    "five dimensions": np.zeros((2, 3, 4, 5, 6)), "pictures last": np.zeros((32, 32, 3, 5)),
    "too many channels": np.zeros((5, 32, 32, 7)), "no pixels": np.zeros((5, 0, 8)),
    "no picture": np.zeros((0, 28, 28)), "complex": np.zeros((3, 8, 8), complex), "objects": np.array([None, {}]),
    "ragged": [[[1, 2]], [[3]]], "a label in the row": np.zeros((5, 785), np.uint8), "a prime": np.zeros((5, 787), np.uint8),
    "times": np.zeros((3, 8, 8), "datetime64[s]"), "a record": np.zeros((3, 8, 8), [("a", "u1")]),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_array_of_pictures_is_refused(what):
    assert not isinstance(refused(lambda: made(WRONG[what])), Untold)
    assert not isinstance(refused(lambda: made(WRONG[what], pixels="0..1")), Untold)


def test_labels_beside_the_pixels_are_guessed_at():
    refused(lambda: made(WRONG["a label in the row"]), "take the labels out from beside 28 x 28 pixels")


@pytest.mark.parametrize("value", [0, 0.5, -5, 300, 1e20, -1e29, 1e-300, 5e-324])
def test_values_that_are_all_alike_or_nearly_are_asked_about_too(value):
    for array in (np.full((4, 8, 8), value, np.float64), np.arange(4.0)[:, None, None] * np.full((8, 8), value)):
        untold = refused(lambda array=array: made(array))
        assert all(len(made(array, pixels=choice)) == len(untold.by(choice)) == 4 for choice in untold.choices)
    rows = np.full((4, 120), value, np.float64)
    assert len(refused(lambda: made(rows)).by("12x10")) == 4


def test_values_that_no_pixels_have_are_refused():
    for value in (1e30, -1e300):
        assert not isinstance(refused(lambda value=value: made(np.full((4, 8, 8), value)), "as no pixels do"), Untold)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.lists(st.integers(0, 12), max_size=5),
    kind=st.sampled_from(["?", "u1", "i1", ">u2", "i4", "u8", "f2", "f4", ">f8"]), low=st.floats(-1e6, 1e6),
    width=st.floats(0, 1e6), pixels=st.sampled_from([None, "0..1", "-1..1", "0..65535"]),
)
def test_any_array_becomes_bytes_or_a_sentence(shape, kind, low, width, pixels):
    with np.errstate(all="ignore"):
        array = (low + width * np.random.default_rng(0).random(shape)).astype(kind)
    try:
        images, problem = made(array, pixels=pixels), None
    except BadInput as error:
        images, problem = (), error
    if problem is None:
        assert len(images) == shape[0]
        return
    assert_one_sentence(problem)
    if isinstance(problem, Untold):  # any of the choices answers it
        assert {len(problem.by(choice)) for choice in problem.choices} == {min(len(array), arrays.SHOWN)}
        if problem.asked == "pixels":
            assert {len(made(array, pixels=choice)) for choice in problem.choices} == {len(array)}


# An image set of them.


def test_an_image_set_of_floats_is_that_of_the_bytes_when_told_how():
    bytes_set = image_set("x", BYTES[:30, None], LABELS[:30], BYTES[30:, None], LABELS[30:], "abcd")
    floats = torch.from_numpy(BYTES / 127.5 - 1)
    told = image_set("x", floats[:30], LABELS[:30].tolist(), floats[30:], LABELS[30:] * 1.0, "abcd", pixels="-1..1")
    assert told.digest == bytes_set.digest
    assert told.train_labels.dtype == torch.int64
    refused(lambda: image_set("x", floats[:30], LABELS[:30], floats[30:], LABELS[30:], "abcd"), "say with pixels")
    for wrong in ((BYTES * 1.0, BYTES), (BYTES.astype(np.uint16), BYTES.astype(np.uint16)), (BYTES[0, 0], BYTES[0, 0])):
        refused(lambda wrong=wrong: image_set("x", wrong[0], None, wrong[1], None, ()))
    refused(lambda: image_set("x", BYTES, None, BYTES[:, :5], None, ()), "different shapes")
    assert not image_set("x", BYTES, None, BYTES[:0], None, ()).train_labels.any()


@pytest.mark.parametrize(
    "labels", [LABELS[:39], LABELS + 0.5, LABELS - 1, LABELS + 1, LABELS * np.nan, np.array(["a"] * 40), np.eye(4)[LABELS], 3]
)
def test_labels_that_are_no_numbers_of_classes_are_refused(labels):
    refused(lambda: image_set("x", BYTES, labels, BYTES, LABELS, "abcd"), "labels")


# Files.


@pytest.mark.parametrize("form", ["npz", "npz packed", "npy", "csv", "path"])
def test_a_file_is_read_whole_and_split_by_a_seed(form, tmp_path):
    square = BYTES[:, :10]
    raw, name = {
        "npz": (npz(images=square, labels=LABELS), "my digits.npz"), "npy": (npy(square), "my digits.NPY"),
        "npz packed": (npz(True, images=square, labels=LABELS), "my digits.npz"), "path": (None, "my digits.npz"),
        "csv": (table(square, f"label,{pixel_names(100)}", LABELS), "my digits.csv"),
    }[form]
    if form == "path":
        np.savez(tmp_path / name, images=square, labels=LABELS)
    images, report = read_arrays(raw or tmp_path / name, name if raw else None)
    assert images.name == "file:my digits"
    assert (len(images.train_images), len(images.test_images)) == (33, 7)
    assert as_sets(everything(images)) == as_sets(square)
    assert report.read == 40
    truth = dict(zip((picture.tobytes() for picture in square), LABELS, strict=True))
    if form == "npy":
        assert images.classes == ()
    else:
        assert images.classes == ("0", "1", "2", "3")
        assert report.balance == dict.fromkeys("0123", 10)
        assert [truth[picture.numpy().tobytes()] for picture in images.test_images] == images.test_labels.tolist()
    if raw:
        same, other = (read_arrays(raw, name, seed=seed)[0].digest for seed in (0, 1))
        assert same == images.digest != other


def test_a_file_of_floats_is_that_of_the_bytes_when_told_how():
    expected = read_arrays(npz(images=BYTES, labels=LABELS), "x.npz")[0].digest
    for array, pixels in RANGES.values():
        if not isinstance(array, torch.Tensor):
            raw = npz(images=array, labels=LABELS)
            images, report = read_arrays(raw, "x.npz", pixels=pixels)
            assert images.digest == expected
            assert f"{array.dtype.name} from " in report.facts()[2]
            refused(lambda raw=raw: read_arrays(raw, "x.npz"), "say with pixels")


def test_words_numbers_and_columns_are_labels_and_one_class_is_none():
    for labels, classes in (
        (np.array(["cat", "![x](y)"])[LABELS % 2], ("![x](y)", "cat")),
        (np.array([b"cat", b"dog"])[LABELS % 2], ("cat", "dog")),
        (LABELS * 5.0 - 10, ("-10", "-5", "0", "5")), (LABELS[:, None].astype(np.uint8), ("0", "1", "2", "3")),
        (LABELS > 1, ("False", "True")), (LABELS * 0, ()), (np.array(["9", "10"])[LABELS % 2], ("9", "10")),
    ):
        images, report = read_arrays(npz(images=BYTES, labels=labels), "x.npz")
        assert images.classes == classes
        assert len(report.balance) == len(classes)
    long = np.array(["w" * 70 + "a", "w" * 70 + "b"])[LABELS % 2]
    assert len(set(read_arrays(npz(images=BYTES, labels=long), "x.npz")[0].classes)) == 2


BAD_LABELS = {
    "too few": LABELS[:39], "too many": np.arange(41), "fractions": LABELS + 0.5, "not finite": LABELS * np.nan,
    "one": np.array(3), "one hot": np.eye(4)[LABELS], "none": np.zeros(0),
    "complex": LABELS * 1j, "times": LABELS.astype("datetime64[s]"),
}


@pytest.mark.parametrize("what", BAD_LABELS)
def test_labels_in_a_file_that_name_no_classes_are_refused(what):
    refused(lambda: read_arrays(npz(images=BYTES, labels=BAD_LABELS[what]), "x.npz"), "label")


def test_too_many_classes_are_refused(monkeypatch):
    monkeypatch.setattr(array_file, "MAX_CLASSES", 3)
    refused(lambda: read_arrays(npz(images=BYTES, labels=LABELS), "x.npz"), "4 values; at most 3 classes")


def test_an_archive_without_images_names_what_is_there_and_others_are_not_looked_at():
    sentence = str(refused(lambda: read_arrays(npz(x_train=BYTES, y_train=LABELS), "mnist.npz")))
    assert "mnist.npz holds x_train, y_train, but no array called images" in sentence
    refused(lambda: read_arrays(npz(), "empty.npz"), "no array called images")
    _, report = read_arrays(npz(images=BYTES, masks=BYTES), "x.npz")
    assert report.sentences()[-2] == "Other arrays in the file were not looked at: masks."


class Canary:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_nothing_is_ever_unpickled(tmp_path):
    alive = np.array([Canary(tmp_path / "canary")] * 3, dtype=object)
    for raw, name in (
        (npy(alive, allow_pickle=True), "x.npy"), (npz(images=alive), "x.npz"), (npz(images=BYTES, labels=alive), "x.npz"),
        (pickle.dumps(alive), "x.npy"), (pickle.dumps(alive), "x.npz"), (pickle.dumps(alive), "x.csv"),
    ):
        refused(lambda raw=raw, name=name: read_arrays(raw, name))
    assert "pickle" in str(refused(lambda: read_arrays(pickle.dumps(alive), "x.npy")))
    assert "pickle" in str(refused(lambda: read_arrays(npz(images=alive), "x.npz")))
    assert not (tmp_path / "canary").exists()


def lying(shape: str) -> bytes:
    """An .npy file whose header claims a shape."""
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header + bytes(500)


def hurt(raw: bytes) -> bytes:
    """With a byte changed in the middle."""
    return raw[: len(raw) // 2] + bytes([raw[len(raw) // 2] ^ 255]) + raw[len(raw) // 2 + 1 :]


def with_entry(name: str, content: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as packed:
        packed.writestr(name, content)
    return file.getvalue()


WHOLE = npz(images=BYTES, labels=LABELS)
FAULTY = {
    "truncated.npz": WHOLE[:-300], "cut.npz": WHOLE[:2000], "hurt.npz": hurt(WHOLE), "empty.npz": b"", "empty.npy": b"",
    "truncated.npy": npy(BYTES)[:-1], "magic.npy": b"\x93NUMPY", "page.npy": b"<html>", "page.csv": b"<html>",
    "endless.npy": lying("(1000000, 1000000, 1000000)"), "negative.npy": lying("(-3, 8, 8)"), "code.npy": lying("(open('x'),)"),
    "no shape.npy": lying("3"), "inner.npz": with_entry("images.npy", npy(BYTES)[:-9]),
    "text.npz": with_entry("images.npy", b"hello"), "lzma.npz": with_entry("images.npy", npy(BYTES), zipfile.ZIP_LZMA),
    "nothing.npz": with_entry("images.npy", b""),
    "a zip.npy": WHOLE, "an array.npz": npy(BYTES), "words.npz": npz(images=np.array([["a", "b"]])),
    "one picture.npz": npz(images=BYTES[:1]), "two.npz": npz(images=BYTES[:2] / 255), "none.npz": npz(images=BYTES[:0]),
    "small.npz": npz(images=np.zeros((9, 7, 7))), "large.npz": npz(images=np.zeros((9, 65, 65))),
    "clear.npz": npz(images=np.zeros((9, 16, 16, 4), np.uint8)), "picture.png": b"\x89PNG", "pictures.zip": WHOLE,
    "empty.csv": b"", "blank.csv": b"\n \n", "names.csv": b"label,pixel0,pixel1\n", "labels.csv": b"label\n1\n2\n3\n",
}


@pytest.mark.parametrize("name", FAULTY)
def test_a_bad_file_is_one_sentence_that_names_it(name, tmp_path):
    (tmp_path / name).write_bytes(FAULTY[name])
    for source in (FAULTY[name], tmp_path / name):
        error = refused(lambda source=source: read_arrays(source, name))
        assert not isinstance(error, Untold)  # nobody is asked about what cannot be read anyway
        assert name in str(error)


def test_files_that_are_not_there_are_too_large_or_bombs_are_refused(tmp_path, monkeypatch):
    refused(lambda: read_arrays(tmp_path / "x.npz"), r"x\.npz cannot be read \(No such file")
    (tmp_path / "x.npy").mkdir()
    refused(lambda: read_arrays(tmp_path / "x.npy"), "cannot be read")
    bomb = npz(True, images=np.zeros((40_000, 32, 32), np.uint8))
    assert len(bomb) < 100_000
    refused(lambda: read_arrays(bomb, "x.npz"), "200 times its size")
    with monkeypatch.context() as context:
        context.setattr(archive, "MAX_UNPACKED", 5000)
        refused(lambda: read_arrays(npz(images=np.tile(BYTES, (9, 1, 1))), "x.npz"), "unpacks to more")
    for limit, module in (("MAX_PICTURES", array_file), ("MAX_RESULT", array_file), ("MAX_ARCHIVE", archive)):
        with monkeypatch.context() as context:
            context.setattr(module, limit, 39)
            refused(lambda: read_arrays(npz(images=BYTES), "x.npz"), "x.npz h")
            refused(lambda: read_arrays(table(BYTES[:, :10]), "x.csv"), "x.csv h")


def test_pictures_that_are_all_alike_or_nearly_black_are_told():
    _, report = read_arrays(npz(images=np.full((300, 9, 12), 90, np.uint8)), "x.npz")
    assert "all alike at 12 x 9" in " ".join(report.warnings())
    _, report = read_arrays(npz(images=BYTES // 16), "x.npz")
    assert "nearly black" in report.warnings()[0]
    assert "from 0 to 15, of which 0 is black and 255 white" in report.facts()[1]
    assert report.ranges[0] == "0..15"


# Tables.

SQUARE = BYTES[:, :10]
NAMES = pixel_names(100)


def numbered(raw: bytes) -> bytes:
    """The table with a first column that has no name and counts the rows."""
    first, *rows = raw.decode().splitlines()
    return "\n".join([f",{first}", *(f"{at},{row}" for at, row in enumerate(rows))]).encode()


TABLES = {
    "Kaggle's": table(SQUARE, f"label,{NAMES}", LABELS),
    "label at the end": table(SQUARE, f"{NAMES},Class", LABELS, last=True),
    "no names": table(SQUARE, None, LABELS),
    "semicolons": table(SQUARE, f"label,{NAMES}".replace(",", ";"), LABELS, separator=";"),
    "tabs": table(SQUARE, f"label,{NAMES}".replace(",", "\t"), LABELS, separator="\t"),
    "pandas' index": numbered(table(SQUARE, f"label,{NAMES}", LABELS)),
    "as floats": table(SQUARE * 1.0, f"label,{NAMES}", LABELS * 1.0),
    "by Windows": b"\xef\xbb\xbf" + table(SQUARE, f"label,{NAMES}", LABELS).replace(b"\n", b"\r\n"),
    "quoted": table(SQUARE, f'"label",{NAMES}', [f'"{label}"' for label in LABELS]),
    "blank lines": table(SQUARE, f"label,{NAMES}", LABELS).replace(b"\n", b"\n\n"),
}


@pytest.mark.parametrize("what", TABLES)
def test_a_table_is_read_however_its_columns_stand(what, monkeypatch):
    monkeypatch.setattr(pixel_table, "ROWS", 7)
    told = []
    images, report = read_arrays(TABLES[what], "x.csv", each=lambda done, of: told.append((done, of)))
    assert images.digest == read_arrays(npz(images=SQUARE, labels=LABELS), "x.npz")[0].digest
    assert told[-1] == (len(TABLES[what]), len(TABLES[what]))
    assert any("names the classes" in sentence for sentence in report.named)


def test_a_table_without_labels_with_words_for_labels_and_in_colour():
    images, _ = read_arrays(table(SQUARE, NAMES), "x.csv")
    assert images.classes == ()
    assert as_sets(everything(images)) == as_sets(SQUARE)
    assert read_arrays(table(SQUARE), "x.csv")[0].digest == images.digest
    images, _ = read_arrays(table(SQUARE, f"label,{NAMES}", np.array(["cat", "NA"])[LABELS % 2]), "x.csv")
    assert images.classes == ("NA", "cat")
    colour = table(COLOUR, f"label,{pixel_names(243)}", LABELS[:20])
    assert refused(lambda: read_arrays(colour, "x.csv")).asked == "layout"
    assert as_sets(everything(read_arrays(colour, "x.csv", layout="3x9x9")[0])) == as_sets(COLOUR)


def test_a_table_of_other_numbers_is_asked_about():
    floats = table((SQUARE / 255).round(4), f"label,{NAMES}", LABELS)
    untold = refused(lambda: read_arrays(floats, "x.csv"), "numbers with fractions from 0 to 1")
    assert untold.choices[0] == "0..1"
    expected = read_arrays(npz(images=SQUARE, labels=LABELS), "x.npz")[0].digest
    assert read_arrays(floats, "x.csv", pixels="0..1")[0].digest == expected
    assert read_arrays(table(SQUARE / 127.5 - 1, None, LABELS), "x.csv", pixels="-1..1")[0].digest == expected
    assert refused(lambda: read_arrays(table((SQUARE > 99) * 1), "x.csv")).choices[0] == "0..1"


@pytest.mark.parametrize("value", [256, -1, 70000])
def test_a_value_that_is_no_byte_is_refused_with_its_row(value, monkeypatch):
    monkeypatch.setattr(pixel_table, "ROWS", 7)
    wrong = SQUARE.astype(int)
    wrong[16, 0, 5] = wrong[30, 0, 0] = value
    untold = refused(lambda: read_arrays(table(wrong, f"label,{NAMES}", LABELS), "x.csv"))
    assert f"Row 18 of x.csv has {value} in the column pixel5, and pixels of a .csv file are 0..255" in str(untold)
    assert untold.note == f"Row 18 of x.csv has {value} in the column pixel5."
    assert f"Row 17 of x.csv has {value} in the column 6," in str(refused(lambda: read_arrays(table(wrong), "x.csv")))
    read_arrays(table(wrong), "x.csv", pixels="-1..70000")


def changed(row: int, text: str) -> bytes:
    """A table whose line number `row` is another."""
    lines = table(SQUARE, f"label,{NAMES}", LABELS).decode().splitlines()
    lines[row - 1] = text
    return "\n".join(lines).encode()


ROWS = {
    "a word": (changed(9, "1,oops" + ",0" * 99), "Row 9 of x.csv has 'oops' in the column pixel0"),
    "nothing": (changed(9, "1," + ",0" * 99), "Row 9 of x.csv has '' in the column pixel0"),
    "not a number": (changed(9, "1,nan" + ",0" * 99), "Row 9 of x.csv has 'nan'"),
    "infinite": (changed(9, "1,1e999" + ",0" * 99), "Row 9 of x.csv has 'inf'"),
    "too short": (changed(9, "1,2"), "Row 9 of x.csv has 2 values, but the first has 101"),
    "too long": (changed(9, "1" + ",0" * 101), "Row 9 of x.csv has 102 values"),
    "no label": (changed(9, " " + ",0" * 100), "Row 9 of x.csv has no label"),
    "an open quotation": (changed(9, '"1' + ",0" * 100), "quotation mark"),
    "a huge number": (changed(9, "1," + "9" * 5000 + ",0" * 99), "x.csv"),
    "larger than any float": (changed(9, "1,1e300" + ",0" * 99), "x.csv"),
    "no line ends": (b"0," * 2**19, "Row 1 of x.csv is longer"),
    "old Mac's lines": (table(SQUARE).replace(b"\n", b"\r"), "x.csv"),
    "UTF-16": (table(SQUARE).decode().encode("utf-16"), "x.csv"),
    "zeros": (bytes(1000), "x.csv"),
    "no column called label": (table(SQUARE, f"what,{NAMES}", LABELS), "none is called label"),
    "a column of words": (table(SQUARE, f"label,{NAMES},Usage", LABELS).replace(b"\n", b",Training\n")[:-9] + b"\n", "x.csv"),
}


@pytest.mark.parametrize("what", ROWS)
def test_a_bad_row_is_named(what):
    raw, words = ROWS[what]
    assert words in str(refused(lambda: read_arrays(raw, "x.csv")))


@settings(max_examples=60, deadline=None)
@given(raw=st.binary(max_size=200), kind=st.sampled_from([b"", b"PK\3\4", b"\x93NUMPY\1\0", b"label,p0,p1\n1,2,3\n"]))
@pytest.mark.parametrize("suffix", array_file.SUFFIXES)
def test_any_bytes_are_pictures_or_a_sentence(suffix, raw, kind):
    try:
        read_arrays(kind + raw, f"x.{suffix}")
    except BadInput as problem:
        assert_one_sentence(problem)


def test_a_zip_file_that_holds_a_table_says_what_to_do():
    raw = with_entry("train.csv", table(SQUARE))
    refused(lambda: folder.read_pictures(raw, name="digits.zip"), "bring its .csv file by itself")


def test_the_names_of_peoples_own_sets():
    assert [data.own_name(name) for name in ("folder:my pets", "file:x", "mnist", "files")] == ["my pets", "x", None, None]
