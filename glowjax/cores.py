"""Use all devices and cores. Training uses them as JAX devices; evaluation runs batches in parallel threads.

Each thread uses one accelerator, or one core of a CPU. Several processes share the batches.

XLA:CPU runs many operations of a program on one core. If two programs each compute half of a batch, they keep two cores
busy and take 0.5 to 0.8 times as long as one program for the whole batch.
"""

import contextlib
import functools
import operator
import os
import queue
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from glowjax import processes

MAX_CORES = 8

_thread = threading.local()
"""Has the attribute `is_worker` in the threads of `side_by_side`."""

SETTINGS: dict[str, Callable[[Any], contextlib.AbstractContextManager]] = {
    "jax_enable_x64": jax.enable_x64,
    "jax_default_matmul_precision": jax.default_matmul_precision,
    "jax_default_device": jax.default_device,
    "jax_debug_nans": jax.debug_nans,
    "jax_debug_infs": jax.debug_infs,
    "jax_disable_jit": jax.disable_jit,
    "jax_default_prng_impl": jax.default_prng_impl,
    "jax_threefry_partitionable": jax.threefry_partitionable,
    "jax_numpy_dtype_promotion": jax.numpy_dtype_promotion,
    "jax_numpy_rank_promotion": jax.numpy_rank_promotion,
}
"""JAX settings that threads do not inherit."""

BatchT = TypeVar("BatchT")
ResultT = TypeVar("ResultT")
P = ParamSpec("P")


def cores_as_devices() -> None:
    """Makes every CPU core a JAX device (8 at most), so that training divides batches among them.

    `import glowjax` calls it. It does nothing if JAX has already been used, or if the number of CPU devices is already
    chosen, for example by the environment variable JAX_NUM_CPU_DEVICES. Accelerators are not affected.
    """
    chosen = option("jax_num_cpu_devices") != -1
    if not chosen and "host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
        with contextlib.suppress(RuntimeError):  # JAX has already been used
            jax.config.update("jax_num_cpu_devices", _num_cores())


class EvaluationInterrupted(KeyboardInterrupt):
    """An evaluation ended between two batches because `is_interrupted` returned True. There is no result."""


def never() -> bool:
    """Returns False. It is the default of `is_interrupted`."""
    return False


def side_by_side(
    work: Callable[[BatchT], ResultT], batches: Iterable[BatchT], is_interrupted: Callable[[], bool] = never
) -> list[ResultT]:
    """`work` on each of the batches, in order, with `num_side_by_side()` of them at a time in threads.

    The threads inherit `SETTINGS`. With accelerators, the default device of each thread is one of them, and
    `on_default_device` copies arrays to it. `work` must wait for its result, for example by returning NumPy arrays. It
    must not close over tracers, so do not call this function inside a JAX transformation.

    Several processes share the batches, and each process gets all results as NumPy arrays. All processes must make the
    same call, and all results must have the same shapes. `is_interrupted` is called before each batch, in the thread
    that runs the batch. If it returns True in one process, `EvaluationInterrupted` is raised in all processes.
    """
    batches, count = list(batches), jax.process_count()
    devices: queue.SimpleQueue[jax.Device | None] = queue.SimpleQueue()
    for device in _workers():
        devices.put(device)

    def on_a_device(batch: BatchT) -> ResultT:
        if is_interrupted():
            raise EvaluationInterrupted
        device = devices.get()
        _thread.is_worker = True
        try:
            with contextlib.nullcontext() if device is None else jax.default_device(device):
                return work(batch)
        finally:
            devices.put(device)

    results: list[ResultT] | None = None
    with contextlib.suppress(EvaluationInterrupted), ThreadPoolExecutor(num_side_by_side()) as pool:
        own = (
            batches[jax.process_index() :: count] or batches[:1]
        )  # a process without a batch computes one that is dropped
        results = list(pool.map(in_these_settings(on_a_device), own))
    if processes.agree(results is None) or results is None:
        raise EvaluationInterrupted
    return results if count == 1 else _of_all_processes(results, len(batches))


def _of_all_processes(results: list[ResultT], count: int) -> list[ResultT]:
    """The results of all `count` batches, from the results of each process. Batches were dealt out in turn."""
    padded = results + results[-1:] * (-(-count // jax.process_count()) - len(results))
    gathered = processes.gather(jax.tree.map(lambda *leaves: np.stack(leaves), *padded))
    places = [divmod(index, jax.process_count()) for index in range(count)]
    return [jax.tree.map(operator.itemgetter(turn), gathered[process]) for turn, process in places]


def divided(work: Callable[[Any], ResultT], items: Any) -> ResultT:
    """`work(items)` for items [N, ...] that do not depend on each other: a pytree of results, each leaf [N, ...].

    Several accelerators or processes compute equal parts of the items. On a single CPU, and inside a JAX
    transformation, `work` is called once with all items.
    """
    count = num_workers()
    is_alone = jax.process_count() == 1 and None in _workers()
    if is_alone or count == 1 or len(items) < count or isinstance(items, jax.core.Tracer):
        return work(items)
    size = -(-len(items) // count)
    values = np.asarray(items)
    padded = np.concatenate([values, np.repeat(values[-1:], count * size - len(values), axis=0)])
    results = side_by_side(lambda part: jax.tree.map(np.asarray, work(jnp.asarray(part))), np.split(padded, count))
    return jax.tree.map(lambda *leaves: jnp.asarray(np.concatenate(leaves)[: len(values)]), *results)


def num_workers() -> int:
    """The number of batches that all processes together evaluate at a time. All processes must call this."""
    return sum(int(one) for one in processes.gather(np.array(num_side_by_side(), np.int32)))


def on_default_device(fun: Callable[P, ResultT]) -> Callable[P, ResultT]:
    """`fun`, computed on the default device of the calling thread. Its arguments are copied to that device.

    If `fun` is a `functools.partial`, the arrays that it binds are copied to each device once.
    """
    if len(_workers()) == 1 or None in _workers():
        return fun

    @functools.cache
    def there(device: jax.Device) -> Callable[P, ResultT]:
        if not isinstance(fun, functools.partial):
            return fun
        args, kwargs = _put((fun.args, fun.keywords), device)
        return functools.partial(fun.func, *args, **kwargs)

    def call(*args: P.args, **kwargs: P.kwargs) -> ResultT:
        device: Any = option("jax_default_device")
        args, kwargs = _put((args, kwargs), device)
        return there(device)(*args, **kwargs)

    return call


def _put(tree: Any, device: jax.Device) -> Any:
    """`tree` with its JAX arrays on a device."""
    return jax.tree.map(lambda leaf: jax.device_put(leaf, device) if isinstance(leaf, jax.Array) else leaf, tree)


def _workers() -> list[jax.Device | None]:
    """The default device of each thread: one accelerator per thread. On a CPU it is None, for the usual device."""
    return [None] * num_side_by_side() if jax.default_backend() == "cpu" else list(jax.local_devices())


def in_these_settings(work: Callable[P, ResultT]) -> Callable[P, ResultT]:
    """`work` with the caller's `SETTINGS` of JAX, for use in a thread."""
    settings = [(setting, option(name)) for name, setting in SETTINGS.items()]

    def in_context(*args: P.args, **kwargs: P.kwargs) -> ResultT:
        with contextlib.ExitStack() as stack:
            for setting, value in settings:
                stack.enter_context(setting(value))
            return work(*args, **kwargs)

    return in_context


def num_side_by_side() -> int:
    """The number of batches that this process evaluates at a time: one per accelerator, or one per core (at most 8).

    If JAX_NUM_CPU_DEVICES sets the number of CPU devices, it sets this number too.
    """
    if jax.default_backend() != "cpu":
        return jax.local_device_count()
    chosen = option("jax_num_cpu_devices")
    return chosen if chosen > 0 else _num_cores()


def platform() -> str:
    """The platform that computes by default in this thread, such as "cpu" or "gpu"."""
    device: Any = option("jax_default_device")  # a device, or the name of a platform
    return jax.default_backend() if device is None else getattr(device, "platform", device)


def num_free_cores() -> int:
    """The number of programs that a call may run at a time: one per core of a CPU, but one in all on an accelerator.

    In the threads of `side_by_side`, which already use every core, it is one.
    """
    is_alone = platform() == "cpu" and not hasattr(_thread, "is_worker")
    return num_side_by_side() if is_alone else 1


def option(name: str) -> Any:
    """A value of `jax.config`. Not every version of JAX declares its attributes."""
    return getattr(jax.config, name)


def _num_cores() -> int:
    """The number of cores that this process may use (at most 8). The machine may have more."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(available, MAX_CORES)
