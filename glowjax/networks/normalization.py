"""Data-dependent normalization, shared by ActNorm layers and the conditioners' hidden activations."""

import jax.numpy as jnp
from jaxtyping import Float

from glowjax.typing import Array, Params

SMALLEST_STD = 1e-4
"""Channels with a smaller standard deviation are not rescaled."""


def normalizer(x: Float[Array, "..."], axes: tuple[int, ...]) -> Params:
    """`log_scale` and `shift` with which `x * exp(log_scale) + shift` has mean 0 and variance 1 over `axes`."""
    std = jnp.std(x, axis=axes)
    scale = 1 / jnp.where(std > SMALLEST_STD, std, 1)
    return {"log_scale": jnp.log(scale), "shift": -jnp.mean(x, axis=axes) * scale}
