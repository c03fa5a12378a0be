"""Times one training step: 32x32x3 images, 3 scales x 8 steps, width 128, batch 32, by memory mode.

    python -m benchmarks.train_step

The modes are timed in turn within one process, on whatever device there is, and beside them a plain matrix product
of the size of a conditioner's middle layer: the arithmetic that the machine could do at the same moment.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro

from glowjax import nvp_glow
from glowjax.layers.repeat import MEMORY, Memory
from glowjax.train import make_optimizer, make_state, train_step

NOISE = 0.02
"""Standard deviation of what is added to every learned array."""


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig:
    """The size of the model and of a step.

    Attributes:
        size: height and width of the images.
        channels: of the images.
        num_scales: scales of the flow.
        num_steps: steps a scale.
        width: of the conditioners.
        batch_size: images a step.
        repeats: timed steps of each mode.
    """

    size: int = 32
    channels: int = 3
    num_scales: int = 3
    num_steps: int = 8
    width: int = 128
    batch_size: int = 32
    repeats: int = 15


def main(config: BenchmarkConfig) -> None:
    """Prints a row for each memory mode: seconds to compile and a step, images a second, memory, rounding."""
    shape = (config.batch_size, config.size, config.size, config.channels)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    runs = {mode: prepare(config, mode, images) for mode in MEMORY}
    pixels = config.batch_size * (config.size // 2) ** 2
    weight, features = jnp.ones((config.width, config.width)), jnp.ones((config.width, pixels))
    product = jax.jit(jnp.matmul).lower(weight, features).compile()
    times: dict[str, list[float]] = {name: [] for name in (*MEMORY, "product")}
    for _ in range(config.repeats):
        for mode, prepared in runs.items():
            times[mode].append(seconds(prepared.step))
        times["product"].append(seconds(lambda: product(weight, features)))
    print(f"{jax.devices()[0].device_kind}, JAX {jax.__version__}, {config}")
    exact = runs["store"].gradient
    for mode, prepared in runs.items():
        median = statistics.median(times[mode])
        spread = f"{min(times[mode]):.3f} to {max(times[mode]):.3f}"
        speed = config.batch_size / median
        off = optax.tree.norm(jax.tree.map(jnp.subtract, prepared.gradient, exact)) / optax.tree.norm(exact)
        print(
            f"memory={mode:6} compile {prepared.compile_seconds:5.1f} s   step {median:.3f} s ({spread})   "
            f"{speed:6.1f} images/s   {prepared.memory_mib:5.0f} MiB   gradient off by {off:.1e}"
        )
    rate = 2 * config.width**2 * pixels / statistics.median(times["product"]) / 1e9
    print(f"a plain product [{config.width}, {config.width}] x [{config.width}, {pixels}]: {rate:.0f} GFLOP/s")


class Prepared(NamedTuple):
    """A compiled training step.

    Attributes:
        compile_seconds: for the step.
        memory_mib: that the compiled step takes besides its arguments and results.
        step: takes it.
        gradient: of the loss at the first params, to compare the modes by.
    """

    compile_seconds: float
    memory_mib: float
    step: Callable[[], Any]
    gradient: Any


def prepare(config: BenchmarkConfig, memory: Memory, images: np.ndarray) -> Prepared:
    """A training step in one memory mode, from params away from their initial zeros."""
    model = nvp_glow(config.num_scales, config.num_steps, config.width, memory=memory)
    optimizer = make_optimizer(learning_rate=1e-3, num_steps=1_000, warmup_steps=10)
    key = jax.random.key(1)
    params = model.init(jax.random.key(0), images)
    params = jax.tree.map(lambda leaf: leaf + NOISE * jax.random.normal(key, leaf.shape, leaf.dtype), params)
    state = make_state(params, optimizer)
    step = jax.jit(lambda state, key, images: train_step(model, optimizer, state, key, images))
    started = time.perf_counter()
    compiled = step.lower(state, key, images).compile()
    compiled_in = time.perf_counter() - started
    jax.block_until_ready(compiled(state, key, images))
    used: Any = compiled.memory_analysis()
    gradient = jax.jit(jax.grad(model.loss))(params, key, images)
    return Prepared(compiled_in, used.temp_size_in_bytes / 2**20, lambda: compiled(state, key, images), gradient)


def seconds(work: Callable[[], Any]) -> float:
    """Wall-clock seconds until the results of `work` are there."""
    started = time.perf_counter()
    jax.block_until_ready(work())
    return time.perf_counter() - started


if __name__ == "__main__":
    main(tyro.cli(BenchmarkConfig, description=__doc__))
