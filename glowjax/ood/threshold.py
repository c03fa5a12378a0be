"""The false positive rate at the threshold that flags 95 % of the out-of-distribution images, with intervals."""

import dataclasses
import math

import numpy as np
from jaxtyping import Bool, Float, Int

from glowjax.ood.intervals import error, num_groups, t_quantile, wilson
from glowjax.stats import Estimate, share, share_difference

TPR = 0.95
"""The share of the OOD images that the threshold flags."""


EFFECTIVE_TPR = 0.85
"""The share at which groups of OOD images are compared with independent ones."""


@dataclasses.dataclass(frozen=True)
class Threshold:
    """The highest threshold that flags 95 % or more of the OOD images; an image is flagged if it reaches the threshold.

    Attributes:
        flags_in: [N] the in-distribution images that it flags.
        flags_out: [M] the OOD images that it flags.
        low: the false positive rate at the lower end of the interval for the threshold's true rate.
        high: likewise at its upper end.
        slope: the false positive rate's change over that interval, by the true positive rate.
        reach: the quantile of the interval.
    """

    flags_in: Bool[np.ndarray, " N"]
    flags_out: Bool[np.ndarray, " M"]
    low: float
    high: float
    slope: float
    reach: float


def find_threshold(
    in_scores: Float[np.ndarray, " N"], out_scores: Float[np.ndarray, " M"], codes_out: Int[np.ndarray, " M"]
) -> Threshold:
    """The threshold and what is uncertain about it.

    A threshold that flags 95 % of all OOD images flags a random share of the M at hand. Wilson's interval of that share
    at the effective number of images, read off the ROC curve, gives the interval of the false positive rate that comes
    from the OOD images. The curve is interpolated between the OOD scores, with M + 1 steps from (0, 0) to (1, 1).
    """
    ordered, num = np.sort(out_scores)[::-1], len(out_scores)
    flags_out = out_scores >= ordered[math.ceil(TPR * num - 1e-9) - 1]
    count, reach = float(num), t_quantile(np.inf)
    if num_groups(codes_out) < num:
        count, reach = _effective(out_scores, codes_out), t_quantile(num_groups(codes_out))
    flags_in = in_scores >= out_scores[flags_out].min()
    rates = 1 - np.searchsorted(np.sort(in_scores), ordered, side="left") / len(in_scores)
    least, most = wilson(TPR, count, reach)
    low, high = np.interp([least, most], np.arange(num + 2) / (num + 1), [0, *rates, 1])
    value = flags_in.mean()
    return Threshold(
        flags_in, flags_out, min(low, value), max(high, value), float((high - low) / (most - least)), reach
    )


def false_positive_rate(found: Threshold, codes_in: Int[np.ndarray, " N"]) -> Estimate:
    """The share of flagged in-distribution images.

    Its interval combines Wilson's for that share with the one that comes from the threshold (Zou and Donner 2008).
    """
    rate = share(found.flags_in, _labels(codes_in))
    low, high = rate.interval
    low = rate.value - math.hypot(rate.value - low, rate.value - found.low)
    high = rate.value + math.hypot(high - rate.value, found.high - rate.value)
    sem = math.hypot(rate.sem, (found.high - found.low) / (2 * found.reach))
    return Estimate(rate.value, sem, rate.count, max(0.0, low), min(1.0, high))


def rate_difference(
    a: Threshold, b: Threshold, codes_in: Int[np.ndarray, " N"], codes_out: Int[np.ndarray, " M"]
) -> Estimate:
    """The false positive rate of a minus that of b, on the same images.

    Its interval combines that of paired shares (`stats.share_difference`) with the error from both thresholds.
    """
    paired = share_difference(a.flags_in, b.flags_in, _labels(codes_in))
    moved, _ = error((a.slope * a.flags_out - b.slope * b.flags_out) / len(codes_out), [codes_out])
    low, high = paired.interval
    reach = max(a.reach, b.reach) * moved
    low = paired.value - math.hypot(paired.value - low, reach)
    high = paired.value + math.hypot(high - paired.value, reach)
    return Estimate(paired.value, math.hypot(paired.sem, moved), paired.count, max(-1.0, low), min(1.0, high))


def _labels(codes: Int[np.ndarray, " N"]) -> Int[np.ndarray, " N"] | None:
    """The codes, or None if every image is a group of its own."""
    return codes if num_groups(codes) < len(codes) else None


def _effective(out_scores: Float[np.ndarray, " M"], codes: Int[np.ndarray, " M"]) -> float:
    """The number of independent images whose share of flags would have the cluster-robust error.

    It is taken where 85 % are flagged: at 95 %, often only a few groups have images on the other side.
    """
    flags = (out_scores >= np.quantile(out_scores, 1 - EFFECTIVE_TPR)).astype(float)
    sem, _ = error(flags / len(flags), [codes])
    if sem == 0 or flags.all():  # many images share the lowest score
        return float(num_groups(codes))
    return min(float(len(flags)), flags.var() / sem**2)
