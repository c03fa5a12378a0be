"""Splits: half the channels leave the flow as a finished latent at the end of each scale (Real NVP, section 3.6).

`forward` returns the pair `(kept, latent)` in place of one array, and `inverse` takes that pair.
"""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp

from glowjax.layers.base import per_image, soft_clip, sum_per_image
from glowjax.layers.coupling import apply_conditioner, halves, split_channels
from glowjax.typing import Continuous, Key, LogDet, Params

LOG_SCALE_BOUND = 3.0
"""Bound on the prior's log-scale: standard deviations lie between 0.05 and 20. Without it, noise fed to a trained
model gets a vanishing standard deviation, and a likelihood that is finite only on paper."""


@dataclasses.dataclass(frozen=True)
class SplitPrior:
    """The dropped half, standardized given the kept half: latent = (x_b - shift(x_a)) * exp(-log_scale(x_a)).

    Glow gives x_b the prior N(shift(x_a), exp(log_scale(x_a))^2). Written as a bijection, the prior of every latent
    is a standard normal: the temperature acts in one place and the density is one function. Note that this is an
    affine coupling: a flow of constant volume needs `Split`.

    Attributes:
        conditioner: a linen module, called as `conditioner(x_a, num_outputs)`, such as those of
            `glowjax.networks.conditioners`.
    """

    conditioner: nn.Module

    def init(self, key: Key, x: Continuous) -> Params:
        """The conditioner's arrays for inputs like `x` [N, H, W, C]."""
        x_a, x_b = split_channels(x)
        return self.conditioner.init(key, x_a, 2 * x_b.shape[-1])["params"]

    def forward(self, params: Params, x: Continuous) -> tuple[tuple[Continuous, Continuous], LogDet]:
        """`(kept, latent)`, each [..., H, W, C/2], and minus the sum of the log-scales."""
        x_a, x_b = split_channels(x)
        shift, log_scale = self._shift_and_log_scale(params, x_a)
        return (x_a, (x_b - shift) * jnp.exp(-log_scale)), -sum_per_image(log_scale)

    def inverse(self, params: Params, y: tuple[Continuous, Continuous]) -> tuple[Continuous, LogDet]:
        """The image [..., H, W, C] before the split, and the sum of the log-scales."""
        x_a, latent = y
        shift, log_scale = self._shift_and_log_scale(params, x_a)
        return jnp.concatenate([x_a, latent * jnp.exp(log_scale) + shift], axis=-1), sum_per_image(log_scale)

    def _shift_and_log_scale(self, params: Params, x_a: Continuous) -> tuple[Continuous, Continuous]:
        shift, raw = halves(apply_conditioner(self.conditioner, params, x_a, 2 * x_a.shape[-1]))
        return shift, soft_clip(raw, LOG_SCALE_BOUND)


@dataclasses.dataclass(frozen=True)
class Split:
    """The dropped half unchanged: a fixed standard normal prior, volume preserving."""

    def init(self, key: Key, x: Continuous) -> Params:
        """An empty dictionary: this layer learns nothing."""
        del key
        split_channels(x)
        return {}

    def forward(self, params: Params, x: Continuous) -> tuple[tuple[Continuous, Continuous], LogDet]:
        """`(kept, latent)`, each [..., H, W, C/2], and zero."""
        del params
        return split_channels(x), per_image(0.0, x)

    def inverse(self, params: Params, y: tuple[Continuous, Continuous]) -> tuple[Continuous, LogDet]:
        """The image [..., H, W, C] before the split, and zero."""
        del params
        return jnp.concatenate(y, axis=-1), per_image(0.0, y[0])
