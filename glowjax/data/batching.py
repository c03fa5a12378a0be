"""The order of training data as a function of seed and step: a resumed run needs no saved iterator."""

import functools

import numpy as np
from jaxtyping import Integer

from glowjax.checks import InputError, check_count


def batch_indices(seed: int, step: int, num_images: int, batch_size: int) -> Integer[np.ndarray, " batch_size"]:
    """The indices of the images of one training step, counted from 0; read-only.

    Each epoch has its own permutation of the images, which the seed chooses. An incomplete last batch is dropped.
    """
    check_count("batch_size", batch_size)
    if batch_size > num_images:
        raise InputError(
            f"batch_size is {batch_size}, but the training set has only {num_images} images; give a smaller one."
        )
    if seed < 0 or step < 0:
        raise InputError(f"The seed is {seed} and the step {step}; expected neither to be negative.")
    epoch, batch = divmod(step, num_images // batch_size)
    return _permutation(seed, epoch, num_images)[batch * batch_size : (batch + 1) * batch_size]


@functools.lru_cache(maxsize=2)
def _permutation(seed: int, epoch: int, num_images: int) -> Integer[np.ndarray, " num_images"]:
    """The order of one epoch. It is cached for the epoch's other steps, and therefore read-only."""
    order = np.random.default_rng([seed, epoch]).permutation(num_images)
    order.setflags(write=False)
    return order
