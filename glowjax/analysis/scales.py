"""log p(x) of a multi-scale flow, shared out among its scales: what each lets go, and the volume that it changes."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from glowjax.layers.base import per_image, sum_per_image
from glowjax.models import Flow
from glowjax.models.flow import LOG_2PI, FlowParams, as_precise, check_continuous
from glowjax.typing import Array, Continuous


class ScaleTerms(NamedTuple):
    """The parts of log p(x) by scale, each [..., num_scales] in nats, finest scale first; they sum to log p(x).

    Attributes:
        log_pz: log density of the scale's latents under a standard normal.
        split: log-determinant of the scale's split; zero at the last scale, which has none, and for plain splits.
            `log_pz + split` is what Glow calls the scale's prior: the log density of the channels that leave, given
            those that stay.
        steps: log-determinant of the scale's own layers; at the finest scale it includes the pixel scaling, the same
            for every image.
    """

    log_pz: Array
    split: Array
    steps: Array

    @property
    def prior(self) -> Array:
        """[..., num_scales] log density of what leaves at each scale, given what stays."""
        return self.log_pz + self.split

    @property
    def total(self) -> Array:
        """[..., num_scales] each scale's contribution to log p(x)."""
        return self.prior + self.steps


def scale_terms(flow: Flow, params: FlowParams, x: Continuous) -> ScaleTerms:
    """The contributions of each scale of `flow` to log p(x), for `x` [..., H, W, C] in grey levels.

    Raises:
        InputError: for NaN, a dtype that is not floating, or a shape other than that of the flow's images.
    """
    check_continuous(params, x)
    return _scale_terms(flow, params, x)


@functools.partial(jax.jit, static_argnums=0)
def _scale_terms(flow: Flow, params: FlowParams, x: Continuous) -> ScaleTerms:
    scales, splits = params.layer["scales"], params.layer["splits"]
    log_pz, split, steps = [], [], []
    kept = x = as_precise(params, x)
    for index, (scale, scale_params) in enumerate(zip(flow.layer.scales, scales, strict=True)):
        kept, step_log_det = scale.forward(scale_params, kept)
        latent, split_log_det = kept, per_image(0.0, x)
        if index < len(splits):
            (kept, latent), split_log_det = flow.layer.split.forward(splits[index], kept)
        log_pz.append(sum_per_image(-0.5 * (latent**2 + LOG_2PI)))
        split.append(split_log_det)
        steps.append(step_log_det)
    return ScaleTerms(*(jnp.stack(parts, axis=-1) for parts in (log_pz, split, steps)))
