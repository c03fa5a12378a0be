"""`stats.mean`, `stats.gap`, `stats.share`, `stats.share_difference` and the moments of `data.verify`."""

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
from glowjax.data import ImageSet
from glowjax.data.verify import check

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


@row("stats.share_difference")
def share_difference(lab: Lab) -> Iterator[Case]:
    """Two thresholds on two numbers per image, which correlate by 0.6; one by one, and alike in groups."""
    for first, second in ((0.3, 0.2), (0.05, 0.05), (0.02, 0.0)):
        for num in SIZES:
            a, b = numbers(lab, NORMAL, num), numbers(lab, NORMAL, num, stream=1)
            flags, others = a < ndtri(first), 0.6 * a + 0.8 * b < ndtri(second)
            found, told = one_by_one(lambda n: stats.share_difference(flags[n], others[n]), len(flags))  # noqa: B023
            yield Case("", f"shares {first:g} and {second:g}", num, found, first - second, told=told)
    for num_groups in CLUSTERS:
        labels = cluster_labels(num_groups)
        a, b = clusters(lab, num_groups), clusters(lab, num_groups, stream=1)
        flags, others = a < ndtri(0.3), 0.6 * a + 0.8 * b < ndtri(0.2)
        found, told = one_by_one(lambda n: stats.share_difference(flags[n], others[n], labels), len(flags))  # noqa: B023
        yield Case("", "shares 0.3 and 0.2, alike in groups", len(labels), found, 0.3 - 0.2, num_groups, told)


@row("data.verify.check")
def verify(lab: Lab) -> Iterator[Case]:
    """The mean and the standard deviation of the pixels, of images that differ in brightness."""
    for num, num_groups in ((50, None), (200, None), *((0, groups) for groups in CLUSTERS)):
        labels = None if num_groups is None else cluster_labels(num_groups)
        brightness = numbers(lab, NORMAL, num) if num_groups is None else clusters(lab, num_groups)
        brightness = brightness[: lab.times(TIMES // 4)]
        noise = lab.rng("verify", num, num_groups).normal(size=(*brightness.shape, 8, 8, 1))
        pixels = np.rint(128 + 20 * brightness[..., None, None, None] + 20 * noise).clip(0, 255).astype(np.uint8)

        def of_one(n: int) -> tuple[stats.Estimate, stats.Estimate]:
            found = check(ImageSet("simulated", pixels[n], groups=labels), "train")  # noqa: B023
            count = pixels.shape[1] if num_groups is None else num_groups  # noqa: B023
            mean, std = (stats.Estimate(one.value[0], one.sem[0], count) for one in (found.mean, found.std))
            return mean, std

        (mean, std), told = one_by_one(of_one, len(pixels))
        size = brightness.shape[1]
        for field, estimate, truth in (("mean", mean, 128 / 255), ("std", std, np.sqrt(2 * 20**2 + 1 / 12) / 255)):
            data = "normal brightness" + (", alike in groups" if num_groups else "")
            yield Case(field, data, size, estimate, float(truth), num_groups, told)
