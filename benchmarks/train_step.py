"""Times one training step: 32x32x3 images, 3 scales x 8 steps, width 128, batch 32, by memory mode.

    python -m benchmarks.train_step

The modes are timed in turn within one process, on whatever device there is, and beside them a plain matrix product
of the size of a conditioner's middle layer: the arithmetic that the machine could do at the same moment.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from glowjax import nvp_glow
from glowjax.layers.compose import MEMORY, Memory
from glowjax.train import make_optimizer, make_state, train_step


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
    """Prints a row for each memory mode: compile seconds, median seconds a step, images a second."""
    shape = (config.batch_size, config.size, config.size, config.channels)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    runs = {mode: prepare(config, mode, images) for mode in MEMORY}
    pixels = config.batch_size * (config.size // 2) ** 2
    weight, features = jnp.ones((config.width, config.width)), jnp.ones((config.width, pixels))
    product = jax.jit(jnp.matmul).lower(weight, features).compile()
    times: dict[str, list[float]] = {name: [] for name in (*MEMORY, "product")}
    for _ in range(config.repeats):
        for mode, (_, step) in runs.items():
            times[mode].append(seconds(step))
        times["product"].append(seconds(lambda: product(weight, features)))
    print(f"{jax.devices()[0].device_kind}, JAX {jax.__version__}, {config}")
    for mode, (compiled_in, _) in runs.items():
        median = statistics.median(times[mode])
        spread = f"{min(times[mode]):.3f} to {max(times[mode]):.3f}"
        speed = config.batch_size / median
        print(f"memory={mode:6} compile {compiled_in:5.1f} s   step {median:.3f} s ({spread})   {speed:6.1f} images/s")
    rate = 2 * config.width**2 * pixels / statistics.median(times["product"]) / 1e9
    print(f"a plain product [{config.width}, {config.width}] x [{config.width}, {pixels}]: {rate:.0f} GFLOP/s")


def prepare(config: BenchmarkConfig, memory: Memory, images: np.ndarray) -> tuple[float, Callable[[], Any]]:
    """Seconds to compile a training step, and the step."""
    model = nvp_glow(config.num_scales, config.num_steps, config.width, memory=memory)
    optimizer = make_optimizer(learning_rate=1e-3, num_steps=1_000, warmup_steps=10)
    state = make_state(model.init(jax.random.key(0), images), optimizer)
    key = jax.random.key(1)
    step = jax.jit(lambda state, key, images: train_step(model, optimizer, state, key, images))
    started = time.perf_counter()
    compiled = step.lower(state, key, images).compile()
    compiled_in = time.perf_counter() - started
    jax.block_until_ready(compiled(state, key, images))
    return compiled_in, lambda: compiled(state, key, images)


def seconds(work: Callable[[], Any]) -> float:
    """Wall-clock seconds until the results of `work` are there."""
    started = time.perf_counter()
    jax.block_until_ready(work())
    return time.perf_counter() - started


if __name__ == "__main__":
    main(tyro.cli(BenchmarkConfig, description=__doc__))
