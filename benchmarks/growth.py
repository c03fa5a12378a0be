"""What grows in a process that lives long: memory, open files and memory maps, per step, call, training and report.

    python -m benchmarks.growth

Measures 20,000 tiny steps of training, 500 calls of each function of the analysis with a fresh density each time, 50
trainings and 200 reports. A slope leaves out the first third, in which caches fill; it is the median of all slopes
between two samples (Theil and Sen), with a 95 % interval. The command exits with status 1 if a slope lies above its
limit with its whole interval. Takes about 12 minutes on 2 cores.
"""

import contextlib
import ctypes
import dataclasses
import gc
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats
import tyro

import glowjax as gj
from benchmarks.timing import Row, resident_mib, run_parts
from glowjax import analysis, plots

Part = Literal["steps", "trainings", "reports", "analysis"]

LIMITS = {"step": 0.5, "call": 20.0, "training": 200.0, "report": 50.0}
"""KiB that one of each may add: a million steps, say, then take less than 500 MiB."""

WARM_UP = 1 / 3


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig:
    """The options of the benchmark.

    Attributes:
        parts: what to measure.
        num_steps: steps of one training.
        num_calls: calls of each function of the analysis.
        num_trainings: trainings in this process.
        num_reports: reports with a figure and a table.
        output: file of the JSON results.
    """

    parts: tuple[Part, ...] = ("steps", "trainings", "reports", "analysis")
    num_steps: int = 20_000
    num_calls: int = 500
    num_trainings: int = 50
    num_reports: int = 200
    output: Path = Path("results/benchmarks/growth.json")


class Samples:
    """Samples of this process while something is repeated.

    Attributes:
        unit: what is repeated.
    """

    def __init__(self, what: str, unit: str) -> None:
        self.what, self.unit = what, unit
        self._samples: list[tuple[float, ...]] = []
        self._started = time.monotonic()

    def take(self, count: float) -> None:
        """Notes memory, open files, memory maps and threads after `count` repetitions.

        What waits to be collected, and what the allocator keeps for reuse, is given back first.
        """
        gc.collect()
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)
        files, threads = (len(os.listdir(f"/proc/self/{name}")) for name in ("fd", "task"))
        maps = Path("/proc/self/maps").read_bytes().count(b"\n")
        self._samples.append((count, 1024 * resident_mib("VmRSS"), files, maps, threads))

    def row(self) -> Row:
        """The slopes."""
        counts, memory, files, maps, threads = np.array(self._samples[int(WARM_UP * len(self._samples)) :]).T
        slope, _, low, high = scipy.stats.theilslopes(memory, counts)
        row = {"repeated": self.what, "count": int(counts[-1]), "kib_each": slope, "low": low, "high": high}
        row |= {"limit": LIMITS[self.unit], "mib_first": memory[0] / 1024, "mib_last": memory[-1] / 1024}
        for name, values in {"files": files, "maps": maps, "threads": threads}.items():
            row[name] = f"{values[0]:.0f} -> {values[-1]:.0f}"
        return row | {"seconds": time.monotonic() - self._started}


def steps(config: BenchmarkConfig) -> list[Row]:
    """One training of many steps, which logs, evaluates and saves."""
    samples = Samples("steps of a training", "step")
    every = max(1, config.num_steps // 100)
    with tempfile.TemporaryDirectory() as folder:
        _train(
            Path(folder),
            config.num_steps,
            log_every=every,
            evaluate_every=10 * every,
            on_metrics=lambda record: samples.take(record["step"]),
        )
    return [samples.row()]


def _train(folder: Path, num_steps: int, **options: Any) -> gj.train.Trained[Any]:
    images = gj.data.load("fashion_mnist", "test").images[:200, 6:22:2, 6:22:2]
    return gj.train.fit(
        gj.nvp_glow(1, 1, 8),
        np.ascontiguousarray(images[:160]),
        key=jax.random.key(0),
        num_steps=num_steps,
        directory=folder,
        validation=np.ascontiguousarray(images[160:]),
        batch_size=8,
        warmup_steps=1,
        progress=False,
        **options,
    )


POINTS = np.random.default_rng(0).uniform(0, 255, (4, 4, 4, 1)).astype(np.float32)
FUNCTIONS: dict[str, Callable[[analysis.LogProb], Any]] = {
    "laplacian": lambda density: analysis.laplacian(density, POINTS[0]),
    "hessian_diagonal": lambda density: analysis.hessian_diagonal(density, POINTS[0]),
    "likelihood_gap": lambda density: analysis.likelihood_gap(density, POINTS, POINTS + 1),
    "second_order_gap": lambda density: analysis.second_order_gap(density, POINTS, POINTS + 1),
    "remainder": lambda density: analysis.remainder(density, POINTS, POINTS + 1, num_nodes=2),
}
"""Functions of the analysis, applied to a density."""


def analysis_calls(config: BenchmarkConfig) -> list[Row]:
    """Each function with a density that was never seen before, at every call."""
    rows = []
    for name, function in FUNCTIONS.items():
        samples = Samples(f"{name} of a fresh density", "call")
        for number in range(1, config.num_calls + 1):
            function(_density(number))
            if number % max(1, config.num_calls // 100) == 0:
                samples.take(number)
        rows.append(samples.row())
    return rows


def _density(number: int) -> analysis.LogProb:
    return lambda x: -0.5 * jnp.sum(jnp.square(x / number))


def trainings(config: BenchmarkConfig) -> list[Row]:
    """Many short trainings, each in a folder of its own."""
    samples = Samples("trainings of 4 steps", "training")
    with tempfile.TemporaryDirectory() as folder:
        for number in range(1, config.num_trainings + 1):
            _train(Path(folder) / str(number), 4, evaluate_every=2)
            samples.take(number)
    return [samples.row()]


def reports(config: BenchmarkConfig) -> list[Row]:
    """Many reports with a figure and a table."""
    from experiments.report.page import Figure, Number, Result, Section, Table, write

    samples = Samples("reports", "report")
    numbers = np.random.default_rng(0).normal(size=(2, 500))
    with tempfile.TemporaryDirectory() as folder:
        for number in range(1, config.num_reports + 1):
            scores = {"in_dist": numbers[0], "ood": numbers[1] + number / 100}
            figure = Figure("scores", plots.likelihood_histograms(scores, 64, "in_dist"), scores, "Read it.", "Bars.")
            table = Table("Means", ("set", "mean"), [[name, Number(values.mean())] for name, values in scores.items()])
            section = Section("Scores", tables=(table,), figures=(figure,))
            result = Result("Title", "Question?", "Summary.", (section,), {"number": number})
            write(Path(folder) / str(number), result, "python -m experiments none")
            samples.take(number)
    return [samples.row()]


PARTS: dict[Part, Callable[[BenchmarkConfig], list[Row]]] = {
    "steps": steps,
    "trainings": trainings,
    "reports": reports,
    "analysis": analysis_calls,
}


def main(config: BenchmarkConfig) -> dict[str, Any]:
    """Measures the parts, prints their tables, and returns what the JSON file holds."""
    return run_parts(PARTS, config)


def too_steep(results: dict[str, Any]) -> list[str]:
    """What grows by more than its limit."""
    rows = [row for part in results["config"]["parts"] for row in results[part]]
    return [row["repeated"] for row in rows if row["low"] > row["limit"]]


if __name__ == "__main__":
    raise SystemExit(bool(too_steep(main(tyro.cli(BenchmarkConfig, description=__doc__)))))
