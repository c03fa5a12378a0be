"""Work on many directions or points a chunk at a time, so that the chunk sets the memory and not their number."""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax.extend.core import Jaxpr, Literal, jaxprs_in_params
from jaxtyping import Array, Shaped

from glowjax.checks import InputError, is_count

Count: TypeAlias = Any
"""A positive whole number, of Python or NumPy; anything else is refused in a sentence."""

MEMORY_BUDGET = 2**29
"""Bytes that the arrays of one chunk may take if no chunk size is given."""


def check_chunk_size(chunk_size: Count | None) -> int | None:
    """`chunk_size`, refused unless it is None or a positive whole number."""
    if chunk_size is None:
        return None
    if is_count(chunk_size):
        return int(chunk_size)
    raise InputError(
        f"chunk_size must be a positive whole number, but is {chunk_size!r}; leave it out for one that fits "
        f"{MEMORY_BUDGET // 2**20} MiB."
    )


def map_chunks(fun: Callable[[Array], Any], items: Shaped[Array, "N ..."], chunk_size: int | None) -> Any:
    """`fun` of each of the N items, stacked: vectorized within a chunk, one chunk after the other."""
    count = items.shape[0]
    size = chunk_size_for(fun, items[0], count) if chunk_size is None else min(chunk_size, count)
    num_chunks = math.ceil(count / size)
    if num_chunks == 1:
        return jax.vmap(fun)(items)
    size = math.ceil(count / num_chunks)  # chunks of equal size: the last one is padded by a few items
    padded = jnp.concatenate([items, jnp.repeat(items[-1:], num_chunks * size - count, axis=0)])
    results = jax.lax.map(jax.vmap(fun), padded.reshape(num_chunks, size, *items.shape[1:]))
    return jax.tree.map(lambda r: r.reshape(num_chunks * size, *r.shape[2:])[:count], results)


def chunk_size_for(fun: Callable[..., Any], item: Array, count: int, copies: int = 1) -> int:
    """The number of items at a time for which `copies` of the arrays in `fun(item)` fit `MEMORY_BUDGET`."""
    shape = jax.ShapeDtypeStruct(item.shape, item.dtype)
    bytes_per_item = copies * live_bytes(jax.make_jaxpr(fun)(shape).jaxpr)
    return max(1, min(count, MEMORY_BUDGET // max(1, bytes_per_item)))


def live_bytes(jaxpr: Jaxpr) -> int:
    """The largest number of bytes that are alive at once when `jaxpr` runs in its order, without its constants.

    An upper estimate: the compiler fuses operations and never stores a part of what is counted here.
    """
    last_use = {v: n for n, eqn in enumerate(jaxpr.eqns) for v in eqn.invars if not isinstance(v, Literal)}
    last_use |= {v: len(jaxpr.eqns) for v in jaxpr.outvars if not isinstance(v, Literal)}
    alive = {v: _bytes(v) for v in jaxpr.invars if v in last_use}
    most = sum(alive.values())
    for n, eqn in enumerate(jaxpr.eqns):
        alive |= {v: _bytes(v) for v in eqn.outvars}
        inner = max((live_bytes(sub) for sub in jaxprs_in_params(eqn.params)), default=0)
        most = max(most, sum(alive.values()) + inner)
        alive = {v: size for v, size in alive.items() if last_use.get(v, -1) > n}
    return most


def _bytes(variable: Any) -> int:
    return math.prod(variable.aval.shape) * getattr(variable.aval.dtype, "itemsize", 4)
