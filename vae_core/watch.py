"""What is looked at again and again while a model learns: the same test images, the same draws of the prior, and a map; how
many classes are among its draws, and what it says of single pictures.

The pictures of an epoch are kept as three PNGs, `actual/NN.png`, `recon/NN.png` and `samples/NN.png`.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vae_core import evaluate, judge
from vae_core.corruption import merge, parse
from vae_core.data import ImageSet, to_float
from vae_core.errors import BadInput
from vae_core.latent import prior_draws
from vae_core.models import Model, family_of
from vae_core.projection import PrincipalPlane
from vae_core.sheet import png, sheet

SHOWN = 10  # test images whose reconstruction is watched
MAPPED = 2000  # test images on the map
DRAWS = 21  # fixed prior draws whose decoding is watched
JUDGED = 500  # draws whose classes a judge names
SCORED = 200  # pictures of each kind that the model has a score of
COLUMNS = {"actual": 5, "recon": 5, "samples": 7}  # of the grids


class Watch:
    """The same test images and the same draws, as the model makes them now.

    A model that repairs damage is shown the images damaged. What a model does not have is empty: the map where it has no codes,
    the samples where it draws nothing, the reconstructions where it is given no images.
    """

    def __init__(self, model: Model, data: ImageSet, like: np.ndarray | None = None):
        """`like` is the directions of the map of an earlier Watch of the same model: it does not turn over."""
        self.model, self.family, self.plane, self.directions = model, family_of(model), None, like
        self.latent_dim = model.config.latent_dim if self.family.decodes else 0
        first = [int((data.test_labels == c).nonzero()[0]) for c in range(len(data.classes)) if (data.test_labels == c).any()]
        some = [index % len(data.test_images) for index in range(SHOWN)]
        self.shown, self.mask = to_float(data.test_images[(first + some)[:SHOWN]]), None
        if self.family.has("corruption"):
            self.shown, self.mask = parse(model.config.corruption)(self.shown, 0)
        self.test_images, self.mapped = data.test_images, data.test_images[:MAPPED]
        self.originals = _bytes(self.shown)  # uint8 (SHOWN, C, H, W)
        self.labels = data.test_labels[:MAPPED].tolist()
        self.prior = prior_draws(DRAWS, self.latent_dim, seed=1) if self.family.has_prior else None
        self.judge = self.draws = None
        if self.family.has_prior:  # to paint hundreds of pictures pixel by pixel would take longer than it learns
            self.judge = judge.shipped(data)
            self.draws = prior_draws(JUDGED, self.latent_dim, seed=2)

    @torch.no_grad()
    def frame(
        self, is_last: bool = False, stopped: Callable[[], bool] = lambda: False, is_judged: bool = False
    ) -> dict | None:
        """points of the map, float32 (N, 2), and explained, the share of the variance that its axes have; reconstructions and
        samples, uint8 (SHOWN or DRAWS, C, H, W); scores, see there; found, of those `is_judged` what `classes` returns. None
        once `stopped()` says so, which is asked now and then.

        The axes do not flip from one look to the next. Those of the last one are the plane of all test images, as it is
        shown wherever the model is.
        """
        recon, samples = self.pictures()
        codes = self._codes(self.mapped, stopped)
        if codes is None:
            return None
        if len(codes):
            whole = self._codes(self.test_images, stopped) if is_last and codes.shape[1] > 2 else None
            self.plane = PrincipalPlane(codes, like=self.directions) if whole is None else PrincipalPlane(whole)
            self.directions = self.plane.directions
        points = self.plane(codes) if len(codes) else codes
        return {
            "points": points.astype(np.float32), "explained": self.plane and self.plane.explained,
            "reconstructions": recon, "samples": samples, "scores": self.scores(),
            "found": self.classes() if is_judged else np.zeros(0, np.int64),
        }

    @torch.no_grad()
    def classes(self) -> np.ndarray:
        """How many of JUDGED draws the data set's judge takes for each class, int64 (K,); (0,) where there is no judge, or the
        model draws from no prior."""
        if self.judge is None:
            return np.zeros(0, np.int64)
        self.model.eval()
        device = next(self.model.parameters()).device
        pictures = [_bytes(self.model.decode(some.to(device))) for some in self.draws.split(evaluate.at_once(self.model))]
        logits = judge.judged(self.judge.network, torch.from_numpy(np.concatenate(pictures))).logits
        return judge.classes_found(logits).counts.numpy()

    @torch.no_grad()
    def scores(self) -> np.ndarray:
        """What the model says now of at most SCORED pictures of each kind of its family's `scores`, float32 (kinds, N), always
        the same test images and draws; (0, 0) where it says nothing of single pictures."""
        if self.family.scores is None:
            return np.zeros((0, 0), np.float32)
        self.model.eval()
        device = next(self.model.parameters()).device
        real = to_float(self.test_images[:SCORED]).to(device)
        kinds = {
            "real": lambda: real, "drawn": lambda: self.model.decode(self.draws[: len(real)].to(device)),
            "merged": lambda: merge(real, real.roll(1, 0)),
        }
        return np.stack([
            self.family.scores.of(self.model, kinds[kind]()).float().cpu().numpy() for kind in self.family.scores.kinds
        ])

    @torch.no_grad()
    def pictures(self) -> tuple[np.ndarray, np.ndarray]:
        """What the model makes of the shown images, and its samples: uint8 (N, C, H, W)."""
        self.model.eval()  # the next batch trains again
        device = next(self.model.parameters()).device
        x = self.shown.to(device)
        if self.family.encodes:
            painted = self.model.decode(self.model.codes(x))
        else:
            painted = self.model.restore(x, self.mask.to(device)) if self.family.repairs else x[:0]
        return _bytes(painted), _bytes(self._draws(x))

    def _draws(self, x: Tensor) -> Tensor:
        """The same draws as ever, as the model paints them now: (DRAWS, C, H, W), none of one that draws nothing."""
        if self.family.paints:
            return self.model.sample(DRAWS, seed=1)
        return x[:0] if self.prior is None else self.model.decode(self.prior.to(x.device))

    def _codes(self, images: Tensor, stopped: Callable[[], bool]) -> np.ndarray | None:
        """(N, L) of uint8 images for the map; none of a model that does not encode."""
        if not self.family.encodes:
            return np.zeros((0, 2))
        device, codes = next(self.model.parameters()).device, []
        for some in images.split(evaluate.at_once(self.model)):
            if stopped():
                return None
            codes.append(self.model.codes(to_float(some).to(device)))
        return torch.cat(codes).cpu().numpy()


def grids(epoch: int, actual: np.ndarray, recon: np.ndarray, samples: np.ndarray) -> dict[str, bytes]:
    """The pictures of an epoch, uint8 (N, C, H, W) each, as PNG files by their names: actual/03.png, recon/03.png,
    samples/03.png. What is empty has no file."""
    images = {"actual": actual, "recon": recon, "samples": samples}
    return {
        f"{name}/{epoch:02d}.png": png(sheet(part, COLUMNS[name])) for name, part in images.items() if len(part)
    }


def save_grids(folder: Path, epoch: int, watch: Watch) -> None:
    """Write the pictures of an epoch below `folder`. Raises BadInput where that is not possible."""
    try:
        for name, content in grids(epoch, watch.originals, *watch.pictures()).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    except OSError as error:
        raise BadInput(
            f"The pictures could not be saved ({error.strerror}); free some space or choose another folder."
        ) from error


def remove_grids(folder: Path) -> None:
    """Remove the pictures that an earlier run left in `folder`, and nothing else."""
    for name in COLUMNS:
        for path in (folder / name).glob("*.png"):
            if path.stem.isdigit():
                path.unlink()


def _bytes(images: Tensor) -> np.ndarray:
    """Float images in [0, 1] -> uint8."""
    return images.mul(255).round().clamp(0, 255).byte().cpu().numpy()
