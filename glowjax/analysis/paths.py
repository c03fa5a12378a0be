"""log p along the straight paths from a center to points: phi(t) = log p(c + t d), d = x - c, and its derivatives.

phi' = grad log p . d and phi'' = d' H d are forward-mode derivatives in the one variable t, three passes each, whatever
the dimension. Integrals over t in [0, 1] are Gauss-Legendre sums over nodes:

    phi(1) - phi(0) - phi'(0) = integral of [phi'(t) - phi'(0)] dt                        for every continuous log p
                              = integral of (1 - t) phi''(t) dt                           for smooth log p only.

With ReLU conditioners phi' jumps where the path crosses a kink, and phi'' as autodiff gives it does not contain the
jumps. The difference of the two right-hand sides is the contribution of the kinks.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from glowjax.analysis.chunking import Count, check_chunk_size, map_chunks
from glowjax.analysis.density import LogProb, Point, Points, PointSet, check_finite, check_like, check_points
from glowjax.analysis.subject import Subject
from glowjax.checks import InputError, check_count, is_count
from glowjax.linalg import matmul
from glowjax.stats import Result


class Nodes(NamedTuple):
    """Quadrature nodes `t` [T] in (0, 1) and their `weights` [T], which sum to 1."""

    t: Float[np.ndarray, " T"]
    weights: Float[np.ndarray, " T"]


class PathProfile(NamedTuple):
    """log p along the paths from a center to N points, in nats.

    Attributes:
        center: phi(0).
        end: phi(1), log p of the points themselves.
        slope_at_center: phi'(0).
        curvature_at_center: phi''(0).
        value: phi at the nodes.
        slope: phi' at the nodes.
        curvature: phi'' at the nodes, without the kinks.
    """

    center: Float[Array, " N"]
    end: Float[Array, " N"]
    slope_at_center: Float[Array, " N"]
    curvature_at_center: Float[Array, " N"]
    value: Float[Array, "N T"]
    slope: Float[Array, "N T"]
    curvature: Float[Array, "N T"]

    def second_order(self, t: float = 1.0) -> Float[Array, " N"]:
        """The second-order expansion of log p around the center, at `t` on each path, by default its end."""
        return self.center + t * self.slope_at_center + t**2 / 2 * self.curvature_at_center


class Remainder(Result):
    """gap - second_order_gap(covariance="full").total around the same center, in nats, and its parts.

    `remainder` returns Estimates of the gap of two sets; `remainder_along` returns [N], the part of each point.

    Attributes:
        total: the remainder from function values; exact.
        smooth: the part from the Hessian along the paths to the points: how much it differs from the one at the center.
        kink: the part from jumps of the gradient, which no Hessian contains. For a smooth density it is zero within its
            error, except that the quadrature error of `smooth` enters here too: compare two numbers of nodes.
        quadrature: smooth + kink - total, the quadrature error of the gradients; it falls with `num_nodes`.
    """

    total: Any
    smooth: Any
    kink: Any
    quadrature: Any


def gauss_legendre(num_nodes: Count) -> Nodes:
    """Nodes that integrate polynomials of degree 2 num_nodes - 1 exactly.

    >>> from glowjax.analysis import paths
    >>> nodes = paths.gauss_legendre(2)
    >>> round(float(nodes.weights @ nodes.t**3), 6)
    0.25
    """
    check_count("num_nodes", num_nodes)
    t, weights = np.polynomial.legendre.leggauss(int(num_nodes))
    return Nodes((t + 1) / 2, weights / 2)


def check_num_paths(num_paths: Count | None) -> None:
    """Refuses a number of paths over which there is no standard error."""
    if num_paths is not None and (not is_count(num_paths) or num_paths < 2):
        raise InputError(f"num_paths is {num_paths!r}; a standard error needs 2 or more, or None for all images.")


def paths_to(codes: np.ndarray, num_paths: Count | None, name: str) -> int:
    """The number of points to which paths lead; they must belong to two groups or more."""
    paths = len(codes) if num_paths is None else min(int(num_paths), len(codes))
    if len(np.unique(codes[:paths])) < 2:
        raise InputError(
            f"The first {paths} points of {name} are all of one group; raise num_paths until they cover two groups or "
            "more, or shuffle the points with their groups."
        )
    return paths


def log_prob_along(
    log_prob_fn: LogProb, center: Points, points: Points, t: Any, *, chunk_size: Count | None = None
) -> PathProfile:
    """Values of log p and its derivatives along the paths from `center` to `points` [N, *shape] at `t` [T].

    The center is one for all points, [*shape], or one for each, [N, *shape].
    """
    log_prob, points = check_points(log_prob_fn, points, "points", at_least=1)
    center = check_like(center, points if jnp.ndim(center) == points.ndim else points[0], "center")
    return profile_of(log_prob, center, points, np.asarray(t), "points", chunk_size=check_chunk_size(chunk_size))


def profile_of(
    log_prob: Subject, center: Point, points: PointSet, t: np.ndarray, name: str, *, chunk_size: int | None
) -> PathProfile:
    """As `log_prob_along`, for input that was checked; `name` is that of the points in errors."""
    ends = jnp.stack([jnp.broadcast_to(center, points.shape), points], axis=1)
    profile = log_prob.run_divided(_profile, ends, t=tuple(map(float, t)), chunk_size=chunk_size)
    for part, values in profile._asdict().items():
        check_finite(values, f"log_prob_fn on the path from the center to {name}[n] ({part}, by n and node)")
    return profile


def _profile(
    log_prob: Callable, ends: Float[Array, "N 2 ..."], *, t: tuple[float, ...], chunk_size: int | None
) -> PathProfile:
    times = jnp.asarray((0.0, *t, 1.0), ends.dtype)

    def along(path: Array) -> tuple[Array, Array, Array]:
        """phi, phi' and phi'' [T + 2] on the path from its first point to its last."""
        return jax.lax.map(functools.partial(_derivatives, log_prob, path[0], path[1] - path[0]), times)

    value, slope, curvature = map_chunks(along, ends, chunk_size)
    return PathProfile(
        value[:, 0], value[:, -1], slope[:, 0], curvature[:, 0], value[:, 1:-1], slope[:, 1:-1], curvature[:, 1:-1]
    )


def _derivatives(log_prob: Callable, center: Array, d: Array, t: Array) -> tuple[Array, Array, Array]:
    def value_and_slope(t: Array) -> tuple[Array, Array]:
        return jax.jvp(lambda t: log_prob(center + t * d), (t,), (jnp.ones_like(t),))

    (value, slope), (_, curvature) = jax.jvp(value_and_slope, (t,), (jnp.ones_like(t),))
    return value, slope, curvature


def remainder_along(along: PathProfile, nodes: Nodes) -> Remainder:
    """The remainder of each point of a profile at `nodes`: [N] each, in nats. `stats.gap` makes Estimates of them.

    For the profiles' own sake, or for a center of each point's own; `remainder` is the shorter way otherwise.
    """
    t, weights = jnp.asarray(nodes.t, along.end.dtype), jnp.asarray(nodes.weights, along.end.dtype)
    value = along.end - along.center - along.slope_at_center
    gradient = matmul(along.slope - along.slope_at_center[:, None], weights)
    smooth = matmul(along.curvature, weights * (1 - t))
    at_center = along.curvature_at_center / 2
    return Remainder(
        total=value - at_center, smooth=smooth - at_center, kink=gradient - smooth, quadrature=gradient - value
    )
