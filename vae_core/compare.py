"""Models side by side: what each draws, and how good that is by one judge of the data set; one decoder under several priors.

Everything comes as a generator that tells how far it is, so that whoever iterates can leave at any moment. Figures are those
of draws.py on the features of judge.py; compare them within one judge and one number of draws.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from vae_core import draws, evaluate
from vae_core.data import ImageSet, to_float
from vae_core.errors import BadInput
from vae_core.family import Family
from vae_core.judge import Judge, Judged, classes_found, judged
from vae_core.latent import prior_draws
from vae_core.models import Model, family_of
from vae_core.prior import PriorConfig, learn, sampled_codes

COUNTS = (1000, 4000, 10_000)  # draws
DECODED, PAINTED = 200, 50  # draws at once: pixel by pixel takes longer
WALL = 20  # draws that are shown
PLACED = 200  # draws, and real images, whose features are kept for a picture of them
CODES = 20_000  # that a prior is learned from in `priors`
STEPS = 1500  # of a flow there: ten seconds of a quiet core
WIDEST_MIXTURE = 64  # dimensions up to which a mixture is fitted there: beyond, its covariances take minutes
Source = Literal["randn", "rand"]


@dataclass(frozen=True)
class Figures:
    """Of draws among as many real images; None of what no judge has measured."""

    frechet: float | None = None
    precision: float | None = None
    recall: float | None = None
    density: float | None = None
    coverage: float | None = None
    found: int | None = None  # classes
    milliseconds: float | None = None  # a draw


class Measured(NamedTuple):
    """What came of it: figures, the first WALL pictures, uint8 (n, C, H, W), and PLACED features, None without a judge."""

    figures: Figures
    pictures: np.ndarray
    features: np.ndarray | None


class Told(NamedTuple):
    """How far it is, 0 to 1, and what it is at; at the end the result."""

    share: float
    doing: str
    result: Any = None


class Nats(NamedTuple):
    """What a model's recipe says of the likelihood of black-and-white test images, nats an image, lower is better: of the three
    conventions the ones that it has, and in words what there is."""

    said: str
    exact: float | None = None
    bound: float | None = None  # at most this: importance-weighted by `SAMPLES` codes
    elbo: float | None = None  # at most this: by one code


SAMPLES = 100


def nats(family: Family, config: Any, metrics: dict[str, float]) -> Nats:
    """Of a model of this family with this config, whose recipe has these metrics."""
    loss = metrics.get("test_loss")
    if family.likelihood == "none":
        return Nats("none: the model has no likelihood")
    if family.likelihood == "exact":
        if getattr(config, "levels", 2) != 2:
            return Nats(f"exact, but of {config.levels} grey levels: beside no other here")
        return Nats("exact, pixels drawn black or white", exact=loss)
    if not getattr(config, "binarize", False):
        if getattr(config, "likelihood", "bernoulli") != "bernoulli":
            return Nats("bound, but of a density of grey pixels: beside no other here")
        return Nats("none: grey BCE is no likelihood")
    known = metrics.get("importance_weighted_bound") if metrics.get("importance_samples") == SAMPLES else None
    return Nats("bound, pixels drawn black or white", bound=None if known is None else -known, elbo=loss)


@torch.no_grad()
def drawn(model: Model, count: int, seed: int = 0, source: Source = "randn") -> Iterator[Tensor]:
    """`count` seeded draws, uint8 (n, C, H, W) a part: the first are the same for every count. From "rand" codes are of the
    unit cube, all of them positive, as one program of the course has it by mistake: a model was not trained to decode those.

    Raises BadInput where the model draws nothing, or what is no picture.
    """
    family = family_of(model.eval())
    if not family.draws:
        raise BadInput(f"A model of the kind {family.name} draws nothing by itself; take one that does.")
    if family.paints:
        yield from map(_bytes, model.samples(count, seed, PAINTED))
        return
    for codes in _codes(count, model.config.latent_dim, seed, source).split(DECODED):
        yield _bytes(model.decode(codes))


def _codes(count: int, size: int, seed: int, source: Source) -> Tensor:
    if source == "rand":
        return torch.rand(count, size, generator=torch.Generator().manual_seed(seed))
    return prior_draws(count, size, seed)


def _bytes(images: Tensor) -> Tensor:
    if not images.isfinite().all():
        raise BadInput("This model paints no finite numbers: its training has diverged; train it again with a smaller step.")
    return images.mul(255).round().byte()


def measure(
    model: Model, by: Judge | None, real: Tensor | None, count: int, seed: int = 0, source: Source = "randn"
) -> Iterator[Told]:
    """`count` draws of a model among real images whose features by the same judge are `real`, (N, 64). Without a judge there
    are pictures and their time alone. Raises BadInput as `drawn` does."""
    parts, done, began = [], 0, time.perf_counter()
    for part in drawn(model, count, seed, source):
        parts.append(part)
        done += len(part)
        yield Told(0.7 * done / count, f"{done:,} of {count:,} draws")
    each = 1000 * (time.perf_counter() - began) / count
    images = torch.cat(parts)
    yield from _figures(images, by, real, each)


def measure_real(data: ImageSet, by: Judge | None, real: Tensor | None, count: int) -> Iterator[Told]:
    """The same of training images, as if somebody had drawn them, among test images: how good real ones are."""
    yield from _figures(data.train_images[:count], by, real, None)


def _figures(images: Tensor, by: Judge | None, real: Tensor | None, milliseconds: float | None) -> Iterator[Told]:
    shown = images[:WALL].numpy()
    if by is None or real is None:
        yield Told(1.0, "done", Measured(Figures(milliseconds=milliseconds), shown, None))
        return
    parts = []
    for part in images.split(1000):
        parts.append(judged(by, part))
        yield Told(0.7 + 0.15 * len(parts) * 1000 / max(len(images), 1000), "looked at by the judge")
    features, logits = (torch.cat(each) for each in zip(*parts, strict=True))
    yield Told(0.85, "figures of the features")
    figures = Figures(
        draws.frechet_distance(features, real), *draws.quality(real, features), int(classes_found(logits).found.sum()),
        milliseconds,
    )
    yield Told(1.0, "done", Measured(figures, shown, features[:PLACED].numpy()))


def look(by: Judge, images: Tensor) -> Iterator[Told]:
    """The judge looks at images, some at a time; the result is a Judged."""
    parts = []
    for part in images.split(1000):
        parts.append(judged(by, part))
        yield Told(min(1.0, 1000 * len(parts) / len(images)), "real images looked at by the judge")
    yield Told(1.0, "done", Judged(*(torch.cat(each) for each in zip(*parts, strict=True))))


# One decoder, several priors.


class Sheet(NamedTuple):
    """Pictures of one origin, the first WALL, uint8; their Frechet distance; and why there are none, where there are none."""

    name: str
    pictures: np.ndarray | None
    frechet: float | None = None
    reason: str = ""


def priors(
    model: Model, data: ImageSet, by: Judge | None, count: int, seed: int = 0, ready: nn.Module | None = None,
    steps: int = STEPS,
) -> Iterator[Told]:
    """What a decoder paints of codes of test images and of four priors, learned from codes of training images, and as the two
    ends its reconstructions and real images: (Sheets, ...), more of them from told to told. `ready` is a prior of this model
    that has learned before. Raises BadInput where the model does not both encode and decode."""
    family = family_of(model.eval())
    if not (family.encodes and family.decodes):
        raise BadInput(f"A model of the kind {family.name} does not both encode and decode; take an autoencoder.")
    real, sheets = None, []
    if by is not None:
        for told in look(by, data.test_images[:count]):
            yield Told(0.1 * told.share, told.doing, ())
        real = draws.moments(told.result.features)
    sheets.append(_sheet("Real images", data.train_images[:count], by, real))
    yield Told(0.12, "encoded again", tuple(sheets))
    sheets.append(_sheet("Reconstructions", _rebuilt(model, data.test_images[:count]), by, real))
    yield Told(0.2, "codes of training images", tuple(sheets))
    codes = sampled_codes(model, data.train_images[:CODES], seed)
    share = 0.3
    for kind, name in (("normal", "N(0, I)"), ("gaussian", "The codes' own Gaussian"), ("mixture", "A mixture of ten"),
                       ("flow", "Flow matching")):
        yield Told(share, f"learning: {name}", tuple(sheets))
        if kind == "mixture" and codes.shape[1] > WIDEST_MIXTURE:
            reason = f"Not fitted: {codes.shape[1]} dimensions are too many for ten covariances."
            sheets.append(Sheet(name, None, reason=reason))
            continue
        for last in learn(PriorConfig(codes.shape[1], kind), codes, steps, seed):
            if kind == "flow" and last.done % 10 == 0:
                yield Told(share + 0.35 * last.done / last.steps, f"flow: step {last.done:,} of {last.steps:,}", tuple(sheets))
        share += 0.08
        sheets.append(_painted(name, model, last.network, count, seed, by, real))
    if ready is not None:
        yield Told(0.95, "the prior that ships", tuple(sheets))
        sheets.append(_painted("Flow matching, as it ships", model, ready, count, seed, by, real))
    yield Told(1.0, "done", tuple(sheets))


@torch.no_grad()
def _painted(
    name: str, model: Model, network: nn.Module, count: int, seed: int, by: Judge | None, real: draws.Moments | None
) -> Sheet:
    try:
        images = torch.cat([_bytes(model.decode(some)) for some in network.draw(count, seed).split(DECODED)])
    except BadInput as error:
        return Sheet(name, None, reason=str(error))
    return _sheet(name, images, by, real)


@torch.no_grad()
def _rebuilt(model: Model, images: Tensor) -> Tensor:
    parts = images.split(evaluate.BATCH)
    return torch.cat([_bytes(model.decode(model.codes(to_float(part)))) for part in parts])


def _sheet(name: str, images: Tensor, by: Judge | None, real: draws.Moments | None) -> Sheet:
    distance = None if by is None else draws.frechet_distance(judged(by, images).features, real)
    return Sheet(name, images[:WALL].numpy(), distance)
