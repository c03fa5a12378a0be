"""Work on many directions or points, a chunk at a time, so that memory is set by the chunk and not by their number."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Jaxpr, Literal, jaxprs_in_params

from glowjax.checks import InputError, is_count
from glowjax.typing import Array

MEMORY_BUDGET = 2**29
"""Bytes that the arrays of one chunk may take where a function is left to choose the size of its chunks."""


def map_chunks(fun: Callable[[Array], Any], items: Array, chunk_size: int | None) -> Any:
    """`fun` of each of `items` [N, ...], stacked: vectorised within a chunk, one chunk after the other.

    Args:
        fun: of one item.
        items: [N, ...].
        chunk_size: items at a time; None for as many as fit `MEMORY_BUDGET`.

    Raises:
        InputError: for a chunk size that is not a positive whole number.
    """
    count = items.shape[0]
    size = chunk_size_for(fun, items[0], count) if chunk_size is None else checked(chunk_size, count)
    num_chunks = math.ceil(count / size)
    size = math.ceil(count / num_chunks)  # equal chunks: the last one is padded by a few items and not by many
    padded = jnp.concatenate([items, jnp.repeat(items[-1:], num_chunks * size - count, axis=0)])
    chunks = padded.reshape(num_chunks, size, *items.shape[1:])
    results = jax.lax.map(jax.vmap(fun), chunks) if num_chunks > 1 else jax.vmap(fun)(chunks[0])
    merge = (lambda r: r.reshape(num_chunks * size, *r.shape[2:])) if num_chunks > 1 else (lambda r: r)
    return jax.tree.map(lambda r: merge(r)[:count], results)


def checked(chunk_size: int, count: int) -> int:
    """`chunk_size`, at most `count`. Raises InputError where it is not a positive whole number."""
    if not is_count(chunk_size):
        raise InputError(
            f"chunk_size must be a positive whole number, but is {chunk_size!r}; leave it out for one that fits "
            f"{MEMORY_BUDGET // 2**20} MiB."
        )
    return min(int(chunk_size), count)


def chunk_size_for(fun: Callable[..., Any], item: Array, count: int, copies: int = 1) -> int:
    """How many items at a time keep `copies` of the arrays that `fun(item)` holds within `MEMORY_BUDGET`."""
    shape = jax.ShapeDtypeStruct(item.shape, item.dtype)
    bytes_an_item = copies * live_bytes(jax.make_jaxpr(fun)(shape).jaxpr)
    return max(1, min(count, MEMORY_BUDGET // max(1, bytes_an_item)))


def live_bytes(jaxpr: Jaxpr) -> int:
    """The most bytes that are alive at once when `jaxpr` runs in its order, its constants apart.

    An upper estimate: the compiler fuses, and never materialises a part of what is counted here.
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
