"""Autoencoders without a prior: plain, denoising, and a restorer that is told where the damage is.

Sources: the course "Deep Learning" by LeCun and Canziani (New York University, 2021), notebook 10-autoencoder, whose networks
the plain and the denoising one are; denoising: Vincent et al. 2008; U-Net: Ronneberger et al. 2015 (arXiv:1505.04597);
pixels folded into channels: Shi et al. 2016 (arXiv:1609.05158).
Inside, pixels are in [-1, 1]; whatever is given or returned is in [0, 1]. The loss is half the squared error summed over
pixels: nats per image of a Gaussian of variance 1, its constant left out. The course's MSELoss is 2 / D times this.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vae_core import corruption
from vae_core.errors import in_range
from vae_core.vae import Architecture, Loss, check_image_shape, check_weights

COURSE = Architecture("Linear, tanh, linear, tanh (the course's)", hidden=30, depth=1, lr=1e-3, batch_size=256)
UNET = Architecture("Small U-Net that is told the mask", hidden=32, depth=1, lr=3e-3, batch_size=64, clip=50.0)
VIEWS = ((0, 0, 2), (0, 1, 1), (0, -1, 1), (1, 0, 1), (-1, 0, 1))  # pixels down, pixels to the right, weight
MIX = 256  # units of the restorer's layer that sees the whole picture


@dataclass(frozen=True)
class AutoencoderConfig:
    """An autoencoder of one hidden layer. Raises BadInput on values out of range."""

    kind: ClassVar[str] = "ae"
    defaults: ClassVar[Architecture] = COURSE
    image_shape: tuple[int, int, int] = (1, 28, 28)  # (C, H, W)
    hidden: int = COURSE.hidden  # size of the code, 1 to 4096; 500 is the course's over-complete one

    def __post_init__(self):
        object.__setattr__(self, "image_shape", check_image_shape(self.image_shape))
        in_range("hidden width", self.hidden, 1, 4096, whole=True)
        check_weights(2 * math.prod(self.image_shape) * self.hidden)

    @property
    def latent_dim(self) -> int:
        """The size of the code, by the name that it has in a VAE."""
        return self.hidden

    @property
    def pixels(self) -> int:
        """C * H * W."""
        return math.prod(self.image_shape)

    def build(self) -> "Autoencoder":
        """The model, with its first weights drawn from torch's global random state."""
        return Autoencoder(self)


@dataclass(frozen=True)
class DenoisingConfig(AutoencoderConfig):
    """The same network, trained to undo a corruption."""

    kind: ClassVar[str] = "dae"
    hidden: int = 500
    corruption: str = "dropout:0.5"  # as corruption.parse reads it

    def __post_init__(self):
        super().__post_init__()
        corruption.parse(self.corruption)

    def build(self) -> "DenoisingAutoencoder":
        """The model, with its first weights drawn from torch's global random state."""
        return DenoisingAutoencoder(self)


@dataclass(frozen=True)
class RestorerConfig:
    """A U-Net that gets picture and mask. Raises BadInput on values out of range."""

    kind: ClassVar[str] = "restorer"
    defaults: ClassVar[Architecture] = UNET
    image_shape: tuple[int, int, int] = (1, 28, 28)  # (C, H, W)
    hidden: int = UNET.hidden  # channels at half the resolution, twice as many at a quarter; 8 to 128
    depth: int = UNET.depth  # residual blocks at each of its four stages, 1 to 4
    corruption: str = "mixed"  # what it learns to repair, as corruption.parse reads it

    def __post_init__(self):
        object.__setattr__(self, "image_shape", check_image_shape(self.image_shape))
        in_range("hidden width", self.hidden, 8, 128, whole=True)
        in_range("depth", self.depth, 1, 4, whole=True)
        corruption.parse(self.corruption)
        blocks = 2 * self.depth * 2 * 9 * (self.hidden**2 + (2 * self.hidden) ** 2)
        check_weights(blocks + 2 * MIX * 2 * self.hidden * math.prod(self.folded))

    @property
    def folded(self) -> tuple[int, int]:
        """Height and width at a quarter of the resolution, rounded up."""
        return -(-self.image_shape[1] // 4), -(-self.image_shape[2] // 4)

    def build(self) -> "Restorer":
        """The model, with its first weights drawn from torch's global random state."""
        return Restorer(self)


class Autoencoder(nn.Module):
    """x_hat = tanh(W2 tanh(W1 x + b1) + b2). In the equations: D = C*H*W pixels, d = config.hidden."""

    def __init__(self, config: AutoencoderConfig):
        super().__init__()
        self.config = config
        pixels = math.prod(config.image_shape)
        self.encoder = nn.Sequential(nn.Linear(pixels, config.hidden), nn.Tanh())
        self.decoder = nn.Sequential(nn.Linear(config.hidden, pixels), nn.Tanh())

    def encode(self, x: Tensor) -> Tensor:
        """Images in [0, 1], (B, C, H, W) -> codes in [-1, 1], (B, d)."""
        return self.encoder(_signed(x).flatten(1))

    def decode(self, codes: Tensor) -> Tensor:
        """Codes (B, d) -> x_hat in [0, 1], (B, C, H, W)."""
        return _unsigned(self.decoder(codes).view(-1, *self.config.image_shape))

    def forward(self, x: Tensor) -> Tensor:
        """Images in [0, 1] -> x_hat in [0, 1], each (B, C, H, W)."""
        return self.decode(self.encode(x))

    def restore(self, image: Tensor, mask: Tensor | None = None) -> Tensor:
        """A damaged image (B, C, H, W) as this model sees it repaired; it is not told where the damage is."""
        return self(image)

    def draw(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        """What `forward` is called with in training."""
        return (x,)

    def recon_per_image(self, clean: Tensor, drawn: tuple[Tensor, ...], x_hat: Tensor) -> Tensor:
        """Half the squared error summed over pixels, (B,) nats."""
        return 0.5 * (_signed(x_hat.float()) - _signed(clean)).square().flatten(1).sum(1)

    def loss(self, clean: Tensor, drawn: tuple[Tensor, ...], x_hat: Tensor, warm: float = 1.0) -> Loss:
        """The objective, from what `draw` and `forward` returned. There is no prior: kl is 0."""
        return _without_prior(self.recon_per_image(clean, drawn, x_hat))


class DenoisingAutoencoder(Autoencoder):
    """The same, shown damaged images and asked for the whole ones (Vincent et al. 2008)."""

    def draw(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        """What `forward` is called with in training: damaged images."""
        return (corruption.parse(self.config.corruption)(x, generator).image,)


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(relu(x)))): starts as the identity, and needs no norm."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.relu(self.conv1(F.relu(x))))


class WholePicture(nn.Module):
    """A residual block of two linear layers over all pixels and channels: what convolutions see only from near."""

    def __init__(self, features: int):
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(features, MIX), nn.Linear(MIX, features)
        nn.init.zeros_(self.linear2.weight)
        nn.init.zeros_(self.linear2.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.linear2(F.relu(self.linear1(F.relu(x).flatten(1)))).view_as(x)


class Restorer(nn.Module):
    """A U-Net of two levels that gets the damaged picture and the mask, and says what was there."""

    def __init__(self, config: RestorerConfig):
        super().__init__()
        self.config = config
        channels, width, depth = config.image_shape[0], config.hidden, config.depth
        blocks = lambda size: [ResidualBlock(size) for _ in range(depth)]  # noqa: E731
        self.enter = nn.Conv2d(4 * (channels + 1), width, 3, padding=1)
        self.down1 = nn.Sequential(*blocks(width))
        self.fold = nn.Conv2d(width, 2 * width, 2, stride=2)
        middle = WholePicture(2 * width * math.prod(config.folded))
        self.down2 = nn.Sequential(*blocks(2 * width), middle, *blocks(2 * width))
        self.unfold = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.up1 = nn.Sequential(*blocks(width), nn.ReLU())
        self.leave = nn.Conv2d(width, 4 * channels, 3, padding=1)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Damaged image (B, C, H, W) in [0, 1] with its holes blank, mask bool (B, 1, H, W) -> x_hat (B, C, H, W).

        x_hat is not bounded; `restore` clips it.
        """
        height, width = image.shape[2:]
        x = torch.cat([_signed(image), mask.to(image)], 1)
        x = F.pad(x, (0, -width % 4, 0, -height % 4))  # (B, C + 1, H', W'), multiples of 4
        shallow = self.down1(self.enter(_folded(x)))  # (B, width, H'/2, W'/2)
        deep = self.down2(self.fold(shallow))  # (B, 2 width, H'/4, W'/4)
        x_hat = _unfolded(self.leave(self.up1(shallow + self.unfold(deep))))
        return _unsigned(x_hat[..., :height, :width])

    def restore(self, image: Tensor, mask: Tensor) -> Tensor:
        """The picture as this model sees it repaired, in [0, 1], (B, C, H, W).

        Seen five times, four of them one pixel aside, and averaged: worth 0.3 dB on dropped and noisy pixels (the
        self-ensemble of Lim et al. 2017, arXiv:1707.02921, with shifts, for digits have no symmetry to turn by).
        """
        height, width = image.shape[2:]
        image, mask = F.pad(image, (1, 1, 1, 1), value=corruption.BLANK), F.pad(mask, (1, 1, 1, 1), value=True)
        total, weights = torch.zeros_like(image), torch.zeros_like(image[:1, :1])
        for down, right, weight in VIEWS:
            window = (..., slice(1 + down, 1 + down + height), slice(1 + right, 1 + right + width))
            total[window] += weight * self(image[window], mask[window]).clamp(0, 1)
            weights[window] += weight
        return (total / weights)[..., 1:-1, 1:-1]

    def draw(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        """What `forward` is called with in training: damaged images and their masks."""
        return tuple(corruption.parse(self.config.corruption)(x, generator))

    def recon_per_image(self, clean: Tensor, drawn: tuple[Tensor, ...], x_hat: Tensor) -> Tensor:
        """Half the squared error summed over damaged pixels, (B,) nats: the others are known and kept."""
        error = (_signed(x_hat.float()) - _signed(clean)) * drawn[1]
        return 0.5 * error.square().flatten(1).sum(1)

    def loss(self, clean: Tensor, drawn: tuple[Tensor, ...], x_hat: Tensor, warm: float = 1.0) -> Loss:
        """The objective, from what `draw` and `forward` returned. There is no prior: kl is 0."""
        return _without_prior(self.recon_per_image(clean, drawn, x_hat))


def _without_prior(recon: Tensor) -> Loss:
    """The terms of a batch from each image's error, (B,)."""
    recon = recon.sum() / max(len(recon), 1)
    return Loss(recon, recon, torch.zeros_like(recon))


def _folded(x: Tensor) -> Tensor:
    """(B, C, 2h, 2w) -> (B, 4C, h, w), four neighbours as channels. torch's pixel_unshuffle leaves an empty batch as it is, and
    a process that shares a batch with others may get none of it."""
    batch, channels, height, width = x.shape
    parts = x.view(batch, channels, height // 2, 2, width // 2, 2).permute(0, 1, 3, 5, 2, 4)
    return parts.reshape(batch, 4 * channels, height // 2, width // 2)


def _unfolded(x: Tensor) -> Tensor:
    """(B, 4C, h, w) -> (B, C, 2h, 2w): what `_folded` did, undone."""
    batch, channels, height, width = x.shape
    parts = x.view(batch, channels // 4, 2, 2, height, width).permute(0, 1, 4, 2, 5, 3)
    return parts.reshape(batch, channels // 4, 2 * height, 2 * width)


def _signed(x: Tensor) -> Tensor:
    """[0, 1] -> [-1, 1]."""
    return 2 * x - 1


def _unsigned(x: Tensor) -> Tensor:
    """[-1, 1] -> [0, 1]."""
    return (x + 1) / 2


def kernels(model: Autoencoder) -> Tensor:
    """What each hidden unit looks at: the rows of the first layer as images, (d, C, H, W). May be of any size and sign."""
    return model.encoder[0].weight.detach().view(-1, *model.config.image_shape)


def templates(model: Autoencoder) -> Tensor:
    """What each hidden unit paints: the columns of the last layer as images, (d, C, H, W)."""
    return model.decoder[0].weight.detach().T.reshape(-1, *model.config.image_shape)
