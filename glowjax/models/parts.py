"""Batches in parts: on a CPU a network computes a few images at a time, so that its activations fit into the cache.

A program over a whole batch gets new memory for its activations at each call, which costs page faults, and then waits
for that memory. A loop over parts uses a little memory again and again.
"""

import math
from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp

from glowjax.cores import platform
from glowjax.models.base import ImageModel
from glowjax.typing import Array

ResultT = TypeVar("ResultT")

PIXELS_AT_A_TIME = 6_400
"""Eight images of 28 x 28 or six of 32 x 32: the best of some sizes on cores with 1 MiB of their own and 32 shared."""


def num_parts(model: ImageModel, shape: tuple[int, ...]) -> int:
    """The number of equal parts of a batch of `shape` [N, H, W, C] whose gradients are best computed in turn.

    It is 1 on accelerators, and for models without an attribute `pixels_at_a_time`.
    """
    limit = getattr(model, "pixels_at_a_time", None)
    if limit is None or platform() != "cpu":
        return 1
    most = max(1, limit // math.prod(shape[1:3]))
    return next(count for count in range(1, shape[0] + 1) if shape[0] % count == 0 and shape[0] // count <= most)


def in_parts(fun: Callable[..., ResultT], images: Array, *others: Array) -> ResultT:
    """`fun(images, *others)`, a pytree of arrays [N, ...] of arrays [N, ...], computed in parts on a CPU.

    A derivative computes the activations of each part again. Within a part of a training step there is no loop.
    """
    num, *size = images.shape[:3]
    count = 1 if platform() != "cpu" else -(-num // max(1, PIXELS_AT_A_TIME // math.prod(size)))
    if count <= 1:
        return fun(images, *others)
    length = -(-num // count)

    def divided(x: Array) -> Array:
        filled = jnp.concatenate([x, jnp.repeat(x[-1:], count * length - num, axis=0)])
        return filled.reshape(count, length, *x.shape[1:])

    parts = [divided(jnp.asarray(x)) for x in (images, *others)]
    results = jax.lax.map(jax.checkpoint(lambda part: fun(*part)), parts)
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:num], results)
