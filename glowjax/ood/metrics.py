"""How well a score separates two image sets, with the uncertainty of each measure.

One convention holds everywhere: **a higher score means more out-of-distribution, and out-of-distribution is the
positive class.** A log-likelihood is therefore negated first.

Images are not always independent draws: several SVHN digits are cut from one photo. If `groups` names the origin of
each image, whole groups are resampled, and an interval reflects the number of photos.
"""

from typing import Any

import numpy as np
from jaxtyping import Float, Integer
from sklearn.metrics import auc, average_precision_score, roc_curve

from glowjax.checks import InputError, is_count
from glowjax.stats import CONFIDENCE, Estimate, Result, group_codes, resample
from glowjax.stats.means import vector


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
    is_out = np.repeat([0, 1], [len(scores_in), len(scores_out)])
    order = np.argsort(scores)  # once here, so that the sorts of the resamples are fast
    scores, is_out = scores[order], is_out[order]

    rng = np.random.default_rng(seed)
    resampled = [
        _metrics(is_out, scores, np.concatenate([resample(rng, codes_in), resample(rng, codes_out)])[order])
        for _ in range(num_resamples)
    ]
    lows, highs = np.quantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    errors = np.std(resampled, axis=0, ddof=1)
    values = _metrics(is_out, scores, np.ones(len(scores)))
    count = min(int(codes_in.max()), int(codes_out.max())) + 1
    columns = zip(values, errors, lows, highs, strict=True)
    return DetectionMetrics(*(Estimate(float(v), float(e), count, float(lo), float(hi)) for v, e, lo, hi in columns))


def _metrics(
    is_out: Integer[np.ndarray, " N"], scores: Float[np.ndarray, " N"], counts: np.ndarray
) -> tuple[float, float, float, float]:
    """(auroc, aupr_out, aupr_in, fpr_at_95_tpr) if image n appears counts[n] times."""
    # Every threshold is kept: by default points on a straight stretch are dropped, perhaps the one at 95 %.
    fpr, tpr, _ = roc_curve(is_out, scores, sample_weight=counts, drop_intermediate=False)
    return (
        auc(fpr, tpr),
        average_precision_score(is_out, scores, sample_weight=counts),
        average_precision_score(1 - is_out, -scores, sample_weight=counts),
        fpr[np.argmax(tpr >= 0.95)],
    )
