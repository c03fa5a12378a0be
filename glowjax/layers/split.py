"""Splits: half of the channels are factored out as a latent at the end of each scale (Real NVP, section 3.6).

`forward` returns the pair `(kept, latent)` in place of one array, and `inverse` takes that pair.
"""

import dataclasses

import jax.numpy as jnp

from glowjax.layers.base import per_image, soft_clip, sum_per_image
from glowjax.layers.coupling import Conditioned, split_channels
from glowjax.typing import Continuous, Key, LogDet, Params

LOG_SCALE_BOUND = 3.0
"""Bound on the prior's log-scale: standard deviations lie between 0.05 and 20. Without it, noise fed to a trained
model gets a vanishing standard deviation, and log p overflows in float32."""


@dataclasses.dataclass(frozen=True)
class SplitPrior(Conditioned):
    """The dropped half, standardized given the kept half: latent = (x_b - shift(x_a)) * exp(-log_scale(x_a)).

    Glow gives x_b the prior N(shift(x_a), exp(log_scale(x_a))^2). Written as a bijection, the prior of every latent
    is a standard normal, so that temperature and density are handled in one place. This is an affine coupling: use
    `Split` in a flow of constant volume.
    """

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
        shift, raw = split_channels(self.condition(params, x_a))
        return shift, soft_clip(raw, LOG_SCALE_BOUND)


@dataclasses.dataclass(frozen=True)
class Split:
    """The dropped half unchanged: a fixed standard normal prior, volume preserving."""

    def init(self, key: Key, x: Continuous) -> Params:
        """No params."""
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
