"""All cores of a CPU at work: each a JAX device, or each with a batch of its own.

XLA:CPU runs many of a program's operations on one core. Two halves of a batch, each a program of its own, keep two
cores busy, and take 0.5 to 0.8 times as long as the whole.
"""

import contextlib
import contextvars
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import jax

MAX_CORES = 8

SETTINGS: dict[str, Callable[[Any], contextlib.AbstractContextManager]] = {
    "jax_enable_x64": jax.enable_x64,
    "jax_default_matmul_precision": jax.default_matmul_precision,
    "jax_default_device": jax.default_device,
    "jax_debug_nans": jax.debug_nans,
}
"""What a thread does not take over from the one that starts it."""

BatchT = TypeVar("BatchT")
ResultT = TypeVar("ResultT")


def cores_as_devices() -> None:
    """Makes every CPU core a JAX device (8 at most), for training to divide its batches among; call before using JAX.

    Does nothing where the number of CPU devices is chosen already, as by the environment's JAX_NUM_CPU_DEVICES, and
    nothing to accelerators.
    """
    chosen = _option("jax_num_cpu_devices") != -1
    if not chosen and "host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
        jax.config.update("jax_num_cpu_devices", _num_cores())


def side_by_side(work: Callable[[BatchT], ResultT], batches: Iterable[BatchT]) -> list[ResultT]:
    """`work` on each of the batches, in order, as many at a time as `num_side_by_side` says.

    The threads take over context variables, and of JAX's settings x64, matmul precision, default device and whether
    NaN is looked for, where a context has set these. `work` must return when its result is there (as NumPy, say), and
    close over no tracers: this is not for use under a transformation.
    """
    settings = [(setting, _option(name)) for name, setting in SETTINGS.items()]
    variables = contextvars.copy_context()

    def in_context(batch: BatchT) -> ResultT:
        with contextlib.ExitStack() as stack:
            for setting, value in settings:
                stack.enter_context(setting(value))
            return variables.copy().run(work, batch)

    with ThreadPoolExecutor(num_side_by_side()) as pool:
        return list(pool.map(in_context, batches))


def num_side_by_side() -> int:
    """How many batches are evaluated at a time: on an accelerator one; on a CPU one for each core, 8 at most.

    Where JAX_NUM_CPU_DEVICES says how many cores to use, it says so for batches too.
    """
    if jax.default_backend() != "cpu":
        return 1
    chosen = _option("jax_num_cpu_devices")
    return chosen if chosen > 0 else _num_cores()


def _option(name: str) -> Any:
    """Of `jax.config`, whose attributes not every version of JAX declares."""
    return getattr(jax.config, name)


def _num_cores() -> int:
    """Cores that this process may run on, which can be fewer than the machine has."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(available, MAX_CORES)
