"""Use every device and core: as JAX devices (training), or by running batches in parallel threads (evaluation).

A thread has an accelerator, or a core of a CPU. Several processes share the batches.

XLA:CPU runs many of a program's operations on one core. Two halves of a batch, each as a program of its own, keep two
cores busy and take 0.5 to 0.8 times as long as the whole.
"""

import contextlib
import functools
import operator
import os
import queue
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from glowjax import processes

MAX_CORES = 8

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

    Call it before the first use of JAX. It does nothing if the number of CPU devices is already chosen, for example by
    the environment variable JAX_NUM_CPU_DEVICES; accelerators are not affected.
    """
    chosen = _option("jax_num_cpu_devices") != -1
    if not chosen and "host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
        jax.config.update("jax_num_cpu_devices", _num_cores())


class EvaluationInterrupted(KeyboardInterrupt):
    """An evaluation ended between two batches, since its `is_interrupted` said so; there is no result."""


def never() -> bool:
    """False: nothing interrupts."""
    return False


def side_by_side(
    work: Callable[[BatchT], ResultT], batches: Iterable[BatchT], is_interrupted: Callable[[], bool] = never
) -> list[ResultT]:
    """`work` on each of the batches, in order, with `num_side_by_side()` of them at a time in threads.

    The threads inherit `SETTINGS`. On accelerators, each has one of them as its default device; `on_default_device`
    takes arrays there. `work` must wait for its result (return NumPy, say), and must not close over tracers: do not
    use this under a transformation.

    Several processes share the batches, and all of them get all results as NumPy arrays. For this, they must make the
    same call, and all results must have the same shapes. `is_interrupted` is called before each batch, in the thread
    that runs it; if it returns True in one process, `EvaluationInterrupted` is raised in all.
    """
    batches, count = list(batches), jax.process_count()
    devices: queue.SimpleQueue[jax.Device | None] = queue.SimpleQueue()
    for device in _workers():
        devices.put(device)

    def on_a_device(batch: BatchT) -> ResultT:
        if is_interrupted():
            raise EvaluationInterrupted
        device = devices.get()
        try:
            with contextlib.nullcontext() if device is None else jax.default_device(device):
                return work(batch)
        finally:
            devices.put(device)

    results: list[ResultT] | None = None
    with contextlib.suppress(EvaluationInterrupted), ThreadPoolExecutor(num_side_by_side()) as pool:
        own = batches[jax.process_index() :: count] or batches[:1]  # a process without any computes one in vain
        results = list(pool.map(in_these_settings(on_a_device), own))
    if processes.agree(results is None) or results is None:
        raise EvaluationInterrupted
    return results if count == 1 else _of_all_processes(results, len(batches))


def _of_all_processes(results: list[ResultT], count: int) -> list[ResultT]:
    """The results of `count` batches, which were dealt out in turn, from those of each process."""
    padded = results + results[-1:] * (-(-count // jax.process_count()) - len(results))
    gathered = processes.gather(jax.tree.map(lambda *leaves: np.stack(leaves), *padded))
    places = [divmod(index, jax.process_count()) for index in range(count)]
    return [jax.tree.map(operator.itemgetter(turn), gathered[process]) for turn, process in places]


def divided(work: Callable[[Any], ResultT], items: Any) -> ResultT:
    """`work(items)` for items [N, ...] that do not depend on each other: a pytree of results, each leaf [N, ...].

    Several accelerators or processes compute equal parts of the items. On the cores of a CPU, and under JAX's
    transformations, this is one call.
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
    """The number of batches that all processes evaluate at a time; they call this together."""
    return sum(int(one) for one in processes.gather(np.array(num_side_by_side(), np.int32)))


def on_default_device(fun: Callable[P, ResultT]) -> Callable[P, ResultT]:
    """`fun`, with its arguments and the arrays that a `functools.partial` binds on the caller's default device.

    The bound arrays are copied to each device once.
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
        device: Any = _option("jax_default_device")
        args, kwargs = _put((args, kwargs), device)
        return there(device)(*args, **kwargs)

    return call


def _put(tree: Any, device: jax.Device) -> Any:
    """`tree` with its JAX arrays on a device."""
    return jax.tree.map(lambda leaf: jax.device_put(leaf, device) if isinstance(leaf, jax.Array) else leaf, tree)


def _workers() -> list[jax.Device | None]:
    """The default device of each thread: one thread per accelerator, or the usual device for all cores of a CPU."""
    return [None] * num_side_by_side() if jax.default_backend() == "cpu" else list(jax.local_devices())


def in_these_settings(work: Callable[P, ResultT]) -> Callable[P, ResultT]:
    """`work` with the caller's `SETTINGS` of JAX, for a thread, which would not inherit them."""
    settings = [(setting, _option(name)) for name, setting in SETTINGS.items()]

    def in_context(*args: P.args, **kwargs: P.kwargs) -> ResultT:
        with contextlib.ExitStack() as stack:
            for setting, value in settings:
                stack.enter_context(setting(value))
            return work(*args, **kwargs)

    return in_context


def num_side_by_side() -> int:
    """The number of batches that this process evaluates at a time: one per accelerator, or per core (8 at most).

    If JAX_NUM_CPU_DEVICES sets the number of CPU devices, it sets this number too.
    """
    if jax.default_backend() != "cpu":
        return jax.local_device_count()
    chosen = _option("jax_num_cpu_devices")
    return chosen if chosen > 0 else _num_cores()


def _option(name: str) -> Any:
    """A value of `jax.config`, whose attributes not every version of JAX declares."""
    return getattr(jax.config, name)


def _num_cores() -> int:
    """Cores that this process may run on, which can be fewer than the machine has."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(available, MAX_CORES)
