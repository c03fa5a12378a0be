"""`ood.detection_metrics` and `ood.area_under_risk`."""

import dataclasses
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


def truths(shift: float, width: float = 1.0) -> dict[str, float]:
    """The metrics of N(0, 1) against N(shift, width^2), for sets of any sizes."""
    out = norm.sf((GRID - shift) / width)  # the share of out_dist above each threshold
    inside, density_out = norm.sf(GRID), norm.pdf((GRID - shift) / width) / width
    precision = out / np.maximum(out + inside, 1e-300)
    precision_in = (1 - inside) / np.maximum(norm.cdf(GRID) + norm.cdf((GRID - shift) / width), 1e-300)
    return {
        "auroc": float(norm.cdf(shift / math.hypot(1, width))),
        "aupr_out": float(np.sum(precision * density_out) * STEP),
        "aupr_in": float(np.sum(precision_in * norm.pdf(GRID)) * STEP),
        "fpr_at_95_tpr": float(norm.sf(width * norm.ppf(0.05) + shift)),
    }


@dataclasses.dataclass(frozen=True)
class Setting:
    """Normal scores of two sets.

    Attributes:
        auroc: the true AUROC.
        num: the number of in-distribution images.
        num_out: the number of OOD images; None for as many.
        groups: the number of groups of the OOD set; None if each image was drawn on its own.
        width: the standard deviation of the OOD scores; that of the others is 1.
    """

    auroc: float
    num: int = 0
    num_out: int | None = None
    groups: int | None = None
    width: float = 1.0

    def draw(self, rng: np.random.Generator, times: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """[times, num] scores of either set, and the groups of the OOD set."""
        labels = None if self.groups is None else cluster_labels(self.groups)
        num = self.num if labels is None else len(labels)
        inside, out = scores(rng, times, num), scores(rng, times, self.num_out or num, labels)
        return inside, self.shift + self.width * out, labels

    @property
    def shift(self) -> float:
        """The mean of the OOD scores."""
        return float(math.hypot(1, self.width) * norm.ppf(self.auroc))

    @property
    def text(self) -> str:
        """What the table says of it."""
        text = f"AUROC {self.auroc:g}" + (", OOD set alike in groups" if self.groups else "")
        text += f", {self.num_out} OOD images" if self.num_out else ""
        return text + (", OOD scores half as wide" if self.width == 0.5 else "")


def _settings() -> Iterator[Setting]:
    aurocs = (0.05, 0.1, 0.5, 0.95)
    yield from (Setting(auroc, num) for auroc in aurocs for num in (50, 200, 1000))
    yield from (Setting(auroc, groups=groups) for auroc in aurocs for groups in (5, 20, 64, 256))
    yield from (Setting(auroc, 1000, 50) for auroc in (0.05, 0.95))
    yield from (Setting(0.9, num, width=0.5) for num in (50, 200))
    yield from (Setting(auroc, num) for auroc in (0.99, 0.9999) for num in (50, 200))


@row("ood.detection_metrics")
def detection_metrics(lab: Lab) -> Iterator[Case]:
    """Normal scores, one by one or with an OOD set in groups; at 0.9999 most samples are separated perfectly."""
    for setting in _settings():
        times = lab.times(TIMES)
        p, q, labels = setting.draw(lab.rng(setting), times)
        found, told = one_by_one(lambda n: ood.detection_metrics(p[n], q[n], groups_out=labels), times)  # noqa: B023
        for field, truth in truths(setting.shift, setting.width).items():
            yield Case(field, setting.text, p.shape[1], getattr(found, field), truth, setting.groups, told)


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
            data = "with as many OOD images" if foreign else "one set"
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
