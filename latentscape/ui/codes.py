"""Between images and codes: test images, mostly of the set that a model was trained on, encoded once for all pages; and codes,
decoded.

`codes_of` is where a model's codes are kept, with all that pages make of them: for everybody, or for the one visitor whose
pictures they are of, with whose other things they go.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import streamlit as st
import torch

from latent_pad import PadPoints, pack_points
from latentscape.ui.hover import Sprite, pack_sprite
from latentscape.ui.own import picture_sets, remembered
from latentscape.work.store import weight
from vae_core import data, disentanglement, energy, evaluate
from vae_core.checkpoint import Checkpoint, Model
from vae_core.data import ImageSet
from vae_core.errors import BadInput
from vae_core.evaluate import ELBOTerms
from vae_core.latent import prior_draws
from vae_core.models import family_of
from vae_core.projection import PrincipalPlane

MOST = 10_000  # test images: all that the sets with a name have
DOTS = 2000  # of them on the pad; their pictures weigh 1.6 MB
DRAWS = 1000  # of the prior


@dataclass(frozen=True)
class Draws:
    """Of the prior: decoded, and encoded again."""

    images: np.ndarray  # uint8 (DRAWS, C, H, W)
    mu: np.ndarray  # (DRAWS, L)
    sprite: Sprite


@dataclass(frozen=True, eq=False)
class Codes:
    """The test images of a set, the first MOST, as a model encodes them. Shared by visitors: never change it.

    Without a prior mu is the code itself, and there is neither sigma nor kl. What takes time and only some pages want is made
    when it is first asked for, and kept.
    """

    model: Model
    name: str  # of the data set
    digest: str  # of the data set
    is_own: bool  # somebody's own pictures
    images: torch.Tensor  # uint8 (N, C, H, W)
    labels: np.ndarray  # (N,)
    classes: tuple[str, ...]  # empty where there are none
    mu: np.ndarray  # (N, L)
    sigma: np.ndarray | None  # (N, L)
    kl: np.ndarray | None  # (L,) nats, averaged over the images
    meanings: list[str | None]  # (L,): the known factor that a dimension tells most about

    @cached_property
    def terms(self) -> ELBOTerms:
        """(N,) nats each; without a prior the reconstruction energy, and no KL."""
        with st.spinner("Measuring the test images …"):
            return _terms(self.model, self.images)

    @cached_property
    def plane(self) -> PrincipalPlane:
        """The one plane that every page calls the principal components of these codes."""
        return PrincipalPlane(self.mu)

    @cached_property
    def measure(self) -> np.ndarray:
        """(L,): what each dimension tells, its KL in nats averaged over the images; without a prior its variance."""
        return self.mu.var(0, ddof=1 if len(self.mu) > 1 else 0) if self.kl is None else self.kl

    @cached_property
    def order(self) -> list[int]:
        """The dimensions, those that tell most first."""
        return np.argsort(-self.measure).tolist()

    @cached_property
    def points(self) -> PadPoints:
        """The first DOTS, for the pad."""
        labels = self.labels[:DOTS] if self.classes else None
        return pack_points(self.mu[:DOTS], labels, self.classes, self.images[:DOTS].numpy())

    @cached_property
    def sprite(self) -> Sprite:
        """All of the images, for a chart."""
        make = lambda: pack_sprite(self.images.numpy())  # noqa: E731
        return make() if self.is_own else remembered(("sprite", self.digest), make)  # one for all models of a set

    @cached_property
    def draws(self) -> Draws | None:
        """None without a prior."""
        if self.kl is None:
            return None
        images = _decode(self.model, prior_draws(DRAWS, self.mu.shape[1]))
        return Draws(images, evaluate.encode(self.model, torch.from_numpy(images))[0].numpy(), pack_sprite(images))

    @property
    def size(self) -> int:
        """Bytes, without the model's weights and the pictures of a set with a name, which are held anyway."""
        held = {"model"} if self.is_own else {"model", "images"}
        return sum(weight(part) for name, part in list(vars(self).items()) if name not in held)


def codes_of(model: Checkpoint, of: ImageSet | None = None) -> Codes:
    """The encoded test images of the set that the model was trained on, or of another, which has a name.

    Raises BadInput where the model has no encoder, and where the data set cannot be had here, is another one, or is encoded as
    no finite numbers.
    """
    if not model.family.encodes:
        raise BadInput(f"{model.name} draws pictures and encodes none: it has no codes of test images.")
    own = of is None and is_own(model)
    if own:
        data_set(model)  # what is gone is gone, whatever is remembered
    key = "codes", model.digest, model.recipe.data.digest if of is None else of.digest
    make = lambda: _codes(model, data_set(model) if of is None else of, own)  # noqa: E731
    return remembered(key, make, "Encoding the test images …", own)


def known_codes(model: Checkpoint) -> Codes | None:
    """The encoded test images; None where there are none to be had."""
    try:
        return codes_of(model)
    except BadInput:
        return None


def data_set(model: Checkpoint) -> ImageSet:
    """The data set that the model was trained on: one with a name, or this visitor's own pictures.

    Raises BadInput where it cannot be had here, or is another one.
    """
    name, digest = model.recipe.data.name, model.recipe.data.digest
    if is_own(model):
        own = next((pictures.images for pictures in picture_sets() if pictures.images.digest == digest), None)
        if own is None:
            raise BadInput(
                f"{model.name} was trained on somebody's own pictures ({data.own_name(name)}), which are not "
                "here now; upload them on Your pictures, read in the same way, to see them."
            )
        return own
    image_set = data.load(name)
    if image_set.digest != digest:
        raise BadInput(f"The data set {image_set.name} is not the one that {model.name} was trained on.")
    return image_set


def is_own(model: Checkpoint) -> bool:
    """Whether the model was trained on somebody's own pictures: what is made of them is for one visitor's eyes."""
    return data.own_name(model.recipe.data.name) is not None


def encoded(model: Checkpoint, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None, ELBOTerms]:
    """mu and logvar (N, L) of uint8 images (N, C, H, W), no logvar without a prior, and their terms. May not be finite."""
    return *evaluate.encode(model.model, images), _terms(model.model, images)


def decode(model: Checkpoint, z: torch.Tensor) -> np.ndarray:
    """z (N, L) -> uint8 (N, C, H, W)."""
    return _decode(model.model, z)


def _codes(model: Checkpoint, image_set: ImageSet, own: bool) -> Codes:
    images, labels = image_set.test_images[:MOST], image_set.test_labels[:MOST].numpy()
    if own:
        images = images.clone()  # a view would keep all of them
    mu, logvar = evaluate.encode(model.model, images)
    if not torch.isfinite(mu if logvar is None else torch.stack([mu, logvar])).all():
        raise BadInput(f"{model.name} encodes some test images as no finite number: its training has diverged.")
    sigma = kl = None
    if logvar is not None:
        sigma, kl = torch.exp(0.5 * logvar).numpy(), evaluate.kl_per_dimension(mu, logvar).numpy()
    mu = mu.numpy()
    return Codes(
        model.model, image_set.name, image_set.digest, own, images, labels, image_set.classes, mu, sigma, kl,
        _meanings(mu, image_set),
    )


def _terms(model: Model, images: torch.Tensor) -> ELBOTerms:
    if family_of(model).has_posterior:
        return evaluate.elbo_terms(model, images)
    recon = energy.energies(model, data.to_float(images))
    return ELBOTerms(recon, torch.zeros_like(recon))


@torch.no_grad()
def _decode(model: Model, z: torch.Tensor) -> np.ndarray:
    return model.decode(z).mul(255).round().byte().numpy()


def _meanings(mu: np.ndarray, image_set: ImageSet) -> list[str | None]:
    if image_set.test_factors is None:
        return [None] * mu.shape[1]
    shares = disentanglement.shared_information(mu, image_set.test_factors[: len(mu)].numpy())
    return disentanglement.names_of_dimensions(shares, image_set.factors)
