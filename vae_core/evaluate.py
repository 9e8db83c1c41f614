"""How good is a trained model, in numbers that have a name in the literature. All losses in nats per image.

Nothing here draws from the global random state: every draw comes from a seed that the caller can see.
"""

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vae_core.data import to_float
from vae_core.errors import BadInput
from vae_core.models import Model, family_of
from vae_core.models.vae import VAE, iwae_bound, kl_per_image

BATCH = 1000  # images at once: bounds memory; changes which random draws the importance-weighted bound gets, nothing else
AT_ONCE = 5 * 10**9  # multiplications: a quarter of a second of one core


class ELBOTerms(NamedTuple):
    """Per image, in nats, (N,) each. -ELBO = recon + kl (beta left out)."""

    recon: Tensor
    kl: Tensor

    @property
    def loss(self) -> Tensor:
        """-ELBO of each image, (N,)."""
        return self.recon + self.kl


def _pixels(model: VAE, images: Tensor, generator: torch.Generator) -> Tensor:
    """uint8 (N, C, H, W) -> what the model sees: [0, 1], or one seeded 0/1 draw where it was trained on those."""
    x = to_float(images)
    return torch.bernoulli(x, generator=generator) if model.config.binarize else x


def _device(model: torch.nn.Module) -> torch.device:
    return next(model.parameters()).device


def elbo_terms(model: VAE, images: Tensor, seed: int = 0) -> ELBOTerms:
    """The ELBO's two terms for uint8 images (N, C, H, W), with one seeded draw of z an image.

    The draws are made on the CPU for all images at once, so that device and batch size do not change them.
    """
    return ELBOTerms(**terms(model, images, seed))


def bits_per_dimension(nats: float, pixels: int) -> float:
    """Nats per image of a density over pixels in [0, 1] -> bits to code one 8-bit pixel of one channel.

    A byte stands for a bin 1/255 wide, whose probability is taken as density times width: nats / (pixels ln 2) + log2 255.
    Of a cross-entropy of grey pixels it means nothing.
    """
    return nats / (pixels * math.log(2)) + math.log2(255)


def terms(model: Model, images: Tensor, seed: int = 0) -> dict[str, Tensor]:
    """The measured terms of each test image, (N,) by name, for uint8 images (N, C, H, W).

    Denoisers and restorers are judged on images damaged as in their training, the same ones for the same seed.
    """
    told = list(parts(model, images, seed))
    return {name: torch.cat([part[name] for part in told]) for name in family_of(model).measured}


@torch.no_grad()
def parts(model: Model, images: Tensor, seed: int = 0, known: int = 0) -> Iterator[dict[str, Tensor]]:
    """`terms`, a few images at a time, from image number `known` on: the same numbers, and moments in between in which to tell
    how far it is, or to leave."""
    generator, size = torch.Generator().manual_seed(seed), at_once(model)
    noise = torch.randn(len(images), model.config.latent_dim, generator=generator) if family_of(model).has_posterior else None
    for start in range(0, len(images), BATCH):
        if noise is not None:
            x = _pixels(model, images[start : start + BATCH], generator).to(_device(model))
            drawn = x, noise[start : start + BATCH].to(x.device)
        else:
            x = to_float(images[start : start + BATCH]).to(_device(model))
            drawn = model.draw(x, generator)
        for first in range(max(known - start, 0), len(x), size):
            some = slice(first, first + size)
            told = model.eval().terms(x[some], tuple(part[some] for part in drawn))
            yield {name: values.cpu() for name, values in told.items()}


def at_once(model: Model) -> int:
    """How many images a model is given at once where somebody may want to leave: BATCH, or fewer where each takes many
    multiplications. (By the clock, the last digits would change from run to run.)"""
    return max(1, min(BATCH, AT_ONCE // max(_multiplications(model.config), 1)))


@lru_cache(maxsize=64)
@torch.no_grad()
def _multiplications(config) -> int:
    """What one image takes in the layers of such a model; counted on a twin: others may be using the model.

    (On the device "meta" nothing would be computed, but torch loads its compilers there first, which takes seconds.)
    """
    total = 0

    def count(layer: torch.nn.Module, x: tuple[Tensor, ...], y: Tensor) -> None:
        nonlocal total
        total += layer.weight[0].numel() * (x[0] if isinstance(layer, torch.nn.ConvTranspose2d) else y).numel()

    with torch.random.fork_rng(devices=[]):
        twin = config.build().eval()
    for layer in twin.modules():
        if isinstance(layer, torch.nn.Linear | torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            layer.register_forward_hook(count)
    drawn = twin.draw(torch.zeros(1, *config.image_shape), torch.Generator())
    twin(*drawn)
    return total


@torch.no_grad()
def encode(model: Model, images: Tensor) -> tuple[Tensor, Tensor | None]:
    """The codes of uint8 images (N, C, H, W), (N, L), of a VAE mu, and logvar of the same shape, None without posteriors;
    on the CPU. Nothing is drawn: grey pixels are not binarised."""
    model.eval()
    parts = (to_float(part).to(_device(model)) for part in images.split(BATCH))
    if not family_of(model).has_posterior:
        return torch.cat([model.codes(part) for part in parts]).cpu(), None
    mu, logvar = zip(*(model.encode(part) for part in parts), strict=True)
    return torch.cat(mu).cpu(), torch.cat(logvar).cpu()


def kl_per_dimension(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(q(z|x) || p(z)) of each latent dimension averaged over images: (N, L) twice -> (L,) nats."""
    return kl_per_image(mu, logvar).mean(0)


def active_units(mu: Tensor, threshold: float = 0.01) -> int:
    """How many dimensions carry information, as is_active says of mu (N, L)."""
    return int(is_active(mu, threshold).sum())


def is_active(mu: Tensor, threshold: float = 0.01) -> Tensor:
    """Which dimensions carry information: Var_x(mu_d(x)) > threshold, mu (N, L) -> bool (L,) (Burda et al. 2016, section 5).

    Of one image nothing varies."""
    return mu.var(0, correction=min(1, len(mu) - 1)) > threshold


def importance_weighted_bound(model: VAE, images: Tensor, samples: int = 100, seed: int = 0) -> Tensor:
    """The bound of `vae.iwae_bound` for uint8 images (N, C, H, W): (N,) nats, higher is better, below log p(x)."""
    model.eval()
    generator = torch.Generator().manual_seed(seed)
    bounds = []
    with torch.no_grad():
        for start in range(0, len(images), BATCH):
            x = _pixels(model, images[start : start + BATCH], generator).to(_device(model))
            bounds.append(iwae_bound(model, x, samples, generator).cpu())
    return torch.cat(bounds)


def voters(labels: np.ndarray, most: int = 10) -> int:
    """How many nearest neighbours of a point, itself left out, may vote for its class, labels (N,): at most `most`, and never
    more than there are others of the smallest class, which else could not win however far it lies from the rest.

    Raises BadInput where there are not two classes, or one of them has a single member.
    """
    counts = np.unique(labels, return_counts=True)[1]
    if len(counts) < 2 or counts.min() < 2:
        raise BadInput("A vote of neighbours needs two classes at least, and two test images of each.")
    return int(min(most, counts.min() - 1))


def knn_accuracy(codes: Tensor, labels: Tensor, test_codes: Tensor, test_labels: Tensor, neighbours: int = 10) -> float:
    """Share of test codes (M, L) whose class is the majority among their nearest training codes (N, L), 0 to 1.

    As many vote as the smallest class has training codes, and at most `neighbours`.
    """
    from sklearn.neighbors import KNeighborsClassifier

    smallest = int(labels.unique(return_counts=True)[1].min())
    model = KNeighborsClassifier(min(neighbours, smallest)).fit(codes.numpy(), labels.numpy())
    return float(model.score(test_codes.numpy(), test_labels.numpy()))


def neighbour_accuracy(points: np.ndarray, labels: np.ndarray, neighbours: int = 10) -> float:
    """Share of points (N, D) whose class is the majority among their nearest neighbours, themselves left out, 0 to 1.

    For codes and for their picture alike, so that the two can be compared. A draw goes to the class with the lower number.
    As many vote as `voters` says, which raises BadInput where none can.
    """
    from sklearn.neighbors import NearestNeighbors

    near = NearestNeighbors(n_neighbors=voters(labels, neighbours)).fit(points).kneighbors(return_distance=False)
    votes = (labels[near][:, :, None] == np.unique(labels)).sum(1)
    return float((np.unique(labels)[votes.argmax(1)] == labels).mean())


def linear_probe(
    features: Tensor, labels: Tensor, test_features: Tensor, test_labels: Tensor, shown: int | None = None, seed: int = 0
) -> float:
    """Test accuracy, 0 to 1, of logistic regression on standardised features when `shown` labels are known (None: all).

    Features (N, F): codes, or pixels to compare with. The shown images are one seeded, class-balanced draw.
    Raises BadInput where a class has fewer than two training images, where fewer labels are asked for than there are classes,
    or more than there are images.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    counts = np.unique(labels, return_counts=True)[1]
    classes = len(counts)
    if classes < 2 or counts.min() < 2:
        raise BadInput("A probe needs two classes at least, and two training images of each.")
    chosen = np.arange(len(labels))
    if shown is not None and shown != len(labels):
        if not classes <= shown <= len(labels) - classes:
            raise BadInput(
                f"A probe on {len(labels):,} images of {classes} classes can be shown {classes} to "
                f"{len(labels) - classes:,} labels, not {shown:,}."
            )
        chosen, _ = train_test_split(chosen, train_size=shown, stratify=labels.numpy(), random_state=seed)
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200, tol=1e-3))
    probe.fit(features[chosen].flatten(1).numpy(), labels[chosen].numpy())
    return float(probe.score(test_features.flatten(1).numpy(), test_labels.numpy()))
