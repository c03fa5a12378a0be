"""How well a score separates two image sets, and a set's mean, each with its uncertainty.

One convention holds everywhere: **a higher score means more out-of-distribution, and out-of-distribution is
the positive class.** A log-likelihood is therefore negated before it comes here.

Images are not always independent draws: several SVHN digits are cut from one photo. Where `groups` names the
origin of each image, whole groups are resampled, so an interval reflects the number of photos.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from sklearn.metrics import auc, average_precision_score, roc_curve

from glowjax.checks import InputError
from glowjax.stats import CONFIDENCE, Estimate, Result, group_codes, resample
from glowjax.stats.estimate import vector

Values: TypeAlias = Any
"""[N] real numbers: a NumPy or JAX array, or a sequence."""


class DetectionMetrics(Result):
    """How well scores separate two sets, as fractions in [0, 1]; out-of-distribution is the positive class.

    Attributes:
        auroc: chance that a random out-of-distribution image scores above a random in-distribution one, a tie
            counting half. 0.5 is chance; below 0.5 the order is inverted.
        aupr_out: average precision with out-of-distribution as the positive class; chance is that class's share.
        aupr_in: average precision of the negated scores with in-distribution as the positive class.
        fpr_at_95_tpr: fraction of in-distribution images flagged at the highest threshold that flags 95 % or more
            of the out-of-distribution ones; an image is flagged when its score reaches the threshold. 0 is best.
    """

    auroc: Estimate
    aupr_out: Estimate
    aupr_in: Estimate
    fpr_at_95_tpr: Estimate


def detection_metrics(
    in_scores: Values,
    out_scores: Values,
    *,
    groups_in: Sequence[Any] | np.ndarray | None = None,
    groups_out: Sequence[Any] | np.ndarray | None = None,
    num_resamples: int = 300,
    seed: int = 0,
) -> DetectionMetrics:
    """Detection metrics with 95 % bootstrap intervals; higher scores mean more out-of-distribution.

    The two sets are resampled separately, by group where groups are given, and an interval spans the 2.5th
    to the 97.5th percentile of the resampled metric. It covers the choice of test images, not of the model.
    Perfect separation gives an interval of no width, which is the bootstrap's blind spot and not certainty.

    Args:
        in_scores: [N] scores of in-distribution images.
        out_scores: [M] scores of out-of-distribution images.
        groups_in: [N] the group of each in-distribution image; without it each image is its own group.
        groups_out: [M] likewise for the out-of-distribution images.
        num_resamples: number of bootstrap resamples, at least 2.
        seed: seed of the resampling; the same seed gives the same intervals.

    Raises:
        InputError: for scores that are empty, not 1-D or not finite, fewer than two groups in a set, groups
            of another length than their scores, or fewer than two resamples.
    """
    scores_in, scores_out = (
        np.asarray(vector(name, scores), np.float64)
        for name, scores in (("in_scores", in_scores), ("out_scores", out_scores))
    )
    codes_in = group_codes(groups_in, len(scores_in), "groups_in")
    codes_out = group_codes(groups_out, len(scores_out), "groups_out")
    if num_resamples < 2:
        raise InputError(f"num_resamples is {num_resamples}; an interval needs at least 2: try 300.")

    scores = np.concatenate([scores_in, scores_out])
    is_out = np.repeat([0, 1], [len(scores_in), len(scores_out)])
    order = np.argsort(scores)  # once here, so that the sort inside each resample finds its work done
    scores, is_out = scores[order], is_out[order]

    rng = np.random.default_rng(seed)
    resampled = []
    for _ in range(num_resamples):
        counts = np.concatenate([resample(rng, codes_in), resample(rng, codes_out)])
        resampled.append(_metrics(is_out, scores, counts[order]))
    tail = (1 - CONFIDENCE) / 2
    lows, highs = np.quantile(resampled, [tail, 1 - tail], axis=0)
    values = _metrics(is_out, scores, np.ones(len(scores)))
    errors = np.std(resampled, axis=0, ddof=1)
    count = min(int(codes_in.max()), int(codes_out.max())) + 1
    return DetectionMetrics(
        *(
            Estimate(float(value), float(error), count, float(low), float(high))
            for value, error, low, high in zip(values, errors, lows, highs, strict=True)
        )
    )


def _metrics(is_out: np.ndarray, scores: np.ndarray, counts: np.ndarray) -> tuple[float, float, float, float]:
    """(auroc, aupr_out, aupr_in, fpr_at_95_tpr) where image n appears counts[n] times."""
    # Every threshold is kept: by default points on a straight stretch go, and the 95 % one may be among them.
    fpr, tpr, _ = roc_curve(is_out, scores, sample_weight=counts, drop_intermediate=False)
    return (
        auc(fpr, tpr),
        average_precision_score(is_out, scores, sample_weight=counts),
        average_precision_score(1 - is_out, -scores, sample_weight=counts),
        fpr[np.argmax(tpr >= 0.95)],
    )
