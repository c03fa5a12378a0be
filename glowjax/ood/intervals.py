"""Standard errors and 95 % intervals of measures of image sets, from the influence of each image and the bias."""

import functools
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy import special

from glowjax.ood.ranking import Measure
from glowjax.stats import CONFIDENCE, Estimate, difference

Sets = Sequence[Int[np.ndarray, " _"]]
"""The codes of the groups of each image set."""

BIAS_ERROR = 1 / 8
"""The standard error of a bias as a share of it; what is left of a bias after its correction is about as large."""

ROUNDING = 1e-12
"""A standard error below this is 0 but for rounding."""

STEP = 0.05
"""The relative change of the weights from which the curvature of a measure is computed."""

MOST_SKEWED = 0.5
"""The correction for skewness at which it stops; it grows without bound at 1."""

LEAST = 1 / 8
"""The least standard error of a measure near its best value, as a share of one image (or group) of the smaller set."""


def t_quantile(count: int | float) -> float:
    """The quantile of Student's t for a 95 % interval from `count` independent units."""
    return float(special.stdtrit(count - 1, (1 + CONFIDENCE) / 2))


def num_groups(codes: Int[np.ndarray, " n"]) -> int:
    """The number of groups of a set."""
    return int(codes.max()) + 1


def error(influence: Float[np.ndarray, " N"], sets: Sets) -> tuple[float, float]:
    """The cluster-robust standard error of a measure, and the effective count of Welch and Satterthwaite."""
    estimates = []
    for sums in group_influences(influence, sets):
        count = len(sums)
        estimates.append(Estimate(0.0, math.sqrt(count / (count - 1) * np.sum(sums**2)), count))
    total = functools.reduce(difference, estimates)
    return float(total.sem), float(total.count)


def bounded(measure: Measure, sets: Sets, is_saturated: bool, lowest: float = 0.0) -> Estimate:
    """A measure from `lowest` to 1, with the interval on the logit scale of its value less its bias.

    The corrected value counts as at least one standard error away from either end, and an end that is nearer than that
    is in the interval. If the order is perfect or perfectly inverted, `is_saturated`, the images do not tell the error,
    and the interval is Wilson's for a share of the images (or groups) of the smaller set. The interval is extended to
    the value if it does not have it. A measure that no image can change has no error.
    """
    sem, count = error(measure.influence, sets)
    value, scale, reach = min(max(measure.value, 0.0), 1.0), 1 - lowest, t_quantile(count)
    share, few = min(max((value - measure.bias - lowest) / scale, 0.0), 1.0), min(map(num_groups, sets))
    if is_saturated:
        low, high = wilson(float(round(share)), few, reach)
    elif sem < ROUNDING:
        return Estimate(value, 0.0, count, value, value)
    else:
        least = LEAST / few * (share if lowest else max(share, 1 - share))
        low, high = _logit_interval(share, math.hypot(sem / scale, BIAS_ERROR * measure.bias / scale, least), reach)
    return Estimate(value, sem, count, min(lowest + scale * low, value), max(lowest + scale * high, value))


def of_difference(measure: Measure, sets: Sets, is_skewed: bool) -> Estimate:
    """A difference of measures; its interval is Student's t, or that of `skewed`.

    If the images do not tell the error, as for two perfect orders, the interval has the value plus and minus the
    largest share that no image (or group) of the smaller set would show, by Wilson.
    """
    sem, count = error(measure.influence, sets)
    if sem < ROUNDING:
        _, unseen = wilson(0.0, min(map(num_groups, sets)), t_quantile(count))
        return Estimate(measure.value, 0.0, count, max(-1.0, measure.value - unseen), min(1.0, measure.value + unseen))
    if not is_skewed:
        return Estimate(measure.value, sem, count)
    low, high = _skewed_interval(measure, sets, sem, t_quantile(count))
    return Estimate(measure.value, sem, count, min(low, measure.value), max(high, measure.value))


def _skewed_interval(measure: Measure, sets: Sets, sem: float, reach: float) -> tuple[float, float]:
    """The interval of DiCiccio and Efron (1992, "More accurate confidence intervals in exponential families").

    Their approximate bootstrap interval (ABC) corrects Student's t for the bias, for the skewness of the influences,
    and for the curvature of the measure along them. Where few groups make the correction for skewness large, it stops.
    """
    direction = [sums / sem for sums in group_influences(measure.influence, sets)]
    skewness = float(sum(np.sum(sums**3) for sums in direction)) / 6
    moved = [measure.reweighted(_weights(step, direction, sets)) for step in (-STEP, STEP)]
    curvature = (moved[0] - 2 * measure.value + moved[1]) / (2 * sem * STEP**2)
    middle = np.array([-reach, reach]) + skewness + curvature - measure.bias / sem
    along = middle / (1 - np.minimum(skewness * middle, MOST_SKEWED)) ** 2
    low, high = np.sort(np.clip(measure.value + sem * (along + curvature * along**2), -1, 1))
    return float(low), float(high)


def no_difference(sets: Sets) -> Estimate:
    """The difference of two scores that put all images in the same order."""
    return Estimate(0.0, 0.0, min(map(num_groups, sets)), 0.0, 0.0)


def group_influences(influence: Float[np.ndarray, " N"], sets: Sets) -> list[Float[np.ndarray, " _"]]:
    """The influence of each group of each set, without the mean influence of as many images."""
    parts = np.split(influence, np.cumsum([len(codes) for codes in sets])[:-1])
    return [np.bincount(codes, part - part.mean()) for part, codes in zip(parts, sets, strict=True)]


def _weights(step: float, direction: Sequence[Float[np.ndarray, " _"]], sets: Sets) -> Float[np.ndarray, " N"]:
    """The weights of the images if each group counts 1 + step * direction times; their mean over each set is 1."""
    times = [(1 + step * sums)[codes] for sums, codes in zip(direction, sets, strict=True)]
    return np.concatenate([one / one.mean() for one in times])


def wilson(share: float, count: int | float, reach: float) -> tuple[float, float]:
    """Wilson's interval for a share among `count` independent units; `reach` is the quantile."""
    middle = (share + reach**2 / (2 * count)) / (1 + reach**2 / count)
    half = math.sqrt(share * (1 - share) / count + (reach / (2 * count)) ** 2) * reach / (1 + reach**2 / count)
    return max(0.0, middle - half), min(1.0, middle + half)


def _logit_interval(share: float, sem: float, reach: float) -> tuple[float, float]:
    """The interval of a share that is symmetric on the logit scale; see `bounded` for shares near 0 and 1."""
    center = min(max(share, sem), 1 - sem) if sem < 0.5 else 0.5
    half = reach * sem / (center * (1 - center))
    low, high = special.expit(special.logit(center) + np.array([-half, half]))
    return (float(low) if share > sem else 0.0), (float(high) if share < 1 - sem else 1.0)
