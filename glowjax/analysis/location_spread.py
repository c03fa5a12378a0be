"""The exact form of the explanation. Location: where each set's mean lies; spread: log p from the mean to the images.

Around a set's own mean the first order vanishes on average, so with f = log p and d = x - mu

    E[f] = f(mu) + spread,   spread = E of the integral over t of [grad f(mu + t d) - grad f(mu)] . d,

and the gap of two sets is exactly [f(mu_q) - f(mu_p)] + spread_q - spread_p, without expansion or remainder. For smooth
f the spread is the path-averaged curvature, E of the integral of (1 - t) d' H(mu + t d) d. With ReLU conditioners the
kinks between mean and image belong to it too, and autodiff's Hessian does not contain them.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from glowjax import stats
from glowjax.analysis.chunking import Count, check_chunk_size
from glowjax.analysis.density import Groups, LogProb, Points, check_pair
from glowjax.analysis.paths import Nodes, PathProfile, gauss_legendre, profile_of, second_order_parts
from glowjax.analysis.second_order import log_probs_of
from glowjax.analysis.subject import Subject
from glowjax.checks import InputError, is_count
from glowjax.linalg import matmul
from glowjax.stats import Estimate
from glowjax.typing import Key


class Spread(stats.Result):
    """E[f] - f(mean) of one set, computed in several ways, in nats.

    Attributes:
        value: from function values; exact, with a bootstrap error.
        gradient: from gradients along the paths from the mean to the images; `value` plus the quadrature error.
        smooth: from Hessians along the paths.
        kink: gradient - smooth, the jumps of the gradient. For a smooth density it is zero within its error, except
            that the quadrature error of `smooth` enters here too: compare two numbers of nodes.
        at_mean: 1/2 Tr(H S) with the Hessian at the mean alone, the result of a Taylor analysis.
        quadrature: gradient - value on the same images, the quadrature error.
    """

    value: Any
    gradient: Any
    smooth: Any
    kink: Any
    at_mean: Any
    quadrature: Any


class LocationSpread(stats.Result):
    """gap = location + spread_out.value - spread_in.value, exactly, in nats.

    Attributes:
        gap: E_q[f] - E_p[f].
        location: f(mu_q) - f(mu_p).
        spread_in: the spread of in_dist around its own mean.
        spread_out: the spread of out_dist around its own mean.
        bias: the part of `location` that is due to the noise of the two means, each over a finite number of images. No
            image contains that noise, and log p punishes it. `location - bias` estimates the location of the
            distributions; the difference of the spreads then gains `bias`.
    """

    gap: Estimate
    location: Estimate
    spread_in: Spread
    spread_out: Spread
    bias: Estimate


class _Side(NamedTuple):
    mean: Estimate  # E[f]
    location: Estimate  # f(mean)
    bias: Estimate  # of f(mean)
    spread: Spread


def location_spread_gap(
    log_prob_fn: LogProb,
    in_dist: Points,
    out_dist: Points,
    key: Key,
    *,
    num_nodes: Count = 24,
    num_paths: Count | None = None,
    num_resamples: Count = 200,
    groups_in: Groups = None,
    groups_out: Groups = None,
    chunk_size: Count | None = None,
) -> LocationSpread:
    """The likelihood gap split exactly into location and spreads, each spread computed in several ways.

    The errors of `location` and of the spreads' `value` are bootstrap errors over images; each resample has its own
    mean. The other estimates' errors are over images with the mean held fixed, so they can be compared with one
    another. Use many images: f(mean) has a bias that falls only with their number, see `bias`.

    Args:
        log_prob_fn: the log density of one point, in nats.
        in_dist: [N, *shape], points from p.
        out_dist: [M, *shape], points from q.
        key: of the bootstrap.
        num_nodes: Gauss-Legendre nodes on each path.
        num_paths: the number of images of each set, the first ones, to which paths lead; None for all.
        num_resamples: at least 2.
        groups_in: [N] labels of what was drawn independently; whole groups are resampled.
        groups_out: [M] likewise.
        chunk_size: images at a time; None for as many as fit `chunking.MEMORY_BUDGET`.
    """
    log_prob, in_dist, out_dist = check_pair(log_prob_fn, in_dist, out_dist)
    if not is_count(num_resamples) or num_resamples < 2:
        raise InputError(f"num_resamples is {num_resamples!r}; a standard error needs 2 or more: try 200.")
    if num_paths is not None and (not is_count(num_paths) or num_paths < 2):
        raise InputError(f"num_paths is {num_paths!r}; a standard error needs 2 or more, or None for all images.")
    nodes, size = gauss_legendre(num_nodes), check_chunk_size(chunk_size)
    sides = []
    for own_key, points, groups, name in zip(
        jax.random.split(key), (in_dist, out_dist), (groups_in, groups_out), ("in_dist", "out_dist"), strict=True
    ):
        codes = stats.group_codes(groups, len(points))
        paths = _check_paths(codes, num_paths, name)
        mean = points.mean(axis=0)
        along = profile_of(log_prob, mean, points[:paths], nodes.t, name, chunk_size=size)
        values = along.end if paths == len(points) else log_probs_of(log_prob, points, name, chunk_size=size)
        weights = _weights(own_key, num_resamples, codes, points.dtype)
        at_means = _at_resampled_means(log_prob, weights, points, name, size)
        sides.append(_side(values, codes, along, nodes, weights, at_means))
    p, q = sides
    return LocationSpread(
        gap=stats.difference(q.mean, p.mean),
        location=stats.difference(q.location, p.location),
        spread_in=p.spread,
        spread_out=q.spread,
        bias=stats.difference(q.bias, p.bias),
    )


def _check_paths(codes: np.ndarray, num_paths: Count | None, name: str) -> int:
    """The number of points to which paths lead; they must belong to two groups or more."""
    paths = len(codes) if num_paths is None else min(int(num_paths), len(codes))
    if len(np.unique(codes[:paths])) < 2:
        raise InputError(
            f"The first {paths} points of {name} are all of one group; raise num_paths until they cover two groups or "
            "more, or shuffle the points with their groups."
        )
    return paths


def _weights(key: Key, num_resamples: Count, codes: np.ndarray, dtype: Any) -> Float[Array, "R N"]:
    """Weights of the points in each resample, which sum to 1; whole groups are drawn with replacement."""
    times = stats.resample(key, codes, (int(num_resamples),)).astype(dtype)
    return times / times.sum(axis=1, keepdims=True)


def _at_resampled_means(
    log_prob: Subject, weights: Float[Array, "R N"], points: Float[Array, "N ..."], name: str, chunk_size: int | None
) -> Float[Array, " R"]:
    means = matmul(weights, points.reshape(len(points), -1)).reshape(-1, *points.shape[1:])
    return log_probs_of(log_prob, means, f"resampled means of {name}", chunk_size=chunk_size)


def _side(
    values: Float[Array, " N"],
    codes: np.ndarray,
    along: PathProfile,
    nodes: Nodes,
    weights: Float[Array, "R N"],
    at_means: Float[Array, " R"],
) -> _Side:
    """The estimates of one set, from log p of its points, of its mean and of the resampled means."""
    parts, at_mean, count = second_order_parts(along, nodes), along.center[0], int(codes.max()) + 1
    error = jnp.std(at_means, ddof=1)

    # Around the set's own mean the slopes average to zero, so E[f] - f(mean) equals the mean of parts.value.
    spread = jnp.mean(values) - at_mean
    spread_error = jnp.std(matmul(weights, values) - at_means, ddof=1)
    by_points = jax.tree.map(
        lambda part: stats.mean(part, codes[: len(part)]),
        (parts.gradient, parts.smooth, parts.kink, parts.at_center, parts.gradient - parts.value),
    )
    return _Side(
        mean=stats.mean(values, codes),
        location=Estimate(at_mean, error, count),
        bias=Estimate(jnp.mean(at_means) - at_mean, error / len(at_means) ** 0.5, len(at_means)),
        spread=Spread(Estimate(spread, spread_error, count), *by_points),
    )
