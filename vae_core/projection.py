"""Codes of any dimension -> points in a plane."""

import numpy as np
from sklearn.decomposition import PCA


class Plane:
    """The plane of the first two principal components (Pearson 1901), with signs that do not flip between fits.

    A 1-D code gets a second coordinate of zero, a 2-D code is shown as it is: its own plane, no rotation.
    """

    def __init__(self, codes: np.ndarray, like: "Plane | None" = None):
        """Fit to codes (N, L). With `like`, an earlier Plane, each component points the way it did there."""
        self.latent_dim = codes.shape[1]
        self.explained: tuple[float, float] | None = None  # share of the variance, 0 to 1, of each axis
        self.pca = None
        if self.latent_dim > 2:
            with np.errstate(invalid="ignore"):
                self.pca = PCA(2, svd_solver="full").fit(codes)
            components = self.pca.components_  # (2, L)
            reference = like.pca.components_ if like and like.pca else np.eye(2, self.latent_dim)
            signs = np.sign((components * reference).sum(1))
            self.pca.components_ = components * np.where(signs == 0, 1, signs)[:, None]
            with np.errstate(invalid="ignore"):  # constant codes have no variance to explain
                self.explained = tuple(np.nan_to_num(self.pca.explained_variance_ratio_).tolist())

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        """Codes (N, L) -> points (N, 2)."""
        if self.pca is not None:
            return self.pca.transform(codes)
        return codes if self.latent_dim == 2 else np.column_stack([codes, np.zeros(len(codes))])
