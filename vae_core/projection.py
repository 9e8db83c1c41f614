"""Codes of any dimension -> points in a plane: principal components, t-SNE, and how far to trust the picture."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from sklearn.decomposition import PCA
from sklearn.utils.extmath import svd_flip
from threadpoolctl import threadpool_limits  # scikit-learn brings it

from vae_core.errors import BadInput

SPREAD = 0.01  # the largest standard deviation of a dimension below which codes count as one point; the prior has 1
EXAGGERATED, ITERATIONS = 125, 500  # of t-SNE: with early exaggeration, and in all; more keep no more neighbours (`make bench`)
EXAGGERATION = 12
START_SPREAD = 1e-4  # standard deviation of the first layout (Kobak & Berens 2019, Nature Communications 10)
WIDE = 100  # dimensions above which components come from the covariance: a full SVD of 10,000 x 500 takes 1 to 20 s, this 0.1
FFT_EXTENT = 125  # a wider layout costs Fourier interpolation more than Barnes-Hut (10,000 points, two cores)
FEW_TO_TRUST = 5  # points that trustworthiness needs: two neighbours each among less than half of them
FEW = 5000  # points; fewer cost Barnes-Hut less from the start (240: a tenth, 4,000: half, 10,000: 1.6 times as much)


class PrincipalPlane:
    """The plane of the first two principal components (Pearson 1901). Of each, the largest loading is positive, so that every
    fit to the same codes has the same signs.

    A 1-D code gets a second coordinate of zero, a 2-D code is shown as it is: its own plane, no rotation. A single code has no
    plane of its own: its first two dimensions are shown.
    """

    def __init__(self, codes: np.ndarray, like: "PrincipalPlane | np.ndarray | None" = None):
        """Fit to codes (N, L). With `like`, an earlier plane or its directions, each component points the way it did there."""
        latent_dim = codes.shape[1]
        self.mean = np.zeros(latent_dim, codes.dtype)  # (L,): has the coordinates 0, 0
        self.components = np.eye(min(2, latent_dim), latent_dim, dtype=codes.dtype)  # (2, L), orthonormal; (1, L) of a 1-D code
        self.explained: tuple[float, float] | None = None  # share of the variance, 0 to 1, of each axis
        if latent_dim > 2 and len(codes) > 1:
            # Constant codes have no variance to explain; a second thread of BLAS that waits for a core makes 0.1 s 4 s.
            with np.errstate(invalid="ignore"), threadpool_limits(1, "blas"):
                pca = PCA(2, svd_solver="covariance_eigh" if latent_dim > WIDE else "full").fit(codes)
            self.explained = tuple(np.nan_to_num(pca.explained_variance_ratio_).tolist())
            self.mean, self.components = pca.mean_, svd_flip(None, pca.components_, u_based_decision=False)[1]
            before = like.directions if isinstance(like, PrincipalPlane) else like
            if before is not None:
                towards = np.sign((self.components * before).sum(1))
                self.components *= np.where(towards == 0, 1, towards)[:, None]

    @property
    def directions(self) -> np.ndarray | None:
        """(2, L), one component a row; None where the codes are shown as they are."""
        return self.components if self.explained else None

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        """Codes (N, L) -> points (N, 2)."""
        points = (codes - self.mean) @ self.components.T
        return points if len(self.components) == 2 else np.column_stack([points, np.zeros(len(points))])


def check_spread(codes: np.ndarray) -> None:
    """Raises BadInput where codes (N, L) cannot make a picture: not finite, fewer than three, or all (nearly) one point."""
    if not np.isfinite(codes).all():
        raise BadInput("Some codes are no finite numbers: the model's training has diverged; train it again.")
    if len(codes) < 3:
        raise BadInput(f"A map needs at least 3 points, there are {len(codes)}.")
    if codes.std(0).max() < SPREAD or len(np.unique(codes, axis=0)) < 3:
        raise BadInput("The codes have no spread: every image is encoded as (nearly) the same point.")


class Layout(NamedTuple):
    """A moment of t-SNE."""

    iteration: int
    points: np.ndarray  # float32 (N, 2)
    divergence: float  # KL(P || Q) in nats; NaN before the first iteration. Exaggerated until iteration EXAGGERATED


class TSNE:
    """t-SNE (van der Maaten & Hinton 2008, JMLR 9), by openTSNE (Policar et al. 2024, JSS 109), from a PCA start and seeded.

    The gradient of many points is interpolated by Fourier transforms (Linderman et al. 2019, Nature Methods 16) while the
    layout is small; that of few, or of a wide layout, is approximated by Barnes-Hut trees (van der Maaten 2014, JMLR 15).
    """

    def __init__(
        self, codes: np.ndarray, perplexity: float = 30, seed: int = 0, threads: int = 1, iterations: int = ITERATIONS
    ):
        """codes (N, L). perplexity: the effective number of neighbours, 1 to (N - 1) / 3.

        Raises BadInput as check_spread does, and where the perplexity does not fit the number of codes.
        """
        check_spread(codes)
        most = (len(codes) - 1) / 3
        if not 1 <= perplexity <= most:
            raise BadInput(
                f"With {len(codes):,} points the perplexity can be 1 to {int(most)}, not {perplexity:g}."
                if most >= 1 else f"t-SNE needs at least 4 points, there are {len(codes)}."
            )
        self.codes = np.asarray(codes, np.float64)
        self.perplexity, self.seed, self.threads, self.iterations = perplexity, seed, threads, iterations
        self._embedding = None

    def __iter__(self) -> Iterator[Layout]:
        """Layouts as they converge, the start first; the last one is the result. Not asking for the next stops."""
        from openTSNE import TSNEEmbedding, affinity  # two seconds to import

        start = PrincipalPlane(self.codes)(self.codes)
        start = (start - start.mean(0)) * (START_SPREAD / start.std(0).max())
        start += np.random.default_rng(self.seed).normal(scale=START_SPREAD / 100, size=start.shape)  # equal codes come apart
        yield Layout(0, np.asarray(start, np.float32), float("nan"))
        similar = affinity.PerplexityBasedNN(
            self.codes, perplexity=self.perplexity, method="exact", random_state=self.seed, n_jobs=self.threads
        )
        self._embedding = TSNEEmbedding(
            start, similar, negative_gradient_method=self._gradient(start), random_state=self.seed, n_jobs=self.threads
        )
        iteration = 0
        while iteration < self.iterations:
            steps = 10 if iteration < 50 else 25
            self._embedding.optimize(
                steps, exaggeration=EXAGGERATION if iteration < EXAGGERATED else None, momentum=0.8, inplace=True,
                negative_gradient_method=self._gradient(self._embedding),
            )
            iteration += steps
            yield Layout(iteration, np.asarray(self._embedding, np.float32), float(self._embedding.kl_divergence))

    @staticmethod
    def _gradient(points: np.ndarray) -> str:
        """The faster way to the gradient at these points (N, 2), in openTSNE's words."""
        return "bh" if len(points) < FEW or np.ptp(points) > FFT_EXTENT else "fft"

    def place(self, codes: np.ndarray) -> np.ndarray:
        """Other codes (M, L) in the present layout, float32 (M, 2): at the median of their 25 nearest neighbours among the
        codes that were laid out, then moved by t-SNE's own gradient with those held still (Policar et al. 2021)."""
        neighbours = min(25, len(self.codes) // 3)
        placed = self._embedding.transform(np.asarray(codes, np.float64), perplexity=neighbours / 3, k=neighbours)
        return np.asarray(placed, np.float32)


def trustworthiness(codes: np.ndarray, points: np.ndarray, neighbours: int = 10, sample: int = 2000, seed: int = 0) -> float:
    """Trustworthiness of a projection of codes (N, L) to points (N, 2), 0 to 1 (Venna & Kaski 2001), on a seeded sample.

    1 where nobody is a neighbour in the picture who is none in the latent space. Of few points fewer neighbours are looked at,
    less than half of the points, as the formula needs. Raises BadInput on fewer than FEW_TO_TRUST.
    """
    from sklearn.manifold import trustworthiness as of

    if len(codes) < FEW_TO_TRUST:
        raise BadInput(f"Trustworthiness needs {FEW_TO_TRUST} test images at least; here are {len(codes)}.")
    chosen = np.random.default_rng(seed).permutation(len(codes))[:sample]
    return float(of(codes[chosen], points[chosen], n_neighbors=min(neighbours, (len(chosen) - 1) // 2)))


def neighbours_kept(codes: np.ndarray, points: np.ndarray, neighbours: int = 10) -> float:
    """Share of each code's nearest neighbours, codes (N, L), that are nearest neighbours of its point (N, 2), 0 to 1."""
    from sklearn.neighbors import NearestNeighbors

    near = [NearestNeighbors(n_neighbors=neighbours).fit(array).kneighbors(return_distance=False) for array in (codes, points)]
    return float(np.mean([len(np.intersect1d(*pair)) for pair in zip(*near, strict=True)]) / neighbours)
