"""Numbers about the device: the rate of its matrix products, its memory, and the time of a program on it."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.timing import Row

LEAST_SECONDS = 0.2
"""The seconds of a round: a program is repeated until they are over."""
NUM_ROUNDS = 5
MOST_CALLS = 200

SIDE = {"cpu": 1024}
"""Rows and columns of the matrices whose product gives the peak, by platform."""
OTHER_SIDE = 8192

PEAKS: dict[str, tuple[str, str | None]] = {
    "float32": ("float32", "highest"),
    "default": ("float32", None),
    "bfloat16": ("bfloat16", None),
}
"""The dtype and the precision of each product. By default, a GPU rounds factors to TF32 and a TPU to bfloat16."""


def seconds_per_call(run: Callable[[], Any], wait: Callable[[Any], Any] = jax.block_until_ready) -> float:
    """The median over rounds of the seconds of a call, of which each round makes several without waiting.

    The first calls of `run`, in which it may compile, do not count.
    """
    wait(run())
    started = time.perf_counter()
    wait(run())
    once = time.perf_counter() - started
    calls = min(MOST_CALLS, int(LEAST_SECONDS / max(once, 1e-6)) + 1)
    return statistics.median(_seconds(run, wait, calls) / calls for _ in range(NUM_ROUNDS))


def _seconds(run: Callable[[], Any], wait: Callable[[Any], Any], calls: int) -> float:
    started = time.perf_counter()
    for _ in range(calls):
        result = run()
    wait(result)
    return time.perf_counter() - started


def peaks(tiny: bool) -> dict[str, float]:
    """Operations per second of a large matrix product, by the names in `PEAKS`."""
    side = 128 if tiny else SIDE.get(jax.default_backend(), OTHER_SIDE)
    rates = {}
    for name, (dtype, precision) in PEAKS.items():
        factors = (jax.random.normal(jax.random.key(n), (side, side), jnp.float32).astype(dtype) for n in range(2))
        with jax.default_matmul_precision(precision):
            product = jax.jit(jnp.matmul).lower(left := next(factors), right := next(factors)).compile()
        rates[name] = 2 * side**3 / seconds_per_call(lambda: product(left, right))  # noqa: B023
    return rates


def peak_rows(rates: dict[str, float]) -> list[Row]:
    """The rates as rows."""
    return [{"product": name, "teraflops": rate / 1e12} for name, rate in rates.items()]


def device_peak_mib() -> float | None:
    """The most memory that this process has held on the first device so far, in MiB; None if the platform hides it."""
    numbers = jax.local_devices()[0].memory_stats() or {}
    return numbers["peak_bytes_in_use"] / 2**20 if "peak_bytes_in_use" in numbers else None


def program_mib(program: Any) -> float | None:
    """The memory of a compiled program with its arguments and results, in MiB; None if the platform hides it."""
    try:
        sizes = program.memory_analysis()
    except jax.errors.JaxRuntimeError:
        return None
    if sizes is None:
        return None
    total = sizes.argument_size_in_bytes + sizes.output_size_in_bytes + sizes.temp_size_in_bytes
    return (total - sizes.alias_size_in_bytes) / 2**20
