"""`stats.mean`, `stats.gap` and `stats.share`."""

import functools
from collections.abc import Iterator

import jax
import numpy as np
from scipy.special import ndtri

from benchmarks.coverage.populations import (
    LOGNORMAL,
    NORMAL,
    PARETO,
    SKEWED,
    T3,
    Tails,
    cluster_labels,
    draw_numbers,
)
from benchmarks.coverage.row import Case, Lab, one_by_one, row
from glowjax import stats

SIZES = (50, 200, 2000)
CLUSTERS = (5, 20, 64, 256)
TIMES = 2000


@functools.partial(jax.jit, static_argnums=(0, 2, 3))
def _draw(tails: Tails, key: jax.Array, times: int, num: int) -> jax.Array:
    return draw_numbers(tails, key, times, None, (num,))


@functools.partial(jax.jit, static_argnums=(1, 2))
def _draw_clusters(key: jax.Array, times: int, num_groups: int) -> jax.Array:
    labels = cluster_labels(num_groups)
    return jax.vmap(lambda key: draw_numbers(NORMAL, key, len(labels), labels))(jax.random.split(key, times))


def numbers(lab: Lab, tails: Tails, num: int, stream: int = 0) -> np.ndarray:
    """[times, num] draws: data sets of one kind."""
    key = lab.key(tails.name, num, stream)
    return np.asarray(_draw(tails, key, lab.times(TIMES), num))


def clusters(lab: Lab, num_groups: int, stream: int = 0) -> np.ndarray:
    """[times, N] normal draws in groups."""
    key = lab.key("clusters", num_groups, stream)
    return np.asarray(_draw_clusters(key, lab.times(TIMES), num_groups))


@row("stats.mean")
def mean(lab: Lab) -> Iterator[Case]:
    """Numbers of each kind of tails, and clusters."""
    for tails in (NORMAL, SKEWED, LOGNORMAL, T3, PARETO):
        for num in SIZES:
            values = numbers(lab, tails, num)
            found, told = one_by_one(lambda n: stats.mean(values[n]), len(values))  # noqa: B023
            yield Case("", tails.name, num, found, 0.0, told=told)
    for num_groups in CLUSTERS:
        values, labels = clusters(lab, num_groups), cluster_labels(num_groups)
        found, told = one_by_one(lambda n: stats.mean(values[n], labels), len(values))  # noqa: B023
        yield Case("", "normal, alike in groups", len(labels), found, 0.0, num_groups, told)


@row("stats.gap")
def gap(lab: Lab) -> Iterator[Case]:
    """Two sets, of which the second varies half as much; with groups in the second one only."""
    for tails in (NORMAL, LOGNORMAL, T3, PARETO):
        for num in SIZES:
            p, q = numbers(lab, tails, num), numbers(lab, tails, num, stream=1) / 2
            found, told = one_by_one(lambda n: stats.gap(p[n], q[n]), len(p))  # noqa: B023
            yield Case("", tails.name, num, found, 0.0, told=told)
    for num_groups in CLUSTERS:
        labels = cluster_labels(num_groups)
        p, q = numbers(lab, NORMAL, len(labels)), clusters(lab, num_groups)
        found, told = one_by_one(lambda n: stats.gap(p[n], q[n], groups_out=labels), len(p))  # noqa: B023
        yield Case("", "normal, out_dist alike in groups", len(labels), found, 0.0, num_groups, told)


@row("stats.share")
def share(lab: Lab) -> Iterator[Case]:
    """Shares in the middle and near the ends."""
    for truth in (0.5, 0.05, 0.99):
        for num in SIZES:
            flags = numbers(lab, NORMAL, num) < ndtri(truth)
            found, told = one_by_one(lambda n: stats.share(flags[n]), len(flags))  # noqa: B023
            yield Case("", f"share {truth:g}", num, found, truth, told=told)
    for truth in (0.5, 0.05, 0.99):
        for num_groups in CLUSTERS:
            flags, labels = clusters(lab, num_groups) < ndtri(truth), cluster_labels(num_groups)
            found, told = one_by_one(lambda n: stats.share(flags[n], labels), len(flags))  # noqa: B023
            yield Case("", f"share {truth:g}, alike in groups", len(labels), found, truth, num_groups, told)
