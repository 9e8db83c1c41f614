"""Image sets -> uint8 (N, C, H, W) tensors with labels.

MNIST is embedded in `data/mnist` and its bytes are checked. Other sets come by name from scikit-learn (digits) or
torchvision, which downloads them where the network allows. Images stay uint8 in memory; `to_float` turns a batch into
[0, 1] when it is used, so that indexing a tensor is the whole data loader.
"""

import gzip
import hashlib
import math
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vae_core import arrays, shapes
from vae_core.errors import BadInput, shortly

EMBEDDED = Path(__file__).resolve().parent.parent / "data"
DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")  # where Debian's dataset-fashion-mnist puts its IDX files

# SHA-256 of the *unpacked* IDX files, as published by LeCun and Cortes.
MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


OWN = ("folder:", "file:")  # how the names of people's own sets begin


@dataclass(frozen=True)
class ImageSet:
    """A data set in memory: images uint8 (N, C, H, W), labels int64 (N,), a name for each class."""

    name: str
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: tuple[str, ...]
    digest: str  # SHA-256 over all four tensors: two sets with one digest hold the same pixels in the same order
    factors: tuple[str, ...] = ()  # names of what the pictures were drawn from, where that is known
    train_factors: Tensor | None = None  # int64 (N, len(factors)): which of its values each factor has
    test_factors: Tensor | None = None

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""
        return tuple(self.train_images.shape[1:])

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(t.nbytes for t in (self.train_images, self.train_labels, self.test_images, self.test_labels))

    def __reduce__(self):
        """Between processes the tensors go as arrays, whose bytes pickle need not copy."""
        values = (getattr(self, field.name) for field in fields(self))
        return _from_arrays, tuple(value.numpy() if isinstance(value, Tensor) else value for value in values)


def _from_arrays(*values) -> ImageSet:
    return ImageSet(*(torch.from_numpy(value) if isinstance(value, np.ndarray) else value for value in values))


def to_float(images: Tensor) -> Tensor:
    """uint8 (N, C, H, W) -> float32 in [0, 1] of the same shape."""
    return images.float().div_(255.0)


@lru_cache(maxsize=4)
def load(name: str) -> ImageSet:
    """The data set called `name` (one of `NAMES`), with its published train/test split.

    The result is cached and shared: never write into its tensors. Raises BadInput where the name is unknown or the
    files can neither be found nor downloaded; the sentence says which files and what to do.
    """
    if name not in LOADERS:
        raise BadInput(f"There is no data set called {name!r}; choose one of {', '.join(NAMES)}.")
    return image_set(name, *LOADERS[name](), pixels="0..255")


def image_set(
    name: str, train_images, train_labels, test_images, test_labels, classes, factors=(), train_factors=None, test_factors=None,
    *, pixels: str | None = None, layout: str | None = None,
) -> ImageSet:
    """An ImageSet from arrays or tensors, with its digest; labels are numbers of classes, or None.

    Pictures are uint8 (N, C, H, W), (N, H, W), (N, H, W, C) or rows (N, H * W). Of other types than bytes `pixels` says which
    values are black and white, as in "0..1", "-1..1" or "0..65535"; of rows that are no square `layout` says a picture's shape,
    as in "3x32x32", "32x32x3" or "28x20". Raises BadInput where these are needed and not said, or do not fit.
    """
    (training, test), _ = arrays.images_of(name, (train_images, test_images), pixels, layout)
    classes, labels = tuple(classes), (train_labels, test_labels)
    train_labels, test_labels = (
        arrays.indices(name, part, len(images), len(classes)) for part, images in zip(labels, (training, test), strict=True)
    )
    tensors = [torch.from_numpy(np.ascontiguousarray(a)) for a in (training, train_labels, test, test_labels)]
    known = [None if a is None else torch.from_numpy(a) for a in (train_factors, test_factors)]
    return ImageSet(name, *tensors, classes, _digest(tensors), tuple(factors), *known)


def own_name(name: str) -> str | None:
    """What somebody's own set is called by its owner; None of a set that everybody may have."""
    return next((name.removeprefix(kind) for kind in OWN if name.startswith(kind)), None)


def read_idx(path: Path, expected_sha256: str | None = None) -> np.ndarray:
    """An IDX file of unsigned bytes (gzipped or not) as a uint8 array.

    Format: two zero bytes, type code 8, number of dimensions, each size as big-endian uint32, then the bytes
    (LeCun, Cortes and Burges, "The MNIST database"). Raises BadInput on any other content or another SHA-256.
    """
    try:
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{path.name} cannot be read; copy the file again.") from error
    if expected_sha256 and hashlib.sha256(raw).hexdigest() != expected_sha256:
        raise BadInput(f"{path.name} is not the published file (its SHA-256 differs); copy it again.")
    dimensions = raw[3] if raw[:3] == b"\0\0\x08" and len(raw) > 3 else 0
    sizes = raw[4 : 4 + 4 * dimensions]
    shape = [int.from_bytes(sizes[i : i + 4], "big") for i in range(0, len(sizes), 4)]  # Python's own ints: no overflow
    if not dimensions or len(raw) != 4 + 4 * dimensions + math.prod(shape):
        raise BadInput(f"{path.name} is not an IDX file of bytes; copy it again.")
    return np.frombuffer(bytearray(raw), np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def _digest(tensors: list[Tensor]) -> str:
    total = hashlib.sha256()
    for tensor in tensors:
        total.update(str((tuple(tensor.shape), str(tensor.dtype))).encode())
        total.update(tensor.numpy().data)
    return total.hexdigest()


def _idx_set(folder: Path, sha256: dict[str, str] | None = None) -> list[np.ndarray]:
    arrays = []
    for name in MNIST_SHA256:  # KMNIST and Fashion-MNIST use the same four file names
        path = next((p for p in (folder / f"{name}.gz", folder / name) if p.exists()), folder / f"{name}.gz")
        array = read_idx(path, sha256[name] if sha256 else None)
        arrays.append(array[:, None] if "images" in name else array.astype(np.int64))
    return arrays


def _mnist():
    return *_idx_set(EMBEDDED / "mnist", MNIST_SHA256), "0123456789"


def _digits():
    from sklearn.datasets import load_digits

    bunch = load_digits()  # 1,797 images of 8x8 with values 0 to 16; published without a split
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)[:, None]
    labels = bunch.target.astype(np.int64)
    cut = 1437  # the last fifth is the test set
    return images[:cut], labels[:cut], images[cut:], labels[cut:], "0123456789"


def _shapes():
    train_images, train_factors, test_images, test_factors = shapes.shapes()
    labels = train_factors[:, 0], test_factors[:, 0]  # the sprite
    classes = shapes.FACTORS["shape"]
    return train_images, labels[0], test_images, labels[1], classes, shapes.FACTORS, train_factors, test_factors


def path_of(text: str) -> Path:
    """A path as a person types it, where ~ is somebody's home. Raises BadInput where nobody knows whose."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise BadInput(f"There is no home for {shortly(Path(text).parts[0])} here; write the path in full.") from error


def _downloads() -> Path:
    """The folder of torchvision's files."""
    return path_of(os.environ.get("LATENTSCAPE_DATA") or str(EMBEDDED))


def _torchvision(name: str, class_name: str, classes: list[str] | None = None, first_label: int = 0, **options) -> Callable:
    """A loader for torchvision's `class_name`: from the files where they lie, else downloaded beside them."""

    def loader():
        from torchvision import datasets

        root = _downloads()
        parts = []
        for split in (True, False):
            split_options = {"split": "letters", **options} if class_name == "EMNIST" else options
            try:
                part = getattr(datasets, class_name)(root, train=split, download=True, **split_options)
            except (OSError, RuntimeError, ValueError, AssertionError) as error:  # no network, a bad checksum, damaged files
                raise BadInput(
                    f"The data set {name} is not on this machine and could not be downloaded: put torchvision's "
                    f"{class_name} files into {'$LATENTSCAPE_DATA' if 'LATENTSCAPE_DATA' in os.environ else 'data'}"
                    f"/{class_name if class_name != 'CIFAR10' else 'cifar-10-batches-py'}, or connect to the network once."
                ) from error
            images = np.asarray(part.data)
            images = images.transpose(0, 3, 1, 2) if images.ndim == 4 else images[:, None]
            if class_name == "EMNIST":
                images = images.transpose(0, 1, 3, 2)  # published with rows and columns exchanged
            parts += [images, np.asarray(part.targets, dtype=np.int64) - first_label]
        return *parts, classes or part.classes

    return loader


FASHION_CLASSES = ["T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]


def fashion_is_here() -> bool:
    """Whether Fashion-MNIST lies on this machine, so that `load` need not ask the network."""
    return DEBIAN_FASHION.is_dir() or (_downloads() / "FashionMNIST" / "raw").is_dir()


def _fashion_mnist():
    if DEBIAN_FASHION.is_dir():
        return *_idx_set(DEBIAN_FASHION), FASHION_CLASSES
    return _torchvision("fashion-mnist", "FashionMNIST", FASHION_CLASSES)()


LOADERS: dict[str, Callable] = {
    "mnist": _mnist,
    "digits": _digits,
    "fashion-mnist": _fashion_mnist,
    "kmnist": _torchvision("kmnist", "KMNIST"),
    "emnist-letters": _torchvision("emnist-letters", "EMNIST", list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), first_label=1),
    "cifar10": _torchvision("cifar10", "CIFAR10"),
    "shapes": _shapes,
}
NAMES = tuple(LOADERS)
TITLES = {
    "mnist": "MNIST digits",
    "digits": "Small digits, 8 x 8",
    "fashion-mnist": "Fashion-MNIST",
    "kmnist": "KMNIST (Japanese)",
    "emnist-letters": "EMNIST letters",
    "cifar10": "CIFAR-10 photographs",
    "shapes": "Coloured shapes, their factors known",
}
