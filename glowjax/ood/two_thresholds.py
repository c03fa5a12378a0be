"""The area under the hull of all pairs of thresholds: a number of the papers that is chosen with OOD labels."""

import numpy as np
from jaxtyping import Float
from scipy.spatial import ConvexHull

from glowjax.checks import InputError

MOST_THRESHOLDS = 500
"""The largest number of thresholds of the first score that are tried, at quantiles of all its values."""


def two_threshold_hull(
    in_a: Float[np.ndarray, " N"],
    in_b: Float[np.ndarray, " N"],
    out_a: Float[np.ndarray, " M"],
    out_b: Float[np.ndarray, " M"],
) -> float:
    """The area under the hull of the points (false, true positive rate) of all rules "a > s or b > t".

    Kamkari et al. (2024) report it, with a = -log p and b = -intrinsic dimension. It is tuned with OOD labels: each
    point takes the best thresholds for it, and the hull cannot be below the diagonal, so the area is at least 0.5
    whatever the scores are. For a score that needs no OOD images see `TwoThresholds`.

    Args:
        in_a: scores of in-distribution images, higher for more OOD ones.
        in_b: another score of the same images.
        out_a: the first score of OOD images.
        out_b: the second one.
    """
    if len(in_a) != len(in_b) or len(out_a) != len(out_b) or not len(in_a) or not len(out_a):
        raise InputError(
            f"The scores are of {len(in_a)}, {len(in_b)}, {len(out_a)} and {len(out_b)} images; pass two scores of the "
            "same in-distribution images and two of the same OOD images."
        )
    first, second = np.concatenate([in_a, out_a]), np.concatenate([in_b, out_b])
    is_out = np.arange(len(first)) >= len(in_a)
    order = np.argsort(-second, kind="stable")
    ends = np.append(np.diff(second[order]) != 0, True)  # equal values are flagged together
    points = [np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 0.0]])]
    for threshold in np.append(
        np.unique(np.quantile(first, np.linspace(0, 1, MOST_THRESHOLDS), method="lower")), np.inf
    ):
        by_first = first >= threshold
        new = ~by_first[order]
        rates = [
            (np.sum(by_first & group) + np.append(0, np.cumsum(new & group[order])[ends])) / group.sum()
            for group in (~is_out, is_out)
        ]
        points.append(np.stack(rates, axis=1))
    area = float(ConvexHull(np.concatenate(points)).volume)  # as two-dimensional volumes are called
    return max(area, 0.5)  # rounding may fall below the diagonal
