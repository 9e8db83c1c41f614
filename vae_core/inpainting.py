"""Fill the holes of pictures: classic interpolation against models that have learned the data.

Sources: Telea 2004 and Navier-Stokes (Bertalmio, Bertozzi & Sapiro 2001), both as in OpenCV; biharmonic (Damelin & Hoang 2018)
as in scikit-image. Images are float (N, C, H, W) in [0, 1], masks bool (N, 1, H, W), True = damaged. Nothing that is given is
ever changed; known pixels come back as they were. Command line: `python -m vae_core.inpainting --help`.
"""

import math
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vae_core import checkpoint
from vae_core.checkpoint import Model
from vae_core.corruption import BLANK, Corruption, blank
from vae_core.errors import BadInput, in_range, shortly
from vae_core.latent_search import Found, search
from vae_core.scores import Scores, scores

RADIUS = 3.0  # pixels around a hole that OpenCV looks at
BATCH = 500
Repair = Callable[[Tensor, Tensor, Model | None, float], Tensor]  # image, mask, model, radius -> image


@dataclass(frozen=True)
class Method:
    """One way to repair a picture. METHODS, at the end of this file, has them all."""

    name: str  # in commands and addresses; of one that needs a model, also the name of that model's family
    title: str
    fill: Repair  # of an image with BLANK in its holes
    clean: Repair | None = None  # of one that is noisy all over; None: it can but fill holes
    ships: str | None = None  # the shipped checkpoint of the model that it needs
    searches: bool = False  # it takes its time, and knows how sure it is: see `posterior`


def asked_for(holes: bool, learned: Collection[str] | None = None) -> list[str]:
    """The methods for damage that leaves holes, or for noise on all pixels; of those that need a model only `learned`, where
    that is given."""
    possible = [method for method in METHODS.values() if holes or method.clean is not None]
    return [method.name for method in possible if method.ships is None or learned is None or method.name in learned]


def load_models(
    methods: Iterable[str] | None = None, folder: Path = checkpoint.SHIPPED, called: str = ""
) -> dict[str, Model]:
    """The shipped models that these methods need, or all. Raises BadInput where a file is missing or damaged, and names it by
    what the folder is `called`."""
    asked = METHODS if methods is None else methods
    needed = [METHODS[name] for name in asked if name in METHODS and METHODS[name].ships]
    names = {method.name: str(Path(called) / method.ships) for method in needed}
    return {name: checkpoint.open_file(folder / METHODS[name].ships, said).model for name, said in names.items()}


def read_picture(array: np.ndarray) -> Tensor:
    """One picture as an array (H, W) or (H, W, C) -> a new tensor (1, C, H, W) in [0, 1]; RGBA loses its alpha.

    8- and 16-bit whole numbers are divided by their maximum, floats must be in [0, 1]. Raises BadInput on anything else.
    """
    array = np.asarray(array)
    if array.ndim not in (2, 3) or 0 in array.shape or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise BadInput(f"A picture is (height, width) or (height, width, 1, 3 or 4 channels), not {shortly(array.shape)}.")
    tops = {np.dtype(bool): 1, np.dtype(np.uint8): 255, np.dtype(np.uint16): 65_535}
    if array.dtype not in tops and array.dtype.kind != "f":
        raise BadInput(f"A picture has 8-bit, 16-bit or floating-point pixels, not {array.dtype}.")
    values = array.astype(np.float32) / tops.get(array.dtype, 1)
    if not ((values >= 0) & (values <= 1)).all():
        raise BadInput("A picture of floating-point pixels has values from 0 to 1; divide it by its maximum.")
    channels = values[..., None] if values.ndim == 2 else values[..., :3]
    return torch.from_numpy(np.ascontiguousarray(channels.transpose(2, 0, 1))[None])


def read_mask(array: np.ndarray, size: tuple[int, int]) -> Tensor:
    """A mask as an array (H, W) or (H, W, 1), bool, 0 and 1, or 0 and 255 -> a new tensor, bool (1, 1, H, W).

    Whatever is not zero is damaged. Raises BadInput where the size is not (H, W) or a value is no number.
    """
    array = np.asarray(array)
    flat = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    if flat.shape != tuple(size):
        raise BadInput(
            f"The mask is {' x '.join(map(str, flat.shape))}, the picture {size[0]} x {size[1]}; give them one size."
        )
    if flat.dtype.kind not in "buif" or (flat.dtype.kind == "f" and np.isnan(flat).any()):
        raise BadInput("A mask holds true and false, or numbers of which those that are not zero mean damaged.")
    return torch.from_numpy(np.ascontiguousarray(flat != 0))[None, None]


def restore(
    method: str, image: Tensor, mask: Tensor, model: Model | None = None, holes: bool = True, radius: float = RADIUS
) -> Tensor:
    """What `method` makes of damaged images (N, C, H, W): known pixels kept, holes filled; values in [0, 1].

    Some need their `model`. With holes=False the whole picture is noisy: no pixel is kept, and only some can be asked. Raises
    BadInput where image, mask, method, model and radius do not fit together.
    """
    if method not in METHODS:
        raise BadInput(f"There is no method called {shortly(method)}; choose from {', '.join(METHODS)}.")
    asked = METHODS[method]
    if not holes and asked.clean is None:
        others = ", ".join(asked_for(holes=False))
        raise BadInput(f"The method {method} fills holes, and here there are none; choose from {others}.")
    _check(image, mask)
    in_range("radius", radius, 1, 100)
    if asked.ships:
        if model is None:
            raise BadInput(f"The method {method} needs a trained model; open {asked.ships}.")
        if model.config.image_shape != image.shape[1:]:
            raise BadInput(f"The model repairs pictures of {model.config.image_shape}, not of {tuple(image.shape[1:])}.")
    if not holes:
        return asked.clean(image, mask, model, radius)
    return torch.where(mask, asked.fill(blank(image, mask), mask, model, radius), image)


def posterior(
    model: Model, image: Tensor, mask: Tensor, progress: Callable[[float], None] = lambda share: None
) -> Found:
    """What a VAE makes of the known pixels of images (N, C, H, W): the search of latent_search.py, begun at Navier-Stokes."""
    return search(model, opencv(blank(image, mask), mask, "navier-stokes"), mask, progress=progress)


def _check(image: Tensor, mask: Tensor) -> None:
    if image.ndim != 4 or not image.is_floating_point():
        raise BadInput(f"Images are floats (N, C, H, W), not {image.dtype} of {tuple(image.shape)}.")
    if mask.dtype != torch.bool or mask.shape != (len(image), 1, *image.shape[2:]):
        raise BadInput(f"The mask of {tuple(image.shape)} is bool (N, 1, H, W), not {mask.dtype} of {tuple(mask.shape)}.")
    if not ((image >= 0) & (image <= 1)).all():
        raise BadInput("Images have values from 0 to 1; divide them by their maximum.")


def opencv(image: Tensor, mask: Tensor, method: str, radius: float = RADIUS) -> Tensor:
    """cv2.inpaint by `telea` or `navier-stokes`, in 8 bits; where nothing is known, BLANK."""
    flag = {"telea": cv2.INPAINT_TELEA, "navier-stokes": cv2.INPAINT_NS}[method]
    bytes_of = image.mul(255).round().byte().cpu().numpy().transpose(0, 2, 3, 1)
    holes = mask[:, 0].cpu().numpy().astype(np.uint8)
    filled = np.empty_like(bytes_of)
    for target, picture, hole in zip(filled, bytes_of, holes, strict=True):
        parts = [picture] if picture.shape[2] in (1, 3) else np.split(picture, picture.shape[2], axis=2)
        repaired = [cv2.inpaint(np.ascontiguousarray(part), hole, radius, flag).reshape(part.shape) for part in parts]
        target[:] = np.concatenate(repaired, axis=2)
    result = torch.from_numpy(np.ascontiguousarray(filled.transpose(0, 3, 1, 2))).to(image) / 255
    return _unknown(result, mask)


def biharmonic(image: Tensor, mask: Tensor) -> Tensor:
    """skimage.restoration.inpaint_biharmonic, clipped to [0, 1]; where nothing is known, BLANK."""
    from skimage.restoration import inpaint_biharmonic

    result = image.clone()
    for index, (picture, hole) in enumerate(zip(image.cpu().numpy(), mask[:, 0].cpu().numpy(), strict=True)):
        if hole.any() and not hole.all():
            result[index] = torch.from_numpy(inpaint_biharmonic(picture.astype(np.float64), hole, channel_axis=0)).to(image)
    return _unknown(result.clamp(0, 1), mask)


def median(image: Tensor, mask: Tensor) -> Tensor:
    """Fill from the rim inwards: each round, holes with known neighbours take their median, and are known from then on."""
    left = mask.clone()
    filled = image.clone()
    while left.any():
        medians = local_median(filled, left)
        found = left & ~medians.isnan().any(1, keepdim=True)
        if not found.any():
            break
        filled, left = torch.where(found, medians, filled), left & ~found
    return _unknown(filled, mask)


def local_median(image: Tensor, mask: Tensor) -> Tensor:
    """The median of the known ones among each pixel and its eight neighbours, the lower of two; NaN where none is known."""
    known = torch.where(mask, torch.nan, image)
    count, channels, height, width = image.shape
    windows = F.pad(known, (1, 1, 1, 1), value=torch.nan).unfold(2, 3, 1).unfold(3, 3, 1)
    return windows.reshape(count, channels, height, width, 9).nanmedian(-1).values


def _unknown(image: Tensor, mask: Tensor) -> Tensor:
    """BLANK for the pictures of which nothing is known."""
    return torch.where(mask.flatten(1).all(1).view(-1, 1, 1, 1), BLANK, image)


@torch.no_grad()
def _learned(model: Model, image: Tensor, mask: Tensor) -> Tensor:
    return torch.cat([model.restore(i, m) for i, m in zip(image.split(BATCH), mask.split(BATCH), strict=True)])


@dataclass(frozen=True)
class Result:
    """What one method made of a sample: the pictures, their scores, and how long it took."""

    method: str
    images: Tensor  # (N, C, H, W)
    scores: Scores
    ms_per_image: float

    def summary(self) -> dict:
        """Means over the images; None where there is nothing to score."""
        means = {name: getattr(self.scores, name).nanmean().item() for name in ("psnr_hole", "psnr_image", "ssim_image")}
        known = {name: None if math.isnan(mean) else mean for name, mean in means.items()}
        return {"method": self.method, **known, "ms_per_image": self.ms_per_image}


def compare(
    images: Tensor, corruption: Corruption, seed: int, models: dict[str, Model], methods: Iterable[str] | None = None
) -> Iterator[Result]:
    """Damage uint8 images (N, C, H, W) once and let every method repair the same: one Result each, as soon as it is there.

    By default all that can be asked. Where the corruption leaves no hole, methods that only fill holes are passed over, and
    the scores inside it are NaN.
    """
    truth = images.float() / 255
    damaged, mask = corruption(truth, seed)
    possible = asked_for(corruption.holes)
    for method in possible if methods is None else methods:
        if method in METHODS and method not in possible:
            continue
        began = time.perf_counter()
        restored = restore(method, damaged.clamp(0, 1), mask, models.get(method), corruption.holes)
        seconds = time.perf_counter() - began
        scored = mask if corruption.holes else torch.zeros_like(mask)
        yield Result(method, restored, scores(restored, truth, scored), 1000 * seconds / max(len(images), 1))


@dataclass(frozen=True)
class CurvePoint:
    """The mean PSNR of one method at one amount of damage, in the holes where there are some, else over the image; low and high
    bound the mean with 95 % confidence (1.96 standard errors). In dB."""

    method: str
    amount: float
    psnr: float
    low: float
    high: float


def damage_curve(
    images: Tensor, kind: str, amounts: Iterable[float], seed: int, models: dict[str, Model],
    methods: Iterable[str] | None = None,
) -> Iterator[CurvePoint]:
    """How each method fares on uint8 images (N, C, H, W) as the damage grows: points as they come, amount by amount.

    All methods see the same damage. Where an amount leaves nothing to score, it is passed over.
    """
    methods = None if methods is None else tuple(methods)
    for amount in amounts:
        corruption = Corruption(kind, amount)
        for result in compare(images, corruption, seed, models, methods):
            values = result.scores.psnr_hole if corruption.holes else result.scores.psnr_image
            values = values[~values.isnan()]
            if len(values):
                error = 1.96 * values.std(correction=1).item() / math.sqrt(len(values)) if len(values) > 1 else 0.0
                mean = values.mean().item()
                yield CurvePoint(result.method, amount, mean, mean - error, mean + error)


def _by_opencv(how: str) -> Repair:
    return lambda image, mask, model, radius: opencv(image, mask, how, radius)


def _by_model(image: Tensor, mask: Tensor, model: Model, radius: float) -> Tensor:
    return _learned(model, image, mask)


METHODS = {
    method.name: method for method in (
        Method("telea", "Telea", _by_opencv("telea")),
        Method("navier-stokes", "Navier-Stokes", _by_opencv("navier-stokes")),
        Method("biharmonic", "Biharmonic", lambda image, mask, model, radius: biharmonic(image, mask)),
        Method(
            "median", "Median", lambda image, mask, model, radius: median(image, mask),
            clean=lambda image, mask, model, radius: local_median(image, torch.zeros_like(mask)),
        ),
        Method("dae", "DAE", _by_model, _by_model, ships="mnist-dae-500"),
        Method("restorer", "Restorer", _by_model, _by_model, ships="mnist-restorer"),
        Method(
            "vae", "VAE prior", lambda image, mask, model, radius: posterior(model, image, mask).image, ships="mnist-20d",
            searches=True,
        ),
    )
}


if __name__ == "__main__":
    from vae_core.inpainting_cli import main

    raise SystemExit(main())
