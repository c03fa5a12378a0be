"""Measures a Glow's training step by depth, memory mode, convolution and dtype, and how long a training takes to start.

    python -m benchmarks.costs

Seconds to compile and the program's memory at 8 and 32 steps per scale; the errors of each memory mode's gradient and
of the inverse; the step with each way to convolve and with conditioners in bfloat16, and the bits per dimension that
this changes under a trained Glow; and an experiment started twice, to its first step, with an empty compilation cache
and with a full one.
"""

import dataclasses
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
import tyro

import glowjax as gj
from benchmarks.exactness import exactness
from benchmarks.glow import CASES, GlowCase, limit_of, our_step
from benchmarks.timing import OURS, Row, in_turn, run_parts, temporary_mib
from glowjax.layers.repeat import MEMORY
from glowjax.models import build
from glowjax.networks.convolution import CONVOLUTIONS

Part = Literal["depth", "gradients", "convolutions", "dtypes", "bfloat16", "start"]


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig:
    """The options of the benchmark.

    Attributes:
        parts: the parts to run.
        case: the size of flow and batch whose steps are timed.
        deep: the flow whose depth is changed.
        depths: numbers of steps per scale.
        in_dist: the set whose training is started; the bundled one by default.
        repeats: timed runs of each implementation.
        output: the JSON file.
    """

    parts: tuple[Part, ...] = ("depth", "gradients", "convolutions", "dtypes", "bfloat16", "start")
    case: GlowCase = CASES[0]
    deep: GlowCase = CASES[2]
    depths: tuple[int, ...] = (8, 32)
    in_dist: str = "fashion_mnist"
    repeats: int = 5
    output: Path = Path("results/benchmarks/costs.json")


def main(config: BenchmarkConfig) -> dict[str, Any]:
    """Prints a table for each part, writes all of them as JSON and returns them."""
    return run_parts(PARTS, config)


def by_depth(config: BenchmarkConfig) -> list[Row]:
    """Seconds to trace and compile the loss's gradient, and its memory, in each mode at each depth."""
    rows = []
    for mode in MEMORY:
        first: Row = {}
        for depth in config.depths:
            case = dataclasses.replace(config.deep, num_steps=depth)
            params, images = case.params(), case.images(case.batch_size)
            gradient = jax.jit(jax.grad(case.model(mode).loss))
            started = time.perf_counter()
            program = gradient.lower(params, jax.random.key(1), images).compile()
            row: Row = {"memory": mode, "steps_per_scale": depth, "compile_s": time.perf_counter() - started}
            row["temporaries_mib"] = temporary_mib(program)
            first = first or row
            row["compile_ratio"] = row["compile_s"] / first["compile_s"]
            row["memory_ratio"] = row["temporaries_mib"] / first["temporaries_mib"]
            rows.append(row)
    return rows


def gradients(config: BenchmarkConfig) -> list[Row]:
    """The errors of each mode's gradient and of the inverse, for random params and noise and for trained ones."""
    case = config.case
    _, params, about = gj.load_pretrained("fashion-mnist-small")
    images = gj.data.load("fashion_mnist", "test").images[: case.batch_size]
    random = exactness(case.model, case.params(), case.images(case.batch_size))
    learned = exactness(lambda mode: build(about["model"] | {"memory": mode}), params, images)
    return [{"params": "random"} | row for row in random] + [{"params": "trained"} | row for row in learned]


def by_convolution(config: BenchmarkConfig) -> list[Row]:
    """The training step with each method of convolution, and with the one that is chosen for this platform."""
    images, params = config.case.images(config.case.batch_size), config.case.params()
    models = {method: config.case.model(convolution=method) for method in ("auto", *CONVOLUTIONS)}
    runs = {f"{OURS}, {method}": our_step(model, params, images) for method, model in models.items()}
    return in_turn(runs, config.repeats, reference=f"{OURS}, auto", limit=limit_of("step", config.case))


def by_dtype(config: BenchmarkConfig) -> list[Row]:
    """The training step with conditioners in float32 and in bfloat16."""
    images, params = config.case.images(config.case.batch_size), config.case.params()
    models = {OURS: config.case.model(), f"{OURS}, bfloat16": config.case.model(compute_dtype="bfloat16")}
    runs = {name: our_step(model, params, images) for name, model in models.items()}
    return in_turn(runs, config.repeats, limit=limit_of("step", config.case))


def bits_in_bfloat16(config: BenchmarkConfig) -> list[Row]:
    """The difference that bfloat16 makes to a trained Glow's bits per dimension, over test images."""
    del config
    model, params, about = gj.load_pretrained("fashion-mnist-small")
    images = gj.data.load("fashion_mnist", "test").images
    exact, rounded = (
        gj.bits_per_dim(one.log_likelihood(params, jax.random.key(2), images), images[0].size)
        for one in (model, build(about["model"] | {"compute_dtype": "bfloat16"}))
    )
    off = np.asarray(rounded - exact, np.float64)
    row = {"bits_per_dim": float(exact.mean()), "mean_difference": off.mean()}
    row |= {"standard_error": off.std(ddof=1) / len(off) ** 0.5, "largest": np.abs(off).max(), "num_images": len(off)}
    return [row]


def starts(config: BenchmarkConfig) -> list[Row]:
    """An experiment from the start of its process to its first finished step, twice, from an empty cache."""
    with tempfile.TemporaryDirectory() as folder:
        return [
            {"start": number, "to_first_step_s": start(config, Path(folder), f"run-{number}")}
            for number in ("first", "second")
        ]


FIRST_STEP = """
import os, sys, time
from experiments import train
from experiments.report.experiment import from_command_line
from glowjax.train import loop

def ends_after_one(*options):
    step = compiled_step(*options)
    def run(*given):
        import jax
        jax.block_until_ready(step(*given))
        print("to the first step:", time.time() - float(sys.argv.pop()), flush=True)
        os._exit(0)
    return run

compiled_step, loop.compiled_step = loop.compiled_step, ends_after_one
arguments, sys.argv[1:] = sys.argv[1:-1], sys.argv[1:]
from_command_line(train, arguments)
"""
"""The experiment `train`, which ends with its first step."""


def start(config: BenchmarkConfig, folder: Path, name: str) -> float:
    """Seconds from the launch of the experiment `train` to its first finished step."""
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(folder / "cache")}
    options = ["--in-dist", config.in_dist, "--watch", "noise", "--output-dir", str(folder / name)]
    done = subprocess.run(
        [sys.executable, "-c", FIRST_STEP, *options, str(time.time())],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return float(done.stdout.split("to the first step:")[1].split()[0])


PARTS: dict[Part, Callable[[BenchmarkConfig], list[Row]]] = {
    "depth": by_depth,
    "gradients": gradients,
    "convolutions": by_convolution,
    "dtypes": by_dtype,
    "bfloat16": bits_in_bfloat16,
    "start": starts,
}


if __name__ == "__main__":
    main(tyro.cli(BenchmarkConfig, description=__doc__))
