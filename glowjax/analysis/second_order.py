"""The likelihood gap E_q[log p] - E_p[log p] of two image sets: as measured, to second order, and the remainder.

Let g and H be the gradient and the Hessian of log p at a center x0, and mu and S the mean and the covariance (divided
by N) of a set. Then, to second order,

    E[log p(x)] = log p(x0) + g.(mu - x0) + 1/2 (mu - x0)' H (mu - x0) + 1/2 Tr(H S),

and the gap is the difference between the two sets. The paper (Nalisnick et al. 2019, section 5) takes the training mean
as the center, and assumes equal means and diagonal covariances. Only 1/2 Tr(H diag(var_q - var_p)) then remains.

Terms are computed for each point, and `stats.gap` averages them over both sets. Standard errors are over images, with
the center and the model held fixed.
"""

from typing import Any, TypeAlias

import jax.numpy as jnp
from jaxtyping import Array, Float

from glowjax import stats
from glowjax.analysis.chunking import Count, check_chunk_size, map_chunks
from glowjax.analysis.curvature import diagonal_of, forms_at, gradient_at, product
from glowjax.analysis.density import (
    Groups,
    LogProb,
    Point,
    Points,
    PointSet,
    check_finite,
    check_like,
    check_pair,
    check_points,
)
from glowjax.analysis.paths import Remainder, gauss_legendre, profile_of, remainder_along
from glowjax.analysis.subject import Subject
from glowjax.checks import InputError, unknown
from glowjax.linalg import matmul, vdot

CENTERS = ("midpoint", "in_dist")
"""The named centers: the midpoint of the two means, where the quadratic terms of the means cancel, or the mean of
in_dist."""

Center: TypeAlias = Any
"""One of `CENTERS`, or a point."""

COVARIANCES = ("full", "diagonal")


class SecondOrderGap(stats.Result):
    """The second-order prediction of the gap and its terms, in nats; the terms sum to the total.

    `second_order_gap` returns Estimates of the gap; `second_order_terms` returns [N], the terms of each point.

    Attributes:
        total: the prediction.
        first_order: g.(mu_q - mu_p).
        mean_curvature: 1/2 [(mu_q - x0)' H (mu_q - x0) - (mu_p - x0)' H (mu_p - x0)].
        covariance: 1/2 Tr(H (S_q - S_p)), full or diagonal.
    """

    total: Any
    first_order: Any
    mean_curvature: Any
    covariance: Any


def likelihood_gap(
    log_prob_fn: LogProb,
    in_dist: Points,
    out_dist: Points,
    *,
    groups_in: Groups = None,
    groups_out: Groups = None,
    chunk_size: Count | None = None,
) -> stats.Estimate:
    """E_q[log p] - E_p[log p], measured, in nats; positive if `out_dist` is more likely.

    A `stats.HeavyTailWarning` names an image that makes up so much of the variance that the interval is not valid; see
    `robust_gap`.

    >>> import jax, jax.numpy as jnp
    >>> from glowjax import analysis as an
    >>> normal = lambda x: jax.scipy.stats.norm.logpdf(x).sum()
    >>> x = jax.random.normal(jax.random.key(0), (500, 2))
    >>> an.likelihood_gap(normal, x, x / 2)  # 3/4 nats in expectation
    +0.726 ± 0.046
    """
    log_prob, in_dist, out_dist = check_pair(log_prob_fn, in_dist, out_dist)
    size = check_chunk_size(chunk_size)
    p = log_probs_of(log_prob, in_dist, "in_dist", chunk_size=size)
    q = log_probs_of(log_prob, out_dist, "out_dist", chunk_size=size)
    return stats.gap(p, q, groups_in=groups_in, groups_out=groups_out)


def log_probs(log_prob_fn: LogProb, points: Points, *, chunk_size: Count | None = None) -> Float[Array, " N"]:
    """The log densities of `points` [N, *shape], in nats."""
    log_prob, points = check_points(log_prob_fn, points, "points", at_least=1)
    return log_probs_of(log_prob, points, "points", chunk_size=check_chunk_size(chunk_size))


def log_probs_of(log_prob: Subject, points: PointSet, name: str, *, chunk_size: int | None) -> Float[Array, " N"]:
    """The same as `log_probs`, for checked input; error messages call the points `name`."""
    values = log_prob.run_divided(map_chunks, points, chunk_size=chunk_size)
    return check_finite(values, f"log_prob_fn({name}[n])")


def second_order_gap(
    log_prob_fn: LogProb,
    in_dist: Points,
    out_dist: Points,
    *,
    center: Center = "midpoint",
    covariance: str = "full",
    equal_means: bool = False,
    groups_in: Groups = None,
    groups_out: Groups = None,
    chunk_size: Count | None = None,
) -> SecondOrderGap:
    """The gap to second order around `center`, with its terms.

    The paper uses `center="in_dist"`, `covariance="diagonal"` and `equal_means=True`.

    With the full covariance, the images themselves are the probes: Tr(H S) is the mean of (x - mu)' H (x - mu). This
    takes one Hessian-vector product per image, and no array of D^2 values. The diagonal takes D products.

    Compare the total with `remainder` before you trust it: images lie far outside the region where log p of a trained
    flow is quadratic.

    Args:
        center: "midpoint" of the two means, "in_dist" for the mean of in_dist, or a point [*shape].
        covariance: "full", or "diagonal" for variances alone.
        equal_means: whether to assume that the two means are equal, so that only the covariance term remains.
    """
    log_prob, in_dist, out_dist = check_pair(log_prob_fn, in_dist, out_dist)
    check_covariance(covariance)
    options: dict[str, Any] = {
        "covariance": covariance,
        "equal_means": bool(equal_means),
        "chunk_size": check_chunk_size(chunk_size),
    }
    p, q = _terms(log_prob, resolve_center(center, in_dist, out_dist), in_dist, out_dist, **options)
    gap = stats.gap(p, q, groups_in=groups_in, groups_out=groups_out)
    values = jnp.stack([gap.total.value, gap.first_order.value, gap.mean_curvature.value, gap.covariance.value])
    check_finite(values, "The second-order gap (total, first order, mean curvature, covariance)")
    return gap


def second_order_terms(
    log_prob_fn: LogProb,
    center: Points,
    points: Points,
    *,
    covariance: str = "full",
    equal_means: bool = False,
    chunk_size: Count | None = None,
) -> SecondOrderGap:
    """The terms of log p(x) - log p(center) to second order for each of `points` [N, *shape]: [N] each, in nats.

    Their means over the points are the terms of the expectation, and `stats.gap` of two sets' terms is the gap. The
    arguments are those of `second_order_gap`, with a point as the center.

    >>> import jax.numpy as jnp
    >>> from glowjax import analysis as an
    >>> terms = an.second_order_terms(lambda x: -x @ x, jnp.zeros(2), jnp.array([[1.0, 0.0], [3.0, 0.0]]))
    >>> float(terms.mean_curvature.mean()), float(terms.covariance.mean())  # -|mu|^2, -variance
    (-4.0, -1.0)
    """
    log_prob, points = check_points(log_prob_fn, points, "points", at_least=1)
    check_covariance(covariance)
    options: dict[str, Any] = {
        "covariance": covariance,
        "equal_means": bool(equal_means),
        "chunk_size": check_chunk_size(chunk_size),
    }
    (terms,) = _terms(log_prob, check_like(center, points[0], "center"), points, **options)
    check_finite(terms.total, "The total of the n-th point")
    return terms


def remainder(
    log_prob_fn: LogProb,
    in_dist: Points,
    out_dist: Points,
    *,
    center: Center = "midpoint",
    num_nodes: Count = 24,
    groups_in: Groups = None,
    groups_out: Groups = None,
    chunk_size: Count | None = None,
) -> Remainder:
    """The gap minus its second-order prediction around `center`, computed along a straight path to each image.

    `center` is as in `second_order_gap`; `num_nodes` is the number of Gauss-Legendre nodes on each path. The cost per
    image is num_nodes + 2 second derivatives along a line.
    """
    log_prob, in_dist, out_dist = check_pair(log_prob_fn, in_dist, out_dist)
    x0, size, nodes = resolve_center(center, in_dist, out_dist), check_chunk_size(chunk_size), gauss_legendre(num_nodes)
    p, q = (
        remainder_along(profile_of(log_prob, x0, points, nodes.t, name, chunk_size=size), nodes)
        for points, name in ((in_dist, "in_dist"), (out_dist, "out_dist"))
    )
    return stats.gap(p, q, groups_in=groups_in, groups_out=groups_out)


def check_covariance(covariance: Any) -> None:
    """Raises InputError if `covariance` is neither "full" nor "diagonal"."""
    if covariance not in COVARIANCES:
        raise unknown("covariance", str(covariance), COVARIANCES)


def resolve_center(center: Center, in_dist: Array, out_dist: Array) -> Point:
    """The center as a point [*shape]."""
    mean_in = in_dist.mean(axis=0)
    if isinstance(center, str):
        if center not in CENTERS:
            raise unknown("center", center, CENTERS)
        return mean_in if center == "in_dist" else (mean_in + out_dist.mean(axis=0)) / 2
    if center is None:
        raise InputError("center is None; expected 'midpoint', 'in_dist' or a point.")
    return check_like(center, mean_in, "center")


def _terms(
    log_prob: Subject, x0: Point, *sets: Array, covariance: str, equal_means: bool, chunk_size: int | None
) -> list[SecondOrderGap]:
    """The terms of each set's points."""
    gradient = log_prob.run(gradient_at, x0)
    diagonal = diagonal_of(log_prob, x0, chunk_size=chunk_size) if covariance == "diagonal" else None

    def expand_set(points: PointSet) -> SecondOrderGap:
        mean = points.mean(axis=0)
        deviations = points - mean[None]
        if diagonal is None:
            spread = log_prob.run_divided(forms_at, x0, deviations, chunk_size=chunk_size) / 2
        else:
            spread = _dot(deviations**2, diagonal) / 2
        if equal_means:
            none = jnp.zeros_like(spread)
            return SecondOrderGap(spread, none, none, spread)
        first_order = _dot(points - x0[None], gradient)
        # A point moves the quadratic form of the mean by its deviation times H (mu - x0).
        towards_mean = log_prob.run(product, x0, mean - x0)
        mean_curvature = vdot(mean - x0, towards_mean) / 2 + _dot(deviations, towards_mean)
        return SecondOrderGap(first_order + mean_curvature + spread, first_order, mean_curvature, spread)

    return [expand_set(points) for points in sets]


def _dot(points: PointSet, v: Point) -> Float[Array, " N"]:
    """The inner products of the points with `v` [*shape]."""
    return matmul(points.reshape(len(points), -1), v.ravel())
