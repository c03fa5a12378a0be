"""Heavy tails: the tail index of a set's values, the share of its largest image, and a warning if a mean depends on it.

A density can give a few images a log-likelihood that is far below all others. If the tail index is below 2, the
variance is infinite, and the t interval of a mean is not valid at any number of images: it misses on the side of the
images that were not drawn.
"""

import sys
import warnings
from types import FrameType
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from glowjax.stats.estimate import NORMAL_QUANTILE, Estimate, Result

MIN_EXCESSES = 5
"""The smallest number of excesses from which a tail index is estimated; 25 values have as many."""

FINITE_VARIANCE = 2.0
"""The tail index above which the variance is finite."""


NEGLIGIBLE = 1e-3
"""The standard deviation, relative to the largest of a call, below which a part gives no warning."""


class HeavyTailWarning(UserWarning):
    """A mean whose t interval is not valid, because one image makes up too much of its variance.

    With N images and the share s of the largest squared deviation from the mean, it is given if

    - s > 8 log(N) / N, and the estimated tail index is below 2, so that there is no variance; or
    - s > 1/4 and s > 6 / sqrt(N): one image determines the mean.

    With groups, N is their number and the deviations are summed by group. The table says how often it is given and, in
    parentheses, how often the t interval covers (`python -m benchmarks.coverage`; standard errors up to 0.01):

    =================  ===========  ===========  ===========
    values             N = 50       200          2,000
    =================  ===========  ===========  ===========
    Gaussian           0.00 (0.95)  0.00 (0.95)  0.00 (0.96)
    exponential        0.01 (0.94)  0.00 (0.95)  0.00 (0.95)
    log-normal         0.10 (0.90)  0.20 (0.92)  0.06 (0.95)
    Student's t, 3 df  0.04 (0.96)  0.11 (0.95)  0.08 (0.94)
    Pareto, index 1.6  0.32 (0.72)  0.72 (0.76)  0.88 (0.82)
    =================  ===========  ===========  ===========

    It cannot be given for fewer than 25 images. Among the samples without a warning, intervals at tail index 1.6 cover
    less often still, because the image that would be noticed is the one that was not drawn.

    Attributes:
        name: the name of the values, such as "in_dist".
        image: the index of the image among them.
        value: its value.
        share: its share, or that of its group, in the variance of the mean.
        index: the tail index if it is below 2, else None.
    """

    def __init__(self, name: str, image: int, value: float, share: float, index: float | None) -> None:
        super().__init__(name, image, value, share, index)
        self.name, self.image, self.value, self.share, self.index = name, image, value, share, index

    def __str__(self) -> str:
        tail = f", at a tail index of {self.index:.1f} (below 2 there is no variance)" if self.index else ""
        return (
            f"The 95 % interval of the mean of {self.name} is not valid, because image {self.image} "
            f"({self.value:,.6g}) makes up {self.share:.0%} of its variance{tail}: look at that image, and report the "
            "median or a trimmed mean, as stats.robust_gap and analysis.robust_gap give them."
        )


class Tail(Result):
    """How heavy the tails of a set's values are.

    Attributes:
        index: the tail index of the distances from the median, with a 95 % interval: the probability of a distance
            beyond r falls as r^-index. Moments of this order and above are infinite. Infinite if the tail falls faster
            than any power, as that of a Gaussian; NaN for fewer than 25 values.
        largest_share: the share of one image, or of its whole group, in the sum of squared deviations from the mean.
        largest: the index of that image in the set, the one with the largest deviation of its group.
    """

    index: Estimate
    largest_share: float
    largest: int


def tail_of(values: Float[np.ndarray, " N"], codes: np.ndarray) -> Tail:
    """The tail of checked values [N]; `codes` [N] are as from `group_codes`."""
    share, largest = largest_of(values - values.mean(), codes)
    return Tail(tail_index(values, codes), share, largest)


def tail_index(values: Float[np.ndarray, " N"], codes: np.ndarray) -> Estimate:
    """The tail index of |values - median|, from a generalized Pareto distribution of the largest of them.

    The excesses over a threshold are fitted by the estimator of Zhang and Stephens (2009), at the threshold of Vehtari
    et al. (2024, "Pareto smoothed importance sampling"): k = min(N / 5, 3 sqrt(N)) excesses. It does not depend on the
    unit or the origin of the values. The index is 1 / shape. An estimate of the shape has the standard error
    (1 + shape) / sqrt(k), raised if the excesses of a group come together; the interval holds the shapes from which the
    estimate is at most 1.96 of their errors away.

    Coverage (`python -m benchmarks.coverage`) for N = 50 to 2,000 independent draws: 0.95-0.97 for a Pareto
    distribution of index 1.6, 0.93-0.95 for Student's t with 3 degrees of freedom, and 0.97-1.00 for a Gaussian, whose
    index is infinite. If the tail is not yet a power at the threshold, as that of a log-normal distribution, the index
    describes the values at hand.
    """
    distances = np.abs(values - np.median(values))
    order = np.argsort(distances)
    count = int(min(len(values) / 5, 3 * len(values) ** 0.5))
    excesses = distances[order[-count:]] - distances[order[-count - 1]] if count >= MIN_EXCESSES else np.zeros(1)
    if not excesses[int(count / 4 + 0.5) - 1] > 0:  # too few values, or too many equal ones
        return Estimate(np.nan, np.nan, count, 0.0, np.inf)
    shape, scale = fit_pareto(excesses)
    error = (_design_effect(excesses, codes[order[-count:]], shape, scale) / count) ** 0.5
    reach = NORMAL_QUANTILE * error
    low, high = (shape - reach) / (1 + reach), (shape + reach) / (1 - reach) if reach < 1 else np.inf
    index, sem = (1 / shape, (1 + shape) * error / shape**2) if shape > 0 else (np.inf, np.nan)
    return Estimate(index, sem, count, 1 / high if high > 0 else np.inf, 1 / low if low > 0 else np.inf)


def fit_pareto(excesses: Float[np.ndarray, " k"]) -> tuple[float, float]:
    """The shape and the scale of a generalized Pareto distribution, from excesses in ascending order.

    The estimator is a mean over a grid of b = -shape / scale, weighted by the profile likelihood (Zhang and Stephens
    2009, "A new and efficient estimation method for the generalized Pareto distribution").
    """
    count, largest = len(excesses), excesses[-1]
    num_points = 30 + int(count**0.5)
    quartile = excesses[int(count / 4 + 0.5) - 1]
    grid = 1 / largest + (1 - (num_points / (np.arange(1, num_points + 1) - 0.5)) ** 0.5) / (3 * quartile)
    shapes = np.log1p(-grid[:, None] * excesses).mean(axis=1)
    log_likelihood = count * (np.log(-grid / shapes) - shapes - 1)
    weights = np.exp(log_likelihood - log_likelihood.max())
    b = float(weights @ grid / weights.sum())
    shape = float(np.log1p(-b * excesses).mean())
    return shape, -shape / b


def largest_of(deviations: Float[np.ndarray, " N"], codes: np.ndarray) -> tuple[float, int]:
    """(share, index) of the image whose group has the largest share in the sum of squares of the groups' deviations."""
    squares = np.bincount(codes, deviations) ** 2
    group, total = int(squares.argmax()), squares.sum()
    own = np.flatnonzero(codes == group)
    return (float(squares[group] / total) if total > 0 else 0.0), int(own[np.abs(deviations[own]).argmax()])


def warn_of_heavy_tails(*sets: tuple[Any, np.ndarray, str], beside: Any = None) -> None:
    """A HeavyTailWarning for the worst of the sets, each given by values, codes and a name; none if all are light.

    Traced values are passed over, and so are sets of negligible spread beside the other sets and the values `beside`:
    a part that is nothing but rounding has heavy tails too.
    """
    known = [one for one in sets if not isinstance(one[0], jax.core.Tracer)]
    others = [] if beside is None or not known else [beside]
    largest = max((float(np.std(values)) for values in (*(one[0] for one in known), *others)), default=0.0)
    heard = [one for one in known if np.std(one[0]) > NEGLIGIBLE * largest]
    found = [finding for one in heard if (finding := _finding(*one))]
    if found:
        warnings.warn(max(found, key=lambda one: one.share), stacklevel=level_outside(sys._getframe()))


def _finding(values: np.ndarray, codes: np.ndarray, name: str) -> HeavyTailWarning | None:
    """The warning about the mean of checked values, if its interval is not valid."""
    num = int(codes.max()) + 1
    deviations = values - values.mean()
    share, image = largest_of(deviations, codes)
    is_one_image = share > max(0.25, 6 / num**0.5)
    if not is_one_image and share <= 8 * np.log(num) / num:
        return None
    index = float(tail_index(np.bincount(codes, deviations), np.arange(num)).value)
    if not is_one_image and not index < FINITE_VARIANCE:
        return None
    return HeavyTailWarning(name, image, float(values[image]), share, index if index < FINITE_VARIANCE else None)


def _design_effect(excesses: np.ndarray, codes: np.ndarray, shape: float, scale: float) -> float:
    """The factor by which groups raise the variance of a shape; 1 if each excess is alone in its group."""
    if len(np.unique(codes)) == len(codes) or abs(shape) < 1e-3:
        return 1.0
    z = 1 + shape * excesses / scale
    by_shape = np.log(z) / shape**2 - (1 / shape + 1) * (1 - 1 / z) / shape
    by_scale = ((1 + shape) * (1 - 1 / z) / shape - 1) / scale
    influence = (1 + shape) * by_shape - scale * by_scale
    sums = np.bincount(codes, influence)
    return max(1.0, float((sums**2).sum() / (influence**2).sum()))


def level_outside(frame: FrameType | None) -> int:
    """The level of the first caller outside of glowjax, as `warnings.warn` counts from its own caller's `frame`."""
    level = 1
    while frame is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in ("glowjax", "jaxtyping"):
        frame, level = frame.f_back, level + 1
    return level
