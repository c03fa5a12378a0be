"""`analysis.location_spread_gap` and `curvature_by_scale`."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.coverage.gaps import KINKED, QUARTIC, pair, settings, simulated
from benchmarks.coverage.populations import SKEWED, Density, Population, Tails, cluster_labels
from benchmarks.coverage.row import Case, Lab, row
from glowjax import analysis as an
from glowjax.stats import Estimate

TIMES = 1000


def times_of(num: int, groups: int | None) -> int:
    """The number of data sets: fewer of large ones, because a bootstrap or a partition of each takes long."""
    return TIMES if (num if groups is None else len(cluster_labels(groups))) < 500 else TIMES // 4


@row("analysis.location_spread_gap")
def location_spread(lab: Lab) -> Iterator[Case]:
    """A smooth density, and one with a kink."""
    for density, what in ((QUARTIC, "smooth density"), (KINKED, "density with a kink")):
        for tails, num, groups in settings(SKEWED) if density is QUARTIC else settings():

            def of_sets(p: Any, q: Any, key: Any, **labels: Any) -> an.LocationSpread:
                return an.location_spread_gap(density, p, q, key, num_nodes=12, **labels)  # noqa: B023

            found, told = simulated(of_sets, lab, times_of(num, groups), tails, num, groups)
            truths = _truths(density, *pair(tails), num, groups)
            for field, estimate in _estimates(found).items():
                if field in truths:
                    yield Case(field, f"{what}, {tails.name}", num, estimate, truths[field], groups, told)


def _estimates(found: an.LocationSpread) -> dict[str, Estimate]:
    spread = found.spread_in
    own = {"gap": found.gap, "location": found.location, "bias": found.bias}
    own |= {"corrected_location": found.corrected_location}
    return own | {
        f"spread_in.{name}": getattr(spread, name) for name in ("value", "gradient", "smooth", "kink", "at_mean")
    }


def _truths(
    density: Density, in_dist: Population, out_dist: Population, num: int, num_groups: int | None
) -> dict[str, float]:
    groups = None if num_groups is None else cluster_labels(num_groups)
    (at_p, e_p), (at_q, e_q) = ((density.at(one.mean), density.expectation(one)) for one in (in_dist, out_dist))
    bias = [density.expectation(one.of_means(num, groups)) - density.at(one.mean) for one in (in_dist, out_dist)]
    kink = density.kink_from(in_dist.mean, in_dist) if density.kink else 0.0
    truths = {"gap": e_q - e_p, "location": at_q - at_p, "bias": bias[1] - bias[0]}
    truths["corrected_location"] = truths["location"]
    truths |= {"spread_in.value": e_p - at_p, "spread_in.gradient": e_p - at_p, "spread_in.smooth": e_p - at_p - kink}
    truths["spread_in.at_mean"] = float(density.hessian(in_dist.mean).diagonal() @ in_dist.scale**2 / 2)
    return truths | ({"spread_in.kink": kink} if kink else {})


@row("analysis.curvature_by_scale")
def curvature_by_scale(lab: Lab) -> Iterator[Case]:
    """Parabolas along the paths to images of a smooth density, and the curve of its spread."""
    shares = (0.2, 0.5)
    for tails, num, groups in settings(SKEWED):
        if groups == 5:
            continue  # a curve needs 8 groups

        def of_sets(p: Any, q: Any, key: Any, **labels: Any) -> an.CurvatureByScale:
            return an.curvature_by_scale(QUARTIC, p, q, key, shares=shares, **labels)

        found, told = simulated(of_sets, lab, times_of(num, groups) // 2, tails, num, groups)
        (p, predicted_p), (q, predicted_q) = (_by_scale(QUARTIC, images, shares) for images in pair(tails))
        location = QUARTIC.at(pair(tails)[1].mean) - QUARTIC.at(pair(tails)[0].mean)
        yield Case("gap", tails.name, num, found.gap, location + q - p, groups, told)
        yield Case("in_dist.spread", tails.name, num, found.in_dist.spread, p, groups, told)
        for n, share in enumerate(shares):
            truth = location + predicted_q[n] - predicted_p[n]
            where = f"share {share:g}, {tails.name}"
            yield Case("predicted_gap", where, num, _one(found.predicted_gap, n), truth, groups, told)
            yield Case("in_dist.predicted", where, num, _one(found.in_dist.predicted, n), predicted_p[n], groups, told)
        if groups is None:
            yield from _curve(found.in_dist, tails, num, told)


def _by_scale(density: Density, images: Population, shares: tuple[float, ...]) -> tuple[float, list[float]]:
    """The spread, and its predictions by parabolas through the expectations at the shares."""

    def rise(share: float) -> float:
        closer = dataclasses.replace(images, scale=share * images.scale)
        return density.expectation(closer) - density.at(images.mean)

    parabolas = [((2 - t) * rise(t) - 4 * (1 - t) * rise(t / 2)) / t**2 for t in shares]
    return rise(1.0), parabolas


def _curve(found: an.SpreadByScale, tails: Tails, num: int, told: float) -> Iterator[Case]:
    images, sizes = pair(tails)[0], np.asarray(found.size[0])
    for wanted in (1, 10, num):
        n = int(np.abs(sizes - wanted).argmin())
        truth = sizes[n] * (QUARTIC.expectation(images.of_means(sizes[n])) - QUARTIC.at(images.mean))
        data = f"size {sizes[n]:g}, {tails.name}"
        yield Case("in_dist.curve", data, num, _one(found.curve, n), float(truth), told=told)


def _one(found: Estimate, n: int) -> Estimate:
    """The n-th of several estimates of each data set."""
    count = np.asarray(found.count)
    count = count[:, n] if count.ndim == 2 else np.broadcast_to(count, found.value.shape[:1])
    return Estimate(found.value[:, n], found.sem[:, n], count)
