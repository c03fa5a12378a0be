"""log p(x) of a multi-scale flow, shared out among its scales: what each lets go, and the volume that it changes."""

from typing import NamedTuple

from glowjax.models import Flow, FlowParams
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
    terms = flow.terms(params, x)
    return ScaleTerms(terms.log_pz_by_scale, terms.splits_by_scale, terms.steps_by_scale)
