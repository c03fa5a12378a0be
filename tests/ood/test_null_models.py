"""Scores without a model, against explicit loops, SciPy and scikit-learn."""

import jax
import numpy as np
import pytest
import tiny
from scipy.stats import gaussian_kde, multivariate_normal
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import NearestNeighbors

from glowjax import ood
from glowjax.ood import null_models
from glowjax.ood.white_noise import box_pierce

RNG = np.random.default_rng(0)
IMAGES = np.clip(RNG.normal(120, 30, (130, 6, 5, 1)), 0, 255).astype(np.uint8)
FAMILIES = ("pixels", "levels", "png")
NULL = [name for name, one in ood.SCORES.items() if one.group == "null models"]


def of(images):
    return ood.statistics(None, None, jax.random.key(0), images, FAMILIES)


@pytest.fixture(scope="module")
def reference():
    return of(IMAGES[:100]).as_reference()


@pytest.fixture(scope="module")
def stats():
    return of(IMAGES[100:])


def test_levels_and_pixels_are_those_of_the_images(stats):
    for row, image in enumerate(IMAGES[100:].astype(int)):
        np.testing.assert_array_equal(stats["pixels"][row], image.ravel())
        assert stats["levels.mean"][row] == pytest.approx(image.mean())
        assert stats["levels.variance"][row] == pytest.approx(image.var())
        down = sum(abs(image[i + 1, j, 0] - image[i, j, 0]) for i in range(5) for j in range(5))
        right = sum(abs(image[i, j + 1, 0] - image[i, j, 0]) for i in range(6) for j in range(4))
        assert stats["levels.variation"][row] == down + right


def test_a_random_score_depends_on_the_image_alone_and_is_uniform(reference, stats):
    score = ood.SCORES["null-random"].score.fit(reference)
    order = RNG.permutation(30)
    np.testing.assert_array_equal(score(stats.select(order)), score(stats)[order])
    assert np.abs(score(stats) - ood.RandomScore(seed=1).fit(reference)(stats)).max() > 0.1
    small = of(RNG.integers(0, 256, (4000, 2, 2, 1), np.uint8))
    uniform = ood.RandomScore().fit(small.as_reference())(small)
    assert len(np.unique(uniform)) == 4000
    np.testing.assert_allclose(np.quantile(uniform, [0, 0.25, 0.5, 0.75, 1]), [0, 0.25, 0.5, 0.75, 1], atol=0.03)


@pytest.mark.parametrize("name", ["levels.mean", "levels.variance", "levels.variation", "png"])
def test_numbers_of_the_image_are_scored_by_minus_the_log_of_a_kernel_density(name, reference, stats):
    score = next(one.score for one in ood.SCORES.values() if getattr(one.score, "statistics", None) == (name,))
    expected = -gaussian_kde(reference[name], "scott").logpdf(stats[name])
    np.testing.assert_allclose(score.fit(reference)(stats), expected, rtol=1e-9)


@pytest.mark.parametrize("num_images", [100, 4])
def test_the_gaussian_is_that_of_the_shrunk_covariance_and_its_residuals_are_white(reference, stats, num_images):
    reference = reference.select(slice(num_images))
    fit = LedoitWolf().fit(reference["pixels"].astype(float))
    expected = -multivariate_normal(fit.location_, fit.covariance_).logpdf(stats["pixels"].astype(float))
    np.testing.assert_allclose(ood.LinearGaussian().fit(reference)(stats), expected, rtol=1e-9)
    residuals = np.linalg.inv(np.linalg.cholesky(fit.covariance_)) @ (stats["pixels"] - fit.location_).T
    found = ood.LinearWhiteNoise().fit(reference)(stats)
    np.testing.assert_allclose(found, box_pierce(residuals.T.copy()), rtol=1e-6)


def test_the_gaussian_of_a_constant_set_has_unit_variances(reference, stats):
    scores = ood.LinearGaussian().fit(reference.select(np.array([7, 7, 7])))(stats)
    expected = ((stats["pixels"].astype(float) - reference["pixels"][7]) ** 2).sum(axis=1) / 2
    np.testing.assert_allclose(scores, expected + 15 * np.log(2 * np.pi))


def test_the_gaussian_of_two_images_is_finite(reference, stats):
    assert ood.LinearGaussian().fit(reference.select(slice(2)))(stats).min() > 0  # Ledoit and Wolf do not shrink these


def test_the_neighbor_is_the_nearest_of_the_reference(reference, stats, monkeypatch):
    expected = NearestNeighbors(n_neighbors=1).fit(reference["pixels"].astype(float)).kneighbors(stats["pixels"])[0]
    detector = ood.NearestNeighbor().fit(reference)
    np.testing.assert_allclose(detector(stats), expected[:, 0])
    monkeypatch.setattr(null_models, "BLOCK", 500)
    np.testing.assert_allclose(detector(stats), expected[:, 0])


@pytest.mark.parametrize("name", NULL)
def test_images_that_are_very_different_are_found_except_by_chance(name, reference):
    detector = ood.SCORES[name].score.fit(reference)
    ramps = np.arange(0, 60, 12)[:, None] + RNG.integers(0, 9, (60, 1, 1, 1)) + np.zeros((60, 6, 5, 1))
    scores = detector(of(np.concatenate([IMAGES[100:], ramps.astype(np.uint8)])))
    auroc = tiny.auroc(scores[:30], scores[30:])
    if name == "null-random":
        assert 0.2 < auroc < 0.8
    else:
        assert auroc > 0.9
