"""Inverses of triangular matrices beside NumPy's in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from glowjax.linalg import unit_lower_inverse, upper_inverse


@pytest.mark.parametrize("size", [1, 2, 3, 7, 12, 20, 48, 96])
def test_inverses_are_those_of_numpy(size):
    entries = 0.3 * np.asarray(jax.random.normal(jax.random.key(size), (size, size)))
    lower = np.tril(entries, -1) + np.eye(size, dtype=np.float32)
    upper = np.triu(entries, 1) + np.diag(np.exp(entries.diagonal()))
    for inverse, matrix in ((unit_lower_inverse, lower), (upper_inverse, upper)):
        exact = np.linalg.inv(matrix.astype(np.float64))
        np.testing.assert_allclose(inverse(jnp.asarray(matrix, jnp.float32)), exact, atol=3e-6 * np.abs(exact).max())
