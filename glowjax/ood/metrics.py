"""How well a score separates two image sets, with the uncertainty of each measure.

One convention holds everywhere: **a higher score means more out-of-distribution, and out-of-distribution is the
positive class.** A log-likelihood is therefore negated first.

Images are not always independent draws: several SVHN digits are cut from one photo. If `groups` names the origin of
each image, whole groups are resampled, and an interval reflects the number of photos.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from glowjax.checks import InputError, is_count
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
    an interval of no width, which is a blind spot of the bootstrap and not certainty.

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
    scores_in, scores_out = (
        np.asarray(vector(scores, name), np.float64)
        for scores, name in ((in_scores, "in_scores"), (out_scores, "out_scores"))
    )
    codes_in = group_codes(groups_in, len(scores_in), "groups_in")
    codes_out = group_codes(groups_out, len(scores_out), "groups_out")
    if not is_count(num_resamples) or num_resamples < 2:
        raise InputError(f"num_resamples is {num_resamples!r}; an interval needs 2 or more: try 300.")

    scores = np.concatenate([scores_in, scores_out])
    order = np.argsort(scores)
    is_out, ends = order >= len(scores_in), _last_of_equals(scores[order])

    rng = np.random.default_rng(seed)
    draws = [np.concatenate([resample(rng, codes_in), resample(rng, codes_out)]) for _ in range(num_resamples)]
    resampled = np.concatenate([_metrics(is_out, ends, np.stack(part)[:, order]) for part in _parts(draws)])
    lows, highs = np.quantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    errors = np.std(resampled, axis=0, ddof=1)
    values = _metrics(is_out, ends, np.ones((1, len(scores)), int))[0]
    count = min(int(codes_in.max()), int(codes_out.max())) + 1
    columns = zip(values, errors, lows, highs, strict=True)
    return DetectionMetrics(*(Estimate(float(v), float(e), count, float(lo), float(hi)) for v, e, lo, hi in columns))


def _last_of_equals(ranked: Float[np.ndarray, " N"]) -> Int[np.ndarray, " K"]:
    """The place of the last of each run of equal scores, in ascending order."""
    return np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))


def _parts(draws: list[np.ndarray]) -> list[list[np.ndarray]]:
    """The resamples in parts whose arrays stay small."""
    size = max(1, PART // len(draws[0]))
    return [draws[start : start + size] for start in range(0, len(draws), size)]


def _metrics(
    is_out: Bool[np.ndarray, " N"], ends: Int[np.ndarray, " K"], counts: Int[np.ndarray, "R N"]
) -> Float[np.ndarray, "R 4"]:
    """(auroc, aupr_out, aupr_in, fpr_at_95_tpr) of each resample, in which the n-th image appears counts[r, n] times.

    Images are in the order of their scores, and `ends` are the places of the last of equals.
    """
    below_out, below_in = (np.cumsum(counts * kind, axis=1)[:, ends] for kind in (is_out, ~is_out))
    num_out, num_in = below_out[:, -1:], below_in[:, -1:]
    own_out, own_in = (np.diff(below, axis=1, prepend=0) for below in (below_out, below_in))  # of each score
    above_out, above_in = num_out - below_out + own_out, num_in - below_in + own_in  # that reach each score
    # A pair is in order if the OOD image scores higher, and a tie counts half.
    auroc = np.sum(own_out * (below_in - own_in / 2), axis=1) / (num_out * num_in)[:, 0]
    aupr_out = np.sum(own_out * above_out / np.maximum(above_out + above_in, 1), axis=1) / num_out[:, 0]
    aupr_in = np.sum(own_in * below_in / np.maximum(below_out + below_in, 1), axis=1) / num_in[:, 0]
    flagged = above_out >= 0.95 * num_out  # falls from True to False with the threshold
    last = flagged.sum(axis=1) - 1
    fpr = above_in[np.arange(len(counts)), last] / num_in[:, 0]
    return np.stack([auroc, aupr_out, aupr_in, fpr], axis=1)
