"""Selective classification: the risk of a classifier on the images that a score accepts, against their share.

A score is higher for images that are more out-of-distribution; images are accepted in its order, the lowest first.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float, Shaped

from glowjax.stats import CONFIDENCE, Estimate, group_codes, resample

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


def area_under_risk(parts: Sequence[Part], num_resamples: int = 200, seed: int = 0) -> Estimate:
    """The mean risk over all coverages of the parts together, with a 95 % bootstrap interval.

    Each part is resampled on its own, by whole groups if it has groups. A score that is the same for all images has
    the overall risk as its area.
    """
    scores, wrong = (np.concatenate([np.asarray(part[n]) for part in parts]) for n in (0, 1))

    def area(counts: np.ndarray) -> float:
        indices = np.repeat(np.arange(len(scores)), counts)
        return float(risk_coverage(scores[indices], wrong[indices])[1].mean())

    rng = np.random.default_rng(seed)
    codes = [group_codes(groups, len(own)) for own, _, groups in parts]
    areas = [area(np.concatenate([resample(rng, one) for one in codes])) for _ in range(num_resamples)]
    low, high = np.quantile(areas, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    count = sum(int(one.max()) + 1 for one in codes)
    return Estimate(area(np.ones(len(scores), int)), float(np.std(areas, ddof=1)), count, float(low), float(high))
