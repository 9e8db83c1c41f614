"""Scores agree with scikit-image over the image and with a loop of plain Python inside the mask."""

import math

import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from vae_core.scores import decibels, scores, ssim


def sample(*shape: int):
    generator = torch.Generator().manual_seed(0)
    truth, noise = torch.rand(*shape, generator=generator), torch.rand(*shape, generator=generator)
    mask = torch.rand(shape[0], 1, *shape[2:], generator=generator) < 0.3
    return (0.8 * truth + 0.2 * noise), truth, mask


shapes = pytest.mark.parametrize("shape", [(5, 1, 28, 28), (3, 3, 20, 31)])


@shapes
def test_over_the_image_they_are_those_of_scikit_image(shape):
    restored, truth, mask = sample(*shape)
    got = scores(restored, truth, mask)
    for index, (a, b) in enumerate(zip(restored.double().numpy(), truth.double().numpy(), strict=True)):
        assert got.psnr_image[index].item() == pytest.approx(peak_signal_noise_ratio(b, a, data_range=1), abs=1e-6)
        assert got.ssim_image[index].item() == pytest.approx(
            structural_similarity(b, a, data_range=1, channel_axis=0), abs=1e-9
        )
        assert got.error_image[index].item() == pytest.approx(abs(a - b).mean())


@shapes
def test_inside_the_mask_they_are_those_of_a_loop(shape):
    restored, truth, mask = sample(*shape)
    got = scores(restored, truth, mask)
    for index in range(shape[0]):
        differences = [
            float(restored[index, c, y, x]) - float(truth[index, c, y, x])
            for c in range(shape[1]) for y in range(shape[2]) for x in range(shape[3]) if mask[index, 0, y, x]
        ]
        error = sum(d * d for d in differences) / len(differences)
        assert got.psnr_hole[index].item() == pytest.approx(-10 * math.log10(error), abs=1e-6)
        assert got.error_hole[index].item() == pytest.approx(sum(map(abs, differences)) / len(differences))


def test_what_lies_outside_the_mask_does_not_move_the_scores_inside():
    restored, truth, mask = sample(5, 1, 28, 28)
    one, other = scores(restored, truth, mask), scores(torch.where(mask, restored, 0.0), truth, mask)
    assert torch.equal(one.psnr_hole, other.psnr_hole)
    assert (one.psnr_image > other.psnr_image).all()


def test_a_perfect_picture_has_a_hundred_decibels_and_the_peak_is_one():
    _, truth, mask = sample(5, 1, 28, 28)
    got = scores(truth, truth, mask)
    assert set(got.psnr_hole.tolist() + got.psnr_image.tolist()) == {100.0}
    assert got.ssim_image.tolist() == [1.0] * 5
    torch.testing.assert_close(decibels(torch.tensor([1.0, 0.1, 1e-4, 0.0])), torch.tensor([0.0, 10.0, 40.0, 100.0]))


def test_without_damage_there_is_nothing_to_score_inside():
    restored, truth, mask = sample(3, 1, 28, 28)
    mask[1] = False
    got = scores(restored, truth, mask)
    assert got.psnr_hole.isnan().tolist() == got.error_hole.isnan().tolist() == [False, True, False]
    assert torch.isfinite(got.psnr_image).all()


@pytest.mark.parametrize("side", [1, 2, 3, 4, 7])
def test_small_pictures_have_a_similarity_from_three_pixels_on(side):
    truth = torch.rand(2, 1, side, 9, generator=torch.Generator().manual_seed(0))
    assert ssim(truth, truth).isnan().all() if side < 3 else (ssim(truth, truth) == 1).all()
