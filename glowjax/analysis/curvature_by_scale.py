"""The curvature of log p from the scale of a grey level to that of the images, in two ways.

Parabolas: on the path from the mean of a set to each image, a parabola through f = log p at the shares 0, t/2 and t
predicts f at the image. With t near 0 it has the curvature at the mean; with t = 1 it is exact. So the smallest t with
a right prediction is the scale from which log p is quadratic enough.

Means: N [E f(mean of N images) - f(mu)] goes from 1/2 Tr(H S) at N = infinity to the spread E f - f(mu) at N = 1. It
would be constant if log p were quadratic.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from glowjax import stats
from glowjax.analysis import mean_images
from glowjax.analysis.center import mean_of
from glowjax.analysis.chunking import Count, check_chunk_size, map_chunks
from glowjax.analysis.curvature import gradient_at
from glowjax.analysis.density import Groups, LogProb, Points, PointSet, check_finite, check_pair
from glowjax.analysis.paths import check_num_paths, paths_to
from glowjax.analysis.subject import Subject
from glowjax.checks import InputError, is_count
from glowjax.linalg import matmul, tensordot
from glowjax.stats import Estimate
from glowjax.typing import Key

SHARES = (0.1, 0.2, 0.35, 0.5, 0.7, 1.0)

NUM_GRADIENTS = 200
"""The number of paths whose gradients show how a prediction moves with the mean."""


class SpreadByScale(stats.Result):
    """The spread of one set, E f - f(mean) in nats, by the scale at which the curvature of log p is measured.

    Attributes:
        spread: an Estimate, measured on the images to which paths lead.
        predicted: by parabolas, one for each share.
        size: [K] numbers of images, or of groups if there are any.
        curve: size times [E f(mean of so many images) - f(mu)], one for each size. It tends to 1/2 Tr(H S) for large
            sizes, and is the spread at size 1.
    """

    spread: Any
    predicted: Any
    size: Any
    curve: Any


class CurvatureByScale(stats.Result):
    """The gap and its predictions by parabolas, in nats, and the curves of both sets.

    Attributes:
        share: [T] the shares t of the path at which each parabola meets log p last.
        gap: measured on the images to which paths lead.
        predicted_gap: by parabolas, one for each share.
        in_dist: the spread of in_dist by scale.
        out_dist: the spread of out_dist by scale.
    """

    share: Any
    gap: Any
    predicted_gap: Any
    in_dist: SpreadByScale
    out_dist: SpreadByScale


def curvature_by_scale(
    log_prob_fn: LogProb,
    in_dist: Points,
    out_dist: Points,
    key: Key,
    *,
    shares: Any = SHARES,
    sizes: Any = None,
    num_paths: Count | None = None,
    groups_in: Groups = None,
    groups_out: Groups = None,
    chunk_size: Count | None = None,
) -> CurvatureByScale:
    """The scale from which a parabola explains the likelihood gap, and the change of the curvature with the scale.

    Each set is expanded around its own mean. The predicted gap is f(mean_q) - f(mean_p), which is exact, plus the
    difference of the predicted spreads. So the gap is easier to predict than the spreads: compare those too.

    Errors are over images, or over groups of them, and those of the parabolas include the error of the mean. A parabola
    with a small t multiplies the noise of the mean by about 2/t^2. So give all images, and limit the number of paths
    instead.

    Coverage of the 95 % intervals (`python -m benchmarks.coverage`; standard errors 0.01 to 0.02), for a density of
    degree four and N = 50, 200 and 2,000: 0.93-0.98 for `predicted_gap`, 0.89-0.95 for predicted spreads of Gaussian
    images and 0.78-0.93 for predicted spreads of exponential images, which lie too high; the curve covers 0.88, 0.95
    and 0.92 at size 1, and up to 1.00 at large sizes, whose intervals are too wide.

    Args:
        key: random key of the partitions from which the curves are computed.
        shares: shares t of the paths, in (0, 1].
        sizes: numbers of images whose means make the curve; None for 1, 2, 5, 10, ... and the number of all. They
            are rounded to the nearest size of equal parts.
        num_paths: the number of images of each set, the first ones, to which paths lead; None for all.
    """
    log_prob, in_dist, out_dist = check_pair(log_prob_fn, in_dist, out_dist)
    stats.warn_of_few_images(in_dist=(len(in_dist), groups_in), out_dist=(len(out_dist), groups_out))
    check_num_paths(num_paths)
    share, size = _check_shares(shares), check_chunk_size(chunk_size)
    sides = []
    for name, points, groups, own_key in zip(
        ("in_dist", "out_dist"), (in_dist, out_dist), (groups_in, groups_out), jax.random.split(key), strict=True
    ):
        codes = stats.group_codes(groups, len(points))
        num = paths_to(codes, num_paths, name)
        of_sizes = _check_sizes(sizes, int(codes.max()) + 1, name)
        along = _parabolas(log_prob, points, codes, num, share, name, chunk_size=size)
        curve = _curve(log_prob, points, codes, own_key, of_sizes, name, chunk_size=size)
        sides.append((along, SpreadByScale(along.spread, along.predicted_spread, *curve)))
    (p, spread_in), (q, spread_out) = sides
    gap, predicted = stats.difference(q.mean, p.mean), stats.difference(q.predicted_mean, p.predicted_mean)
    return CurvatureByScale(share, gap, predicted, spread_in, spread_out)


def _check_shares(shares: Any) -> Float[np.ndarray, " T"]:
    try:
        share = np.asarray(shares, np.float64)
    except (TypeError, ValueError):
        share = np.zeros(0)
    if share.ndim != 1 or not share.size or not np.all((share > 0) & (share <= 1)):
        raise InputError(f"shares is {shares!r}; expected numbers above 0 and up to 1, such as (0.2, 0.5, 1).")
    return share


def _check_sizes(sizes: Any, num_groups: int, name: str) -> list[float]:
    """The sizes of the curve, those without equal parts replaced by the nearest one; ascending."""
    if num_groups < mean_images.MIN_GROUPS:
        raise InputError(
            f"{name} has {num_groups} images or groups; a curve needs {mean_images.MIN_GROUPS} or more, and hundreds "
            "for small errors: add images."
        )
    if sizes is None:
        series = [digit * 10**power for power in range(9) for digit in (1, 2, 5)]
        sizes = [*(size for size in series if size <= num_groups / 2), num_groups]
    elif isinstance(sizes, str) or not all(is_count(size) and size <= num_groups for size in sizes) or not len(sizes):
        raise InputError(f"sizes is {sizes!r}; expected whole numbers from 1 to {num_groups}, the images of {name}.")
    return sorted({num_groups / mean_images.parts_of(num_groups, float(size)) for size in sizes})


class _Means(NamedTuple):
    """E f and the spread E f - f(mean) of one set, measured, and by a parabola for each share."""

    mean: Estimate
    spread: Estimate
    predicted_mean: Estimate
    predicted_spread: Estimate


def _parabolas(
    log_prob: Subject, points: PointSet, codes: np.ndarray, num: int, share: np.ndarray, name: str, **options: Any
) -> _Means:
    """Parabolas along the paths to the first `num` points; the last weights are those of the value at the point."""
    t = np.unique([*share, *share / 2, 1.0])
    weights = np.stack([*(_parabola(one, t) for one in share), (t == 1).astype(float)])  # [T + 1, positions]
    mean = jnp.asarray(mean_of(points), points.dtype)
    ends = jnp.stack([jnp.broadcast_to(mean, points[:num].shape), points[:num]], axis=1)
    values = log_prob.run_divided(_values_along, ends, t=tuple(map(float, t)), **options)
    check_finite(values, f"log_prob_fn on the path from the mean of {name} to {name}[n] (by n and position)")
    center = values[0, 0]
    spreads = matmul(values[:, 1:] - values[:, :1], jnp.asarray(weights, values.dtype).T)  # [num, T + 1]

    few = np.linspace(0, num - 1, min(num, NUM_GRADIENTS)).astype(int)
    moved = log_prob.run_divided(
        _with_the_mean, ends[few], t=tuple(map(float, t)), weights=tuple(map(tuple, weights.tolist())), **options
    ).mean(axis=0)
    flat = (points - mean[None]).reshape(len(points), -1)
    with_mean = matmul(flat, moved.reshape(len(weights), -1).T)
    own = jnp.zeros_like(with_mean).at[:num].set((spreads - spreads.mean(axis=0)[None]) * (len(points) / num))
    at_mean = matmul(flat, log_prob.run(gradient_at, mean).ravel())[:, None]
    count = len(np.unique(codes[:num]))
    spread, total = (
        Estimate(value + spreads.mean(axis=0), stats.standard_error(own + moves, codes), count)
        for value, moves in ((0 * center, with_mean), (center, with_mean + at_mean))
    )
    whole, by_share = (lambda e: Estimate(e.value[-1], e.sem[-1], count)), slice(-1)
    return _Means(
        whole(total),
        whole(spread),
        Estimate(total.value[by_share], total.sem[by_share], count),
        Estimate(spread.value[by_share], spread.sem[by_share], count),
    )


def _parabola(share: float, t: Float[np.ndarray, " positions"]) -> Float[np.ndarray, " positions"]:
    """The weights of phi(t) - phi(0) in the value at 1 of the parabola through phi at 0, share/2 and share."""
    return (2 * (2 - share) * (t == share) / 2 - 4 * (1 - share) * (t == share / 2)) / share**2


def _values_along(
    log_prob: Callable, ends: Float[Array, "N 2 ..."], *, t: tuple[float, ...], chunk_size: int | None
) -> Float[Array, "N positions"]:
    """The values phi at 0 and at `t`."""
    times = jnp.asarray((0.0, *t), ends.dtype)

    def along(path: Array) -> Array:
        return jax.lax.map(lambda t: log_prob(path[0] + t * (path[1] - path[0])), times)

    return map_chunks(along, ends, chunk_size)


def _with_the_mean(
    log_prob: Callable,
    ends: Float[Array, "N 2 ..."],
    *,
    t: tuple[float, ...],
    weights: tuple[tuple[float, ...], ...],
    chunk_size: int | None,
) -> Float[Array, "N T ..."]:
    """The gradient of each weighted sum of phi(t) - phi(0) with respect to the mean, from which each path starts."""
    times, weight = jnp.asarray((0.0, *t), ends.dtype), jnp.asarray(weights, ends.dtype)
    weight = jnp.concatenate([-weight.sum(axis=1, keepdims=True), weight * (1 - times[None, 1:])], axis=1)

    def of_path(path: Array) -> Array:
        gradients = jax.lax.map(lambda t: jax.grad(log_prob)(path[0] + t * (path[1] - path[0])), times)
        return tensordot(weight, gradients, 1)

    return map_chunks(of_path, ends, chunk_size)


def _curve(
    log_prob: Subject, points: PointSet, codes: np.ndarray, key: Key, sizes: list[float], name: str, **options: Any
) -> tuple[Float[np.ndarray, " K"], Estimate]:
    """The sizes, and size times [E f(mean of so many) - f(mu)] for each."""
    halvings = mean_images.halvings(int(codes.max()) + 1)
    found = mean_images.mean_curve(log_prob, points, codes, key, [*halvings, *sizes], name, **options)
    num = len(halvings)
    halved = found._replace(ratio=found.ratio[:, :num], difference=found.difference[:, :num])
    bias, form = mean_images.bias_of(halved)
    size = found.size[num:]
    times = jnp.asarray(size, bias.dtype)
    curve = times[None] * (found.difference[:, num:] + bias[:, None])
    return size, mean_images.jackknife(curve, times**2 * form)
