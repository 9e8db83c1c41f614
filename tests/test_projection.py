"""Pictures of codes: scikit-learn's principal components with signs that hold still, t-SNE, and trust in them."""

import warnings

import numpy as np
import pytest
from sklearn.decomposition import PCA

from vae_core import evaluate, projection
from vae_core.errors import BadInput
from vae_core.projection import EXAGGERATED, ITERATIONS, TSNE, PrincipalPlane, neighbours_kept, trustworthiness


def cloud(count=300, dimensions=5, seed=0) -> np.ndarray:
    """Codes with a clear order of variances, turned at random."""
    random = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(random.normal(size=(dimensions, dimensions)))
    return (random.normal(size=(count, dimensions)) * 2.0 ** -np.arange(dimensions)) @ turn + 3


def test_the_plane_is_that_of_scikit_learn_but_for_signs():
    codes = cloud()
    expected = PCA(2, svd_solver="full").fit(codes)
    plane = PrincipalPlane(codes)
    np.testing.assert_allclose(np.abs(plane(codes)), np.abs(expected.transform(codes)), atol=1e-9)
    np.testing.assert_allclose(plane.explained, expected.explained_variance_ratio_)


def test_the_plane_agrees_with_the_eigenvectors_of_the_covariance():
    codes = cloud(seed=4)
    values, vectors = np.linalg.eigh(np.cov(codes.T))
    plane = PrincipalPlane(codes)
    points = plane(codes)
    np.testing.assert_allclose(points.var(0, ddof=1), values[::-1][:2])
    np.testing.assert_allclose(plane.explained, values[::-1][:2] / values.sum())
    np.testing.assert_allclose(np.abs(points), np.abs((codes - codes.mean(0)) @ vectors[:, [-1, -2]]), atol=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_turning_the_codes_around_does_not_flip_the_map_of_the_next_moment(seed):
    codes = cloud(seed=seed)
    before = PrincipalPlane(codes)
    jittered = codes + np.random.default_rng(seed).normal(scale=0.01, size=codes.shape)
    after = PrincipalPlane(jittered, like=before)
    assert (np.sign((before.components * after.components).sum(1)) > 0).all()
    for axis in range(2):
        assert np.corrcoef(before(codes)[:, axis], after(jittered)[:, axis])[0, 1] > 0.99


def test_the_sign_follows_the_earlier_plane_even_where_that_was_flipped():
    codes = cloud()
    flipped = PrincipalPlane(codes)
    flipped.components = -flipped.components
    np.testing.assert_allclose(PrincipalPlane(codes, like=flipped)(codes), -PrincipalPlane(codes)(codes))


def test_the_first_plane_does_not_depend_on_the_order_of_the_images():
    codes = cloud()
    shuffled = codes[np.random.default_rng(1).permutation(len(codes))]
    np.testing.assert_allclose(PrincipalPlane(shuffled)(codes), PrincipalPlane(codes)(codes), atol=1e-9)


def test_two_dimensions_are_shown_as_they_are():
    codes = cloud(dimensions=2)
    plane = PrincipalPlane(codes)
    np.testing.assert_array_equal(plane(codes), codes)
    assert plane.explained is None


def test_one_dimension_becomes_a_line():
    codes = cloud(dimensions=1)
    points = PrincipalPlane(codes)(codes)
    np.testing.assert_array_equal(points[:, 0], codes[:, 0])
    assert (points[:, 1] == 0).all()
    assert points.shape == (300, 2)


@pytest.mark.parametrize("dimensions", [1, 2, 3, 64])
def test_new_codes_land_where_the_fit_would_put_them(dimensions):
    codes = cloud(dimensions=dimensions)
    plane = PrincipalPlane(codes)
    np.testing.assert_allclose(plane(codes[:7]), plane(codes)[:7], atol=1e-9)
    assert plane(codes[:7]).shape == (7, 2)


@pytest.mark.parametrize(
    "codes", [np.zeros((50, 4)), np.full((50, 4), 7.5), np.eye(4)[[0, 1] * 25]], ids=["0", "7.5", "two points"]
)
def test_codes_without_spread_give_points_without_a_complaint(codes):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plane = PrincipalPlane(codes, like=PrincipalPlane(cloud(dimensions=4)))
        points = plane(codes)
    assert np.isfinite(points).all()
    assert np.isfinite(plane.explained).all()
    assert np.ptp(points, axis=0).max() == pytest.approx(np.sqrt(2) if codes[0, 0] == 1 else 0, abs=1e-9)


def test_a_collapsed_moment_can_be_followed_by_a_spread_one():
    collapsed = PrincipalPlane(np.zeros((50, 4)))
    plane = PrincipalPlane(cloud(dimensions=4), like=collapsed)
    assert np.isfinite(plane(cloud(dimensions=4))).all()
    assert sum(plane.explained) > 0.8


# t-SNE.


def clusters(count: int = 240, groups: int = 4, dimensions: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Well separated clouds and which cloud each code belongs to."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % groups
    return random.normal(size=(groups, dimensions))[labels] * 6 + random.normal(size=(count, dimensions)), labels


@pytest.fixture(scope="module")
def laid_out() -> tuple[TSNE, list]:
    codes, _ = clusters()
    layout = TSNE(codes, perplexity=20, seed=1)
    return layout, list(layout)


def test_a_layout_starts_at_the_principal_components_and_ends_with_the_clusters_apart(laid_out):
    layout, moments = laid_out
    assert [moments[0].iteration, moments[-1].iteration] == [0, ITERATIONS]
    first = PCA(1).fit_transform(layout.codes)[:, 0]
    assert abs(np.corrcoef(first, moments[0].points[:, 0])[0, 1]) > 0.999
    codes, labels = clusters()
    assert evaluate.neighbour_accuracy(moments[-1].points, labels) == 1.0
    assert neighbours_kept(codes, moments[-1].points) > 1.3 * neighbours_kept(codes, PrincipalPlane(codes)(codes))


def test_the_divergence_falls_and_is_that_of_the_printed_points(laid_out):
    layout, moments = laid_out
    plain = [moment for moment in moments if moment.iteration > EXAGGERATED]
    assert plain[-1].divergence < plain[0].divergence
    # KL(P || Q) written out, with P from the affinities and Q the Student kernel of the points
    p = layout._embedding.affinities.P.toarray()
    points = moments[-1].points.astype(float)
    q = 1 / (1 + ((points[:, None] - points[None]) ** 2).sum(-1))
    np.fill_diagonal(q, 0)
    q /= q.sum()
    own = p > 0
    assert moments[-1].divergence == pytest.approx((p[own] * np.log(p[own] / q[own])).sum(), rel=0.05)  # approximated


def test_both_ways_to_the_gradient_end_at_layouts_that_are_as_good(monkeypatch):
    codes, labels = clusters(120)
    ends = {}
    for few in (0, 10**6):  # Fourier transforms, trees
        monkeypatch.setattr(projection, "FEW", few)
        ends[few] = list(TSNE(codes, perplexity=20, seed=1))[-1]
    assert all(evaluate.neighbour_accuracy(end.points, labels) == 1.0 for end in ends.values())
    assert ends[0].divergence == pytest.approx(ends[10**6].divergence, abs=0.03)


def test_the_same_seed_gives_the_same_layout():
    codes, _ = clusters(60)
    same = [list(TSNE(codes, perplexity=10, seed=5))[-1].points for _ in range(2)]
    np.testing.assert_array_equal(*same)


def test_a_code_that_is_placed_again_lands_beside_its_own_point(laid_out):
    layout, moments = laid_out
    points = moments[-1].points
    placed = layout.place(layout.codes[:40])
    distance = np.linalg.norm(placed - points[:40], axis=1)
    assert np.median(distance) < 0.1 * np.ptp(points)


def test_a_dead_dimension_changes_nothing():
    codes, labels = clusters(80)
    moments = list(TSNE(np.column_stack([codes, np.zeros(len(codes))]), perplexity=10))
    assert np.isfinite(moments[-1].points).all()
    assert evaluate.neighbour_accuracy(moments[-1].points, labels) == 1.0


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        (np.zeros((50, 3)), "no spread"),
        (np.random.default_rng(0).normal(scale=1e-4, size=(50, 3)), "no spread"),
        (np.repeat([[0.0, 0.0], [3.0, 1.0]], 25, axis=0), "no spread"),
        (np.full((50, 2), np.nan), "no finite numbers"),
        (np.r_[np.ones((49, 2)), [[np.inf, 0]]], "no finite numbers"),
        (np.eye(2), "at least 3 points"),
    ],
)
def test_codes_that_make_no_picture_are_refused_in_a_sentence(codes, said):
    with pytest.raises(BadInput, match=said):
        TSNE(codes, perplexity=1)


@pytest.mark.parametrize(("count", "perplexity"), [(10, 4), (10, 0.5), (100, 40), (100, float("nan")), (3, 1)])
def test_a_perplexity_that_does_not_fit_is_refused_with_the_ones_that_do(count, perplexity):
    with pytest.raises(BadInput, match=r"perplexity can be 1 to|at least 4 points"):
        TSNE(np.random.default_rng(0).normal(size=(count, 2)), perplexity)


@pytest.mark.parametrize("dimensions", [1, 2, 64])
@pytest.mark.parametrize("count", [4, 12])
def test_few_points_of_any_dimension_still_make_a_layout(count, dimensions):
    codes = np.random.default_rng(0).normal(size=(count, dimensions))
    layout = TSNE(codes, perplexity=1)
    moments = list(layout)
    assert moments[-1].points.shape == (count, 2)
    assert np.isfinite(moments[-1].points).all()
    assert np.isfinite(layout.place(codes[:2] + 0.1)).all()


# Trust in a picture.


def test_trustworthiness_is_the_formula_of_venna_and_kaski():
    random = np.random.default_rng(0)
    codes, k = random.normal(size=(60, 5)), 7
    points = codes[:, :2]
    far, near = (np.linalg.norm(array[:, None] - array[None], axis=-1) for array in (codes, points))
    penalty = 0.0
    for i in range(60):
        rank = np.argsort(np.argsort(np.where(np.arange(60) == i, -1, far[i])))  # 0 is i itself
        shown = [j for j in np.argsort(near[i]) if j != i][:k]
        penalty += sum(max(0, rank[j] - k) for j in shown)
    assert trustworthiness(codes, points, k) == pytest.approx(1 - 2 / (60 * k * (2 * 60 - 3 * k - 1)) * penalty)


def test_a_picture_that_is_the_codes_themselves_is_trusted_and_a_shuffled_one_is_not():
    codes = np.random.default_rng(0).normal(size=(3000, 2))
    shuffled = codes[np.random.default_rng(1).permutation(3000)]
    assert trustworthiness(codes, codes) == 1.0
    assert trustworthiness(codes, shuffled) == pytest.approx(0.5, abs=0.05)
    assert neighbours_kept(codes, codes) == 1.0
    assert neighbours_kept(codes, shuffled) < 0.02


def test_a_single_code_is_shown_by_its_first_dimensions():
    plane = PrincipalPlane(np.array([[1.0, 2.0, 3.0]]))
    assert plane(np.array([[1.0, 2.0, 3.0]])).tolist() == [[1.0, 2.0]]
    assert plane.explained is None
