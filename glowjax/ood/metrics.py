"""How well a score separates two image sets, with the uncertainty of each measure.

One convention holds everywhere: **a higher score means more out-of-distribution, and out-of-distribution is the
positive class.** A log-likelihood is therefore negated first.

Images are not always independent draws: several SVHN digits are cut from one photo. If `groups` names the origin of
each image, whole groups are resampled, and an interval reflects the number of photos.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from glowjax.checks import InputError, is_count
from glowjax.ood.ranking import Ranking
from glowjax.stats import CONFIDENCE, Estimate, Result, group_codes, resample
from glowjax.stats.means import vector

PART = 2**20
"""The number of counts of resampled images that are summed at a time."""


class DetectionMetrics(Result):
    """How well scores separate two sets, as fractions in [0, 1]; out-of-distribution is the positive class.

    Attributes:
        auroc: probability that a random out-of-distribution image scores above a random in-distribution one; a tie
            counts half. 0.5 is chance; below 0.5 the order is inverted.
        aupr_out: average precision with out-of-distribution as the positive class; chance is that class's share.
        aupr_in: average precision of the negated scores with in-distribution as the positive class.
        fpr_at_95_tpr: fraction of in-distribution images that are flagged at the highest threshold which flags 95 % or
            more of the out-of-distribution ones; an image is flagged if its score reaches the threshold. 0 is best.
    """

    auroc: Estimate
    aupr_out: Estimate
    aupr_in: Estimate
    fpr_at_95_tpr: Estimate


class DetectionDifference(Result):
    """Detection metrics of one score minus those of another on the same images, with paired errors.

    Attributes:
        auroc: the difference of the areas under the ROC curve; positive if the first score separates better.
        aupr_out: the difference of the average precisions, with out-of-distribution as the positive class.
        aupr_in: the same with in-distribution as the positive class.
        fpr_at_95_tpr: the difference of the false positive rates; negative if the first score is better. Its error is
            at least one in-distribution image (or group), 1/N.
    """

    auroc: Estimate
    aupr_out: Estimate
    aupr_in: Estimate
    fpr_at_95_tpr: Estimate


def detection_metrics(
    in_scores: Any,
    out_scores: Any,
    *,
    groups_in: Any = None,
    groups_out: Any = None,
    num_resamples: int = 300,
    seed: int = 0,
) -> DetectionMetrics:
    """Detection metrics with 95 % bootstrap intervals; higher scores mean more out-of-distribution.

    The two sets are resampled separately, by group if groups are given. An interval spans the 2.5th to the 97.5th
    percentile of the resampled metric. It covers the choice of test images, not of the model. Perfect separation gives
    an interval of no width, which is a blind spot of the bootstrap and not certainty: at a true AUROC of 0.9999, the
    intervals from 50 images contain it in 12 of 100 samples.

    Coverage of the 95 % intervals (`python -m benchmarks.coverage`), Gaussian scores, N = M = 50, 200 and 2,000, AUROCs
    of 0.05, 0.5 and 0.95 (standard errors 0.01 to 0.02): 0.92-0.96 for the AUROC. With an OOD set in 5, 20, 64 and 256
    groups, at 0.05: 0.82, 0.87, 0.90 and 0.95. False positive rate: 0.92-0.97, but it is 1 at an AUROC of 0.05, with an
    interval of no width. Average precision: 0.88-0.95 at 0.5 and 0.95; at 0.05 its intervals lie too high and contain
    the truth in 0.00, 0.28 and 0.90 of the samples, and with groups they are several times too wide.

    >>> from glowjax import ood
    >>> metrics = ood.detection_metrics([0.1, 0.2, 0.3, 0.4], [0.35, 0.5, 0.6, 0.7])
    >>> f"{metrics.auroc:.3f[]}"
    '0.938 [0.750, 1.000]'

    Args:
        in_scores: [N] scores of in-distribution images.
        out_scores: [M] scores of out-of-distribution images.
        groups_in: [N] the group of each in-distribution image; None if each image is its own group.
        groups_out: [M] likewise for the out-of-distribution images.
        num_resamples: the number of bootstrap resamples, at least 2.
        seed: the seed of the resampling; the same seed gives the same intervals.
    """
    (ranking,), codes_in, codes_out = _rankings([(in_scores, out_scores)], ("",), groups_in, groups_out)
    resampled = _resampled([ranking], codes_in, codes_out, num_resamples, seed)[0]
    lows, highs = np.quantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    errors = np.std(resampled, axis=0, ddof=1)
    values = ranking.measures(_once(codes_in, codes_out))[0]
    count = min(int(codes_in.max()), int(codes_out.max())) + 1
    columns = zip(values, errors, lows, highs, strict=True)
    return DetectionMetrics(*(Estimate(float(v), float(e), count, float(lo), float(hi)) for v, e, lo, hi in columns))


def compare(
    in_a: Any,
    out_a: Any,
    in_b: Any,
    out_b: Any,
    *,
    groups_in: Any = None,
    groups_out: Any = None,
    num_resamples: int = 300,
    seed: int = 0,
) -> DetectionDifference:
    """The detection metrics of the score a minus those of the score b on the same images.

    Most of the uncertainty of a metric comes from the choice of images, which both scores share. Every bootstrap
    resample therefore draws the same images (or groups) for both, and the error is that of the difference. For two
    models that rank images alike, it is several times smaller than that of an unpaired difference.

    >>> import numpy as np
    >>> from glowjax import ood
    >>> rng = np.random.default_rng(0)
    >>> in_a, out_a = rng.normal(size=500), rng.normal(size=500) + 1
    >>> in_b, out_b = in_a + rng.normal(size=500) / 5, out_a + rng.normal(size=500) / 5
    >>> ood.compare(in_a, out_a, in_b, out_b).auroc
    +0.0113 ± 0.0032

    The interval is Student's t with the smaller number of images (or groups) minus 1. Its coverage in simulations with
    Gaussian scores, AUROCs of 0.08 to 0.95 and correlations of 0.5 and 0.97, at N = M = 50, 200 and 1,000 (standard
    errors 0.01 to 0.015): 0.92-0.98 for the AUROC, 0.91-0.99 for the areas under precision and recall, 0.94-1.00 for
    the false positive rate. With groups whose images correlate by 0.6, for the AUROC: 0.93-0.96 with 20 and 64 groups,
    0.85-0.98 with 5.

    Args:
        in_a: [N] scores a of in-distribution images; higher means more out-of-distribution.
        out_a: [M] scores a of out-of-distribution images.
        in_b: [N] scores b of the same in-distribution images, in the same order.
        out_b: [M] likewise for the out-of-distribution images.
        groups_in: [N] the group of each in-distribution image; None if each image is its own group.
        groups_out: [M] likewise for the out-of-distribution images.
        num_resamples: the number of bootstrap resamples, at least 2.
        seed: the seed of the resampling.
    """
    rankings, codes_in, codes_out = _rankings([(in_a, out_a), (in_b, out_b)], ("_a", "_b"), groups_in, groups_out)
    a, b = _resampled(rankings, codes_in, codes_out, num_resamples, seed)
    errors = np.std(a - b, axis=0, ddof=1)
    num_in, num_out = int(codes_in.max()) + 1, int(codes_out.max()) + 1
    errors[-1] = max(errors[-1], 1 / num_in)  # a resample cannot show a change by less than one image
    once = _once(codes_in, codes_out)
    values = (rankings[0].measures(once) - rankings[1].measures(once))[0]
    columns = zip(values, errors, strict=True)
    return DetectionDifference(*(Estimate(float(v), float(e), min(num_in, num_out)) for v, e in columns))


def _rankings(
    pairs: Sequence[tuple[Any, Any]], suffixes: Sequence[str], groups_in: Any, groups_out: Any
) -> tuple[list[Ranking], np.ndarray, np.ndarray]:
    """The ranking by each score, and the codes of the groups of either set; all scores are of the same images."""
    checked = []
    for pair, suffix in zip(pairs, suffixes, strict=True):
        names = ("in_scores", "out_scores") if not suffix else (f"in{suffix}", f"out{suffix}")
        checked.append([np.asarray(vector(scores, name)) for scores, name in zip(pair, names, strict=True)])
    lengths = [tuple(map(len, pair)) for pair in checked]
    if len(set(lengths)) > 1:
        raise InputError(
            f"The scores a are of {lengths[0][0]} and {lengths[0][1]} images, the scores b of {lengths[1][0]} and "
            f"{lengths[1][1]}; a paired comparison needs both scores of the same images in the same order."
        )
    codes = (group_codes(groups_in, lengths[0][0], "groups_in"), group_codes(groups_out, lengths[0][1], "groups_out"))
    return [Ranking(*pair) for pair in checked], *codes


def _once(codes_in: np.ndarray, codes_out: np.ndarray) -> Int[np.ndarray, "1 N"]:
    """The counts of the images as they are."""
    return np.ones((1, len(codes_in) + len(codes_out)), int)


def _resampled(
    rankings: Sequence[Ranking], codes_in: np.ndarray, codes_out: np.ndarray, num_resamples: int, seed: int
) -> Float[np.ndarray, "num_rankings num_resamples 4"]:
    """The measures of every ranking in each resample; both sets are resampled separately, by group."""
    if not is_count(num_resamples) or num_resamples < 2:
        raise InputError(f"num_resamples is {num_resamples!r}; an interval needs 2 or more: try 300.")
    rng = np.random.default_rng(seed)
    draws = [np.concatenate([resample(rng, codes_in), resample(rng, codes_out)]) for _ in range(num_resamples)]
    size = max(1, PART // len(draws[0]))
    parts = [np.stack(draws[start : start + size]) for start in range(0, num_resamples, size)]
    return np.stack([np.concatenate([ranking.measures(part) for part in parts]) for ranking in rankings])
