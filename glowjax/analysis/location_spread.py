"""The exact form of the explanation: where each set's mean lies, and how log p changes from the mean to the images.

Around a set's own mean the first order vanishes on average, so with f = log p and d = x - mu

    E[f] = f(mu) + spread,   spread = E of the integral over t of [grad f(mu + t d) - grad f(mu)] . d,

and the gap of two sets is exactly [f(mu_q) - f(mu_p)] + spread_q - spread_p: no expansion and no remainder. For smooth
f the spread is the path-averaged curvature, E of the integral of (1 - t) d' H(mu + t d) d. With ReLU conditioners the
kinks between mean and image belong to it too, and autodiff's Hessian does not see them.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from glowjax import stats
from glowjax.analysis.density import LogProb, check_pair
from glowjax.analysis.paths import gauss_legendre, profile, second_order_parts
from glowjax.analysis.taylor import log_probs
from glowjax.checks import InputError
from glowjax.linalg import matmul
from glowjax.stats import Estimate, difference, group_codes
from glowjax.typing import Array, Key


class Spread(NamedTuple):
    """E[f] - f(mean) of one set by every route, in nats.

    Attributes:
        value: from function values; exact, with a bootstrap error.
        gradient: from gradients along the paths from the mean to the images; equals `value` but for the quadrature.
        smooth: from Hessians along the paths.
        kink: gradient - smooth: the jumps of the gradient. Zero within its error for a smooth density, but for the
            quadrature error of `smooth`, which moves into it: compare two numbers of nodes.
        at_mean: 1/2 Tr(H S) with the Hessian at the mean alone: what a Taylor analysis would have said.
        quadrature: gradient - value on the same images: the error of the sums over nodes.
    """

    value: Estimate
    gradient: Estimate
    smooth: Estimate
    kink: Estimate
    at_mean: Estimate
    quadrature: Estimate


class LocationSpread(NamedTuple):
    """gap = location + spread_out.value - spread_in.value, exactly, in nats.

    Attributes:
        gap: E_q[f] - E_p[f].
        location: f(mu_q) - f(mu_p).
        spread_in: of in_dist around its own mean.
        spread_out: of out_dist around its own mean.
        bias: how much of `location` is due to the noise of the two means, each over a finite number of images: noise
            that no image contains, and that log p punishes. `location - bias` estimates the location of the
            distributions; the spreads' difference then gains `bias`.
    """

    gap: Estimate
    location: Estimate
    spread_in: Spread
    spread_out: Spread
    bias: Estimate


def location_spread_gap(
    log_prob_fn: LogProb,
    in_dist: Array,
    out_dist: Array,
    num_nodes: int = 24,
    *,
    num_paths: int | None = None,
    key: Key | None = None,
    num_resamples: int = 200,
    groups_in: Any = None,
    groups_out: Any = None,
    chunk_size: int | None = None,
) -> LocationSpread:
    """The likelihood gap split exactly into location and spreads, each spread by every route.

    Errors of `location` and of the spreads' `value` are bootstrap errors over images, the mean recomputed in each
    resample. Those of the other routes are over images with the mean held fixed, as suits their comparison with each
    other. Use many images: f(mean) is biased by an amount that falls with their number only, see `bias`. Ways can be
    integrated along for fewer of them.

    Args:
        log_prob_fn: the log density of one point, in nats.
        in_dist: [N, *shape], points from p.
        out_dist: [M, *shape], points from q.
        num_nodes: Gauss-Legendre nodes on each path.
        num_paths: the paths to the first so many images of each set are integrated along; None for all.
        key: of the bootstrap; without one, the same resamples every time.
        num_resamples: at least 2.
        groups_in: [N] labels of what was drawn independently; whole groups are resampled.
        groups_out: [M] likewise.
        chunk_size: images at a time; None for as many as fit `chunking.MEMORY_BUDGET`.

    Raises:
        InputError: where the sets do not suit the density or each other, a value is not finite, there is fewer than one
            node, or there are fewer than two resamples or paths.
    """
    in_dist, out_dist = check_pair(log_prob_fn, in_dist, out_dist)
    if num_resamples < 2:
        raise InputError(f"num_resamples is {num_resamples}; a standard error needs at least 2: try 200.")
    if num_paths is not None and num_paths < 2:
        raise InputError(f"num_paths is {num_paths}; a standard error needs at least 2, or None for all images.")
    key_in, key_out = jax.random.split(jax.random.key(0) if key is None else key)
    of_set = functools.partial(_of_set, log_prob_fn, num_nodes, num_paths, num_resamples, chunk_size)
    p, q = of_set(key_in, in_dist, groups_in, "in_dist"), of_set(key_out, out_dist, groups_out, "out_dist")
    return LocationSpread(
        gap=difference(q.mean, p.mean),
        location=difference(q.at_mean, p.at_mean),
        spread_in=p.spread,
        spread_out=q.spread,
        bias=difference(q.bias, p.bias),
    )


class _Set(NamedTuple):
    mean: Estimate  # E[f]
    at_mean: Estimate  # f(mean)
    bias: Estimate  # of f(mean)
    spread: Spread


def _of_set(
    log_prob_fn: LogProb,
    num_nodes: int,
    num_paths: int | None,
    num_resamples: int,
    chunk_size: int | None,
    key: Key,
    points: Array,
    groups: Any,
    name: str,
) -> _Set:
    nodes, mean = gauss_legendre(num_nodes), points.mean(axis=0)
    codes = group_codes(groups, len(points))
    count = int(codes.max()) + 1
    path_groups = None if groups is None else np.asarray(groups)[:num_paths]
    if path_groups is not None and len(np.unique(path_groups)) < 2:
        raise InputError(
            f"The first {num_paths} points of {name} are all of one group; raise num_paths until they cover two groups "
            "or more, or shuffle the points with their groups."
        )
    along = profile(log_prob_fn, mean, points[:num_paths], nodes.t, chunk_size, points_name=name)
    parts = second_order_parts(along, nodes)
    values = along.end if len(along.end) == len(points) else log_probs(log_prob_fn, points, name, chunk_size)

    weights = _resampling_weights(key, num_resamples, codes).astype(points.dtype)
    means = matmul(weights, points.reshape(len(points), -1)).reshape(num_resamples, *mean.shape)
    at_means = log_probs(log_prob_fn, means, f"resampled means of {name}", chunk_size)
    at_mean, error = along.center[0], jnp.std(at_means, ddof=1)
    bias = Estimate(jnp.mean(at_means) - at_mean, error / num_resamples**0.5, num_resamples)

    # Around the set's own mean the slopes average to zero: the value is E[f] - f(mean), and the routes leave them out.
    value = Estimate(jnp.mean(values) - at_mean, jnp.std(matmul(weights, values) - at_means, ddof=1), count)
    routes = (parts.gradient, parts.smooth, parts.kink, parts.at_center, parts.gradient - parts.value)
    spread = Spread(value, *(stats.mean(route, path_groups) for route in routes))
    return _Set(stats.mean(values, groups), Estimate(at_mean, error, count), bias, spread)


def _resampling_weights(key: Key, num_resamples: int, codes: np.ndarray) -> Array:
    """[num_resamples, N] weights of the points, each row summing to 1: groups drawn with replacement."""
    times = stats.resample(key, codes, (num_resamples,))
    return times / times.sum(axis=1, keepdims=True)
