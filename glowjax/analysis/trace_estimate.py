"""The trace of the Hessian of log p(x) from random probes, for dimensions in which D directions are too many."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from glowjax import stats
from glowjax.analysis.chunking import Count, check_chunk_size, map_chunks
from glowjax.analysis.curvature import diagonal_of, product_at, total_of
from glowjax.analysis.density import LogProb, Points, check_finite, check_like, check_point
from glowjax.analysis.subject import Subject
from glowjax.checks import InputError, is_count, unknown
from glowjax.linalg import at_least_float32, vdot
from glowjax.typing import Key

XTRACE_INFLATION = math.sqrt(2)
"""The factor on the naive standard error of XTrace, for the correlation of its leave-one-out values."""


def hessian_trace_estimate(
    log_prob_fn: LogProb,
    x: Points,
    key: Key,
    num_probes: Count,
    *,
    method: str = "hutchinson",
    weights: Points | None = None,
    chunk_size: Count | None = None,
) -> stats.Estimate:
    """Tr(H diag(weights)) from random probes, in nats, with its standard error over probes.

    Hutchinson averages v' H v over random signs v. XTrace (Epperly, Tropp and Webber 2024) spends half of its products
    on the leading eigenspace and is far better if few eigenvalues dominate; with D / 2 probes or more it is exact. Its
    leave-one-out values are correlated, and their spread over sqrt(num_probes) is up to a third too small. The standard
    error here is sqrt(2) times that (`XTRACE_INFLATION`).

    Coverage of the 95 % interval (`python -m benchmarks.coverage`), for D = 100, spectra from flat to 0.8^n, and 5, 10
    and 40 probes: 0.92-0.96 for Hutchinson, and 0.92-0.98 for XTrace. Misses lie below a trace that few eigenvalues
    dominate.

    For a Glow, a standard error of 1 % takes Hutchinson 0.4 times as long as the exact `hessian_trace` at 28 x 28 x 1,
    and 0.04 times at 32 x 32 x 3; XTrace takes longer (`python -m benchmarks.curvature --parts estimators`).

    >>> import jax, jax.numpy as jnp
    >>> from glowjax import analysis as an
    >>> an.hessian_trace_estimate(lambda x: -x @ x, jnp.zeros(9), jax.random.key(0), num_probes=4)  # exact: diagonal
    -18 ± 0

    Args:
        key: the key of the probes.
        num_probes: at least 2; Hutchinson takes as many products, XTrace twice as many.
        method: "hutchinson" or "xtrace".
        weights: [*shape], of any sign; ones by default.
    """
    log_prob, x = check_point(log_prob_fn, x)
    weights = jnp.ones_like(x) if weights is None else check_like(weights, x, "weights")
    if method not in METHODS:
        raise unknown("method", str(method), METHODS)
    if not is_count(num_probes) or num_probes < 2:
        raise InputError(f"num_probes must be a whole number and at least 2, but is {num_probes!r}.")
    size = check_chunk_size(chunk_size)
    value, sem = METHODS[method](log_prob, x, weights, key, int(num_probes), size)
    check_finite(jnp.stack([value, sem]), "The estimate (value, sem)")
    return stats.Estimate(value, sem, int(num_probes))


def _hutchinson(
    log_prob: Subject, x: Array, weights: Array, key: Key, num_probes: int, chunk_size: int | None
) -> tuple[Any, Any]:
    probes = jax.random.rademacher(key, (num_probes, *x.shape), x.dtype)
    forms = log_prob.run_divided(_weighted_forms, x, weights, probes, chunk_size=chunk_size)
    check_finite(forms, "v' H v of the n-th probe")
    estimate = stats.mean(forms, name="v' H v over probes")
    return estimate.value, estimate.sem


def _weighted_forms(
    log_prob: Callable, x: Array, weights: Array, probes: Array, *, chunk_size: int | None
) -> Float[Array, " N"]:
    scale, sign, product = jnp.sqrt(jnp.abs(weights)), jnp.sign(weights), product_at(log_prob, x)
    return map_chunks(lambda v: vdot(scale * v, product(sign * scale * v)), probes, chunk_size)


def _xtrace(
    log_prob: Subject, x: Array, weights: Array, key: Key, num_probes: int, chunk_size: int | None
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    if 2 * num_probes >= x.size:  # as many products as the exact trace takes
        trace = total_of((weights * diagonal_of(log_prob, x, chunk_size=chunk_size)).ravel())
        return trace, jnp.zeros_like(trace)
    return log_prob.run(_leave_one_out, x, weights, key, num_probes=num_probes, chunk_size=chunk_size)


def _leave_one_out(
    log_prob: Callable, x: Array, weights: Array, key: Key, *, num_probes: int, chunk_size: int | None
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    from matfree import stochtrace  # here, so that the other functions of this package need no matfree

    product, precise = product_at(log_prob, x), at_least_float32(x.dtype)  # LAPACK has no half precision
    scale, sign = jnp.sqrt(jnp.abs(weights)).astype(precise), jnp.sign(weights).astype(precise)

    def scaled(v: Array) -> Array:
        return scale * product((sign * scale * v).astype(x.dtype)).astype(precise)

    # matfree compares with absolute numbers, which are right for products of unit size.
    typical = jnp.linalg.norm(scaled(jnp.ones_like(scale))) / math.sqrt(x.size)
    size = jnp.where(typical > 0, typical, 1)
    matvec = jax.custom_batching.custom_vmap(lambda v: scaled(v) / size)  # matfree maps over all probes at once

    @matvec.def_vmap
    def _(axis_size: int, in_batched: list[bool], vs: Array) -> tuple[Array, bool]:
        del axis_size, in_batched
        return map_chunks(lambda v: scaled(v) / size, vs, chunk_size), True

    sampler = stochtrace.sampler_normal(jnp.zeros(x.shape, precise), num=num_probes)
    values = stochtrace.estimator_leave_one_out_mean_and_sem(stochtrace.leave_one_out_xtrace(), sampler)
    with jax.numpy_rank_promotion("allow"):  # matfree divides a matrix by a row, also where users forbid it
        mean, sem = values(matvec, key)
    # matfree divides by sqrt(num_probes); dividing by sqrt(num_probes - 1) is unbiased for few probes.
    inflation = XTRACE_INFLATION * math.sqrt(num_probes / (num_probes - 1))
    return (size * mean).astype(x.dtype), (inflation * size * sem).astype(x.dtype)


METHODS = {"hutchinson": _hutchinson, "xtrace": _xtrace}
