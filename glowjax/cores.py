"""Use every core of a CPU: as JAX devices (training), or by running batches in parallel threads (evaluation).

XLA:CPU runs many of a program's operations on one core. Two halves of a batch, each as a program of its own, keep two
cores busy and take 0.5 to 0.8 times as long as the whole.
"""

import contextlib
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

import jax

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


def side_by_side(work: Callable[[BatchT], ResultT], batches: Iterable[BatchT]) -> list[ResultT]:
    """`work` on each of the batches, in order, with `num_side_by_side()` of them at a time in threads.

    The threads inherit `SETTINGS`. `work` must wait for its result (return NumPy, say), and must not close over
    tracers: do not use this under a transformation.
    """
    with ThreadPoolExecutor(num_side_by_side()) as pool:
        return list(pool.map(in_these_settings(work), batches))


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
    """The number of batches to evaluate at a time: one on an accelerator, one per core on a CPU (8 at most).

    If JAX_NUM_CPU_DEVICES sets the number of CPU devices, it sets this number too.
    """
    if jax.default_backend() != "cpu":
        return 1
    chosen = _option("jax_num_cpu_devices")
    return chosen if chosen > 0 else _num_cores()


def _option(name: str) -> Any:
    """A value of `jax.config`, whose attributes not every version of JAX declares."""
    return getattr(jax.config, name)


def _num_cores() -> int:
    """Cores that this process may run on, which can be fewer than the machine has."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(available, MAX_CORES)
