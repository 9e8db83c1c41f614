"""Mirrored and moved images."""

import numpy as np
import pytest
import torch

from vae_core.augment import flip_and_shift
from vae_core.errors import BadInput
from vae_core.train import TrainConfig


def drawn(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int) -> torch.Tensor:
    return torch.rand(count, 3, 5, 7, generator=drawn(9))


def test_without_either_nothing_changes_and_nothing_is_drawn():
    x, generator = images(4), drawn()
    assert flip_and_shift(x, False, 0, generator) is x
    assert torch.equal(generator.get_state(), drawn().get_state())


def test_about_half_are_mirrored_and_the_others_left():
    x = images(400)
    y = flip_and_shift(x, True, 0, drawn())
    same = (y == x).flatten(1).all(1)
    mirrored = (y == x.flip(3)).flatten(1).all(1)
    assert (same ^ mirrored).all()
    assert 160 < mirrored.sum() < 240


def test_every_image_is_moved_as_numpy_moves_it_with_its_edge_repeated():
    x = images(60)
    y = flip_and_shift(x, False, 2, drawn())
    moves = set()
    for before, after in zip(x.numpy(), y.numpy(), strict=True):
        padded = np.pad(before, ((0, 0), (2, 2), (2, 2)), mode="edge")
        fits = [(i, j) for i in range(5) for j in range(5) if (padded[:, i : i + 5, j : j + 7] == after).all()]
        assert len(fits) == 1
        moves.update(fits)
    assert len(moves) > 15  # of 25


def test_the_same_seed_moves_alike_and_the_given_images_stay():
    x = images(20)
    before = x.clone()
    assert torch.equal(flip_and_shift(x, True, 3, drawn(1)), flip_and_shift(x, True, 3, drawn(1)))
    assert not torch.equal(flip_and_shift(x, True, 3, drawn(1)), flip_and_shift(x, True, 3, drawn(2)))
    assert torch.equal(x, before)


@pytest.mark.parametrize("values", [{"shift": 9}, {"shift": -1}, {"shift": 1.5}, {"flip": "yes"}, {"flip": 1}])
def test_bad_settings_are_refused(values):
    with pytest.raises(BadInput):
        TrainConfig(**values)
