"""Times the exact Hessian trace of log p(x), beside torch.func's on the same flow, and measures its memory.

    python -m benchmarks.curvature

Five parts, on whatever device there is: the trace of a 28x28x1 flow, in turn with PyTorch's if that is installed and
with its matrix products alone (benchmarks/arithmetic.py); the trace with weights of both signs of a 32x32x3 flow, in a
process of its own, with its peak memory; the second-order likelihood gap of 1,000 images under that flow; the memory of
the trace by chunk size; and estimates of the trace beside it. Prints a table for each and writes all numbers as JSON.

If other work shares the machine, trust ratios, and CPU seconds (summed over cores), more than seconds. There
PyTorch's threads wait for each other, up to ten times as long; OMP_WAIT_POLICY=passive avoids that, but slows PyTorch
by a third on a quiet machine, and so favors us.
"""

import dataclasses
import functools
import importlib.util
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from benchmarks.arithmetic import limit
from benchmarks.estimators import EstimatorConfig, time_estimators
from benchmarks.timing import Row, Runs, in_turn, resident_mib, run_parts, seconds, temporary_mib
from glowjax import nvp_glow
from glowjax.analysis import LogProb, hessian_diagonal, hessian_trace, second_order_gap
from glowjax.analysis.laplacian import num_shares_of, second_derivatives_along
from glowjax.likelihood import dequantize
from glowjax.models import FlowParams
from glowjax.typing import Array


def trace_by_products(log_prob_fn: LogProb, x: Array, weights: Array | float = 1.0, **options: Any) -> Array:
    """The same trace by Hessian-vector products, forward over reverse."""
    return jnp.sum(weights * hessian_diagonal(log_prob_fn, x, **options))


WAYS: dict[str, Callable[..., Array]] = {"hessian_trace": hessian_trace, "by_products": trace_by_products}
"""`laplacian` is another name of the first."""


Part = Literal["trace", "weighted", "gap", "memory", "estimators"]


@dataclasses.dataclass(frozen=True)
class FlowSize:
    """An `nvp_glow` and its images.

    Attributes:
        size: height and width of the images.
        channels: channels of the images.
        num_scales: scales of the flow.
        num_steps: steps per scale.
        width: hidden features of the conditioners.
    """

    size: int
    channels: int
    num_scales: int
    num_steps: int
    width: int


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig:
    """The options of the benchmark.

    Attributes:
        parts: the parts to run.
        small: the flow whose trace is timed beside PyTorch's, and measured by chunk size.
        large: the flow of the weighted trace and of the gap.
        num_images: images of the gap, half of them in_dist and half out_dist.
        chunk_sizes: the chunk sizes of the memory part, which also measures the default.
        estimators: the flows and images of the estimates.
        repeats: timed runs of each method.
        output: the JSON file.
    """

    parts: tuple[Part, ...] = ("trace", "weighted", "gap", "memory", "estimators")
    small: FlowSize = FlowSize(size=28, channels=1, num_scales=2, num_steps=8, width=64)
    large: FlowSize = FlowSize(size=32, channels=3, num_scales=3, num_steps=8, width=128)
    num_images: int = 1_000
    chunk_sizes: tuple[int, ...] = (28, 56, 112, 196, 392, 784)
    estimators: EstimatorConfig = dataclasses.field(default_factory=EstimatorConfig)
    repeats: int = 7
    output: Path = Path("results/benchmarks/curvature.json")


def main(config: BenchmarkConfig) -> dict[str, Any]:
    """Prints a table for each part, writes all of them as JSON and returns them."""
    return run_parts(PARTS, config)


def time_traces(config: BenchmarkConfig) -> list[Row]:
    """Each way to the small flow's trace, in turn, beside the fastest of torch.func's and its products alone."""
    log_prob, params, x = problem(config.small)
    runs: Runs = {name: functools.partial(way, log_prob, x) for name, way in WAYS.items()}
    runs |= torch_trace(params, x, float(log_prob(x)), float(hessian_trace(log_prob, x)))
    return in_turn(runs, config.repeats, "hessian_trace", products_of_trace(log_prob, x))


def products_of_trace(log_prob: LogProb, x: Array) -> Callable[[], Any]:
    """The matrix products of `hessian_trace` alone, which the cores share as they share the trace."""
    shares = num_shares_of(x.size)
    directions = jnp.arange(-(-x.size // shares))
    along = functools.partial(second_derivatives_along, log_prob, chunk_size=None)
    return limit(along, x, jnp.ones_like(x), directions, workers=shares)


def torch_trace(params: FlowParams, x: Array, log_prob: float, trace: float) -> dict[str, Callable[[], float]]:
    """torch.func's fastest way to the same trace, under its name; empty without PyTorch."""
    if importlib.util.find_spec("torch") is None:
        print("PyTorch is not installed: no comparison with torch.func")
        return {}
    from benchmarks.torch_trace import fastest_trace

    name, run = fastest_trace(params, x, log_prob, trace)
    return {f"torch.func, {name}": run}


def time_weighted(config: BenchmarkConfig) -> list[Row]:
    """Each way to the large flow's trace with weights of both signs, in a process of its own."""
    rows = []
    for way in WAYS:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            rows.append(pool.submit(weighted_trace, config.large, way).result())
    return rows


def weighted_trace(size: FlowSize, way: str) -> Row:
    """One trace: seconds, this process's peak above what it held before, and the compiled program's own memory."""
    log_prob, _, x = problem(size)
    weights = jax.random.normal(jax.random.key(3), x.shape)
    held = resident_mib("VmRSS")
    started = time.perf_counter()
    trace = jax.jit(lambda x, weights: WAYS[way](log_prob, x, weights=weights)).lower(x, weights).compile()
    row: Row = {"way": way, "compile_s": time.perf_counter() - started}
    row["run_s"], row["cpu_s"] = seconds(lambda: trace(x, weights))
    row |= {"held_mib": held, "peak_above_mib": resident_mib("VmHWM") - held, "program_mib": temporary_mib(trace)}
    return row | {"value": float(trace(x, weights))}


def time_gap(config: BenchmarkConfig) -> list[Row]:
    """The large flow's second-order gap of random images around a given center: first and second call."""
    log_prob, _, center = problem(config.large)
    images = random_images(config.large, config.num_images, seed=1)
    in_dist, out_dist = jnp.split(dequantize(jax.random.key(4), images), 2)
    run = functools.partial(second_order_gap, log_prob, in_dist, out_dist, center=center)
    first, _ = seconds(run)
    again, cpu = seconds(run)
    return [{"num_images": config.num_images, "first_call_s": first, "run_s": again, "cpu_s": cpu}]


def trace_memory(config: BenchmarkConfig) -> list[Row]:
    """The memory of the small flow's compiled trace besides its arguments, by chunk size."""
    log_prob, _, x = problem(config.small)
    rows = []
    for chunk_size in (*config.chunk_sizes, None):
        row: Row = {"chunk_size": chunk_size or "default"}
        for name, way in WAYS.items():
            trace = jax.jit(functools.partial(way, log_prob, chunk_size=chunk_size))
            row[f"{name}_mib"] = temporary_mib(trace.lower(x).compile())
        rows.append(row)
    return rows


def estimate_traces(config: BenchmarkConfig) -> list[Row]:
    """Estimates of the trace beside the exact trace, also under the large flow after a short training."""
    size = config.large
    return time_estimators(config.estimators, nvp_glow(size.num_scales, size.num_steps, size.width))


PARTS: dict[Part, Callable[[BenchmarkConfig], list[Row]]] = {
    "trace": time_traces,
    "weighted": time_weighted,
    "gap": time_gap,
    "memory": trace_memory,
    "estimators": estimate_traces,
}


def problem(size: FlowSize) -> tuple[Callable[[Array], Array], FlowParams, Array]:
    """The log density of a flow none of whose arrays has its initial value, its params, and an image."""
    model = nvp_glow(size.num_scales, size.num_steps, size.width)
    images = random_images(size, 16, seed=0)
    leaves, tree = jax.tree.flatten(model.init(jax.random.key(0), images))
    keys = jax.random.split(jax.random.key(1), len(leaves))
    moved = [leaf + 0.02 * jax.random.normal(key, leaf.shape) for key, leaf in zip(keys, leaves, strict=True)]
    params = jax.tree.unflatten(tree, moved)
    return functools.partial(model.log_prob, params), params, dequantize(jax.random.key(2), images[0])


def random_images(size: FlowSize, count: int, seed: int) -> np.ndarray:
    """[count, H, W, C] uint8, uniform."""
    shape = (count, size.size, size.size, size.channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


if __name__ == "__main__":
    main(tyro.cli(BenchmarkConfig, description=__doc__))
