"""Coupling layers: half of the channels are transformed by a function of the other half."""

import dataclasses
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name

from glowjax.checks import InputError
from glowjax.layers.base import per_image, soft_clip, sum_per_image
from glowjax.networks import local
from glowjax.typing import Continuous, Key, LogDet, Params

LOG_SCALE_BOUND = 2.0
"""Default bound on the raw log-scale h of sigmoid(h + 2): scales lie in (0.5, 0.982).

Without a bound, conditioner outputs are large far from the data, and each coupling amplifies float32 rounding errors.
With the bound at 4, a trained model of 24 couplings did not reconstruct noise: errors were whole grey levels."""

LARGE_BOUND = 80.0
"""If |h| may exceed this bound, sigmoid(h + 2) may be zero in float32."""

CONDITIONED = "conditioned"
"""The name of conditioner outputs in `jax.checkpoint` policies."""


def split_channels(x: Continuous) -> tuple[Continuous, Continuous]:
    """The kept half `x_a` and the changed half `x_b` of the channels of `x` [..., H, W, C]; C must be even."""
    channels = x.shape[-1]
    if channels % 2:
        raise InputError(
            f"A coupling splits the channels in two halves, but got {channels} channels: squeeze the image first."
        )
    return x[..., : channels // 2], x[..., channels // 2 :]


@dataclasses.dataclass(frozen=True)
class Conditioned:
    """The parts that layers share which transform one half of the channels given the other half.

    Attributes:
        conditioner: a linen module, called as `conditioner(x_a, num_outputs)`, such as those of
            `glowjax.networks.conditioners`.
    """

    conditioner: nn.Module

    outputs_per_channel: ClassVar[int] = 2

    def init(self, key: Key, x: Continuous) -> Params:
        """The conditioner's arrays for inputs like `x` [N, H, W, C]."""
        x_a, _ = split_channels(x)
        return self.conditioner.init(key, x_a, self.outputs_per_channel * x_a.shape[-1])["params"]

    def condition(self, params: Params, x_a: Continuous) -> Continuous:
        """The conditioner's output for the kept half `x_a`: `outputs_per_channel` numbers per changed value."""
        num_outputs = self.outputs_per_channel * x_a.shape[-1]
        return checkpoint_name(local.apply(self.conditioner, params, x_a, num_outputs), CONDITIONED)


@dataclasses.dataclass(frozen=True)
class AffineCoupling(Conditioned):
    """y_b = (x_b + shift(x_a)) * sigmoid(h(x_a) + 2): the reference Glow's affine coupling (NVP), with a bounded h.

    Attributes:
        log_scale_bound: bound on h, see `LOG_SCALE_BOUND`; infinity gives the reference's unbounded h.
    """

    log_scale_bound: float = LOG_SCALE_BOUND

    def forward(self, params: Params, x: Continuous) -> tuple[Continuous, LogDet]:
        """The image with its second half of channels scaled and shifted, and the sum of the log-scales."""
        x_a, x_b = split_channels(x)
        shift, scale, log_scale = self.shift_and_scale(params, x_a)
        return jnp.concatenate([x_a, (x_b + shift) * scale], axis=-1), sum_per_image(log_scale)

    def inverse(self, params: Params, y: Continuous) -> tuple[Continuous, LogDet]:
        """The image before the coupling, and minus the sum of the log-scales."""
        y_a, y_b = split_channels(y)
        shift, scale, log_scale = self.shift_and_scale(params, y_a)
        return jnp.concatenate([y_a, y_b / scale - shift], axis=-1), -sum_per_image(log_scale)

    def pull_back(
        self, params: Params, y: Continuous, y_bar: Continuous, log_det_bar: LogDet
    ) -> tuple[Continuous, Params, Continuous]:
        """See `glowjax.layers.base.pull_back`; the network is evaluated once, because its input is kept."""
        (y_a, y_b), (a_bar, b_bar) = split_channels(y), split_channels(y_bar)
        (shift, scale, log_scale), pull = jax.vjp(self.shift_and_scale, params, y_a)
        x_b, x_b_bar = y_b / scale - shift, b_bar * scale  # from y_b = (x_b + shift) scale
        log_scale_bar = jnp.broadcast_to(log_det_bar[..., None, None, None].astype(log_scale.dtype), log_scale.shape)
        params_bar, network_bar = pull((x_b_bar, b_bar * (x_b + shift), log_scale_bar))
        x = jnp.concatenate([y_a, x_b], axis=-1)
        return x, params_bar, jnp.concatenate([a_bar + network_bar, x_b_bar], axis=-1)

    def shift_and_scale(self, params: Params, x_a: Continuous) -> tuple[Continuous, Continuous, Continuous]:
        """The shift, the scale and its logarithm, each [..., H, W, C / 2], of the changed half, from the kept half.

        XLA:CPU computes log1p and `jax.nn.log_sigmoid` value by value, many times as slowly as sigmoid and log. In
        float32 the logarithm of a bounded sigmoid is as exact as the sums of log-scales; in half precision it is not.
        """
        shift, raw = split_channels(self.condition(params, x_a))
        logit = soft_clip(raw, self.log_scale_bound) + 2
        scale = jax.nn.sigmoid(logit)
        is_exact = self.log_scale_bound <= LARGE_BOUND and scale.dtype.itemsize >= 4
        return shift, scale, jnp.log(scale) if is_exact else jax.nn.log_sigmoid(logit)


@dataclasses.dataclass(frozen=True)
class AdditiveCoupling(Conditioned):
    """y_b = x_b + shift(x_a): volume preserving, log |det| = 0 (NICE; the couplings of a CV-Glow)."""

    outputs_per_channel = 1

    def forward(self, params: Params, x: Continuous) -> tuple[Continuous, LogDet]:
        """The image with its second half of channels shifted, and zero."""
        x_a, x_b = split_channels(x)
        return jnp.concatenate([x_a, x_b + self.shift(params, x_a)], axis=-1), per_image(0.0, x)

    def inverse(self, params: Params, y: Continuous) -> tuple[Continuous, LogDet]:
        """The image before the coupling, and zero."""
        y_a, y_b = split_channels(y)
        return jnp.concatenate([y_a, y_b - self.shift(params, y_a)], axis=-1), per_image(0.0, y)

    def pull_back(
        self, params: Params, y: Continuous, y_bar: Continuous, log_det_bar: LogDet
    ) -> tuple[Continuous, Params, Continuous]:
        """See `glowjax.layers.base.pull_back`; the network is evaluated once, because its input is kept."""
        del log_det_bar
        (y_a, y_b), (a_bar, b_bar) = split_channels(y), split_channels(y_bar)
        shift, pull = jax.vjp(self.shift, params, y_a)
        params_bar, network_bar = pull(b_bar)
        x = jnp.concatenate([y_a, y_b - shift], axis=-1)
        return x, params_bar, jnp.concatenate([a_bar + network_bar, b_bar], axis=-1)

    def shift(self, params: Params, x_a: Continuous) -> Continuous:
        """The shift [..., H, W, C / 2] of the changed half, from the kept half."""
        return self.condition(params, x_a)
