"""How well a score separates two image sets, and a set's mean, each with its uncertainty.

One convention holds everywhere: **a higher score means more out-of-distribution, and out-of-distribution is
the positive class.** A log-likelihood is therefore negated before it comes here.

Images are not always independent draws: several SVHN digits are cut from one photo. Where `groups` names the
origin of each image, whole groups are resampled, so an interval reflects the number of photos.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from scipy import stats
from sklearn.metrics import auc, average_precision_score, roc_curve

from glowjax.checks import InputError

Values: TypeAlias = Any
"""[N] real numbers: a NumPy or JAX array, or a sequence."""

CONFIDENCE = 0.95


NO_BREAK = "\u00a0"


def _unbroken(value: float, low: float, high: float, digits: int) -> str:
    return f"{value:,.{digits}f} [{low:,.{digits}f}, {high:,.{digits}f}]".replace(" ", NO_BREAK)


class Interval(NamedTuple):
    """A value with the ends of its 95 % interval, all in the value's unit."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"

    def brief(self, digits: int) -> str:
        """For a table: rounded, and with spaces at which no line breaks."""
        return _unbroken(*self, digits)


class Mean(NamedTuple):
    """A mean with its standard error and the ends of its 95 % interval, all in the unit of the values."""

    mean: float
    sem: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"

    def brief(self, digits: int) -> str:
        """For a table: rounded, and with spaces at which no line breaks."""
        return _unbroken(self.mean, self.low, self.high, digits)


class DetectionMetrics(NamedTuple):
    """How well scores separate two sets, as fractions in [0, 1]; out-of-distribution is the positive class.

    Attributes:
        auroc: chance that a random out-of-distribution image scores above a random in-distribution one, a tie
            counting half. 0.5 is chance; below 0.5 the order is inverted.
        aupr_out: average precision with out-of-distribution as the positive class; chance is that class's share.
        aupr_in: average precision of the negated scores with in-distribution as the positive class.
        fpr_at_95_tpr: fraction of in-distribution images flagged at the highest threshold that flags 95 % or more
            of the out-of-distribution ones; an image is flagged when its score reaches the threshold. 0 is best.
    """

    auroc: Interval
    aupr_out: Interval
    aupr_in: Interval
    fpr_at_95_tpr: Interval


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
    scores_in, scores_out = _vector("in_scores", in_scores), _vector("out_scores", out_scores)
    codes_in = _group_codes("groups_in", groups_in, len(scores_in))
    codes_out = _group_codes("groups_out", groups_out, len(scores_out))
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
    return DetectionMetrics(
        *(Interval(float(v), float(lo), float(hi)) for v, lo, hi in zip(values, lows, highs, strict=True))
    )


def mean_with_interval(values: Values, groups: Sequence[Any] | np.ndarray | None = None) -> Mean:
    """Mean over images, its standard error and its 95 % interval by Student's t, in the unit of the values.

    With groups the standard error is the cluster-robust one: deviations are summed within a group first, so
    images that move together count as little as they should. Without groups it is the usual standard error.

    Args:
        values: [N] one number an image, such as bits/dim.
        groups: [N] the group of each image; without it each image is its own group.

    Raises:
        InputError: for values that are empty, not 1-D or not finite, fewer than two groups, or groups of
            another length than the values.
    """
    vector = _vector("values", values)
    codes = _group_codes("groups", groups, len(vector))
    mean = float(vector.mean())
    deviations = np.bincount(codes, weights=vector - mean)
    num_groups = len(deviations)
    sem = float(np.sqrt(num_groups / (num_groups - 1) * np.sum(deviations**2)) / len(vector))
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, num_groups - 1)) * sem
    return Mean(mean, sem, mean - reach, mean + reach)


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


def resample(rng: np.random.Generator, codes: np.ndarray) -> np.ndarray:
    """[N] how often each image appears when as many groups as there are get drawn with replacement."""
    num_groups = int(codes.max()) + 1
    drawn = rng.integers(num_groups, size=num_groups)
    return np.bincount(drawn, minlength=num_groups)[codes]


def _vector(name: str, values: Values) -> np.ndarray:
    """[N] the values in float64, once they are known to be one finite number an image."""
    vector = np.asarray(values, np.float64)
    if vector.ndim != 1:
        raise InputError(f"{name} has shape {vector.shape}; expected [N], one number an image: flatten or reduce it.")
    if not vector.size:
        raise InputError(f"{name} is empty; expected one number an image: check that the image set was read.")
    bad = np.flatnonzero(~np.isfinite(vector))
    if bad.size:
        raise InputError(
            f"{name} holds {bad.size} non-finite of {vector.size} numbers, the first ({vector[bad[0]]}) at "
            f"index {bad[0]}; expected finite ones: look at that image, or leave it out and say so."
        )
    return vector


def _group_codes(name: str, groups: Sequence[Any] | np.ndarray | None, num_images: int) -> np.ndarray:
    """[N] each image's group as an index from 0; every image is its own group where none are given."""
    labels = np.arange(num_images) if groups is None else np.asarray(groups)
    if labels.shape != (num_images,):
        raise InputError(
            f"{name} has shape {labels.shape} for {num_images} images; expected one label an image: "
            "take the labels of the images that were scored."
        )
    codes = np.unique(labels, return_inverse=True)[1]
    if codes.max() == 0:
        raise InputError(f"{name}: all {num_images} images form one group; an interval needs two or more: add images.")
    return codes
