"""log p to second order around a center: its value, gradient and Hessian there, computed once and used many times.

Near the center x0, log p(x) = value + gradient.(x - x0) + 1/2 (x - x0)' H (x - x0). With H at hand, the second-order
prediction of a gap, Tr(H S) of any image set and the spectrum of H are products of matrices: no density is
differentiated again.
"""

from typing import Any, NamedTuple

from jaxtyping import Array, Float

from glowjax.analysis.chunking import Count, check_chunk_size
from glowjax.analysis.curvature import HESSIAN_LIMIT, Progress, check_size, hessian_of, value_and_gradient_at
from glowjax.analysis.density import LogProb, Point, Points, as_points, check_finite, check_like, check_point
from glowjax.analysis.subject import Subject
from glowjax.checks import InputError


class Expansion(NamedTuple):
    """Log p to second order around `center`, in nats and the unit of x. It is what `expand` returns.

    `np.savez(path, **expansion._asdict())` saves it, and `Expansion(**np.load(path))` reads it again.

    Attributes:
        center: [*shape], the point x0.
        value: [], log p(x0).
        gradient: [*shape], at x0.
        hessian: [*shape, *shape], at x0.
    """

    center: Point
    value: Float[Array, ""]
    gradient: Point
    hessian: Float[Array, "..."]


def expand(
    log_prob_fn: LogProb,
    center: Points,
    *,
    chunk_size: Count | None = None,
    limit: int = HESSIAN_LIMIT,
    on_progress: Progress | None = None,
) -> Expansion:
    """Log p to second order around `center` [*shape], by D Hessian-vector products for its D values.

    Give the result to `second_order_gap`, `second_order_terms` or `extreme_eigenpairs` in place of the center. The rows
    of the Hessian are shared by all cores, accelerators and processes. A Hessian of more than `limit` bytes is refused.

    >>> import jax.numpy as jnp
    >>> from glowjax import analysis as an
    >>> expansion = an.expand(lambda x: x[0] * x[1] ** 2, jnp.array([1.0, 2.0]))
    >>> float(expansion.value), expansion.gradient.tolist(), expansion.hessian.tolist()
    (4.0, [4.0, 4.0], [[0.0, 4.0], [4.0, 2.0]])

    Args:
        center: the point x0.
        on_progress: called as `on_progress(done, total)` after each part of the rows, from any thread; `done` and
            `total` count rows.
    """
    log_prob, center = check_point(log_prob_fn, center, "center")
    check_size(center, limit)
    return expand_at(log_prob, center, chunk_size=check_chunk_size(chunk_size), on_progress=on_progress)


def expand_at(
    log_prob: Subject, center: Point, *, chunk_size: int | None, on_progress: Progress | None = None
) -> Expansion:
    """The same as `expand`, for checked input."""
    value, gradient = log_prob.run(value_and_gradient_at, center)
    return Expansion(center, value, gradient, hessian_of(log_prob, center, chunk_size, on_progress))


def check_expansion(expansion: Any, x: Array | None = None) -> Expansion:
    """`expansion` as JAX arrays of one dtype; refused unless they fit each other, and the point `x` if one is given."""
    center = as_points(expansion.center, "expansion.center")
    if x is not None:
        center = check_like(center, x, "expansion.center")
    value = as_points(expansion.value, "expansion.value").astype(center.dtype)
    if value.shape:
        raise InputError(f"expansion.value has shape {list(value.shape)}; expected one number.")
    check_finite(value, "expansion.value")
    gradient = check_like(expansion.gradient, center, "expansion.gradient")
    return Expansion(
        center, value, gradient, check_like(expansion.hessian, center, "expansion.hessian", leading=center.shape)
    )
