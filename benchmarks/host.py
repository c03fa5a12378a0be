"""Measures the host's side of a training: waits for images, compilations, and how long `import glowjax` takes.

    python -m benchmarks.host

`waiting` takes training steps with batches from an array and from a file. A step waits if the step before it has ended
when its batch arrives. `compilations` counts the programs that `fit` compiles until each of its reports, with
evaluations of two image sets of different sizes: after the second report there must be none. `imports` starts Python
anew, with `import jax` and with `import glowjax`.
"""

import dataclasses
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
import tyro

from benchmarks import input as files
from benchmarks.input import MINIMAL, image_file
from benchmarks.timing import Row, run_parts
from glowjax import nvp_glow
from glowjax.data import StoredImages, npy, read_ahead
from glowjax.data.stored import AnyImages
from glowjax.models import ImageModel
from glowjax.train import compiled_step, fit, make_optimizer, make_state, step_devices

Part = Literal["waiting", "compilations", "imports"]

COMPILATION = "/jax/core/compile/backend_compile_duration"
"""JAX's event of a compiled program, also if it comes from the cache."""


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig:
    """The options of the benchmark.

    Attributes:
        parts: the parts to run.
        width: features of the Glow, of two scales with two steps each.
        size: height and width of the images, which have three channels.
        batch_size: images per step.
        num_steps: steps of each run.
        gigabytes: size of the file.
        repeats: starts of Python.
        output: the JSON file.
    """

    parts: tuple[Part, ...] = ("waiting", "compilations", "imports")
    width: int = 32
    size: int = 32
    batch_size: int = 64
    num_steps: int = 40
    gigabytes: float = 0.25
    repeats: int = 5
    output: Path = Path("results/benchmarks/host.json")


def main(config: BenchmarkConfig) -> dict[str, Any]:
    """Prints a table for each part, writes all of them as JSON and returns them."""
    return run_parts(PARTS, config)


def waiting(config: BenchmarkConfig) -> list[Row]:
    """Milliseconds to get a batch and to take a step, and the steps that waited, for two models and two sources."""
    models: dict[str, ImageModel] = {"minimal": MINIMAL, "Glow": nvp_glow(2, 2, config.width)}
    rows = []
    with image_file(config.gigabytes, files.BenchmarkConfig(size=config.size, batch_size=config.batch_size)) as file:
        stored = StoredImages(npy.open_array(file))
        for name, model in models.items():
            sources: dict[str, AnyImages] = {"array": np.asarray(stored), "file": stored}
            for source, images in sources.items():
                rows.append({"model": name, "images_from": source} | steps_that_wait(model, images, config))
    return rows


def steps_that_wait(model: ImageModel, images: AnyImages, config: BenchmarkConfig) -> Row:
    """Steps as in training, each dispatched while the one before runs."""
    optimizer = make_optimizer("adam", learning_rate=1e-4, num_steps=1_000, warmup_steps=10)
    step, key = compiled_step(model, optimizer, step_devices(config.batch_size)), jax.random.key(1)
    batches = read_ahead(images, 0, config.batch_size, 0, config.num_steps + 2)
    state = make_state(model.init(jax.random.key(0), next(batches)), optimizer)
    state, metrics = jax.block_until_ready(step(state, key, next(batches)))
    spent, num_waits, started = [], 0, time.perf_counter()
    for number in range(config.num_steps):
        began = time.perf_counter()
        batch = next(batches)
        spent.append(time.perf_counter() - began)
        num_waits += number > 0 and metrics.bits_per_dim.is_ready()
        state, metrics = step(state, key, batch)
    jax.block_until_ready(state)
    total = (time.perf_counter() - started) / config.num_steps
    row: Row = {"ms_to_get_a_batch": 1e3 * statistics.median(spent), "ms_per_step": 1e3 * total}
    return row | {"num_steps": config.num_steps, "num_waits": num_waits}


def compilations(config: BenchmarkConfig) -> list[Row]:
    """The programs that `fit` compiles until each report."""
    images = np.random.default_rng(0).integers(0, 256, (400, config.size, config.size, 3), np.uint8)
    counted: list[str] = []

    def count(event: str, duration_secs: float, **kwargs: str | int) -> None:
        del duration_secs, kwargs
        if event == COMPILATION:
            counted.append(event)

    rows: list[Row] = []
    jax.monitoring.register_event_duration_secs_listener(count)

    def report(record: dict[str, Any]) -> None:
        rows.append({"until_step": record["step"], "programs": len(counted) - sum(row["programs"] for row in rows)})

    fit(
        nvp_glow(2, 2, config.width),
        images[:200],
        key=jax.random.key(0),
        num_steps=config.num_steps,
        batch_size=config.batch_size,
        evaluate_every=config.num_steps // 4,
        warmup_steps=1,
        validation=images[200:],
        watch={"other": images[:130]},
        on_metrics=report,
        progress=False,
    )
    return rows


def imports(config: BenchmarkConfig) -> list[Row]:
    """Seconds from the launch of Python to its end, with an import and nothing else."""
    programs = {"jax": "import jax", "glowjax": "import jax, glowjax"}
    spent: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(config.repeats):
        for name, program in programs.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", program], check=True)
            spent[name].append(time.perf_counter() - began)
    more = [ours - jax_alone for ours, jax_alone in zip(spent["glowjax"], spent["jax"], strict=True)]
    rows = [{"import": name, "median_s": statistics.median(times)} for name, times in spent.items()]
    return [*rows, {"import": "glowjax beyond jax", "median_s": statistics.median(more)}]


PARTS: dict[Part, Callable[[BenchmarkConfig], list[Row]]] = {
    "waiting": waiting,
    "compilations": compilations,
    "imports": imports,
}


if __name__ == "__main__":
    main(tyro.cli(BenchmarkConfig, description=__doc__))
