"""The size of an autoencoder's code against its error on test images, and what no autoencoder is needed for: PCA."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from vae_core import train
from vae_core.data import ImageSet, to_float
from vae_core.models.autoencoder import AutoencoderConfig
from vae_core.train import TrainConfig

BATCH, RATE = 64, 6e-3  # several times faster than the course's, for trainings that see few images


def trained_errors(
    data: ImageSet, sizes: Iterable[int], epochs: int, images: int, seed: int = 0, stopped: Callable[[], bool] = lambda: False
) -> Iterator[tuple[int, float]]:
    """Train an autoencoder of each size on the first `images` training images: (size, mean test error in nats), one by one.

    The error is half the squared error of pixels in [-1, 1], summed. `stopped` is asked after every record of the training.
    """
    part = replace(data, train_images=data.train_images[:images], train_labels=data.train_labels[:images])
    for size in sizes:
        config = TrainConfig(epochs=epochs, batch_size=BATCH, lr=RATE, seed=seed, device="cpu")
        state = train.start(AutoencoderConfig(data.image_shape, size), part, config)
        for _ in train.fit(state, part):
            if stopped():
                return
        yield size, state.epochs[-1].test["loss"]


@torch.no_grad()
def pca_errors(train_images: Tensor, test_images: Tensor, sizes: Iterable[int]) -> list[tuple[int, float]]:
    """The same error of as many principal components, the best that a linear code can do (Eckart & Young 1936): uint8
    (N, C, H, W) twice -> (size, nats), sizes above the number of pixels left out."""
    x, test = (to_float(images).flatten(1).double() for images in (train_images, test_images))
    mean = x.mean(0)
    directions = torch.linalg.eigh((x - mean).T @ (x - mean)).eigenvectors.flip(1)  # (D, D), most variance first
    squared = ((test - mean) @ directions).square().mean(0)  # (D,)
    return [(size, 2 * squared[size:].sum().item()) for size in sizes if size <= len(squared)]
