"""The linear autoencoder: what it learns is the plane of the principal components.

Without a nonlinearity the smallest error is that of the projection on the directions of most variance (Bourlard & Kamp 1988;
Baldi & Hornik 1989, "Neural networks and principal component analysis"): the best code of d numbers spans the space of the
first d components, though its axes may be any in it. With tied weights, where the encoder is the decoder transposed, these
axes come out orthonormal: distances in the code are distances between the pictures' shadows on that plane.
Inside, pixels are in [-1, 1]; whatever is given or returned is in [0, 1]. The loss is that of without_prior.py.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from vae_core.family import Family, Preset
from vae_core.models.autoencoder import Autoencoder, AutoencoderConfig, code_size
from vae_core.networks import Architecture
from vae_core.settings import setting
from vae_core.without_prior import FACTS, signed, unsigned

LINEAR = Architecture("Linear, linear", hidden=2, depth=1, lr=3e-3, batch_size=256)


@dataclass(frozen=True)
class LinearConfig(AutoencoderConfig):
    """A linear code and back. Raises BadInput on values out of range."""

    kind: ClassVar[str] = "linear"
    defaults: ClassVar[Architecture] = LINEAR
    hidden: int = code_size(LINEAR.hidden)
    tied: bool = setting(
        True, "tied", "Tied weights", "The encoder is the decoder transposed: half the weights, and orthonormal axes.",
        place="first",
    )

    def build(self) -> "LinearAutoencoder":
        """The model, with its first weights drawn from torch's global random state."""
        return LinearAutoencoder(self)


class LinearAutoencoder(Autoencoder):
    """x_hat = W z + b with z = V (x - b), V = W^T where weights are tied. D pixels, d = config.hidden: W is (D, d)."""

    def __init__(self, config: LinearConfig):
        nn.Module.__init__(self)
        self.config = config
        self.decoder = nn.Linear(config.hidden, config.pixels)
        nn.init.normal_(self.decoder.weight, std=config.pixels**-0.5)  # directions about as long as they shall be: 1
        self.encoder = None if config.tied else nn.Linear(config.pixels, config.hidden, bias=False)

    @torch.no_grad()
    def begin_at(self, mean: Tensor) -> None:
        """Begin with the mean of the training images, (C, H, W) in [0, 1], as b: else a direction is spent on it, for long."""
        self.decoder.bias.copy_(signed(mean).flatten())

    @property
    def directions(self) -> Tensor:
        """V (d, D): the code is what lies along each."""
        return self.decoder.weight.T if self.encoder is None else self.encoder.weight

    def encode(self, x: Tensor) -> Tensor:
        """Images in [0, 1], (B, C, H, W) -> codes (B, d), not bounded."""
        return (signed(x).flatten(1) - self.decoder.bias) @ self.directions.T

    def decode(self, codes: Tensor) -> Tensor:
        """Codes (B, d) -> x_hat, (B, C, H, W), clipped to [0, 1]."""
        return self._painted(codes).clamp(0, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Images in [0, 1] -> x_hat, each (B, C, H, W); not clipped: the loss of a clipped one would not be linear."""
        return self._painted(self.encode(x))

    def kernels(self) -> Tensor:
        """What each number of the code looks at, (d, C, H, W)."""
        return self.directions.detach().reshape(-1, *self.config.image_shape)

    def templates(self) -> Tensor:
        """What each number of the code paints, (d, C, H, W)."""
        return self.decoder.weight.detach().T.reshape(-1, *self.config.image_shape)

    def _painted(self, codes: Tensor) -> Tensor:
        return unsigned(self.decoder(codes).view(-1, *self.config.image_shape))


FAMILY = Family(
    name="linear",
    title="Linear autoencoder",
    config=LinearConfig,
    size="linear {hidden}-D",
    network="linear · {hidden}-D",
    encodes=True,
    decodes=True,
    presets=(
        Preset(
            "Find the principal components", "No nonlinearity, two numbers: after a minute its map is that of PCA.",
            {"hidden": 2, "epochs": 10},
        ),
    ),
    **FACTS,
)
