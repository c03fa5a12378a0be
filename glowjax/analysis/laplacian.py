"""The exact Laplacian by one forward pass of jets, see `glowjax.analysis.jets`."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Jaxpr, jaxprs_in_params
from jaxtyping import Array, Float, Integer

from glowjax.analysis.chunking import MEMORY_BUDGET, Count, check_chunk_size, live_bytes
from glowjax.analysis.density import LogProb, Point, Points, check_finite, check_like, check_point
from glowjax.analysis.jets import Directions, Jet, interpret
from glowjax.cores import num_workers, side_by_side
from glowjax.networks import local

DIRECTIONS_PER_CORE = 128
"""The smallest number of directions for which a further core of a CPU pays."""

CACHE_BUDGET = 2**25
"""Bytes of the chunks of all cores together on a CPU, if a function has no local maps: chunks that stay in the caches
are faster. At 28 x 28, chunks of 64 MiB take 1.7 times as long."""


def laplacian(
    log_prob_fn: LogProb, x: Points, *, weights: Points | None = None, chunk_size: Count | None = None
) -> Float[Array, ""]:
    """sum_i weights_i d^2 log p / dx_i^2 at `x` [*shape], exactly, in nats.

    It needs no reverse mode. On a CPU the cores share the directions, except under JAX's transformations. It is several
    times as fast for couplings whose networks declare their `reach` (`glowjax.networks.local`), as those of `nvp_glow`
    and `cv_glow` do. `weights` are [*shape], of any sign; ones by default.

    >>> import jax.numpy as jnp
    >>> from glowjax import analysis as an
    >>> float(an.laplacian(lambda x: x[0] * x[1] ** 2, jnp.array([1.0, 2.0])))
    2.0
    """
    log_prob, x = check_point(log_prob_fn, x)
    weights = jnp.ones_like(x) if weights is None else check_like(weights, x, "weights")
    size = check_chunk_size(chunk_size)
    is_traced = not log_prob.is_known or any(isinstance(array, jax.core.Tracer) for array in (x, weights))
    num_shares = 1 if is_traced else num_shares_of(x.size)

    def share(directions: np.ndarray) -> Array:
        return log_prob.run(second_derivatives_along, x, weights, jnp.asarray(directions), chunk_size=size)

    shares = np.array_split(np.arange(x.size), num_shares)
    if num_shares == 1:
        total = share(shares[0])
    else:
        total = jnp.stack(side_by_side(lambda part: np.asarray(share(part)), shares)).sum()
    return check_finite(total, "The Laplacian of log_prob_fn")


def num_shares_of(size: int) -> int:
    """The number of cores, or of devices, that share the directions of a point with `size` values."""
    return max(1, min(num_workers(), size // DIRECTIONS_PER_CORE))


def second_derivatives_along(
    log_prob: Callable, x: Point, weights: Point, directions: Integer[Array, " R"], *, chunk_size: int | None
) -> Float[Array, ""]:
    """The weighted sum of the second derivatives along the values of `x` whose indices are given."""
    closed = jax.make_jaxpr(log_prob)(x)

    def of_chunk(indices: Integer[Array, " R"]) -> Array:
        tangents = jax.nn.one_hot(indices, x.size, dtype=x.dtype).reshape(-1, *x.shape)
        signed = Directions(jnp.take(weights.ravel(), indices, mode="fill", fill_value=0))
        (jet,) = interpret(closed.jaxpr, closed.consts, [Jet(x, tangents, jnp.zeros_like(x))], signed)
        return jet.second if isinstance(jet, Jet) else jnp.zeros_like(jet)  # a constant function

    count = len(directions)
    if chunk_size is None:
        budget = _budget(closed.jaxpr) // math.ceil(x.size / count)  # for the chunk of each core
        size = _fitting_size(of_chunk, directions, budget)
    else:
        size = min(chunk_size, count)
    num_chunks = math.ceil(count / size)
    size = math.ceil(count / num_chunks)
    padded = jnp.pad(directions, (0, num_chunks * size - count), constant_values=x.size)  # zero vectors of weight zero
    return jax.lax.map(of_chunk, padded.reshape(num_chunks, size)).sum()


def _budget(jaxpr: Jaxpr) -> int:
    """The bytes for the chunks of all cores. Each chunk computes the probes of the local maps again."""
    return MEMORY_BUDGET if jax.default_backend() != "cpu" or _has_local_maps(jaxpr) else CACHE_BUDGET


def _has_local_maps(jaxpr: Jaxpr) -> bool:
    return any(
        local.reach_of(eqn.params.get("name", "")) is not None
        or any(map(_has_local_maps, jaxprs_in_params(eqn.params)))
        for eqn in jaxpr.eqns
    )


def _fitting_size(of_chunk: Callable, directions: Integer[Array, " R"], budget: int) -> int:
    """The number of directions in the largest chunk found to fit `budget` bytes."""
    size = len(directions)
    while True:
        needed = live_bytes(jax.make_jaxpr(of_chunk)(directions[:size]).jaxpr)
        if needed <= budget or size == 1:
            return size
        size = max(1, size * budget // needed)
