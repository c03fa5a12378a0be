"""How well a score separates two image sets, with the uncertainty of each measure.

One convention holds everywhere: **a higher score means more out-of-distribution, and out-of-distribution is the
positive class.** A log-likelihood is therefore negated first.

Images are not always independent draws: several SVHN digits are cut from one photo. If `groups` names the origin of
each image, errors are those of whole groups, and an interval reflects the number of photos.
"""

import math
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from glowjax.checks import InputError, real_array
from glowjax.ood import ranking
from glowjax.ood.intervals import Sets, bounded, no_difference, of_difference
from glowjax.ood.threshold import false_positive_rate, find_threshold, rate_difference
from glowjax.stats import Estimate, Result, group_codes
from glowjax.stats.means import vector

LOWEST_AUPR = 1 - math.log(2)
"""The balanced average precision of many images in a perfectly inverted order."""


class DetectionMetrics(Result):
    """How well scores separate two sets, as fractions in [0, 1]; out-of-distribution is the positive class.

    Average precision is *balanced*: both sets have the same weight, whatever their sizes. Chance is therefore 0.5, and
    a perfectly inverted order has 1 - log 2 = 0.307.

    Attributes:
        auroc: probability that a random out-of-distribution image scores above a random in-distribution one; a tie
            counts half. 0.5 is chance; below 0.5 the order is inverted.
        aupr_out: balanced average precision with out-of-distribution as the positive class; 0.5 is chance.
        aupr_in: balanced average precision of the negated scores with in-distribution as the positive class; 0.5 is
            chance.
        fpr_at_95_tpr: fraction of in-distribution images that are flagged at the highest threshold which flags 95 % or
            more of the out-of-distribution ones; an image is flagged if its score reaches the threshold. 0 is best,
            and 0.95 is chance.
    """

    auroc: Estimate
    aupr_out: Estimate
    aupr_in: Estimate
    fpr_at_95_tpr: Estimate


class DetectionDifference(Result):
    """Detection metrics of one score minus those of another on the same images, with paired errors.

    Attributes:
        auroc: the difference of the areas under the ROC curve; positive if the first score separates better.
        aupr_out: the difference of the balanced average precisions, with out-of-distribution as the positive class.
        aupr_in: the same with in-distribution as the positive class.
        fpr_at_95_tpr: the difference of the false positive rates; negative if the first score is better.
    """

    auroc: Estimate
    aupr_out: Estimate
    aupr_in: Estimate
    fpr_at_95_tpr: Estimate


def detection_metrics(
    in_scores: Any, out_scores: Any, *, groups_in: Any = None, groups_out: Any = None
) -> DetectionMetrics:
    """Detection metrics with 95 % intervals; higher scores mean more out-of-distribution.

    An interval covers the choice of test images, not of the model. It always contains the value. The standard errors
    come from the influence of each image (or group), which for the AUROC are those of DeLong et al. (1988). Average
    precision is biased upwards by about 1 / (4 M) if the order is inverted; its interval accounts for that, its value
    does not. A perfect order does not exclude that one image in N / 3 is ranked wrongly, and the interval says so.

    Coverage of the 95 % intervals (`python -m benchmarks.coverage`, standard errors 0.01), Gaussian scores, AUROCs of
    0.05, 0.1, 0.5 and 0.95, N = M = 50, 200 and 1,000, or an OOD set in 64 or 256 groups: 0.93-0.97 for the AUROC and
    0.93-0.99 for average precision. The false positive rate: 0.95-1.00; its intervals are too wide for 50 images, and
    if the rate is nearly 1. With 5 and 20 groups: 0.94-1.00, and 0.89-0.99 for average precision. Average precision
    covers only 0.88 if 50 images decide it: those of the smaller set among 1,000, or those of a set with half the
    spread. At AUROCs of 0.99 and 0.9999, all intervals cover 0.95-1.00.

    >>> from glowjax import ood
    >>> metrics = ood.detection_metrics([0.1, 0.2, 0.3, 0.4], [0.35, 0.5, 0.6, 0.7])
    >>> f"{metrics.auroc:.3f[]}"
    '0.938 [0.396, 1.000]'

    Args:
        in_scores: [N] scores of in-distribution images.
        out_scores: [M] scores of out-of-distribution images.
        groups_in: [N] the group of each in-distribution image; None if each image is its own group.
        groups_out: [M] likewise for the out-of-distribution images.
    """
    inside, outside = _checked(in_scores, out_scores)
    sets = _groups(groups_in, groups_out, inside, outside)
    auroc, aupr_out, aupr_in = _measures(inside, outside, sets)
    is_saturated = bool(inside.max() < outside.min() or outside.max() < inside.min())
    return DetectionMetrics(
        auroc=bounded(auroc, sets, is_saturated),
        aupr_out=bounded(aupr_out, sets, is_saturated, LOWEST_AUPR),
        aupr_in=bounded(aupr_in, sets, is_saturated, LOWEST_AUPR),
        fpr_at_95_tpr=false_positive_rate(find_threshold(inside, outside, sets[1]), sets[0]),
    )


def compare(
    in_a: Any, out_a: Any, in_b: Any, out_b: Any, *, groups_in: Any = None, groups_out: Any = None
) -> DetectionDifference:
    """The detection metrics of the score a minus those of the score b on the same images.

    Most of the uncertainty of a metric comes from the choice of images, which both scores share. The error is that of
    the difference: the influences of an image on both metrics are subtracted. For two models that rank images alike, it
    is several times smaller than that of an unpaired difference. Intervals may be longer on one side than on the other.
    Scores that put all images in the same order differ by 0, without an error.

    Coverage of the 95 % intervals (`python -m benchmarks.coverage`, standard errors 0.01), two Gaussian scores that
    correlate by 0.9, at AUROCs of 0.05 and 0.1, 0.5 and 0.6, 0.95 and 0.9, N = M = 50, 200 and 1,000, or an OOD set in
    64 or 256 groups: 0.93-0.96 for the AUROC, 0.91-0.96 for average precision, and 0.93-1.00 for the false positive
    rate, where both are nearly 1. With 5 and 20 groups: 0.94-0.96, 0.89-0.96, and 0.84-1.00.

    >>> import numpy as np
    >>> from glowjax import ood
    >>> rng = np.random.default_rng(0)
    >>> in_a, out_a = rng.normal(size=500), rng.normal(size=500) + 1
    >>> in_b, out_b = in_a + rng.normal(size=500) / 5, out_a + rng.normal(size=500) / 5
    >>> ood.compare(in_a, out_a, in_b, out_b).auroc
    +0.0113 ± 0.0034

    Args:
        in_a: [N] scores a of in-distribution images; higher means more out-of-distribution.
        out_a: [M] scores a of out-of-distribution images.
        in_b: [N] scores b of the same in-distribution images, in the same order.
        out_b: [M] likewise for the out-of-distribution images.
        groups_in: [N] the group of each in-distribution image; None if each image is its own group.
        groups_out: [M] likewise for the out-of-distribution images.
    """
    a, b = _checked(in_a, out_a, ("in_a", "out_a")), _checked(in_b, out_b, ("in_b", "out_b"))
    if [len(one) for one in a] != [len(one) for one in b]:
        raise InputError(
            f"The scores a are of {len(a[0])} and {len(a[1])} images, the scores b of {len(b[0])} and {len(b[1])}; a "
            "paired comparison needs both scores of the same images in the same order."
        )
    sets = _groups(groups_in, groups_out, *a)
    if ranking.is_same_order(np.concatenate(a), np.concatenate(b)):
        return DetectionDifference(*(no_difference(sets) for _ in range(4)))
    auroc, aupr_out, aupr_in = (x - y for x, y in zip(_measures(*a, sets), _measures(*b, sets), strict=True))
    return DetectionDifference(
        auroc=of_difference(auroc, sets, is_skewed=True),
        aupr_out=of_difference(aupr_out, sets, is_skewed=True),
        aupr_in=of_difference(aupr_in, sets, is_skewed=True),
        fpr_at_95_tpr=rate_difference(find_threshold(*a, sets[1]), find_threshold(*b, sets[1]), *sets),
    )


def _measures(
    in_scores: Float[np.ndarray, " N"], out_scores: Float[np.ndarray, " M"], sets: Sets
) -> tuple[ranking.Measure, ranking.Measure, ranking.Measure]:
    """AUROC, and balanced average precision with either set as the positive class."""
    scores = np.concatenate([in_scores, out_scores])
    of_in = np.append(np.full(len(in_scores), 1 / len(in_scores)), np.zeros(len(out_scores)))
    of_out = np.append(np.zeros(len(in_scores)), np.full(len(out_scores), 1 / len(out_scores)))
    return (
        ranking.auroc(scores, of_in, of_out),
        ranking.precision_area(-scores, of_out, of_in, of_out, sets),
        ranking.precision_area(scores, of_in, of_out, of_in, sets),
    )


def _checked(
    in_scores: Any, out_scores: Any, names: tuple[str, str] = ("in_scores", "out_scores")
) -> tuple[np.ndarray, np.ndarray]:
    first, second = (vector(real_array(x, name), name) for x, name in zip((in_scores, out_scores), names, strict=True))
    return first, second


def _groups(
    groups_in: Any, groups_out: Any, in_scores: np.ndarray, out_scores: np.ndarray
) -> tuple[Int[np.ndarray, " N"], Int[np.ndarray, " M"]]:
    """The codes of the groups of both sets."""
    return group_codes(groups_in, len(in_scores), "groups_in"), group_codes(groups_out, len(out_scores), "groups_out")
