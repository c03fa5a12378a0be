"""ActNorm: a scale and a shift for each channel, set by the first batch (Kingma and Dhariwal 2018, section 3.1)."""

import dataclasses

import jax.numpy as jnp

from glowjax.layers.base import per_image
from glowjax.typing import Array, Key, LogDet, Params

SMALLEST_STD = 1e-4  # a channel that the first batch leaves constant would otherwise get an infinite scale


def normalizer(x: Array, axes: tuple[int, ...]) -> Params:
    """`log_scale` and `shift` with which `x * exp(log_scale) + shift` has mean 0 and variance 1 over `axes`."""
    scale = 1 / jnp.maximum(jnp.std(x, axis=axes), SMALLEST_STD)
    return {"log_scale": jnp.log(scale), "shift": -jnp.mean(x, axis=axes) * scale}


@dataclasses.dataclass(frozen=True)
class ActNorm:
    """y = x * exp(log_scale) + shift, channel by channel; after `init` the first batch has mean 0, variance 1."""

    def init(self, key: Key, x: Array) -> Params:
        """`log_scale` [C] and `shift` [C] from the statistics of `x` [..., H, W, C]."""
        del key
        return normalizer(x, tuple(range(x.ndim - 1)))

    def forward(self, params: Params, x: Array) -> tuple[Array, LogDet]:
        """Scaled and shifted channels, and H W sum(log_scale)."""
        y = x * jnp.exp(params["log_scale"]) + params["shift"]
        return y, self._log_det(params, x)

    def inverse(self, params: Params, y: Array) -> tuple[Array, LogDet]:
        """The channels before scaling and shifting, and -H W sum(log_scale)."""
        x = (y - params["shift"]) * jnp.exp(-params["log_scale"])
        return x, -self._log_det(params, y)

    def _log_det(self, params: Params, x: Array) -> LogDet:
        height, width = x.shape[-3:-1]
        return per_image(height * width * jnp.sum(params["log_scale"]), x)
