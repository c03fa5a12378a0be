"""ActNorm: a scale and a shift for each channel, initialized from the first batch (Glow, section 3.1)."""

import dataclasses

import jax.numpy as jnp

from glowjax.checks import InputError
from glowjax.layers.base import log_det_dtype, per_channel, per_image
from glowjax.networks.normalization import normalizer
from glowjax.typing import Array, Continuous, Key, LogDet, Params


@dataclasses.dataclass(frozen=True)
class ActNorm:
    """y = x * exp(log_scale) + shift, channel by channel; after `init` the first batch has mean 0, variance 1."""

    def init(self, key: Key, x: Continuous) -> Params:
        """`log_scale` [C] and `shift` [C] from the statistics of `x` [..., H, W, C], which must not be empty."""
        del key
        if not x.size:
            raise InputError("ActNorm is initialized from the first batch, but this one is empty; pass images.")
        return normalizer(x, tuple(range(x.ndim - 1)))

    def forward(self, params: Params, x: Continuous) -> tuple[Continuous, LogDet]:
        """Scaled and shifted channels, and H W sum(log_scale)."""
        log_det = self._log_det(params, x)
        return x * per_channel(jnp.exp(params["log_scale"]), x) + per_channel(params["shift"], x), log_det

    def inverse(self, params: Params, y: Continuous) -> tuple[Continuous, LogDet]:
        """The channels before scaling and shifting, and -H W sum(log_scale)."""
        log_det = self._log_det(params, y)
        return (y - per_channel(params["shift"], y)) * per_channel(jnp.exp(-params["log_scale"]), y), -log_det

    def _log_det(self, params: Params, x: Array) -> LogDet:
        height, width, channels = x.shape[-3:]
        if params["log_scale"].shape != (channels,):
            raise InputError(
                f"This ActNorm has scales of shape {list(params['log_scale'].shape)}, but got {channels} channels; "
                "initialize it with images like these."
            )
        return per_image(height * width * jnp.sum(params["log_scale"], dtype=log_det_dtype(x)), x)
