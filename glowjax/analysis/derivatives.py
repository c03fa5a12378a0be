"""The derivatives of a density at a center, from its Hessian or from products: one interface for both.

Known arrays are float64 NumPy arrays on the host, in which sums over thousands of values lose nothing. Traced ones stay
JAX arrays in the dtype of the points.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from glowjax.analysis.center import Resolved
from glowjax.analysis.chunking import map_chunks
from glowjax.analysis.curvature import HESSIAN_LIMIT, Progress, check_size, diagonal_of, forms_at, gradient_at, product
from glowjax.analysis.density import Point, PointSet
from glowjax.analysis.expansion import Expansion, expand_at
from glowjax.analysis.subject import Subject
from glowjax.linalg import matmul

ROWS = 1_000
"""The number of images whose products with a matrix are held at a time."""

Flat: TypeAlias = Any
"""[D] or [N, D]: float64 NumPy arrays, or JAX arrays of the points' dtype if anything is traced."""


class How(NamedTuple):
    """The options of a prediction, checked.

    Attributes:
        covariance: "full" or "diagonal".
        equal_means: whether only the covariance term is computed.
        exact: whether to form the Hessian; None to decide by the numbers of values and of points.
        chunk_size: directions at a time.
        on_progress: called after each part of the rows of the Hessian.
        has_errors: whether third derivatives are computed, which the errors need if the center is computed.
    """

    covariance: str
    equal_means: bool
    exact: bool | None
    chunk_size: int | None
    on_progress: Progress | None = None
    has_errors: bool = True


class Derivatives(NamedTuple):
    """The derivatives of a density at a center, as functions of flat arrays.

    Attributes:
        wide: an array as `Flat`.
        gradient: [D].
        times: H v [D] for `v` [D].
        forms: d'Hd [N] for `d` [N, D], or its diagonal part.
    """

    wide: Callable[[Any], Flat]
    gradient: Flat
    times: Callable[[Flat], Flat]
    forms: Callable[[Flat], Flat]


def derivatives_at(log_prob: Subject, center: Resolved, sets: list[Array], how: How) -> Derivatives:
    """The density's derivatives at `center`, by the Hessian or by products, as `how` says."""
    x0, expansion = center.point, center.expansion
    wide = widening(log_prob, center, sets)
    forms_hessian = (expansion is not None or _pays(x0, sets, how)) if how.exact is None else how.exact
    if not forms_hessian:
        gradient = log_prob.run(gradient_at, x0) if expansion is None else expansion.gradient
        return _by_products(log_prob, x0, wide, wide(gradient).ravel(), how)
    if expansion is None:
        check_size(x0, HESSIAN_LIMIT)
        expansion = expand_at(log_prob, x0, chunk_size=how.chunk_size, on_progress=how.on_progress)
    return _by_matrix(expansion, wide, how)


def widening(log_prob: Subject, center: Resolved, sets: list[Array]) -> Callable[[Any], Flat]:
    """The function that makes an array `Flat`, for work on these sets."""
    arrays = [*jax.tree.leaves((center.point, center.expansion)), *sets]
    is_traced = not log_prob.is_known or any(isinstance(array, jax.core.Tracer) for array in arrays)
    return lambda array: jnp.asarray(array, center.point.dtype) if is_traced else np.asarray(array, np.float64)


def _pays(x0: Point, sets: list[Array], how: How) -> bool:
    """Whether D products are fewer than one per point, and their matrix fits the limit."""
    fits = x0.size**2 * x0.dtype.itemsize <= HESSIAN_LIMIT
    return fits and how.covariance == "full" and x0.size < sum(map(len, sets))


def _by_matrix(expansion: Expansion, wide: Callable[[Any], Flat], how: How) -> Derivatives:
    size = expansion.center.size
    matrix = wide(expansion.hessian).reshape(size, size)

    def forms(deviations: Flat) -> Flat:
        if how.covariance == "diagonal":
            return dot(deviations**2, matrix.diagonal())
        if not isinstance(matrix, np.ndarray):
            return (matmul(deviations, matrix) * deviations).sum(axis=1)
        parts = (deviations[n : n + ROWS] for n in range(0, len(deviations), ROWS))
        return np.concatenate([((part @ matrix) * part).sum(axis=1) for part in parts])

    return Derivatives(wide, wide(expansion.gradient).ravel(), lambda v: dot(matrix, v), forms)


def _by_products(log_prob: Subject, x0: Point, wide: Callable[[Any], Flat], gradient: Flat, how: How) -> Derivatives:
    if how.covariance == "diagonal":
        diagonal = wide(diagonal_of(log_prob, x0, chunk_size=how.chunk_size)).ravel()

    def forms(deviations: Flat) -> Flat:
        if how.covariance == "diagonal":
            return dot(deviations**2, diagonal)
        directions = _shaped(deviations, x0)
        return wide(log_prob.run_divided(forms_at, x0, directions, chunk_size=how.chunk_size))

    def times(v: Flat) -> Flat:
        return wide(log_prob.run(product, x0, _shaped(v, x0))).ravel()

    return Derivatives(wide, gradient, times, forms)


def form_gradients(log_prob: Subject, x0: Point, directions: Flat, how: How) -> Flat:
    """The gradients [K, D] of v' H v with respect to the point at which H is taken, for directions v [K, D]."""
    found = log_prob.run_divided(form_gradients_at, x0, _shaped(directions, x0), chunk_size=how.chunk_size)
    flat = found.reshape(len(directions), -1)
    return np.asarray(flat, np.float64) if isinstance(directions, np.ndarray) else flat


def form_gradients_at(
    log_prob: Callable, x: Point, directions: PointSet, *, chunk_size: int | None
) -> Float[Array, "N ..."]:
    """The second derivatives [N, *shape] of the gradient along each of `directions`."""
    gradient = jax.grad(log_prob)

    def along(v: Point) -> Point:
        return jax.jvp(lambda x: jax.jvp(gradient, (x,), (v,))[1], (x,), (v,))[1]

    return map_chunks(along, directions, chunk_size)


def dot(a: Flat, b: Flat) -> Flat:
    """The matrix product, at full precision."""
    return a @ b if isinstance(a, np.ndarray) else matmul(a, b)


def _shaped(flat: Flat, x: Point) -> Array:
    """[..., D] as JAX arrays [..., *shape] in the dtype of `x`."""
    return jnp.asarray(flat, x.dtype).reshape(*flat.shape[:-1], *x.shape)
