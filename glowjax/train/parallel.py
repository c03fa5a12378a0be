"""The compiled step: with jit on one device, with pmap on several devices of one or more processes."""

import contextlib
import weakref
from collections.abc import Callable, Sequence
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import UInt8

from glowjax.checks import InputError
from glowjax.models.base import ImageModel
from glowjax.train.step import StepMetrics, TrainState, apply_gradient, mean_gradient, noise_keys, train_step
from glowjax.typing import Array, Batch, Key, Keys

CompiledStep: TypeAlias = Callable[[TrainState, Key, Batch], tuple[TrainState, StepMetrics]]

Shard: TypeAlias = UInt8[jax.Array | np.ndarray, "M H W C"]
"""The images of a batch that one device computes at a time."""

AXIS = "devices"


def step_devices(batch_size: int, num_microbatches: int = 1) -> list[jax.Device]:
    """The devices of all processes that share a batch, in the order of its images.

    They are all accelerators, or as many CPU devices as divide the batch evenly, the same number in each process.
    Raises InputError if the devices cannot share the batch evenly, each in `num_microbatches` equal parts.
    """
    devices = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
    groups = [
        [device for device in devices if device.process_index == process] for process in range(jax.process_count())
    ]
    if devices[0].platform != "cpu":
        _check_share(batch_size, num_microbatches, len(devices), "devices")
        return devices
    unit = len(groups) * num_microbatches
    _check_share(batch_size, num_microbatches, len(groups), "processes")
    count = max(c for c in range(1, min(map(len, groups)) + 1) if batch_size % (c * unit) == 0)
    return [device for group in groups for device in group[:count]]


def rows(devices: Sequence[jax.Device], batch_size: int) -> slice:
    """The part of each batch that the devices of this process compute."""
    size = batch_size // len(devices)
    own = [index for index, device in enumerate(devices) if device.process_index == jax.process_index()]
    return slice(own[0] * size, (own[-1] + 1) * size)


def shards(key: Key, step: int, images: Batch, num_parts: int, first: int = 0) -> list[tuple[Keys, Shard]]:
    """The keys and images of `num_parts` equal parts of a batch, at a step counted from 0.

    `first` is the index of the first image in the whole batch.
    """
    keys = noise_keys(key, step, first + jnp.arange(len(images)))
    return list(zip(jnp.split(keys, num_parts), np.split(np.asarray(images), num_parts), strict=True))


def no_signal() -> int:
    """Returns 0: no signal has arrived."""
    return 0


def compiled_step(
    model: ImageModel,
    optimizer: optax.GradientTransformation,
    devices: Sequence[jax.Device] | None = None,
    num_microbatches: int = 1,
    own_signal: Callable[[], int] = no_signal,
) -> CompiledStep:
    """`train_step` as a function of `(state, key, images)`, jitted on one device or pmapped over `devices`.

    By default, `devices` are all devices of all processes. Each process passes its own `rows` of the batch. The state
    is donated: the next state takes over its memory. With several processes, `own_signal` is called before each step,
    and the metrics hold the largest result of all processes.
    """
    devices = devices or jax.devices()
    if len(devices) > 1:
        return pmapped_step(model, optimizer, devices, num_microbatches, own_signal)
    step = jax.jit(
        lambda state, key, images: train_step(model, optimizer, state, key, images, num_microbatches), donate_argnums=0
    )
    if devices[0] == jax.local_devices()[0]:
        return step
    return lambda state, key, images: step(jax.device_put(state, devices[0]), key, images)


def pmapped_step(
    model: ImageModel,
    optimizer: optax.GradientTransformation,
    devices: Sequence[jax.Device],
    num_microbatches: int = 1,
    own_signal: Callable[[], int] = no_signal,
) -> CompiledStep:
    """`train_step` with the batch divided among `devices`, the state replicated and the gradients averaged.

    The number of images must be a multiple of the number of devices, see `step_devices`. The next state is replicated
    on the devices of this process, so it can be read without the other processes.
    """

    def device_step(state: TrainState, key: Key, images: Batch, signal: Array) -> tuple[TrainState, StepMetrics]:
        first = jax.lax.axis_index(AXIS) * len(images)
        keys = noise_keys(key, state.step, first + jnp.arange(len(images)))
        mean = jax.lax.pmean(mean_gradient(model, state.params, keys, images, num_microbatches), AXIS)
        state, metrics = apply_gradient(optimizer, state, *mean)
        return state, metrics._replace(signal=jax.lax.pmax(signal, AXIS))

    step = jax.pmap(device_step, AXIS, in_axes=(None, None, 0, 0), out_axes=None, devices=devices, donate_argnums=0)
    own = [device for device in devices if device.process_index == jax.process_index()]
    replicated = NamedSharding(Mesh(np.array(own), (AXIS,)), PartitionSpec())  # as a step returns its state

    def sharded_step(state: TrainState, key: Key, images: Batch) -> tuple[TrainState, StepMetrics]:
        state = jax.device_put(state, replicated)  # only the first one is not, and would compile a program of its own
        signals = np.full(len(own), own_signal(), np.int32)
        return step(state, key, np.reshape(images, (len(own), -1, *images.shape[1:])), signals)

    weakref.finalize(sharded_step, _forget, device_step)
    return sharded_step


def _forget(function: Callable) -> None:
    """Frees the programs that JAX has compiled for a pmapped function.

    Otherwise JAX's cache would keep them until the process ends, and a few hundred training runs would use up the
    memory maps that Linux allows. JAX has no public function for this. If the private one is missing, nothing happens.
    """
    with contextlib.suppress(ImportError, AttributeError):
        from jax._src.pmap import _cached_shard_map

        _cached_shard_map.evict_function(function)


def _check_share(batch_size: int, num_microbatches: int, count: int, kind: str) -> None:
    """Raises InputError unless `count` devices or processes can share a batch evenly, in equal microbatches."""
    unit = count * num_microbatches
    if batch_size % unit:
        raise InputError(
            f"A batch of {batch_size} images cannot be divided into {unit} equal parts ({kind}: {count}, microbatches: "
            f"{num_microbatches}); give a batch_size that is a multiple of {unit}."
        )
