"""t-SNE of the 10,000 test images of MNIST as `mnist-20d` encodes them: ours beside scikit-learn's, interleaved.

Both with the perplexity 30, a start at the principal components and all cores. Prints the time to the first moved picture,
the ratio of the whole times, and the share of each code's ten nearest neighbours that stay neighbours in the picture.
"""

import argparse
import os
import statistics
import time
from pathlib import Path

import numpy as np
import openTSNE  # noqa: F401  both libraries are imported before the clock starts
from sklearn.manifold import TSNE as Usual

from vae_core import checkpoint, data, evaluate
from vae_core.projection import TSNE, neighbours_kept

CHECKPOINT = Path(__file__).resolve().parent.parent / "checkpoints" / "mnist-20d"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    mu, _ = evaluate.encode(checkpoint.open_file(CHECKPOINT).model, data.load("mnist").test_images)
    codes = mu.numpy()
    ours, usual = zip(*((our_layout(codes, seed), usual_layout(codes, seed)) for seed in range(arguments.rounds)), strict=True)
    seconds, first, kept = (statistics.median(values) for values in zip(*ours, strict=True))
    usual_seconds, usual_kept = (statistics.median(values) for values in zip(*usual, strict=True))
    ratio = statistics.median(one[0] / other[0] for one, other in zip(ours, usual, strict=True))
    print(f"t-SNE of 10,000 codes: {seconds:.1f} s against scikit-learn's {usual_seconds:.1f} s ({ratio:.2f} of its time)")
    print(f"first moved picture after {first:.1f} s; 10 nearest neighbours kept: {kept:.3f} against {usual_kept:.3f}")


def our_layout(codes: np.ndarray, seed: int) -> tuple[float, float, float]:
    """Seconds, seconds to the first moved picture, neighbours kept."""
    began, first = time.perf_counter(), 0.0
    for moment in TSNE(codes, 30, seed, threads=os.cpu_count() or 1):
        if moment.iteration and not first:
            first = time.perf_counter() - began
    return time.perf_counter() - began, first, neighbours_kept(codes, moment.points)


def usual_layout(codes: np.ndarray, seed: int) -> tuple[float, float]:
    """Seconds, neighbours kept."""
    began = time.perf_counter()
    points = Usual(2, perplexity=30, init="pca", random_state=seed, n_jobs=-1).fit_transform(codes)
    return time.perf_counter() - began, neighbours_kept(codes, points)


if __name__ == "__main__":
    main()
