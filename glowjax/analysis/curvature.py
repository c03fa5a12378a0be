"""The Hessian of log p(x) with respect to x: products, quadratic forms, diagonal and trace, exactly.

x is one point [*shape] with D values, H its Hessian [D, D], in nats over the squared unit of x. Nothing here forms H,
`hessian` excepted: an exact trace or diagonal takes D directions, as many at a time as a chunk holds.

Autodiff's Hessian is that of the piece of log p in which x lies. Where log p has kinks (ReLU conditioners), it says
nothing of the jumps of the gradient between the pieces, which a walk from x to another point meets: see
`location_spread_gap`.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from glowjax.analysis.chunking import map_chunks
from glowjax.analysis.density import LogProb, check_finite, check_like, check_point
from glowjax.analysis.laplacian import laplacian
from glowjax.checks import InputError
from glowjax.linalg import vdot
from glowjax.typing import Array

HESSIAN_LIMIT = 2**31
"""Bytes above which `hessian` refuses."""


def hessian(log_prob_fn: LogProb, x: Array, *, chunk_size: int | None = None, limit: int = HESSIAN_LIMIT) -> Array:
    """The Hessian [*shape, *shape] of `log_prob_fn` at `x` [*shape], by rows of `jax.hessian`, a chunk at a time.

    Args:
        log_prob_fn: the log density of one point, in nats.
        x: the point.
        chunk_size: rows at a time; None for as many as fit `chunking.MEMORY_BUDGET`.
        limit: bytes that the result may take.

    Raises:
        InputError: where the result would take more than `limit` bytes, or as `check_point` does.
    """
    x = check_point(log_prob_fn, x)
    size = x.size**2 * x.dtype.itemsize
    if size > limit:
        raise InputError(
            f"The Hessian of {x.size:,} values would take {size / 2**30:.2f} GiB, above the limit of "
            f"{limit / 2**30:.2f} GiB; use hessian_trace, hvp or hessian_trace_estimate, which never form it, or raise "
            "limit."
        )
    rows = _rows(log_prob_fn, x, chunk_size)
    check_finite("The Hessian of log_prob_fn", rows)
    return rows.reshape(*x.shape, *x.shape)


@functools.partial(jax.jit, static_argnums=(0, 2))
def _rows(log_prob_fn: LogProb, x: Array, chunk_size: int | None) -> Array:
    product = product_at(log_prob_fn, x)
    return map_chunks(lambda n: product(basis_vector(n, x)), jnp.arange(x.size), chunk_size)


def hvp(log_prob_fn: LogProb, x: Array, v: Array) -> Array:
    """The Hessian-vector product H v [*shape], forward over reverse; `x` and `v` [*shape].

    Raises InputError where `v` is not shaped as `x`, or as `check_point` does.
    """
    x = check_point(log_prob_fn, x)
    product = _hvp(log_prob_fn, x, check_like("v", v, x))
    check_finite("The Hessian-vector product of log_prob_fn", product)
    return product


@functools.partial(jax.jit, static_argnums=0)
def _hvp(log_prob_fn: LogProb, x: Array, v: Array) -> Array:
    return jax.jvp(jax.grad(log_prob_fn), (x,), (v,))[1]


def quadratic_forms(log_prob_fn: LogProb, x: Array, directions: Array, *, chunk_size: int | None = None) -> Array:
    """V' H v of each of `directions` [N, *shape] at `x` [*shape]: [N], in nats.

    Raises InputError where the directions are not shaped as `x`, or as `check_point` does.
    """
    x = check_point(log_prob_fn, x)
    directions = check_like("directions", directions, x, leading=(-1,))
    if not len(directions):
        raise InputError("directions has none; pass [N, *shape] with one or more.")
    forms = _forms(log_prob_fn, x, directions, chunk_size)
    check_finite("v' H v of the n-th direction", forms)
    return forms


@functools.partial(jax.jit, static_argnums=(0, 3))
def _forms(log_prob_fn: LogProb, x: Array, directions: Array, chunk_size: int | None) -> Array:
    product = product_at(log_prob_fn, x)
    return map_chunks(lambda v: vdot(v, product(v)), directions, chunk_size)


def hessian_diagonal(log_prob_fn: LogProb, x: Array, *, chunk_size: int | None = None) -> Array:
    """The diagonal of the Hessian [*shape] at `x` [*shape], exactly, by D Hessian-vector products.

    Raises InputError as `check_point` does.
    """
    x = check_point(log_prob_fn, x)
    diagonal = _diagonal(log_prob_fn, x, chunk_size)
    check_finite("The diagonal of the Hessian of log_prob_fn", diagonal)
    return diagonal


@functools.partial(jax.jit, static_argnums=(0, 2))
def _diagonal(log_prob_fn: LogProb, x: Array, chunk_size: int | None) -> Array:
    product = product_at(log_prob_fn, x)
    diagonal = map_chunks(lambda n: product(basis_vector(n, x)).ravel()[n], jnp.arange(x.size), chunk_size)
    return diagonal.reshape(x.shape)


def hessian_trace(
    log_prob_fn: LogProb,
    x: Array,
    weights: Array | None = None,
    *,
    factor: Array | None = None,
    chunk_size: int | None = None,
) -> Array:
    """Tr(H diag(weights)), or Tr(H L L') for a `factor` L, exactly: a scalar, in nats.

    Without a factor it is `laplacian`, the fastest exact way; `hessian_diagonal` is the independent one, by products.
    Memory is that of a chunk of directions; no array of D^2 values is formed.

    Args:
        log_prob_fn: the log density of one point, in nats.
        x: [*shape], the point.
        weights: [*shape], of any sign, as the difference of two variances; ones by default.
        factor: [*shape, r] instead: Tr(H L L') = sum_r L_r' H L_r takes r products in the place of D.
        chunk_size: directions at a time; None for as many as fit `chunking.MEMORY_BUDGET`.

    Raises:
        InputError: for both weights and factor, another shape than that of `x`, or as `check_point` does.
    """
    x = check_point(log_prob_fn, x)
    if factor is not None:
        if weights is not None:
            raise InputError("hessian_trace got both weights and factor; Tr(H diag(weights)) and Tr(H L L') are two.")
        factor = check_like("factor", factor, x, trailing=(-1,))
        if not factor.shape[-1]:
            raise InputError("factor has no columns; ask for some, as in moments(images, rank=50).factor.")
        directions = jnp.moveaxis(factor, -1, 0)
        return quadratic_forms(log_prob_fn, x, directions, chunk_size=chunk_size).sum()
    return laplacian(log_prob_fn, x, weights, chunk_size=chunk_size)


def product_at(log_prob_fn: LogProb, x: Array) -> Callable[[Array], Array]:
    """V -> H v at `x`: the gradient is linearised once, and every product repeats its linear part only."""
    return jax.linearize(jax.grad(log_prob_fn), x)[1]


def basis_vector(n: Array, x: Array) -> Array:
    """The unit vector along the n-th value of `x`."""
    return jnp.zeros(x.size, x.dtype).at[n].set(1).reshape(x.shape)
