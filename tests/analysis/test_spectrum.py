import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.densities import GLOW_POINT, dense_glow_hessian, glow_density, points, quadratic, symmetric

from glowjax.analysis import extreme_eigenpairs
from glowjax.checks import InputError

SHAPE = (2, 3, 2)
MATRIX = symmetric(12)
VALUES = np.linalg.eigvalsh(MATRIX)


@pytest.mark.parametrize(("num_low", "num_high"), [(2, 3), (1, 0), (0, 4), (11, 1)])
def test_eigenvalues_are_the_ends_of_the_spectrum(float64, num_low, num_high):
    pairs = extreme_eigenpairs(quadratic(MATRIX), points(1, SHAPE)[0], num_low, num_high)
    expected = np.sort(np.concatenate([VALUES[:num_low], VALUES[12 - num_high :]]))
    assert pairs.vectors.shape == (num_low + num_high, *SHAPE)
    np.testing.assert_allclose(pairs.values, expected, rtol=1e-9)


def test_vectors_are_eigenvectors_of_length_one(float64):
    pairs = extreme_eigenpairs(quadratic(MATRIX), points(1, SHAPE)[0], 2, 3)
    flat = pairs.vectors.reshape(5, 12)
    np.testing.assert_allclose(flat @ MATRIX, pairs.values[:, None] * flat, atol=1e-9)
    np.testing.assert_allclose(flat @ flat.T, np.eye(5), atol=1e-9)


def test_float32_serves_too():
    pairs = extreme_eigenpairs(quadratic(MATRIX), jnp.asarray(points(1, SHAPE)[0], jnp.float32), 1, 1)
    np.testing.assert_allclose(pairs.values, VALUES[[0, -1]], rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_flat_end_of_the_spectrum_is_found_too(dtype):
    a = points(3, (12,))
    with jax.enable_x64(dtype == "float64"):
        pairs = extreme_eigenpairs(quadratic(-a.T @ a), jnp.zeros(SHAPE, dtype), 3, 2)
        flat = np.float64(pairs.vectors.reshape(5, 12))
    size = np.sum(a**2)
    np.testing.assert_allclose(pairs.values[:3], -np.linalg.eigvalsh(a @ a.T)[::-1], rtol=1e-4)
    np.testing.assert_allclose(pairs.values[3:], 0, atol=1e-4 * size)
    np.testing.assert_allclose(flat[3:] @ a.T, 0, atol=1e-2)
    np.testing.assert_allclose(flat @ flat.T, np.eye(5), atol=1e-4)


def test_eigenvalues_of_a_glow_are_those_of_its_hessian(float64):
    dense = dense_glow_hessian("cv-tanh")
    pairs = extreme_eigenpairs(glow_density("cv-tanh"), GLOW_POINT, 2, 1)
    expected = np.linalg.eigvalsh(dense)
    np.testing.assert_allclose(pairs.values, expected[[0, 1, -1]], atol=1e-9 * np.abs(expected).max())
    flat = pairs.vectors.reshape(3, -1)
    np.testing.assert_allclose(flat @ dense, pairs.values[:, None] * flat, atol=1e-9 * np.abs(expected).max())


def test_the_seed_changes_nothing_but_rounding(float64):
    one, other = (extreme_eigenpairs(quadratic(MATRIX), points(1, SHAPE)[0], 2, 2, seed=seed) for seed in (0, 1))
    np.testing.assert_allclose(one.values, other.values, rtol=1e-9)


@pytest.mark.parametrize(("num_low", "num_high"), [(0, 0), (12, 0), (1, 12), (-1, 2)])
def test_too_few_or_too_many_pairs_are_refused_in_a_sentence(num_low, num_high):
    with pytest.raises(
        InputError, match=f"Asked for {num_low} . {num_high} eigenpairs of 12 values; expected 12 or fewer"
    ):
        extreme_eigenpairs(quadratic(MATRIX), jnp.ones(SHAPE), num_low, num_high)
