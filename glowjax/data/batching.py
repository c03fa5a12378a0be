"""The order of training data, a function of seed and step alone: a restart needs no saved iterator."""

import functools

import numpy as np

from glowjax.checks import InputError


def batch_indices(seed: int, step: int, num_images: int, batch_size: int) -> np.ndarray:
    """[batch_size] indices of the images of training step `step`, counted from 0; read-only.

    Each epoch is a permutation of its own; the images left over after its last whole batch sit it out.

    Args:
        seed: chooses the order, not negative.
        step: the training step, not negative.
        num_images: the size of the training set.
        batch_size: images a step.

    Raises:
        InputError: a batch is empty or larger than the set, or seed or step is negative.
    """
    if not 1 <= batch_size <= num_images:
        raise InputError(
            f"The batch size is {batch_size} and the training set has {num_images} images; expected a batch "
            "size from 1 to the number of images."
        )
    if seed < 0 or step < 0:
        raise InputError(f"The seed is {seed} and the step {step}; expected neither to be negative.")
    epoch, batch = divmod(step, num_images // batch_size)
    return _permutation(seed, epoch, num_images)[batch * batch_size : (batch + 1) * batch_size]


@functools.lru_cache(maxsize=2)
def _permutation(seed: int, epoch: int, num_images: int) -> np.ndarray:
    """[num_images] the epoch's order, kept for the epoch's next steps and therefore not writeable."""
    order = np.random.default_rng([seed, epoch]).permutation(num_images)
    order.setflags(write=False)
    return order
