"""Image sets: the embedded MNIST is the published one, damaged files are told, missing sets are named, offline."""

import gzip
import pickle
import shutil
import struct
from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from vae_core import data
from vae_core.errors import BadInput

# Images of each digit, 0 to 9, as published with the set.
TRAIN_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
TEST_COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.fixture
def fresh_cache():
    """Nothing that a test loads from a made-up folder stays for the next test."""
    data.load.cache_clear()
    yield
    data.load.cache_clear()


def idx(array: np.ndarray) -> bytes:
    """The IDX form of a uint8 array, written by hand."""
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_four(folder, train=6, test=4, pack=False) -> dict[str, np.ndarray]:
    """The four files of an MNIST-like set with made-up pixels; returns the arrays by file name."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", train), ("t10k", test)):
        arrays[f"{part}-images-idx3-ubyte"] = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        arrays[f"{part}-labels-idx1-ubyte"] = np.arange(count, dtype=np.uint8) % 10
    for name, array in arrays.items():
        path = folder / (f"{name}.gz" if pack else name)
        path.write_bytes(gzip.compress(idx(array)) if pack else idx(array))
    return arrays


def assert_one_sentence(error: BaseException) -> None:
    text = str(error)
    assert "\n" not in text
    assert text.endswith(".")
    assert 20 < len(text) < 400
    assert "Traceback" not in text
    assert "/tmp" not in text
    assert "/work" not in text


# The embedded set.


def test_mnist_has_the_published_sizes_and_types():
    mnist = data.load("mnist")
    assert mnist.train_images.shape == (60_000, 1, 28, 28)
    assert mnist.test_images.shape == (10_000, 1, 28, 28)
    assert mnist.train_images.dtype == mnist.test_images.dtype == torch.uint8
    assert mnist.train_labels.dtype == mnist.test_labels.dtype == torch.int64
    assert mnist.image_shape == (1, 28, 28)
    assert mnist.classes == tuple("0123456789")


def test_mnist_has_the_published_number_of_each_digit():
    mnist = data.load("mnist")
    assert torch.bincount(mnist.train_labels).tolist() == TRAIN_COUNTS
    assert torch.bincount(mnist.test_labels).tolist() == TEST_COUNTS


def test_mnist_has_the_published_first_labels_and_mean_grey():
    mnist = data.load("mnist")
    assert mnist.train_labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert mnist.test_labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert mnist.train_images.float().mean().item() / 255 == pytest.approx(0.1307, abs=5e-5)  # as often quoted
    assert mnist.train_images.float().std().item() / 255 == pytest.approx(0.3081, abs=5e-5)


def test_the_embedded_files_are_those_whose_hashes_are_written_down():
    for name, sha256 in data.MNIST_SHA256.items():
        data.read_idx(data.EMBEDDED / "mnist" / f"{name}.gz", sha256)


@pytest.mark.usefixtures("fresh_cache")
def test_one_changed_pixel_in_the_embedded_files_is_noticed(tmp_path, monkeypatch):
    shutil.copytree(data.EMBEDDED / "mnist", tmp_path / "mnist")
    monkeypatch.setattr(data, "EMBEDDED", tmp_path)
    assert len(data.load("mnist").test_images) == 10_000  # the copy is good before
    path = tmp_path / "mnist" / "t10k-images-idx3-ubyte.gz"
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[5000] ^= 1
    path.write_bytes(gzip.compress(bytes(raw), 1))
    data.load.cache_clear()
    with pytest.raises(BadInput, match=r"t10k-images-idx3-ubyte\.gz is not the published file") as caught:
        data.load("mnist")
    assert_one_sentence(caught.value)


@pytest.mark.usefixtures("fresh_cache")
def test_a_missing_embedded_file_is_named(tmp_path, monkeypatch):
    (tmp_path / "mnist").mkdir()
    monkeypatch.setattr(data, "EMBEDDED", tmp_path)
    with pytest.raises(BadInput, match=r"train-images-idx3-ubyte\.gz cannot be read") as caught:
        data.load("mnist")
    assert_one_sentence(caught.value)


def test_a_set_is_read_once_and_then_shared():
    assert data.load("digits") is data.load("digits")


def test_the_digest_tells_sets_apart():
    digests = {data.load("digits").digest, data.load("mnist").digest}
    assert len(digests) == 2
    assert all(len(digest) == 64 and set(digest) <= set("0123456789abcdef") for digest in digests)


@pytest.mark.usefixtures("fresh_cache")
def test_the_digest_changes_with_a_pixel_and_with_the_order_of_the_images(tmp_path, monkeypatch):
    arrays = write_four(tmp_path / "fashion")
    monkeypatch.setattr(data, "DEBIAN_FASHION", tmp_path / "fashion")

    def digest_with(images):
        (tmp_path / "fashion" / "train-images-idx3-ubyte").write_bytes(idx(images))
        data.load.cache_clear()
        return data.load("fashion-mnist").digest

    images = arrays["train-images-idx3-ubyte"]
    changed = images.copy()
    changed[0, 3, 4] ^= 1
    digests = [digest_with(images), digest_with(changed), digest_with(images[::-1].copy()), digest_with(images)]
    assert digests[0] == digests[3]
    assert len(set(digests)) == 3


# Small digits.


def test_digits_are_the_scikit_learn_images_stretched_to_255():
    digits, bunch = data.load("digits"), load_digits()
    images = torch.cat([digits.train_images, digits.test_images])
    assert images.shape == (1797, 1, 8, 8)
    assert images.dtype == torch.uint8
    assert (int(images.min()), int(images.max())) == (0, 255)
    assert torch.equal((images[:, 0].float() / 255 * 16).round().to(torch.int64), torch.from_numpy(bunch.images).long())
    assert torch.cat([digits.train_labels, digits.test_labels]).tolist() == bunch.target.tolist()
    assert set(digits.test_labels.tolist()) == set(range(10))


def test_to_float_divides_by_255_and_leaves_the_bytes_alone():
    images = torch.tensor([[[[0, 51], [102, 255]]]], dtype=torch.uint8)
    floats = data.to_float(images)
    assert floats.dtype == torch.float32
    torch.testing.assert_close(floats, torch.tensor([[[[0.0, 0.2], [0.4, 1.0]]]]))
    assert images.flatten().tolist() == [0, 51, 102, 255]


# The file format.


@pytest.mark.parametrize("shape", [(5,), (2, 3), (2, 3, 4), (1, 2, 3, 4), (0,), (0, 28, 28)])
@pytest.mark.parametrize("packed", [False, True])
def test_an_idx_file_comes_back_as_it_was_written(tmp_path, shape, packed):
    array = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    path = tmp_path / ("a-ubyte.gz" if packed else "a-ubyte")
    path.write_bytes(gzip.compress(idx(array)) if packed else idx(array))
    read = data.read_idx(path)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, array)


def test_sizes_in_an_idx_file_are_big_endian(tmp_path):
    (tmp_path / "a").write_bytes(b"\0\0\x08\x02" + b"\0\0\0\x02" + b"\0\0\0\x03" + bytes([1, 2, 3, 4, 5, 6]))
    assert data.read_idx(tmp_path / "a").tolist() == [[1, 2, 3], [4, 5, 6]]


GOOD = idx(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
PACKED = gzip.compress(GOOD)
FAULTY_FILES = {
    "empty": b"",
    "one byte": b"\0",
    "magic without dimensions": b"\0\0\x08",
    "no dimensions": b"\0\0\x08\0",
    "cut inside the sizes": GOOD[:9],
    "cut inside the pixels": GOOD[:-1],
    "one byte too many": GOOD + b"!",
    "floats": b"\0\0\x0d" + GOOD[3:],
    "little-endian sizes": b"\0\0\x08\x01" + struct.pack("<I", 3) + b"abc",
    "a web page": b"<!DOCTYPE html><html>404</html>",
    "255 dimensions": b"\0\0\x08\xff" + GOOD[4:],
    "sizes whose product wraps round to nothing": b"\0\0\x08\x03" + struct.pack(">3I", 2**31, 2**31, 4),
}


@pytest.mark.parametrize("name", FAULTY_FILES)
def test_a_file_that_is_not_idx_gives_one_sentence(tmp_path, name):
    (tmp_path / "some-ubyte").write_bytes(FAULTY_FILES[name])
    with pytest.raises(BadInput, match="some-ubyte is not an IDX file") as caught:
        data.read_idx(tmp_path / "some-ubyte")
    assert_one_sentence(caught.value)


FAULTY_ARCHIVES = {
    "empty": b"",
    "not gzip": GOOD,
    "cut in the header": PACKED[:5],
    "cut in the middle": PACKED[: len(PACKED) // 2],
    "without its checksum": PACKED[:-8],
    "wrong checksum": PACKED[:-8] + bytes(4) + PACKED[-4:],
    "broken deflate stream": PACKED[:10] + b"\xff" * 12 + PACKED[22:],
}


@pytest.mark.parametrize("name", FAULTY_ARCHIVES)
def test_a_broken_gz_gives_one_sentence(tmp_path, name):
    (tmp_path / "some-ubyte.gz").write_bytes(FAULTY_ARCHIVES[name])
    with pytest.raises(BadInput, match=r"some-ubyte\.gz") as caught:
        data.read_idx(tmp_path / "some-ubyte.gz")
    assert_one_sentence(caught.value)


def test_a_wrong_hash_is_refused_even_where_the_format_is_right(tmp_path):
    (tmp_path / "some-ubyte").write_bytes(GOOD)
    assert data.read_idx(tmp_path / "some-ubyte").shape == (2, 3, 4)
    with pytest.raises(BadInput, match="SHA-256 differs"):
        data.read_idx(tmp_path / "some-ubyte", "0" * 64)


# Names and places.


@pytest.mark.parametrize("name", ["", "MNIST", "mnist ", "../mnist", "imagenet", "<script>"])
def test_an_unknown_set_is_answered_with_the_known_ones(name):
    with pytest.raises(BadInput, match="choose one of") as caught:
        data.load(name)
    assert_one_sentence(caught.value)
    assert all(known in str(caught.value) for known in data.NAMES)


def test_the_sets_of_the_issue_are_all_there_with_a_title():
    assert set(data.NAMES) == {"mnist", "fashion-mnist", "kmnist", "emnist-letters", "cifar10", "digits", "shapes"}
    assert set(data.TITLES) == set(data.NAMES)


@pytest.mark.usefixtures("fresh_cache")
@pytest.mark.parametrize("packed", [False, True])
def test_fashion_mnist_is_read_where_debian_puts_it(tmp_path, monkeypatch, packed):
    arrays = write_four(tmp_path / "fashion-mnist", pack=packed)
    monkeypatch.setattr(data, "DEBIAN_FASHION", tmp_path / "fashion-mnist")
    fashion = data.load("fashion-mnist")
    np.testing.assert_array_equal(fashion.train_images[:, 0], arrays["train-images-idx3-ubyte"])
    np.testing.assert_array_equal(fashion.test_images[:, 0], arrays["t10k-images-idx3-ubyte"])
    assert fashion.test_labels.tolist() == [0, 1, 2, 3]
    assert (fashion.classes[0], fashion.classes[9]) == ("T-shirt", "Ankle boot")


@pytest.mark.usefixtures("fresh_cache")
@pytest.mark.parametrize(("name", "class_name"), [("fashion-mnist", "FashionMNIST"), ("kmnist", "KMNIST")])
def test_a_set_is_read_from_latentscape_data_without_a_network(tmp_path, monkeypatch, name, class_name):
    arrays = write_four(tmp_path / "mine" / class_name / "raw")
    monkeypatch.setattr(data, "DEBIAN_FASHION", tmp_path / "absent")
    monkeypatch.setenv("LATENTSCAPE_DATA", str(tmp_path / "mine"))
    monkeypatch.setattr("urllib.request.urlopen", unplugged)
    loaded = data.load(name)
    np.testing.assert_array_equal(loaded.train_images[:, 0], arrays["train-images-idx3-ubyte"])
    np.testing.assert_array_equal(loaded.test_images[:, 0], arrays["t10k-images-idx3-ubyte"])
    assert loaded.train_labels.tolist() == [0, 1, 2, 3, 4, 5]
    assert loaded.train_images.dtype == torch.uint8
    assert loaded.train_labels.dtype == torch.int64
    assert len(loaded.classes) == 10


def unplugged(*_, **__):
    raise URLError("no network in tests")


@pytest.mark.usefixtures("fresh_cache")
@pytest.mark.parametrize("fault", ["cut", "not idx"])
def test_a_damaged_file_in_latentscape_data_gives_one_sentence(tmp_path, monkeypatch, fault):
    write_four(tmp_path / "KMNIST" / "raw")
    path = tmp_path / "KMNIST" / "raw" / "t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-100] if fault == "cut" else b"<html>404</html>")
    monkeypatch.setenv("LATENTSCAPE_DATA", str(tmp_path))
    with pytest.raises(BadInput, match=r"(?i)kmnist|t10k-images") as caught:
        data.load("kmnist")
    assert_one_sentence(caught.value)


@pytest.mark.usefixtures("fresh_cache")
@pytest.mark.parametrize("error", [URLError("Name or service not known"), RuntimeError("File corrupted."), TimeoutError()])
@pytest.mark.parametrize(
    ("name", "class_name", "wanted"),
    [
        ("fashion-mnist", "FashionMNIST", "FashionMNIST"),
        ("kmnist", "KMNIST", "KMNIST"),
        ("emnist-letters", "EMNIST", "EMNIST"),
        ("cifar10", "CIFAR10", "cifar-10-batches-py"),
    ],
)
def test_a_set_that_cannot_be_had_names_its_files_and_the_way_out(tmp_path, monkeypatch, name, class_name, wanted, error):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(f"torchvision.datasets.{class_name}", refuse)
    monkeypatch.setattr(data, "DEBIAN_FASHION", tmp_path / "absent")
    for setting, place in ((None, f"data/{wanted}"), (str(tmp_path), f"$LATENTSCAPE_DATA/{wanted}")):
        monkeypatch.delenv("LATENTSCAPE_DATA", raising=False)
        if setting:
            monkeypatch.setenv("LATENTSCAPE_DATA", setting)
        with pytest.raises(BadInput) as caught:
            data.load(name)
        assert_one_sentence(caught.value)
        assert name in str(caught.value)
        assert place in str(caught.value)
        assert "network" in str(caught.value)


@pytest.mark.usefixtures("fresh_cache")
def test_a_set_that_failed_once_loads_when_its_files_arrive(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTSCAPE_DATA", str(tmp_path))
    with monkeypatch.context() as offline:
        offline.setattr("torchvision.datasets.KMNIST", unplugged)
        with pytest.raises(BadInput):
            data.load("kmnist")
    write_four(tmp_path / "KMNIST" / "raw")
    assert len(data.load("kmnist").train_images) == 6


@pytest.mark.usefixtures("fresh_cache")
def test_emnist_letters_are_turned_upright_and_counted_from_zero(monkeypatch):
    stored = torch.arange(2 * 28 * 28).reshape(2, 28, 28).remainder(251).byte()
    asked = []

    def letters(root, **options):
        asked.append(options)
        return SimpleNamespace(data=stored, targets=torch.tensor([1, 26]))

    monkeypatch.setattr("torchvision.datasets.EMNIST", letters)
    loaded = data.load("emnist-letters")
    assert [options["split"] for options in asked] == ["letters", "letters"]
    assert [options["train"] for options in asked] == [True, False]
    for row, column in ((0, 5), (20, 3)):
        assert loaded.train_images[1, 0, row, column] == stored[1, column, row]
    assert [loaded.classes[i] for i in loaded.train_labels] == ["A", "Z"]


@pytest.mark.usefixtures("fresh_cache")
def test_cifar10_comes_with_its_channels_first(monkeypatch):
    stored = np.random.default_rng(2).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    monkeypatch.setattr(
        "torchvision.datasets.CIFAR10",
        lambda root, **options: SimpleNamespace(data=stored, targets=[3, 0, 9], classes=[f"class {i}" for i in range(10)]),
    )
    loaded = data.load("cifar10")
    assert loaded.image_shape == (3, 32, 32)
    assert loaded.train_images[2, 1, 30, 4] == stored[2, 30, 4, 1]
    assert loaded.train_images.is_contiguous()
    assert loaded.train_labels.tolist() == [3, 0, 9]


def test_an_image_set_travels_between_processes_without_its_bytes_being_copied():
    digits, buffers = data.load("digits"), []
    head = pickle.dumps(digits, protocol=5, buffer_callback=buffers.append)
    assert len(head) < 2000
    back = pickle.loads(head, buffers=buffers)
    assert (back.name, back.classes, back.digest) == (digits.name, digits.classes, digits.digest)
    assert torch.equal(back.train_images, digits.train_images)
    assert digits.size == digits.train_images.nbytes + digits.test_images.nbytes + 8 * 1797
