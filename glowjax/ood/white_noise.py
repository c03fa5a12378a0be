"""Statistics of a sequence that is white noise under the model: computed by NumPy or JAX, whichever has the array."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr


def standardized(z: Any) -> Any:
    """`z` [N, n] minus its mean, divided by its standard deviation with n - 1 degrees of freedom, for each sequence."""
    return (z - z.mean(axis=1, keepdims=True)) / z.std(axis=1, ddof=1, keepdims=True)


def anderson_darling(z: jax.Array) -> jax.Array:
    """The Anderson-Darling distance A^2 [N] of each sequence [N, n] from a normal with its own mean and variance.

    A^2 = -n - sum over i of (2 i - 1) / n * (log F(y_i) + log(1 - F(y_{n+1-i}))) for the sorted, standardized values y.
    What is summed is the difference of each logarithm from its value for exact quantiles, (2 i - 1) / 2 n, because the
    sum of the logarithms itself is nearly -n and would lose digits in float32.
    """
    n = z.shape[1]
    weights = np.arange(1, 2 * n, 2) / n
    logs = np.log(weights / 2)  # of exact quantiles
    y = jnp.sort(standardized(z), axis=1)
    differences = log_ndtr(y) + log_ndtr(-y[:, ::-1]) - jnp.asarray(2 * logs, z.dtype)[None]
    return -n - 2 * float(weights @ logs) - differences @ jnp.asarray(weights, z.dtype)


def spectral_flatness(z: jax.Array) -> jax.Array:
    """Standard deviation over mean of the power spectrum |rfft(z)|^2 [N] of each sequence [N, n]; about 1 for noise."""
    power = jnp.abs(jnp.fft.rfft(z, axis=1)) ** 2
    return power.std(axis=1) / power.mean(axis=1)


def box_pierce(z: Any, max_lag: int | None = None) -> Any:
    """N times the mean over lags of the squared autocorrelation [N] of each sequence [N, n]; about 1 for white noise.

    Box and Pierce (1970) sum over lags. The largest lag is n // 4 by default.
    """
    xp: Any = np if isinstance(z, np.ndarray) else jnp
    n = z.shape[1]
    padded = 2 ** math.ceil(math.log2(2 * n))
    power = xp.abs(xp.fft.rfft(z - z.mean(axis=1, keepdims=True), padded, axis=1)) ** 2
    covariances = xp.fft.irfft(power, axis=1)[:, : (max_lag or max(n // 4, 1)) + 1]
    return n * xp.mean((covariances[:, 1:] / covariances[:, :1]) ** 2, axis=1)
