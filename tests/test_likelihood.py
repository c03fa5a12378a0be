"""Dequantization, bits per dimension and averages over draws, against SciPy, NumPy and hand-made cases."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from glowjax.checks import InputError
from glowjax.likelihood import bits_per_dim, dequantize, log_mean_exp, quantize


@pytest.mark.parametrize("level", [0, 1, 128, 255])
def test_dequantized_levels_stay_below_the_next_level(level):
    """Over 10^7 draws: float32 has 2^-16 between numbers near 255, so unclipped noise reaches 256 again and again."""
    images = np.full((10, 1000, 1000, 1), level, np.uint8)
    x = np.asarray(dequantize(jax.random.key(0), images))
    assert x.dtype == np.float32
    assert x.min() >= level
    assert x.max() < level + 1


def test_floor_undoes_dequantize():
    images = np.random.default_rng(0).integers(0, 256, (50, 32, 32, 3), dtype=np.uint8)
    np.testing.assert_array_equal(np.floor(dequantize(jax.random.key(1), images)), images)


def test_the_noise_is_uniform_and_differs_between_pixels():
    noise = np.asarray(dequantize(jax.random.key(2), np.zeros((20, 32, 32, 1), np.uint8)))
    assert scipy.stats.kstest(noise.ravel(), "uniform").pvalue > 1e-3
    assert len(np.unique(noise)) > 0.99 * noise.size


def test_the_noise_is_a_function_of_the_key():
    images = np.zeros((1, 4, 4, 1), np.uint8)
    first, again, other = (dequantize(jax.random.key(seed), images) for seed in (0, 0, 1))
    chex.assert_trees_all_equal(first, again)
    assert np.abs(first - other).max() > 0.01


def test_an_image_with_a_key_of_its_own_has_the_noise_that_it_would_have_alone():
    images = np.arange(6 * 32, dtype=np.uint8).reshape(2, 3, 4, 4, 2)
    keys = jax.random.split(jax.random.key(0), (2, 3))
    x = dequantize(keys, images)
    for index in np.ndindex(2, 3):
        np.testing.assert_array_equal(x[index], dequantize(keys[index], images[index]))
    assert len(np.unique(np.asarray(x) - images)) > 0.9 * images.size


@pytest.mark.usefixtures("unchecked")
def test_a_key_of_two_integers_is_one_key():
    images = np.zeros((2, 4, 4, 1), np.uint8)
    old, new = jax.random.PRNGKey(3), jax.random.key(3)
    np.testing.assert_array_equal(dequantize(old, images), dequantize(new, images))


def test_another_number_of_keys_than_of_images_is_refused():
    with pytest.raises(InputError, match=r"keys have the shape \[3\], but the leading axes of the images are \[2\]"):
        dequantize(jax.random.split(jax.random.key(0), 3), np.zeros((2, 4, 4, 1), np.uint8))


def test_a_uniform_density_over_grey_levels_is_eight_bits():
    log_density = scipy.stats.uniform(0, 256).logpdf(np.full((2, 12), 17.0)).sum(-1)
    np.testing.assert_allclose(bits_per_dim(log_density, 12), [8.0, 8.0], rtol=1e-14)


def test_a_fair_coin_a_dimension_is_one_bit_and_half_the_dimensions_double_it():
    np.testing.assert_allclose(bits_per_dim(5 * np.log(0.5), 5), 1.0, rtol=1e-14)
    np.testing.assert_allclose(bits_per_dim(5 * np.log(0.5), 10), 0.5, rtol=1e-14)


@pytest.mark.parametrize("axis", [0, 1])
def test_log_mean_exp_is_the_log_of_the_mean(axis):
    values = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    expected = np.log(np.mean(np.exp(values.astype(np.float64)), axis=axis))
    np.testing.assert_allclose(log_mean_exp(jnp.asarray(values), axis), expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("offset", [-9e4, 9e4])
def test_log_mean_exp_does_not_overflow(offset):
    values = offset + jnp.log(jnp.array([1.0, 3.0]))
    # float32 has 2^-7 between numbers near 9e4.
    np.testing.assert_allclose(log_mean_exp(values), offset + np.log(2), rtol=0, atol=2**-7)


def test_images_that_are_not_grey_levels_are_refused_with_their_range():
    with pytest.raises(InputError, match=r"are float32 .* between -1 and 0\.5; expected uint8 grey levels"):
        dequantize(jax.random.key(0), np.linspace(-1, 0.5, 48, dtype=np.float32).reshape(1, 4, 4, 3))
    with pytest.raises(InputError, match=r"are int64 of shape \[1, 2, 1, 1\] between 0 and 300"):
        dequantize(jax.random.key(0), np.array([0, 300]).reshape(1, 2, 1, 1))
    with pytest.raises(InputError, match=r"float64 .* with NaN or infinity"):
        dequantize(jax.random.key(0), np.full((1, 2, 2, 1), np.nan))
    with pytest.raises(InputError, match=r"uint8 of shape \[4, 4\] .* \[\.\.\., H, W, C\]"):
        dequantize(jax.random.key(0), np.zeros((4, 4), np.uint8))
    with pytest.raises(InputError, match=r"of shape \[0, 4, 4, 1\]; .* no empty axis"):
        dequantize(jax.random.key(0), np.zeros((0, 4, 4, 1), np.uint8))


def test_quantizing_undoes_dequantizing_and_clips():
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    np.testing.assert_array_equal(quantize(dequantize(jax.random.key(0), images)), images)
    outside = jnp.asarray([-3.5, -0.1, 255.9, 256.0, 300.0]).reshape(1, 5, 1)
    np.testing.assert_array_equal(quantize(outside).ravel(), [0, 0, 255, 255, 255])
