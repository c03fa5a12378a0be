"""The order of the training images. It depends on seed and step alone, so a resumed run needs no saved iterator."""

import contextlib
import functools
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Integer, UInt8

from glowjax.checks import InputError, check_count
from glowjax.likelihood import NUM_LEVELS

MAX_AHEAD = 16
"""The maximum number of batches that are read ahead. Each batch has its own thread."""

BYTES_AHEAD = 2**28
"""The memory for batches that are read ahead, in bytes."""


@dataclass(frozen=True, eq=False)
class Batches:
    """The batches of a training run. `batches[step]` depends on the seed and the step alone.

    Attributes:
        images: the training images [N, H, W, C]; `images[indices]` is an array.
        num_steps: the total number of steps.
        rows: the part of each batch that is read.
        mutation_rate: the probability with which each pixel value is replaced by a random level.
        num_levels: the number of levels from which it is drawn, all equally likely.
    """

    images: Any
    seed: int
    batch_size: int
    num_steps: int
    rows: slice
    mutation_rate: float = 0.0
    num_levels: int = NUM_LEVELS

    def __len__(self) -> int:
        return self.num_steps

    def __getitem__(self, step: int) -> UInt8[np.ndarray, "B H W C"]:
        images = self.images[batch_indices(self.seed, step, len(self.images), self.batch_size)[self.rows]]
        return self._mutated(step, images) if self.mutation_rate else images

    def _mutated(self, step: int, images: UInt8[np.ndarray, "B H W C"]) -> UInt8[np.ndarray, "B H W C"]:
        """The images with random values in random places, which are drawn for the whole batch of a step."""
        random, shape = np.random.default_rng([self.seed, step, 1]), (self.batch_size, *images.shape[1:])
        is_replaced = random.random(shape) < self.mutation_rate
        values = random.integers(0, self.num_levels, shape, np.uint8)
        return np.where(is_replaced[self.rows], values[self.rows], images)


def read_ahead(
    images: Any,
    seed: int,
    batch_size: int,
    first_step: int,
    num_steps: int,
    rows: slice | None = None,
    mutation_rate: float = 0.0,
    num_levels: int = NUM_LEVELS,
) -> Generator[UInt8[np.ndarray, "B H W C"], None, None]:
    """The batches of the steps from `first_step` to `num_steps` - 1, in order.

    Threads read images on disk ahead of time. They stop with the iterator.

    Args:
        images: an array [N, H, W, C], or stored images.
        seed: chooses the order of the images, see `batch_indices`.
        batch_size: images per step, summed over all processes.
        first_step: the first step, counted from 0.
        num_steps: the total number of steps, including those before `first_step`.
        rows: the part of each batch that this process reads; the whole batch by default.
        mutation_rate: the probability with which each pixel value is replaced by a random one, again at each step.
        num_levels: the number of levels from which that is drawn.
    """
    batches = Batches(images, seed, batch_size, num_steps, rows or slice(None), mutation_rate, num_levels)
    if isinstance(images, np.ndarray):  # threads would take longer than the copy
        yield from (batches[step] for step in range(first_step, num_steps))
        return
    import grain  # here, because it takes as long to import as a small training to start

    num_ahead = max(2, min(MAX_AHEAD, BYTES_AHEAD // (batch_size * images[0].nbytes)))
    steps = grain.MapDataset.source(batches)[first_step:].to_iter_dataset(grain.ReadOptions(num_ahead, num_ahead))
    with contextlib.closing(iter(steps)) as iterator:
        try:
            yield from iterator
        except InputError as error:
            raise InputError(str(error)) from None  # without grain's notes about its own frames


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
        raise InputError(f"The seed is {seed} and the step is {step}; expected numbers that are not negative.")
    epoch, batch = divmod(step, num_images // batch_size)
    return _permutation(seed, epoch, num_images)[batch * batch_size : (batch + 1) * batch_size]


@functools.lru_cache(maxsize=2)
def _permutation(seed: int, epoch: int, num_images: int) -> Integer[np.ndarray, " num_images"]:
    """The order of one epoch. It is read-only, because it is cached for the other steps of the epoch."""
    order = np.random.default_rng([seed, epoch]).permutation(num_images)
    order.setflags(write=False)
    return order
