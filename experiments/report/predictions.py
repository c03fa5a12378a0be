"""The gap of two image sets to second order, over all images, around several centers."""

import functools
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from experiments.report.pairs import Pair
from experiments.report.progress import announce, shown
from glowjax import analysis as an
from glowjax import stats
from glowjax.stats import Estimate
from glowjax.typing import Array

CENTERS = {
    "midpoint": "midpoint of the means",
    "in_dist": "mean of the test images",
    "out_dist": "mean of the OOD images",
}
"""The centers of the predictions over all images."""

TERMS = {"total": "total", "first order": "first_order", "means": "mean_curvature", "covariances": "covariance"}
"""The terms of a prediction in words, in the order of the fields of `analysis.SecondOrderGap`."""


class Predictions(stats.Result):
    """The gap to second order, over all images.

    Attributes:
        by_center: {center: the prediction with its terms}, for each of `CENTERS`.
        class_means: the prediction around the mean of each test image's class, and around the nearest of these means
            for an OOD image; None without labels.
        published: the paper's version: the mean of the test set, diagonal covariances, equal means.
        at_mean: 1/2 Tr(H S) of each set, with the Hessian at its own mean: "in_dist" and "out_dist".
    """

    by_center: dict[str, an.SecondOrderGap]
    class_means: Estimate | None
    published: an.SecondOrderGap
    at_mean: dict[str, Estimate]


def predict(pair: Pair) -> Predictions:
    """The predictions around each center, over all images.

    The Hessian at a center takes D products for images of D values. If there are fewer images than that, a product per
    image is cheaper. The centers are named rather than given, so that the errors include those of the means; those of
    `at_mean` and around class means hold the centers fixed.
    """
    (mean_in, mean_out), count = pair.means, len(pair.p) + len(pair.q)
    at_in = expanded_at(pair.log_prob, mean_in, count, f"Hessian at the {CENTERS['in_dist']}")
    at_out = expanded_at(pair.log_prob, mean_out, count, f"Hessian at the {CENTERS['out_dist']}")
    gap = functools.partial(an.second_order_gap, pair.log_prob, pair.p, pair.q, **pair.groups)
    by_center = {}
    for name in ("midpoint", "in_dist"):
        with shown(f"Prediction around the {CENTERS[name]}") as report:
            by_center[name] = gap(center=name, on_progress=report)
    with shown(f"Prediction around the {CENTERS['out_dist']}") as report:
        by_center["out_dist"] = _around_out_dist(pair, report)
    at_mean = {
        name: stats.mean(
            an.second_order_terms(pair.log_prob, center, images).covariance,
            groups,
            name=f"1/2 (x - mean)' H (x - mean) of {of}",
        )
        for name, of, center, images, groups in zip(
            ("in_dist", "out_dist"), pair.titles, (at_in, at_out), (pair.p, pair.q), pair.groups.values(), strict=True
        )
    }
    return Predictions(
        by_center,
        None if pair.labels is None else _around_class_means(pair, pair.labels),
        gap(center=at_in, covariance="diagonal", equal_means=True),
        at_mean,
    )


def _around_out_dist(pair: Pair, on_progress: Callable[[int, int], None]) -> an.SecondOrderGap:
    """The prediction around the mean of the OOD images: minus the gap of the sets in the opposite order."""
    groups = {"groups_in": pair.groups["groups_out"], "groups_out": pair.groups["groups_in"]}
    reverse = an.second_order_gap(pair.log_prob, pair.q, pair.p, center="in_dist", on_progress=on_progress, **groups)
    return an.SecondOrderGap(*(minus(getattr(reverse, field)) for field in TERMS.values()))


def minus(estimate: Estimate) -> Estimate:
    """Minus an estimate, with the same error."""
    return Estimate(-estimate.value, estimate.sem, estimate.count)


def expanded_at(log_prob: an.LogProb, center: Array, count: int, work: str) -> Any:
    """The expansion around a center for `count` images; the center itself if a product per image is cheaper."""
    if center.size > count:
        announce(f"{work}: a product for each of {count:,} images")
        return center
    with shown(work) as report:
        return an.expand(log_prob, center, on_progress=report)


def class_codes(pair: Pair, labels: np.ndarray) -> tuple[Array, np.ndarray, np.ndarray]:
    """The means of the classes, [N] the class of each test image, and [M] that of the nearest mean to an OOD image."""
    classes, codes = np.unique(labels, return_inverse=True)
    means = jnp.stack([pair.p[codes == code].mean(axis=0) for code in range(len(classes))])
    distances = jnp.stack([jnp.sum((pair.q - mean[None]) ** 2, axis=(1, 2, 3)) for mean in means])
    return means, codes, np.asarray(jnp.argmin(distances, axis=0))


def _around_class_means(pair: Pair, labels: np.ndarray) -> Estimate:
    """The prediction around the mean of each image's class."""
    means, *codes = class_codes(pair, labels)
    sets, rows = (pair.p, pair.q), means[0].size
    predicted = [np.zeros(len(points)) for points in sets]
    with shown("Hessians at class means") as report:
        for code, mean in enumerate(means):
            done = functools.partial(_report_part, report, code * rows, len(means) * rows)
            expansion = an.expand(pair.log_prob, mean, on_progress=done)
            for values, points, of_set in zip(predicted, sets, codes, strict=True):
                chosen = np.flatnonzero(of_set == code)
                if len(chosen):
                    terms = an.second_order_terms(pair.log_prob, expansion, points[chosen])
                    values[chosen] = expansion.value + terms.total
    own, other = (f"the prediction around class means of {name}" for name in pair.titles)
    return stats.gap(*predicted, **pair.groups, names=(own, other))


def _report_part(report: Callable[[int, int], None], before: int, total: int, done: int, _: int) -> None:
    """Reports progress of one part of several."""
    report(before + done, total)
