"""The compiled step: jit on one device, pmap over several."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import jax
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import UInt8

from glowjax.checks import InputError
from glowjax.models.base import ImageModel
from glowjax.train.step import StepMetrics, TrainState, apply_gradient, loss_and_gradient, train_step
from glowjax.typing import Batch, Key

CompiledStep: TypeAlias = Callable[[TrainState, Key, Batch], tuple[TrainState, StepMetrics]]

Shard: TypeAlias = UInt8[jax.Array | np.ndarray, "M H W C"]
"""The images of a batch that one device sees."""

AXIS = "devices"


def step_devices(batch_size: int) -> list[jax.Device]:
    """The local devices that share a batch: all accelerators, or as many CPU devices as divide the batch evenly.

    Raises InputError if accelerators cannot share the batch evenly, or if JAX runs as several processes.
    """
    if jax.process_count() > 1:
        raise InputError(
            f"This is process {jax.process_index()} of {jax.process_count()}, but training uses the devices of one "
            "machine; start a single process."
        )
    devices = jax.local_devices()
    if devices[0].platform == "cpu":
        return devices[: max(count for count in range(1, len(devices) + 1) if batch_size % count == 0)]
    if batch_size % len(devices):
        raise InputError(
            f"{len(devices)} devices cannot share a batch of {batch_size} images evenly; "
            f"give a batch_size that is a multiple of {len(devices)}."
        )
    return devices


def shards(key: Key, step: int, images: Batch, num_devices: int) -> list[tuple[Key, Shard]]:
    """The key and the images of each device in a step, counted from 0."""
    key = jax.random.fold_in(key, step)
    if num_devices == 1:
        return [(key, images)]
    parts = np.split(np.asarray(images), num_devices)
    return [(jax.random.fold_in(key, index), part) for index, part in enumerate(parts)]


def compiled_step(
    model: ImageModel, optimizer: optax.GradientTransformation, devices: Sequence[jax.Device] | None = None
) -> CompiledStep:
    """`train_step` for `(state, key, images)`, jitted on one device or pmapped over `devices` (all local ones).

    The state is donated: the next state takes over its memory.
    """
    devices = devices or jax.local_devices()
    if len(devices) > 1:
        return pmapped_step(model, optimizer, devices)
    step = jax.jit(lambda state, key, images: train_step(model, optimizer, state, key, images), donate_argnums=0)
    if devices[0] == jax.local_devices()[0]:
        return step
    return lambda state, key, images: step(jax.device_put(state, devices[0]), key, images)


def pmapped_step(
    model: ImageModel, optimizer: optax.GradientTransformation, devices: Sequence[jax.Device]
) -> CompiledStep:
    """`train_step` with the batch divided among `devices`, the state replicated and the gradients averaged.

    Every device draws its own noise: the run's key is folded with the step, then with the device's index. The number
    of images must be a multiple of the number of devices, see `step_devices`.
    """

    def device_step(state: TrainState, key: Key, images: Batch) -> tuple[TrainState, StepMetrics]:
        device_key = jax.random.fold_in(jax.random.fold_in(key, state.step), jax.lax.axis_index(AXIS))
        mean = jax.lax.pmean(loss_and_gradient(model, state.params, device_key, images), AXIS)
        return apply_gradient(optimizer, state, *mean)

    step = jax.pmap(device_step, AXIS, in_axes=(None, None, 0), out_axes=None, devices=devices, donate_argnums=0)
    replicated = NamedSharding(Mesh(np.array(devices), (AXIS,)), PartitionSpec())  # as a step returns its state

    def sharded_step(state: TrainState, key: Key, images: Batch) -> tuple[TrainState, StepMetrics]:
        state = jax.device_put(state, replicated)  # only the first one is not, and would compile a program of its own
        return step(state, key, np.reshape(images, (len(devices), -1, *images.shape[1:])))

    return sharded_step
