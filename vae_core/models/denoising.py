"""The denoising autoencoder: the same network, shown damaged images and asked for the whole ones.

Source: Vincent et al. 2008.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from vae_core import corruption
from vae_core.family import Family, Preset
from vae_core.models.autoencoder import Autoencoder, AutoencoderConfig, code_size
from vae_core.train_config import AS_TAUGHT
from vae_core.without_prior import FACTS


@dataclass(frozen=True)
class DenoisingConfig(AutoencoderConfig):
    """The same network, trained to undo a corruption."""

    kind: ClassVar[str] = "dae"
    loss_name: ClassVar[str] = "squared error / 2, from damaged images"
    hidden: int = code_size(500)
    corruption: str = corruption.damage_to_undo("dropout:0.5")

    def build(self) -> "DenoisingAutoencoder":
        """The model, with its first weights drawn from torch's global random state."""
        return DenoisingAutoencoder(self)


class DenoisingAutoencoder(Autoencoder):
    """The same, shown damaged images and asked for the whole ones (Vincent et al. 2008)."""

    def restore(self, image: Tensor, mask: Tensor | None = None) -> Tensor:
        """A damaged image (B, C, H, W) as this model sees it repaired; it is not told where the damage is."""
        return self(image)

    def draw(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        """What `forward` is called with in training: damaged images."""
        return (corruption.parse(self.config.corruption)(x, generator).image,)


FAMILY = Family(
    name="dae",
    title="Denoising autoencoder",
    config=DenoisingConfig,
    size="dae {hidden}",
    network="denoising · {hidden} units",
    encodes=True,
    decodes=True,
    repairs=True,
    presets=(
        Preset(
            "Denoise", "The course's 784-500-784, shown images that lost half their pixels and asked for the whole ones.",
            {"hidden": 500, "corruption": "dropout:0.5", **AS_TAUGHT},
        ),
    ),
    **FACTS,
)
