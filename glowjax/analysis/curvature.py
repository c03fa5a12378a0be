"""The Hessian of log p(x) with respect to x: products, quadratic forms, diagonal and trace, exactly.

x is one point [*shape] with D values, and H its Hessian [D, D], in nats over the squared unit of x. Only `hessian`
forms H. An exact trace or diagonal takes D directions, as many at a time as a chunk holds.

Autodiff's Hessian is that of the piece of log p in which x lies. If log p has kinks (ReLU conditioners), it contains
nothing of the jumps of the gradient between pieces, which the path from x to another point crosses: see
`location_spread_gap`.
"""

import threading
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer

from glowjax.analysis.chunking import Count, check_chunk_size, map_chunks
from glowjax.analysis.density import LogProb, Point, Points, PointSet, check_finite, check_like, check_point
from glowjax.analysis.laplacian import laplacian
from glowjax.analysis.subject import Subject
from glowjax.checks import InputError
from glowjax.cores import num_workers, side_by_side
from glowjax.linalg import vdot

HESSIAN_LIMIT = 2**31
"""The largest Hessian in bytes that `hessian` and `expand` form by default."""

PARTS_PER_WORKER = 8
"""The number of parts into which each core or accelerator divides its rows of a Hessian, for reports of progress."""

ROWS_PER_PART = 32
"""The smallest number of rows for which a further part pays."""

Progress: TypeAlias = Callable[[int, int], Any]
"""Called as `on_progress(done, total)` during long work."""


def hessian(log_prob_fn: LogProb, x: Points, *, chunk_size: Count | None = None, limit: int = HESSIAN_LIMIT) -> Point:
    """The Hessian [*shape, *shape] at `x` [*shape], by rows; more than `limit` bytes are refused in an InputError.

    >>> import jax.numpy as jnp
    >>> from glowjax import analysis as an
    >>> an.hessian(lambda x: x[0] * x[1] ** 2, jnp.array([1.0, 2.0])).tolist()
    [[0.0, 4.0], [4.0, 2.0]]
    """
    log_prob, x = check_point(log_prob_fn, x)
    check_size(x, limit)
    return hessian_of(log_prob, x, check_chunk_size(chunk_size))


def check_size(x: Array, limit: int) -> None:
    """Raises InputError if a Hessian at `x` takes more than `limit` bytes."""
    size = x.size**2 * x.dtype.itemsize
    if size > limit:
        raise InputError(
            f"The Hessian of {x.size:,} values would take {size / 2**30:.2f} GiB, above the limit of "
            f"{limit / 2**30:.2f} GiB; use laplacian, hvp or hessian_trace_estimate, which never form it, or raise "
            "limit."
        )


def hvp(log_prob_fn: LogProb, x: Points, v: Points) -> Point:
    """The Hessian-vector product H v [*shape], forward over reverse; `x` and `v` are [*shape].

    >>> import jax.numpy as jnp
    >>> from glowjax import analysis as an
    >>> an.hvp(lambda x: x[0] * x[1] ** 2, jnp.array([1.0, 2.0]), jnp.array([1.0, 0.0])).tolist()
    [0.0, 4.0]
    """
    log_prob, x = check_point(log_prob_fn, x)
    return check_finite(log_prob.run(product, x, check_like(v, x, "v")), "The Hessian-vector product of log_prob_fn")


def quadratic_forms(
    log_prob_fn: LogProb, x: Points, directions: Points, *, chunk_size: Count | None = None
) -> Float[Array, " N"]:
    """V' H v for each v of `directions` [N, *shape] at `x` [*shape], in nats."""
    log_prob, x = check_point(log_prob_fn, x)
    directions = check_like(directions, x, "directions", leading=(-1,))
    if not len(directions):
        raise InputError("directions has none; pass [N, *shape] with one or more.")
    forms = log_prob.run_divided(forms_at, x, directions, chunk_size=check_chunk_size(chunk_size))
    return check_finite(forms, "v' H v of the n-th direction")


def hessian_diagonal(log_prob_fn: LogProb, x: Points, *, chunk_size: Count | None = None) -> Point:
    """The diagonal of the Hessian [*shape] at `x` [*shape], exactly, by D Hessian-vector products."""
    log_prob, x = check_point(log_prob_fn, x)
    return diagonal_of(log_prob, x, chunk_size=check_chunk_size(chunk_size))


def hessian_trace(
    log_prob_fn: LogProb,
    x: Points,
    *,
    weights: Points | None = None,
    factor: Points | None = None,
    chunk_size: Count | None = None,
) -> Float[Array, ""]:
    """Tr(H diag(weights)), or Tr(H L L') for a `factor` L, exactly, in nats.

    The former is `laplacian`; the latter is the sum of L_r' H L_r over the columns of L, by `quadratic_forms`. A factor
    that was cut by variance misses most of the trace: at the mean of FashionMNIST the first 50 components hold 86 % of
    the variance and 14 % of Tr(H S). `curvature_components` cuts it by curvature.

    Args:
        x: [*shape], the point.
        weights: [*shape], of any sign, such as a difference of variances; ones by default.
        factor: [*shape, r], in place of weights.
    """
    if factor is None:
        return laplacian(log_prob_fn, x, weights=weights, chunk_size=chunk_size)
    if weights is not None:
        raise InputError("hessian_trace got both weights and factor; Tr(H diag(weights)) and Tr(H L L') are two.")
    log_prob, x = check_point(log_prob_fn, x)
    factor = check_like(factor, x, "factor", trailing=(-1,))
    if not factor.shape[-1]:
        raise InputError(
            f"factor has no columns; moments(images, rank={x.size}).covariance_factor has all of them, and fewer hold "
            "most of the variance, but little of Tr(H S): see curvature_components."
        )
    forms = log_prob.run_divided(forms_at, x, jnp.moveaxis(factor, -1, 0), chunk_size=check_chunk_size(chunk_size))
    return total_of(check_finite(forms, "v' H v of the n-th column of factor"))


def hessian_of(
    log_prob: Subject, x: Point, chunk_size: int | None, on_progress: Progress | None = None
) -> Float[Array, "..."]:
    """The Hessian [*shape, *shape], for checked input: all cores, accelerators and processes take parts of its rows."""
    rows = jnp.arange(x.size)
    if not log_prob.is_known or isinstance(x, jax.core.Tracer):
        found = log_prob.run(hessian_rows, x, rows, chunk_size=chunk_size)
    else:
        found = _rows_side_by_side(log_prob, x, chunk_size, on_progress)
    return check_finite(found, "The Hessian of log_prob_fn").reshape(*x.shape, *x.shape)


def _rows_side_by_side(
    log_prob: Subject, x: Point, chunk_size: int | None, on_progress: Progress | None
) -> Float[Array, "D ..."]:
    """All rows, in parts of equal size, so that one program serves for all of them."""
    num_parts = max(1, min(PARTS_PER_WORKER * num_workers(), x.size // ROWS_PER_PART))
    size = -(-x.size // num_parts)
    parts = np.minimum(np.arange(num_parts * size), x.size - 1).reshape(num_parts, size)  # repeats the last row
    own_parts = len(range(jax.process_index(), num_parts, jax.process_count()))
    done, lock = 0, threading.Lock()

    def rows_of(part: np.ndarray) -> np.ndarray:
        nonlocal done
        rows = np.asarray(log_prob.run(hessian_rows, x, jnp.asarray(part), chunk_size=chunk_size))
        if on_progress is not None:
            with lock:
                done += 1
                on_progress(min(x.size, x.size * done // max(1, own_parts)), x.size)
        return rows

    return jnp.asarray(np.concatenate(side_by_side(rows_of, parts))[: x.size])


def hessian_rows(
    log_prob: Callable, x: Point, indices: Integer[Array, " R"], *, chunk_size: int | None = None
) -> Float[Array, "R ..."]:
    """The rows [R, *shape] of the Hessian with these indices."""
    times = product_at(log_prob, x)
    return map_chunks(lambda n: times(basis_vector(n, x)), indices, chunk_size)


def diagonal_of(log_prob: Subject, x: Point, *, chunk_size: int | None) -> Point:
    """The same as `hessian_diagonal`, for checked input."""
    diagonal = log_prob.run_divided(diagonal_at, x, jnp.arange(x.size), chunk_size=chunk_size)
    return check_finite(diagonal.reshape(x.shape), "The diagonal of the Hessian of log_prob_fn")


def diagonal_at(
    log_prob: Callable, x: Point, indices: Integer[Array, " R"], *, chunk_size: int | None = None
) -> Float[Array, " R"]:
    """The values of the Hessian's diagonal with these indices."""
    times = product_at(log_prob, x)
    return map_chunks(lambda n: times(basis_vector(n, x)).ravel()[n], indices, chunk_size)


def product_at(log_prob: Callable, x: Point) -> Callable[[Array], Array]:
    """The function v -> H v at `x`; the gradient is linearized once, and products repeat its linear part only."""
    return jax.linearize(jax.grad(log_prob), x)[1]


def total_of(values: Float[Array, " N"]) -> Float[Array, ""]:
    """The sum, in float64 on the host if the values are known: terms of both signs cancel."""
    if isinstance(values, jax.core.Tracer):
        return values.sum()
    return jnp.asarray(np.asarray(values, np.float64).sum(), values.dtype)


def basis_vector(n: Integer[Array, ""], x: Point) -> Point:
    """The unit vector along the n-th value of `x`."""
    return jnp.zeros(x.size, x.dtype).at[n].set(1).reshape(x.shape)


def products_at(log_prob: Callable, x: Point, directions: PointSet, *, chunk_size: int | None) -> Float[Array, "N ..."]:
    """H v [N, *shape] for each v of `directions`."""
    return map_chunks(product_at(log_prob, x), directions, chunk_size)


def gradient_at(log_prob: Callable, x: Point) -> Point:
    """The gradient of log p [*shape]."""
    return jax.grad(log_prob)(x)


def value_and_gradient_at(log_prob: Callable, x: Point) -> tuple[Float[Array, ""], Point]:
    """Log p and its gradient [*shape]."""
    return jax.value_and_grad(log_prob)(x)


def product(log_prob: Callable, x: Point, v: Point) -> Point:
    """H v for a single v."""
    return jax.jvp(jax.grad(log_prob), (x,), (v,))[1]


def forms_at(log_prob: Callable, x: Point, directions: PointSet, *, chunk_size: int | None) -> Float[Array, " N"]:
    """V' H v for each v of `directions`."""
    times = product_at(log_prob, x)
    return map_chunks(lambda v: vdot(v, times(v)), directions, chunk_size)
