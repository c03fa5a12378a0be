"""The trace of the Hessian of log p(x) from random probes, for dimensions in which D directions are too many."""

import functools
import math
from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from matfree import stochtrace

from glowjax.analysis.chunking import map_chunks
from glowjax.analysis.curvature import hessian_diagonal, product_at
from glowjax.analysis.density import LogProb, check_finite, check_like, check_point
from glowjax.checks import InputError, is_count, unknown
from glowjax.stats import Estimate
from glowjax.typing import Array, Key

Method = Literal["hutchinson", "xtrace"]

XTRACE_INFLATION = math.sqrt(2)
"""Of the naive standard error of XTrace, against the correlation of its leave-one-out values."""


def hessian_trace_estimate(
    log_prob_fn: LogProb,
    x: Array,
    key: Key,
    num_probes: int,
    *,
    method: Method = "hutchinson",
    weights: Array | None = None,
    chunk_size: int | None = None,
) -> Estimate:
    """Tr(H diag(weights)) from random probes, with its standard error over probes: scalars, in nats.

    Hutchinson averages v' H v over random signs v. XTrace (Epperly, Tropp and Webber 2024) spends half of its
    products on the leading eigenspace and is far better where few eigenvalues dominate; with D / 2 probes or more it is
    exact. Its leave-one-out values are correlated, so that their spread over sqrt(num_probes) is up to a third too
    small; the standard error here is sqrt(2) times that (`XTRACE_INFLATION`), with which nominal 95 % intervals cover
    87 to 98 % from ten probes on, over spectra from flat to steep. Fewer probes cover less, under either method:
    a few values hardly tell their own spread.

    Args:
        log_prob_fn: the log density of one point, in nats.
        x: [*shape], the point.
        key: of the probes.
        num_probes: at least 2; Hutchinson takes as many products, XTrace twice as many.
        method: "hutchinson" or "xtrace", both by `matfree`.
        weights: [*shape], of any sign; ones by default.
        chunk_size: products at a time; None for as many as fit `chunking.MEMORY_BUDGET`.

    Raises:
        InputError: for fewer than two probes, an unknown method, or as `hessian_trace` does.
    """
    x = check_point(log_prob_fn, x)
    weights = jnp.ones_like(x) if weights is None else check_like("weights", weights, x)
    if method not in ESTIMATORS:
        raise unknown("method", str(method), ESTIMATORS)
    if not is_count(num_probes) or num_probes < 2:
        raise InputError(f"num_probes must be a whole number and at least 2, but is {num_probes!r}.")
    estimate = _estimate(log_prob_fn, x, key, num_probes, method, weights, chunk_size)
    check_finite("The estimate (mean, sem)", jnp.stack([estimate.value, estimate.sem]))
    return estimate


@functools.partial(jax.jit, static_argnums=(0, 3, 4, 6))
def _estimate(
    log_prob_fn: LogProb,
    x: Array,
    key: Key,
    num_probes: int,
    method: Method,
    weights: Array,
    chunk_size: int | None,
) -> Estimate:
    if method == "xtrace" and 2 * num_probes >= x.size:  # as many products as the exact trace takes
        trace = jnp.sum(weights * hessian_diagonal(log_prob_fn, x, chunk_size=chunk_size))
        return Estimate(trace, jnp.zeros_like(trace), num_probes)
    integrand, estimator, sampler = ESTIMATORS[method]
    scale, sign = jnp.sqrt(jnp.abs(weights)), jnp.sign(weights)
    product = product_at(log_prob_fn, x)

    # matfree's XTrace compares with absolute numbers; at unit size they are right, whatever the unit of x.
    typical = jnp.linalg.norm(scale * product(sign * scale)) / jnp.sqrt(x.size)
    size = jnp.where(typical > 0, typical, 1)

    def weighted(v: Array) -> Array:
        return scale * product(sign * scale * v) / size

    matvec = jax.custom_batching.custom_vmap(weighted)  # matfree maps over all probes at once; this chunks its map

    @matvec.def_vmap
    def _(axis_size: int, in_batched: list[bool], vs: Array) -> tuple[Array, bool]:
        del axis_size, in_batched
        return map_chunks(weighted, vs, chunk_size), True

    mean, sem = estimator(integrand(), sampler(x, num=num_probes))(matvec, key)
    # matfree divides by sqrt(num_probes); dividing by sqrt(num_probes - 1) is unbiased for few probes.
    inflation = XTRACE_INFLATION if method == "xtrace" else 1.0
    return Estimate(size * mean, inflation * size * sem * math.sqrt(num_probes / (num_probes - 1)), num_probes)


ESTIMATORS: dict[Method, tuple[Callable, Callable, Callable]] = {
    "hutchinson": (
        stochtrace.monte_carlo_trace,
        stochtrace.estimator_monte_carlo_mean_and_sem,
        stochtrace.sampler_signs,
    ),
    "xtrace": (
        stochtrace.leave_one_out_xtrace,
        stochtrace.estimator_leave_one_out_mean_and_sem,
        stochtrace.sampler_normal,
    ),
}
