"""Likelihoods of whole image sets and large numbers of samples, batch by batch."""

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, UInt8

from glowjax.checks import InputError, check_count
from glowjax.cores import never, on_default_device, side_by_side
from glowjax.data.stored import AnyImages
from glowjax.likelihood import bits_per_dim
from glowjax.models.base import ImageModel
from glowjax.typing import Batch, Key, Params


def in_batches(
    fun: Callable[[Key, Batch], Any],
    key: Key,
    images: AnyImages,
    batch_size: int = 100,
    is_interrupted: Callable[[], bool] = never,
) -> Any:
    """`fun(key, batch)` over all of `images` [N, H, W, C]: its pytree of results, each leaf [N, ...] in NumPy.

    Batch i gets `key` folded with i. The last batch is padded with black images, whose results are dropped, so that
    `fun` is compiled for one shape. All accelerators of all processes, or all cores, run batches at the same time, and
    each process gets all results. `is_interrupted` is called before each batch, in the thread that runs the batch. If
    it returns True, `EvaluationInterrupted` is raised.
    """
    if not len(images):
        raise InputError(
            f"There is nothing to evaluate: the shape of the images is {list(np.shape(images))}; give at least one."
        )

    call = on_default_device(fun)

    def results(index: int) -> Any:
        batch = images[index * batch_size : (index + 1) * batch_size]
        padding = [(0, batch_size - len(batch))] + [(0, 0)] * (batch.ndim - 1)
        return jax.tree.map(np.asarray, call(jax.random.fold_in(key, index), np.pad(batch, padding)))

    batches = range(-(-len(images) // batch_size))
    return _concatenated(side_by_side(results, batches, is_interrupted), len(images))


def log_likelihoods(
    model: ImageModel,
    params: Params,
    key: Key,
    images: UInt8[AnyImages, "N H W C"],
    num_draws: int = 1,
    batch_size: int = 100,
    is_interrupted: Callable[[], bool] = never,
) -> Float[np.ndarray, " N"]:
    """The model's log P(image) [N], in nats, of uint8 images [N, H, W, C], with `num_draws` draws of noise each."""
    likelihood = functools.partial(_log_likelihood, model, num_draws, params)
    return in_batches(likelihood, key, images, batch_size, is_interrupted)


def samples(
    model: ImageModel, params: Params, key: Key, num_images: int, temperature: float = 1.0, batch_size: int = 100
) -> UInt8[np.ndarray, "N H W C"]:
    """uint8 samples [num_images, H, W, C], drawn in batches; batch i gets `key` folded with i."""
    check_count("num_images", num_images)

    call = on_default_device(functools.partial(model.sample, params))

    def draw(index: int) -> np.ndarray:
        return np.asarray(call(jax.random.fold_in(key, index), batch_size, temperature))

    return _concatenated(side_by_side(draw, range(-(-num_images // batch_size))), num_images)


def evaluate(
    model: ImageModel,
    params: Params,
    key: Key,
    sets: Mapping[str, UInt8[AnyImages, "_ H W C"]],
    is_interrupted: Callable[[], bool] = never,
) -> dict[str, float]:
    """Mean bits per dimension of each image set, with one draw of noise per image, the same in every call.

    If `is_interrupted` returns True before a batch, `EvaluationInterrupted` is raised.
    """

    def mean(images: AnyImages) -> float:
        values = log_likelihoods(model, params, key, images, is_interrupted=is_interrupted)
        return float(np.mean(bits_per_dim(values, math.prod(images.shape[1:]))))

    return {name: mean(images) for name, images in sets.items()}


def _concatenated(results: list[Any], count: int) -> Any:
    """The first `count` of the results of all batches."""
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[:count], *results)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _log_likelihood(
    model: ImageModel, num_draws: int, params: Params, key: Key, images: Batch
) -> Float[jax.Array, " N"]:
    return model.log_likelihood(params, key, images, num_draws)
