import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.densities import (
    GLOW_POINT,
    dense_glow_hessian,
    glow_density,
    points,
    quadratic,
    symmetric,
    undifferentiable,
)

from glowjax.analysis import expand, extreme_eigenpairs, spectrum
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
    flat = pairs.vectors.reshape(num_low + num_high, 12)
    residuals = np.linalg.norm(flat @ MATRIX - pairs.values[:, None] * flat, axis=1)
    np.testing.assert_allclose(pairs.residuals, residuals, atol=1e-12)
    np.testing.assert_allclose(residuals, np.zeros(len(flat)), atol=1e-9)
    np.testing.assert_allclose(flat @ flat.T, np.eye(len(flat)), atol=1e-9)


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


def test_an_expansion_serves_in_the_place_of_the_point(float64, monkeypatch):
    monkeypatch.setattr(spectrum, "DENSE_SIZE", 0)
    expansion = expand(quadratic(MATRIX), points(1, SHAPE)[0])
    pairs = extreme_eigenpairs(undifferentiable, expansion, 2, 3)
    np.testing.assert_allclose(pairs.values, VALUES[[0, 1, -3, -2, -1]], rtol=1e-9)
    assert pairs.vectors.shape == (5, *SHAPE)


@pytest.fixture(params=["dense", "lanczos"])
def route(request, monkeypatch):
    """Small Hessians by either route."""
    if request.param == "lanczos":
        monkeypatch.setattr(spectrum, "DENSE_SIZE", 0)


@pytest.mark.parametrize("unit", [1.0, 1e-5, 1e6])
@pytest.mark.parametrize("slope", ["linear", "square"])
def test_double_eigenvalues_are_found_twice_in_any_unit(route, slope, unit):
    """A stationary Gaussian field, whose precisions are double except for the first and the last one."""
    k = np.minimum(np.arange(48), 48 - np.arange(48))
    precision = unit * (1 + (k**2 if slope == "square" else 0.1 * k))

    def log_prob(x):
        z = jnp.fft.fft(x)
        return -0.5 * jnp.sum((z.real**2 + z.imag**2) * jnp.asarray(precision, x.dtype)) / 48

    pairs = extreme_eigenpairs(log_prob, jnp.zeros(48), 4, 3)
    expected = np.sort(-precision)[[0, 1, 2, 3, -3, -2, -1]]
    np.testing.assert_allclose(pairs.values, expected, atol=1e-4 * precision.max())
    flat = pairs.vectors.reshape(7, 48)
    np.testing.assert_allclose(flat @ flat.T, np.eye(7), atol=1e-4)
    assert pairs.residuals.max() < 1e-4 * precision.max()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_serves_within_its_own(route, dtype):
    values = np.r_[np.arange(1.0, 12), 40.0]
    pairs = extreme_eigenpairs(quadratic(-np.diag(values)), jnp.zeros(12, dtype), 1, 1)
    np.testing.assert_allclose(pairs.values, [-40, -1], atol=0.5)


def test_more_than_the_dense_size_is_found_by_lanczos_iterations():
    values = np.r_[3.0, 3.0, 3.0, np.linspace(0.1, 1, spectrum.DENSE_SIZE)]
    pairs = extreme_eigenpairs(
        lambda x: -jnp.sum(jnp.asarray(values, x.dtype) * x**2) / 2, jnp.zeros(len(values)), 4, 1
    )
    np.testing.assert_allclose(pairs.values, [-3, -3, -3, -1, -0.1], atol=1e-3)


@pytest.mark.parametrize(("num_low", "num_high"), [(0, 0), (12, 1), (-1, 2), (1.5, 1), (None, 1), (True, 1)])
def test_too_few_or_too_many_pairs_are_refused_in_a_sentence(num_low, num_high):
    with pytest.raises(InputError, match=f"Asked for {num_low} . {num_high} eigenpairs of 12 values; expected whole"):
        extreme_eigenpairs(quadratic(MATRIX), jnp.ones(SHAPE), num_low, num_high)
