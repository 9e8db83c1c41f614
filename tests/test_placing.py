"""Where draws land: nearest codes and the judge against brute force, and on what is known by construction."""

import numpy as np
import pytest
import torch

from vae_core.placing import Judge, gap, reach


def cloud(count: int, size: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(count, size)).astype(np.float32))


@pytest.mark.parametrize("size", [1, 2, 5])
def test_the_gap_is_that_of_a_loop_over_all_pairs(size):
    codes, draws = cloud(61, size).double().numpy(), 2 * cloud(33, size, 1).double().numpy()
    nearest = [min(float(np.linalg.norm(draw - code)) for code in codes) for draw in draws]
    own = [min(float(np.linalg.norm(a - b)) for j, b in enumerate(codes) if j != i) for i, a in enumerate(codes)]
    expected = sorted(nearest)[(len(nearest) - 1) // 2] / sorted(own)[(len(own) - 1) // 2]
    assert gap(torch.from_numpy(draws), torch.from_numpy(codes)) == pytest.approx(expected, rel=1e-6)


def test_the_gap_has_no_unit_and_grows_with_holes():
    codes, draws = cloud(3000, 2), cloud(1000, 2, 1)
    usual = gap(draws, codes)
    assert 0.8 < usual < 1.3  # of one distribution
    assert gap(20 * draws, 20 * codes) == pytest.approx(usual, rel=1e-3)
    ring = codes / codes.norm(dim=1, keepdim=True) * 5  # all draws fall into its hole
    assert gap(draws, ring) > 10 * usual


def test_the_reach_is_the_side_of_the_box():
    codes = cloud(50, 3)
    assert reach(codes) == max(abs(value) for code in codes.tolist() for value in code)
    assert reach(-codes) == reach(codes)


def test_the_judge_is_a_loop_over_all_known_pictures():
    pictures, asked = cloud(80, 6).view(80, 1, 2, 3), 1.5 * cloud(25, 6, 1).view(25, 1, 2, 3)
    judge = Judge(pictures, 0.9)

    def distance(picture) -> float:
        return min(float((picture - known).double().norm()) for known in pictures[:40])

    assert judge.limit == pytest.approx(np.quantile([distance(picture) for picture in pictures[40:]], 0.9), rel=1e-4)
    assert judge.cannot_place(asked).tolist() == [distance(picture) > judge.limit for picture in asked]
    assert 0 < judge.cannot_place(asked).sum() < 25


def test_pictures_like_the_known_are_refused_as_often_as_the_quantile_says_and_blends_more_often():
    centres, labels = 8 * torch.eye(10)[:5], torch.arange(4000) % 5
    pictures, fresh = (centres[labels] + cloud(4000, 10, seed) for seed in (0, 1))
    judge = Judge(pictures)
    assert judge.cannot_place(fresh).float().mean().item() == pytest.approx(0.05, abs=0.02)
    blends = (fresh[:1000] + fresh[1:1001]) / 2  # of two kinds each
    assert judge.cannot_place(blends).float().mean().item() > 0.5
    assert not judge.cannot_place(pictures[:2000]).any()  # what it knows is at no distance
