"""Selective classification: the risk of a classifier on the images that a score accepts, against their share.

A score is higher for images that are more out-of-distribution; images are accepted in its order, the lowest first.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float, Int, Shaped

from glowjax.checks import InputError
from glowjax.ood.intervals import Sets, bounded, no_difference, of_difference
from glowjax.ood.ranking import Measure, is_same_order, precision_area
from glowjax.stats import Estimate, group_codes

Part: TypeAlias = tuple[Any, Any, Any]
"""An image set: scores [N], whether the classifier is wrong [N], and groups [N] or None."""


def risk_coverage(
    scores: Shaped[np.ndarray, " N"], wrong: Shaped[np.ndarray, " N"]
) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
    """Coverage [N] and risk [N] as more and more images are accepted, the lowest score first.

    Coverage is the share of images that are accepted, risk the share of wrong answers among them. Images of equal
    score are accepted together.
    """
    order = np.argsort(scores, kind="stable")
    ranked, mistakes = scores[order], np.cumsum(wrong[order])
    last_of_equals = np.searchsorted(ranked, ranked, side="right") - 1
    accepted = last_of_equals + 1
    return accepted / len(scores), mistakes[last_of_equals] / accepted


def area_under_risk(parts: Sequence[Part]) -> Estimate:
    """The mean risk over all coverages of the parts together, with a 95 % interval.

    Each part's share of the images is fixed; its images were drawn on their own, or by whole groups if it has groups. A
    score that is the same for all images has the overall risk as its area.

    Coverage of the interval (`python -m benchmarks.coverage`, standard errors 0.01), for one and two sets of 50, 200
    and 2,000 images: 0.92-0.95. With 5, 20 and 64 groups: 0.91-0.96.
    """
    sets = _sets(parts)
    is_saturated = len(np.unique(np.concatenate([np.asarray(wrong, bool) for _, wrong, _ in parts]))) == 1
    return bounded(_area(parts, sets), sets, is_saturated)


def compare_areas_under_risk(parts_a: Sequence[Part], parts_b: Sequence[Part]) -> Estimate:
    """`area_under_risk` of the scores a minus that of the scores b, for the same images in the same order.

    The error is that of the difference by image (or group, those of the parts a). The interval is Student's t; it
    covers 0.94-0.96 for parts of 50, 200 and 1,000 images, and for 20 and 64 groups (`python -m benchmarks.coverage`).
    """
    if [len(part[0]) for part in parts_a] != [len(part[0]) for part in parts_b]:
        raise InputError(
            f"The parts a have {[len(part[0]) for part in parts_a]} images and the parts b "
            f"{[len(part[0]) for part in parts_b]}; a paired comparison needs scores of the same images."
        )
    sets = _sets(parts_a)
    if is_same_order(*(np.concatenate([part[0] for part in parts]) for parts in (parts_a, parts_b))):
        return no_difference(sets)
    return of_difference(_area(parts_a, sets) - _area(parts_b, sets), sets, is_skewed=False)


def _area(parts: Sequence[Part], sets: Sets) -> Measure:
    """The area: the mean share of wrong answers among the images up to each one."""
    scores, wrong = (np.concatenate([np.asarray(part[n], np.float64) for part in parts]) for n in (0, 1))
    each = np.full(len(scores), 1 / len(scores))
    return precision_area(scores, wrong * each, (1 - wrong) * each, each, sets)


def _sets(parts: Sequence[Part]) -> list[Int[np.ndarray, " _"]]:
    return [group_codes(groups, len(scores)) for scores, _, groups in parts]
