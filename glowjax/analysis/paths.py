"""log p along the straight paths from a centre to points: phi(t) = log p(c + t d), d = x - c, and its derivatives.

phi' = grad log p . d and phi'' = d' H d are forward-mode derivatives in the one variable t, three passes each, whatever
the dimension. Integrals over t in [0, 1] are Gauss-Legendre sums over the nodes:

    phi(1) - phi(0) - phi'(0) = integral of [phi'(t) - phi'(0)] dt                        for every continuous log p
                              = integral of (1 - t) phi''(t) dt                           for smooth log p only.

With ReLU conditioners phi' jumps where the path crosses a kink; phi'', as autodiff gives it, does not contain the
jumps. The difference of the two right-hand sides is what the kinks contribute.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from glowjax.analysis.chunking import map_chunks
from glowjax.analysis.density import LogProb, check_finite, check_forward_mode, check_like, check_points
from glowjax.checks import InputError, is_count
from glowjax.linalg import matmul
from glowjax.typing import Array


class Nodes(NamedTuple):
    """Quadrature nodes `t` [T] in (0, 1) and their `weights` [T], which sum to 1."""

    t: np.ndarray
    weights: np.ndarray


class Profile(NamedTuple):
    """log p along the path from a centre to each of N points, in nats.

    Attributes:
        center: [N], phi(0).
        end: [N], phi(1), log p of the points themselves.
        slope_at_center: [N], phi'(0).
        curvature_at_center: [N], phi''(0).
        value: [N, T], phi at the nodes.
        slope: [N, T], phi' at the nodes.
        curvature: [N, T], phi'' at the nodes, the kinks left out.
    """

    center: Array
    end: Array
    slope_at_center: Array
    curvature_at_center: Array
    value: Array
    slope: Array
    curvature: Array


class SecondOrderParts(NamedTuple):
    """phi(1) - phi(0) - phi'(0) of N points, [N] each, in nats, by three routes, and its second-order value.

    Attributes:
        value: from function values; exact.
        gradient: from gradients along the path; equals `value` but for the quadrature.
        smooth: from Hessians along the path; equals `value` where log p is smooth.
        kink: gradient - smooth.
        at_center: from the Hessian at the centre alone, 1/2 d' H d.
    """

    value: Array
    gradient: Array
    smooth: Array
    kink: Array
    at_center: Array


def gauss_legendre(num_nodes: int) -> Nodes:
    """Nodes that integrate polynomials of degree 2 num_nodes - 1 exactly.

    Raises InputError for fewer than one node.
    """
    if not is_count(num_nodes):
        raise InputError(f"num_nodes must be a positive whole number, but is {num_nodes!r}; 24 serves most densities.")
    t, weights = np.polynomial.legendre.leggauss(int(num_nodes))
    return Nodes((t + 1) / 2, weights / 2)


def profile(
    log_prob_fn: LogProb,
    center: Array,
    points: Array,
    t: np.ndarray,
    chunk_size: int | None = None,
    *,
    points_name: str = "points",
) -> Profile:
    """Values of log p and its derivatives along the paths from `center` to `points` [N, *shape] at `t` [T].

    The centre is one for all, [*shape], or one for each point, [N, *shape].

    Raises InputError naming the first place where log p or a derivative is not finite, as of `points_name`; for a
    centre of another shape; or as `check_point` does.
    """
    points = check_points(log_prob_fn, points, points_name, least=1)
    center = check_like("center", center, points if jnp.ndim(center) == points.ndim else points[0])
    check_forward_mode(log_prob_fn, points[0])
    paths = jnp.stack([jnp.broadcast_to(center, points.shape), points], axis=1)
    result = _profile(log_prob_fn, paths, tuple(map(float, t)), chunk_size)
    for name, values in result._asdict().items():
        check_finite(f"log_prob_fn on the path from the centre to {points_name}[n] ({name}, by n and node)", values)
    return result


@functools.partial(jax.jit, static_argnums=(0, 2, 3))
def _profile(log_prob_fn: LogProb, paths: Array, t: tuple[float, ...], chunk_size: int | None) -> Profile:
    times = jnp.asarray((0.0, *t, 1.0), paths.dtype)

    def along(path: Array) -> tuple[Array, Array, Array]:
        """phi, phi' and phi'' [T + 2] on the path from its first point to its last."""
        return jax.lax.map(functools.partial(_derivatives, log_prob_fn, path[0], path[1] - path[0]), times)

    value, slope, curvature = map_chunks(along, paths, chunk_size)
    return Profile(
        value[:, 0], value[:, -1], slope[:, 0], curvature[:, 0], value[:, 1:-1], slope[:, 1:-1], curvature[:, 1:-1]
    )


def _derivatives(log_prob_fn: LogProb, center: Array, d: Array, t: Array) -> tuple[Array, Array, Array]:
    def value_and_slope(t: Array) -> tuple[Array, Array]:
        return jax.jvp(lambda t: log_prob_fn(center + t * d), (t,), (jnp.ones_like(t),))

    (value, slope), (_, curvature) = jax.jvp(value_and_slope, (t,), (jnp.ones_like(t),))
    return value, slope, curvature


def second_order_parts(along: Profile, nodes: Nodes) -> SecondOrderParts:
    """What remains of log p after its first order around the centre, of each point of a profile at `nodes`."""
    t, weights = jnp.asarray(nodes.t, along.end.dtype), jnp.asarray(nodes.weights, along.end.dtype)
    gradient = matmul(along.slope - along.slope_at_center[:, None], weights)
    smooth = matmul(along.curvature, weights * (1 - t))
    return SecondOrderParts(
        value=along.end - along.center - along.slope_at_center,
        gradient=gradient,
        smooth=smooth,
        kink=gradient - smooth,
        at_center=along.curvature_at_center / 2,
    )
