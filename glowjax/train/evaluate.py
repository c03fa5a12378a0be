"""Likelihoods of whole data sets, batch by batch."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from glowjax.models.base import ImageModel
from glowjax.typing import Images, Key, Params


def in_batches(fun: Callable[[Key, Images], Any], key: Key, images: np.ndarray, batch_size: int = 100) -> Any:
    """`fun(key, batch)` over all of `images` [N, H, W, C]: its pytree of results, each leaf [N, ...] in NumPy.

    Batch i gets `key` folded with i. The last batch is filled up with black images, whose results are dropped, so
    that `fun` is compiled for one shape.
    """
    results = []
    for index, start in enumerate(range(0, len(images), batch_size)):
        batch = images[start : start + batch_size]
        padding = [(0, batch_size - len(batch))] + [(0, 0)] * (batch.ndim - 1)
        values = fun(jax.random.fold_in(key, index), np.pad(batch, padding))
        results.append(jax.tree.map(lambda leaf, size=batch.shape[0]: np.asarray(leaf)[:size], values))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *results)


def log_likelihoods(
    model: ImageModel, params: Params, key: Key, images: np.ndarray, num_draws: int = 1, batch_size: int = 100
) -> np.ndarray:
    """The model's log P(image) [N], in nats, of uint8 images [N, H, W, C], with `num_draws` draws of noise each."""
    return in_batches(functools.partial(_log_likelihood, model, num_draws, params), key, images, batch_size)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _log_likelihood(model: ImageModel, num_draws: int, params: Params, key: Key, images: Images) -> jax.Array:
    return model.log_likelihood(params, key, images, num_draws)
