"""The likelihood gap E_q[log p] - E_p[log p] of two image sets, measured, and to second order around one point.

With g and H the gradient and Hessian of log p at a centre x0, mu and S a set's mean and covariance (divided by N), to
second order E[log p(x)] = log p(x0) + g.(mu - x0) + 1/2 (mu - x0)' H (mu - x0) + 1/2 Tr(H S), and the gap is the
difference of the two sets'. The paper (Nalisnick et al. 2019, section 5) centres on the training mean, and assumes
equal means and diagonal covariances, which leaves 1/2 Tr(H diag(var_q - var_p)).

Standard errors are over images, with the centre and the model held fixed.
"""

import functools
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import jax
import jax.numpy as jnp

from glowjax import stats
from glowjax.analysis.chunking import map_chunks
from glowjax.analysis.curvature import hessian_diagonal, quadratic_forms
from glowjax.analysis.density import LogProb, check_finite, check_like, check_pair
from glowjax.checks import InputError, unknown
from glowjax.linalg import matmul, vdot
from glowjax.stats import Estimate, difference
from glowjax.typing import Array

Center: TypeAlias = Literal["midpoint", "in_dist"] | Array
"""Midway between the two means, where the quadratic terms of the means cancel; the mean of in_dist; or a point."""

Covariance = Literal["full", "diagonal"]


class SecondOrderGap(NamedTuple):
    """The second-order prediction of the gap and its terms, in nats; the terms sum to the total.

    Attributes:
        total: the prediction.
        first_order: g.(mu_q - mu_p).
        mean_curvature: 1/2 [(mu_q - x0)' H (mu_q - x0) - (mu_p - x0)' H (mu_p - x0)].
        covariance: 1/2 Tr(H (S_q - S_p)), full or diagonal.
    """

    total: Estimate
    first_order: Estimate
    mean_curvature: Estimate
    covariance: Estimate


def likelihood_gap(
    log_prob_fn: LogProb,
    in_dist: Array,
    out_dist: Array,
    *,
    groups_in: Any = None,
    groups_out: Any = None,
    chunk_size: int | None = None,
) -> Estimate:
    """E_q[log p] - E_p[log p], measured, in nats; positive where `out_dist` is the likelier.

    Args:
        log_prob_fn: the log density of one point, in nats.
        in_dist: [N, *shape], points from p.
        out_dist: [M, *shape], points from q.
        groups_in: [N] labels of what was drawn independently, as the photos from which images were cut.
        groups_out: [M] likewise.
        chunk_size: points at a time; None for as many as fit `chunking.MEMORY_BUDGET`.

    Raises:
        InputError: where the sets do not suit the density or each other, or a log density is not finite.
    """
    in_dist, out_dist = check_pair(log_prob_fn, in_dist, out_dist)
    p = stats.mean(log_probs(log_prob_fn, in_dist, "in_dist", chunk_size), groups_in)
    q = stats.mean(log_probs(log_prob_fn, out_dist, "out_dist", chunk_size), groups_out)
    return difference(q, p)


def log_probs(log_prob_fn: LogProb, points: Array, name: str, chunk_size: int | None) -> Array:
    """[N] log densities of `points` [N, *shape]. Raises InputError naming the first point where it is not finite."""
    values = _log_probs(log_prob_fn, points, chunk_size)
    check_finite(f"log_prob_fn({name}[n])", values)
    return values


@functools.partial(jax.jit, static_argnums=(0, 2))
def _log_probs(log_prob_fn: LogProb, points: Array, chunk_size: int | None) -> Array:
    return map_chunks(log_prob_fn, points, chunk_size)


def second_order_gap(
    log_prob_fn: LogProb,
    in_dist: Array,
    out_dist: Array,
    *,
    center: Center = "midpoint",
    covariance: Covariance = "full",
    equal_means: bool = False,
    groups_in: Any = None,
    groups_out: Any = None,
    chunk_size: int | None = None,
) -> SecondOrderGap:
    """The gap to second order around `center`, by terms. The paper's: "in_dist", "diagonal", `equal_means=True`.

    The full covariance takes the images themselves as probes, Tr(H S) = mean of (x - mu)' H (x - mu): one
    Hessian-vector product an image, and no array of D^2 values. The diagonal takes D products.

    Do not trust the total before seeing `remainder`: data lies far outside the region where log p of a trained flow
    is quadratic.

    Args:
        log_prob_fn: the log density of one point, in nats.
        in_dist: [N, *shape], points from p.
        out_dist: [M, *shape], points from q.
        center: where to expand.
        covariance: "full", or "diagonal" for variances alone.
        equal_means: take the two means as equal: the covariance term alone.
        groups_in: [N] labels of what was drawn independently.
        groups_out: [M] likewise.
        chunk_size: products at a time; None for as many as fit `chunking.MEMORY_BUDGET`.

    Raises:
        InputError: for an unknown center or covariance, a center that is not shaped as the points, or sets that do not
            suit the density or each other.
    """
    in_dist, out_dist = check_pair(log_prob_fn, in_dist, out_dist)
    check_covariance(covariance)
    x0 = resolve_center(center, in_dist, out_dist)
    diagonal = hessian_diagonal(log_prob_fn, x0, chunk_size=chunk_size) if covariance == "diagonal" else None

    def of_set(points: Array, groups: Any) -> SecondOrderGap:
        return _expand(log_prob_fn, x0, points, diagonal, equal_means, groups, chunk_size)

    p, q = of_set(in_dist, groups_in), of_set(out_dist, groups_out)
    gap = SecondOrderGap(*map(difference, q, p))
    check_finite(
        "The second-order gap (total, first order, mean curvature, covariance)", jnp.stack([t.value for t in gap])
    )
    return gap


def check_covariance(covariance: Covariance) -> None:
    """Raises InputError for a covariance that is neither "full" nor "diagonal"."""
    if covariance not in get_args(Covariance):
        raise unknown("covariance", str(covariance), get_args(Covariance))


def resolve_center(center: Center, in_dist: Array, out_dist: Array) -> Array:
    """The point [*shape] that `center` names. Raises InputError for an unknown name, or a point of another shape."""
    mean_in = in_dist.mean(axis=0)
    if isinstance(center, str):
        if center not in ("midpoint", "in_dist"):
            raise unknown("center", center, ("midpoint", "in_dist"))
        return mean_in if center == "in_dist" else (mean_in + out_dist.mean(axis=0)) / 2
    if center is None:
        raise InputError("center is None; expected 'midpoint', 'in_dist' or a point.")
    return check_like("center", center, mean_in)


def _expand(
    log_prob_fn: LogProb,
    x0: Array,
    points: Array,
    diagonal: Array | None,
    equal_means: bool,
    groups: Any,
    chunk_size: int | None,
) -> SecondOrderGap:
    """E[log p] - log p(x0) of one set to second order, by terms, from one number an image for each."""
    mean = points.mean(axis=0)
    deviations = points - mean
    if diagonal is None:
        covariance = quadratic_forms(log_prob_fn, x0, deviations, chunk_size=chunk_size) / 2
    else:
        covariance = _dot(deviations**2, diagonal) / 2
    gradient, towards_mean = _gradient_and_product(log_prob_fn, x0, mean - x0)
    keep = 0.0 if equal_means else 1.0
    first_order = keep * _dot(points - x0, gradient)
    # An image moves the quadratic form of the mean by its deviation times H (mu - x0).
    mean_curvature = keep * (vdot(mean - x0, towards_mean) / 2 + _dot(deviations, towards_mean))
    terms = (first_order + mean_curvature + covariance, first_order, mean_curvature, covariance)
    return SecondOrderGap(*(stats.mean(term, groups) for term in terms))


@functools.partial(jax.jit, static_argnums=0)
def _gradient_and_product(log_prob_fn: LogProb, x0: Array, v: Array) -> tuple[Array, Array]:
    return jax.jvp(jax.grad(log_prob_fn), (x0,), (v,))


def _dot(points: Array, v: Array) -> Array:
    """[N] inner products of `points` [N, *shape] with `v` [*shape]."""
    return matmul(points.reshape(len(points), -1), v.ravel())
