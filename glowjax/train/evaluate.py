"""Likelihoods of whole data sets, batch by batch."""

import functools

import jax
import numpy as np

from glowjax.models.base import ImageModel
from glowjax.typing import Images, Key, Params


@functools.partial(jax.jit, static_argnums=(0, 4))
def _batch(model: ImageModel, params: Params, key: Key, images: Images, num_draws: int) -> jax.Array:
    return model.log_likelihood(params, key, images, num_draws)


def log_likelihoods(
    model: ImageModel, params: Params, key: Key, images: np.ndarray, num_draws: int = 1, batch_size: int = 100
) -> np.ndarray:
    """log P(image) in nats, [N], of uint8 images [N, H, W, C]; batch i draws its noise from `key` folded with i."""
    results = []
    for index, start in enumerate(range(0, len(images), batch_size)):
        batch = images[start : start + batch_size]
        padding = [(0, batch_size - len(batch))] + [(0, 0)] * (batch.ndim - 1)  # one shape, compiled once
        padded = np.pad(batch, padding)
        values = _batch(model, params, jax.random.fold_in(key, index), padded, num_draws)
        results.append(np.asarray(values)[: len(batch)])
    return np.concatenate(results)
