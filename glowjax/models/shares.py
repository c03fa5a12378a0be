"""Batches in equal shares, which the cores of a CPU compute at the same time; `glowjax.cores` says why."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from glowjax.cores import num_free_cores
from glowjax.noise import key_of_part

MIN_IMAGES = 8
"""The smallest share of a batch."""


def in_shares(method: Callable[..., Any], given: dict[str, Any], batch: str) -> Any:
    """`method(**given)` for a method that treats each image on its own: a pytree of results, each leaf [N, ...].

    On a CPU, outside of JAX's transformations, each core computes a share of the batch. The noise of an image does not
    depend on the shares, so the results are those of one program up to rounding. All shares have one shape, for which
    the method is compiled: the last share begins early and repeats results, which are dropped.

    Args:
        method: a compiled method, which returns before its results are ready.
        given: its arguments by name. A `key` is one key, or one key per image.
        batch: the name of the argument with the images, arrays [N, ...], or with their number.
    """
    total = _batch_size(given[batch])
    count = min(num_free_cores(), total // MIN_IMAGES)
    if count < 2 or not _is_eager(given):
        return method(**given)
    size = -(-total // count)
    starts = range(0, total, size)
    shares = [method(**_share(given, batch, min(start, total - size), size, total)) for start in starts]
    repeated = len(starts) * size - total
    shares[-1] = jax.tree.map(lambda leaf: leaf[repeated:], shares[-1])
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *shares)


def _batch_size(value: Any) -> int:
    """The number of images of a batch, or 0 if there is no single axis of images."""
    if isinstance(value, int | np.integer):
        return int(value)
    leaves = jax.tree.leaves(value)
    is_batch = leaves and all(leaf.ndim == 4 and len(leaf) == len(leaves[0]) for leaf in leaves)
    return len(leaves[0]) if is_batch else 0


def _is_eager(given: dict[str, Any]) -> bool:
    """Whether the call is outside of JAX's transformations, with arrays that are on one device."""
    arrays = [leaf for leaf in jax.tree.leaves([*given.values()]) if isinstance(leaf, jax.Array)]
    is_concrete = not any(isinstance(leaf, jax.core.Tracer) for leaf in (*arrays, jnp.zeros(())))  # a tracer inside jit
    return is_concrete and all(len(array.devices()) == 1 for array in arrays)


def _share(given: dict[str, Any], batch: str, first: int, size: int, total: int) -> dict[str, Any]:
    """The arguments for the images `first` to `first + size` of a batch of `total`."""
    images = given[batch]
    rows = size if isinstance(images, int | np.integer) else jax.tree.map(lambda x: x[first : first + size], images)
    key = {"key": key_of_part(given["key"], first, size, total)} if "key" in given else {}
    return {**given, batch: rows, **key}
