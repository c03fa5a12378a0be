"""Probabilities of 8-bit images from densities: bits per dimension, dequantization, averages over its draws."""

import functools
import math
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from glowjax.checks import as_images
from glowjax.noise import PartKey, draw
from glowjax.typing import Array, Continuous, Images, Keys

NUM_LEVELS = 256

ArrayT = TypeVar("ArrayT", jax.Array, np.ndarray, np.floating)


def bits_per_dim(log_likelihood: ArrayT, num_dims: int) -> ArrayT:
    """Bits per dimension of log-likelihoods in nats, any shape: -log_likelihood / (num_dims * log 2).

    A density over grey levels [0, 256) needs no constant; for a density over [0, 1) the result would be 8 too small.

    >>> round(bits_per_dim(np.float64(-2_000), num_dims=28 * 28), 3)
    np.float64(3.68)
    """
    return -log_likelihood / (num_dims * math.log(2))


def dequantize(key: Keys | PartKey, images: Array | np.ndarray) -> Continuous:
    """uint8 images [..., H, W, C] as float32 in [0, 256): each level k becomes k + u with u uniform on [0, 1).

    `key` is one key, or one key per image [...].

    >>> images = np.array([[[0], [255]]], np.uint8)
    >>> quantize(dequantize(jax.random.key(0), images)).tolist() == images.tolist()
    True
    """
    levels = jnp.asarray(as_images(images)).astype(jnp.float32)
    uniform = functools.partial(jax.random.uniform, dtype=levels.dtype)
    noisy = levels + draw(uniform, key, levels.shape[:-3], levels.shape[-3:])
    # 255 + 0.99999999 rounds to 256 in float32, which belongs to no level.
    return jnp.minimum(noisy, jnp.nextafter(levels + 1, levels))


def quantize(x: Continuous) -> Images:
    """The uint8 grey levels of `x` [..., H, W, C], rounded down, which inverts `dequantize`, and clipped."""
    return jnp.clip(jnp.floor(x), 0, NUM_LEVELS - 1).astype(jnp.uint8)


def log_mean_exp(log_values: Float[Array, "..."], axis: int = 0) -> Float[Array, "..."]:
    """Log of the mean of exp(log_values) along `axis`, without overflow."""
    return jax.nn.logsumexp(log_values, axis=axis) - math.log(log_values.shape[axis])
