"""`analysis.location_spread_gap`."""

from collections.abc import Iterator
from typing import Any

from benchmarks.coverage.gaps import KINKED, QUARTIC, pair, settings, simulated
from benchmarks.coverage.populations import SKEWED, Density, Population, cluster_labels
from benchmarks.coverage.row import Case, Lab, row
from glowjax import analysis as an
from glowjax.stats import Estimate

TIMES = 1000


@row("analysis.location_spread_gap")
def location_spread(lab: Lab) -> Iterator[Case]:
    """A smooth density, and one with a kink."""
    for density, what in ((QUARTIC, "smooth density"), (KINKED, "density with a kink")):
        for tails, num, groups in settings(*((SKEWED,) if density is QUARTIC else ())):
            if density is KINKED and groups:
                continue

            def of_sets(p: Any, q: Any, key: Any, **labels: Any) -> an.LocationSpread:
                return an.location_spread_gap(density, p, q, key, num_nodes=12, **labels)  # noqa: B023

            found, truths = (
                simulated(of_sets, lab, TIMES, tails, num, groups),
                _truths(density, *pair(tails), num, groups),
            )
            for field, estimate in _estimates(found).items():
                if field in truths:
                    yield Case(field, f"{what}, {tails.name}", num, estimate, truths[field], groups)


def _estimates(found: an.LocationSpread) -> dict[str, Estimate]:
    spread = found.spread_in
    own = {"gap": found.gap, "location": found.location, "bias": found.bias}
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
    truths |= {"spread_in.value": e_p - at_p, "spread_in.gradient": e_p - at_p, "spread_in.smooth": e_p - at_p - kink}
    truths["spread_in.at_mean"] = float(density.hessian(in_dist.mean).diagonal() @ in_dist.scale**2 / 2)
    return truths | ({"spread_in.kink": kink} if kink else {})
