import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.densities import points

from glowjax.analysis import moments
from glowjax.checks import InputError

SHAPE = (2, 3, 1)


def batches(images, sizes):
    """`images` in batches of these sizes, each read once."""
    return (images[end - size : end] for size, end in zip(sizes, np.cumsum(sizes), strict=True))


def covariance(images):
    return np.cov(images.reshape(len(images), -1).astype(float).T, bias=True)


def product(factor):
    flat = np.asarray(factor).reshape(-1, factor.shape[-1])
    return flat @ flat.T


def assert_moments_of(images, found, rtol=1e-12):
    """Mean and variance, and the covariance if the factor's rank reaches the dimensions."""
    exact = np.asarray(images, float)
    assert found.num_points == len(images)
    np.testing.assert_allclose(found.mean, exact.mean(axis=0), rtol=rtol, atol=rtol)
    np.testing.assert_allclose(found.variance, exact.var(axis=0), rtol=rtol)
    if found.covariance_factor.shape[-1]:
        tolerance = 1e3 * rtol
        np.testing.assert_allclose(product(found.covariance_factor), covariance(exact), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("rank", [0, 6, 9])
def test_moments_of_an_array_are_those_of_numpy_traced_or_not(float64, rank):
    images = points(50, SHAPE)
    for function in (moments, jax.jit(moments, static_argnames="rank")):
        found = function(images, rank=rank)
        assert found.covariance_factor.shape == (*SHAPE, rank)
        assert_moments_of(images, found)


def test_moments_of_8_bit_images_are_those_of_numpy():
    images = np.random.default_rng(0).integers(0, 256, (300, *SHAPE), dtype=np.uint8)
    found = moments(images, rank=6)
    assert_moments_of(images, found._replace(covariance_factor=jnp.zeros((*SHAPE, 0))), rtol=1e-5)
    np.testing.assert_allclose(product(found.covariance_factor), covariance(images), rtol=1e-4, atol=1)
    assert_moments_of(images, moments(batches(images, [100, 200])), rtol=1e-5)


def test_moments_of_batches_of_any_size_are_those_of_all_images(float64):
    """Later batches have other means; empty ones are passed over, and a large array is read in batches too."""
    images = points(60, SHAPE, shift=np.arange(60.0).reshape(60, 1, 1, 1))
    assert_moments_of(images, moments(batches(images, [1, 40, 0, 2, 17]), rank=6))
    images = points(2345, SHAPE, shift=np.linspace(0, 5, 2345).reshape(-1, 1, 1, 1))
    assert_moments_of(images, moments(images, rank=7))


def test_float32_keeps_a_small_variance_around_a_large_mean():
    images = np.asarray(points(2345, SHAPE, scale=0.5, shift=200.0), np.float32)
    np.testing.assert_allclose(moments(images).variance, images.astype(float).var(axis=0), rtol=1e-4)


def test_fewer_points_than_the_rank_give_their_covariance(float64):
    images = points(3, (10,))
    for found in (moments(images, rank=5), moments(batches(images, [1, 1, 1]), rank=5)):
        assert found.covariance_factor.shape == (10, 5)
        assert_moments_of(images, found)
        assert np.linalg.matrix_rank(found.covariance_factor) == 2


def test_the_factor_is_near_the_best_of_its_rank_where_the_spectrum_decays(float64):
    dim, rank = 20, 5
    directions = np.linalg.qr(points(dim, (dim,)))[0]
    images = points(3000, (dim,)) * 0.6 ** np.arange(dim) @ directions
    exact = covariance(images)
    values, vectors = np.linalg.eigh(exact)
    least = np.linalg.norm(exact - vectors[:, -rank:] * values[-rank:] @ vectors[:, -rank:].T)
    for found in (moments(images, rank=rank), moments(batches(images, [100] * 30), rank=rank)):
        error = np.linalg.norm(exact - product(found.covariance_factor))
        assert least * (1 - 1e-9) <= error < 1.1 * least


@pytest.mark.parametrize(
    ("images", "rank", "message"),
    [
        ([], 0, "moments got no images"),
        (np.zeros((0, 3)), 0, "moments got no images"),
        ([np.ones((2, 3)), np.ones((2, 4))], 0, r"A batch of images of shape \[4\] came after \[3\]"),
        (np.array([[0.0, 1.0], [2.0, np.inf]]), 0, r"images is inf at index \[1, 1\] \(1 of 4 values"),
        (np.ones((2, 3)), -1, r"rank must be 0 .* but is -1"),
    ],
)
def test_bad_images_are_refused_in_a_sentence(images, rank, message):
    with pytest.raises(InputError, match=message):
        moments(images, rank=rank)


def test_a_used_up_iterator_is_refused():
    iterator = iter([jnp.ones((2, 3))])
    moments(iterator)
    with pytest.raises(InputError, match="an iterator that is not used up"):
        moments(iterator)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_half_precision_is_counted_in_float32(dtype):
    batch = np.arange(3000.0).reshape(1000, 3) % 7
    found = moments([jnp.asarray(batch, dtype)] * 400)
    assert found.num_points == 400_000
    np.testing.assert_allclose(found.mean, batch.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(found.variance, batch.var(axis=0), rtol=1e-4)
