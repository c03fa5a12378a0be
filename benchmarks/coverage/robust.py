"""`stats.robust_gap` and `analysis.robust_gap`, which calls it: medians, trimmed means and the tail index."""

import math
from collections.abc import Iterator

from benchmarks.coverage.means import SIZES, clusters, numbers
from benchmarks.coverage.populations import LOGNORMAL, NORMAL, PARETO, PARETO_INDEX, T3, cluster_labels
from benchmarks.coverage.row import Case, Lab, one_by_one, row
from glowjax import stats

INDEX = {PARETO: PARETO_INDEX, T3: 3.0, NORMAL: math.inf}
"""The tail index of the populations whose tails are a power, or fall faster than any."""


@row("stats.robust_gap")
def robust_gap(lab: Lab) -> Iterator[Case]:
    """Two sets of one form, of which the second varies half as much."""
    for tails in (NORMAL, LOGNORMAL, T3, PARETO):
        for num in SIZES:
            p, q = numbers(lab, tails, num), numbers(lab, tails, num, stream=1) / 2
            found, told = one_by_one(lambda n: stats.robust_gap(p[n], q[n]), len(p) // 2)  # noqa: B023
            median = tails.quantile(0.5)
            trimmed = tails.trimmed_mean(float(found.trim[0]))
            yield Case("median", tails.name, num, found.median, -median / 2, told=told)
            yield Case("trimmed", tails.name, num, found.trimmed, -trimmed / 2, told=told)
            if tails in INDEX:
                yield Case("in_dist.index", tails.name, num, found.in_dist.index, INDEX[tails], told=told)
    for num_groups in (5, 20, 64, 256):
        labels = cluster_labels(num_groups)
        p, q = numbers(lab, NORMAL, len(labels)), clusters(lab, num_groups)
        found, told = one_by_one(lambda n: stats.robust_gap(p[n], q[n], groups_out=labels), len(p) // 2)  # noqa: B023
        for field in ("median", "trimmed"):
            data = "normal, out_dist alike in groups"
            yield Case(field, data, len(labels), getattr(found, field), 0.0, num_groups, told)
