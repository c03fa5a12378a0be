"""`ood.detection_metrics` and `ood.area_under_risk`."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.special import expit
from scipy.stats import norm

from benchmarks.coverage.populations import ICC, cluster_labels
from benchmarks.coverage.row import Case, Lab, one_by_one, row
from glowjax import ood

TIMES = 500

GRID = np.linspace(-12, 12, 40_001)
STEP = GRID[1] - GRID[0]


def scores(rng: np.random.Generator, times: int, num: int, labels: np.ndarray | None = None) -> np.ndarray:
    """[times, num] normal scores, alike within groups."""
    own = rng.normal(size=(times, num))
    if labels is None:
        return own
    return math.sqrt(ICC) * rng.normal(size=(times, labels.max() + 1))[:, labels] + math.sqrt(1 - ICC) * own


def truths(shift: float) -> dict[str, float]:
    """The metrics of N(0, 1) against N(shift, 1)."""
    out = norm.sf(GRID - shift)  # the share of out_dist above each threshold
    inside = norm.sf(GRID)
    precision = out / np.maximum(out + inside, 1e-300)
    precision_in = norm.cdf(GRID) / np.maximum(norm.cdf(GRID) + norm.cdf(GRID - shift), 1e-300)
    return {
        "auroc": float(norm.cdf(shift / math.sqrt(2))),
        "aupr_out": float(np.sum(precision * norm.pdf(GRID - shift)) * STEP),
        "aupr_in": float(np.sum(precision_in * norm.pdf(GRID)) * STEP),
        "fpr_at_95_tpr": float(norm.sf(norm.ppf(0.05) + shift)),
    }


def _settings() -> Iterator[tuple[float, int, int, int | None]]:
    """AUROC, images of either set, and groups of the OOD set."""
    for auroc in (0.05, 0.1, 0.5, 0.95):
        for num in (50, 200, 1000):
            yield auroc, num, num, None
    for auroc in (0.05, 0.1, 0.5, 0.95):
        for groups in (5, 20, 64, 256):
            num = len(cluster_labels(groups))
            yield auroc, num, num, groups
    for auroc in (0.05, 0.95):
        yield auroc, 1000, 50, None
    for auroc in (0.99, 0.9999):
        for num in (50, 200):
            yield auroc, num, num, None


@row("ood.detection_metrics")
def detection_metrics(lab: Lab) -> Iterator[Case]:
    """Normal scores, one by one or with an OOD set in groups; at 0.9999 most samples are separated perfectly."""
    for auroc, num, num_out, groups in _settings():
        rng = lab.rng(auroc, num, num_out, groups)
        labels = None if groups is None else cluster_labels(groups)
        shift, times = math.sqrt(2) * norm.ppf(auroc), lab.times(TIMES)
        p, q = scores(rng, times, num), shift + scores(rng, times, num_out, labels)
        found, told = one_by_one(lambda n: ood.detection_metrics(p[n], q[n], groups_out=labels), times)  # noqa: B023
        data = f"AUROC {auroc:g}" + (", OOD set alike in groups" if groups else "")
        data += f", {num_out} OOD images" if num_out != num else ""
        for field, truth in truths(shift).items():
            yield Case(field, data, num, getattr(found, field), truth, groups, told)


COMPARED = ((0.05, 0.1), (0.5, 0.6), (0.95, 0.9))
"""The AUROCs of two scores that correlate by 0.9."""


@row("ood.compare")
def compare_scores(lab: Lab) -> Iterator[Case]:
    """Two scores of the same images, one by one or with an OOD set in groups."""
    for aurocs in COMPARED:
        shifts = [math.sqrt(2) * norm.ppf(auroc) for auroc in aurocs]
        expected = {name: truths(shifts[0])[name] - truths(shifts[1])[name] for name in truths(0)}
        for num, groups in ((50, None), (200, None), (1000, None), (0, 5), (0, 20), (0, 64), (0, 256)):
            rng, labels = lab.rng("compare", aurocs, num, groups), None if groups is None else cluster_labels(groups)
            size, times = num if labels is None else len(labels), lab.times(TIMES)
            shared = [scores(rng, times, size), scores(rng, times, size, labels)]
            a, b = ([math.sqrt(0.9) * x + math.sqrt(0.1) * rng.normal(size=x.shape) for x in shared] for _ in shifts)

            def estimate(n: int) -> Any:
                in_a, out_a, in_b, out_b = a[0][n], a[1][n] + shifts[0], b[0][n], b[1][n] + shifts[1]  # noqa: B023
                return ood.compare(in_a, out_a, in_b, out_b, groups_out=labels)  # noqa: B023

            found, told = one_by_one(estimate, times)
            data = f"AUROC {aurocs[0]:g} and {aurocs[1]:g}" + (", OOD set alike in groups" if groups else "")
            for field, truth in expected.items():
                yield Case(field, data, size, getattr(found, field), truth, groups, told)


@row("ood.area_under_risk")
def area_under_risk(lab: Lab) -> Iterator[Case]:
    """A classifier that errs more often if the score is high, on images alone or with as many foreign ones."""
    for foreign in (False, True):
        own_density, other_density = norm.pdf(GRID), foreign * norm.pdf(GRID - 1)
        density = (own_density + other_density) / (1 + foreign)
        risk = (own_density * expit(GRID - 2) + other_density) / np.maximum(own_density + other_density, 1e-300)
        truth = _area(risk, density)
        for num, groups in ((50, None), (200, None), (2000, None), (0, 5), (0, 20), (0, 64)):
            rng, labels = lab.rng(foreign, num, groups), None if groups is None else cluster_labels(groups)
            size, times = num if labels is None else len(labels), lab.times(TIMES)
            own, others = scores(rng, times, size, labels), 1 + scores(rng, times, size)
            wrong = rng.uniform(size=own.shape) < expit(own - 2)

            def estimate(n: int) -> Any:
                parts = [(own[n], wrong[n], labels)]  # noqa: B023
                if foreign:  # noqa: B023
                    parts.append((others[n], np.ones(size, bool), None))  # noqa: B023
                return ood.area_under_risk(parts)

            found, told = one_by_one(estimate, times)
            data = "with as many foreign images" if foreign else "one set"
            yield Case("", data, size, found, truth, groups, told)


@row("ood.compare_areas_under_risk")
def compare_areas(lab: Lab) -> Iterator[Case]:
    """A score on which the classifier's errors depend, and one that correlates with it by 0.9."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    given_other = 0.9 * GRID[:, None] + math.sqrt(0.19) * nodes
    errs = expit(given_other - 2) @ weights / weights.sum()
    truth = _area(expit(GRID - 2), norm.pdf(GRID)) - _area(errs, norm.pdf(GRID))
    for num, groups in ((50, None), (200, None), (1000, None), (0, 20), (0, 64)):
        rng, labels = lab.rng("areas", num, groups), None if groups is None else cluster_labels(groups)
        size, times = num if labels is None else len(labels), lab.times(TIMES)
        own = scores(rng, times, size, labels)
        other, wrong = (
            0.9 * own + math.sqrt(0.19) * scores(rng, times, size),
            rng.uniform(size=own.shape) < expit(own - 2),
        )

        def estimate(n: int) -> Any:
            a, b = ([(one[n], wrong[n], labels)] for one in (own, other))  # noqa: B023
            return ood.compare_areas_under_risk(a, b)

        found, told = one_by_one(estimate, times)
        yield Case("", "one set" + (", alike in groups" if groups else ""), size, found, truth, groups, told)


def _area(risk: np.ndarray, density: np.ndarray) -> float:
    """The area of infinitely many images, from the risk at each score of the grid and the density of scores."""
    accepted, mistakes = np.cumsum(density) * STEP, np.cumsum(density * risk) * STEP
    return float(np.sum(density * mistakes / np.maximum(accepted, 1e-300)) * STEP)
