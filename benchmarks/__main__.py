"""Runs every benchmark, with those of PyTorch and normflows that are installed, and prints all tables at the end.

    python -m benchmarks

Runs the parts one after another in processes of their own (ours and the peers in turn within each), each as
`python -m benchmarks.NAME` does: glow (training step, likelihood, samples, beside PyTorch and normflows), costs (depth,
memory, convolutions, bfloat16, starts), curvature (traces, beside torch.func), networks (PixelCNN and VAE, beside
PyTorch), input (image sets larger than memory), host (waits for images, compilations, imports), scores (statistics for
OOD detection), scaling (every model by size, a figure) and devices (every model by devices and processes, a figure). It
takes more than an hour on 2 cores.

`python -m benchmarks.accelerator` is a command of its own for GPUs and TPUs. Others measure no speed:
`python -m benchmarks.faults` (what a run survives), `growth` (what grows in a process that lives long) and `coverage`
(how often intervals contain the truth).
"""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import tyro

from benchmarks.timing import Row, table
from glowjax.checks import writable_directory

Name = Literal["glow", "costs", "curvature", "networks", "input", "host", "scores", "scaling", "devices"]


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig:
    """The options of the benchmark.

    Attributes:
        names: the benchmarks to run.
        repeats: timed runs per implementation; by default each benchmark's own number.
        output_dir: folder of one JSON file per benchmark and of `all.json`.
    """

    names: tuple[Name, ...] = (
        "glow",
        "costs",
        "curvature",
        "networks",
        "input",
        "host",
        "scores",
        "scaling",
        "devices",
    )
    repeats: int | None = None
    output_dir: Path = Path("results/benchmarks")


def main(config: BenchmarkConfig) -> dict[str, Any]:
    """Runs the benchmarks, prints every table again at the end, writes `all.json` and returns what it holds."""
    folder = writable_directory(config.output_dir)
    results: dict[str, Any] = {}
    for name in config.names:
        output = folder / f"{name}.json"
        options = ["--output", str(output), *(["--repeats", str(config.repeats)] if config.repeats else [])]
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *options], check=True)
        results[name] = json.loads(output.read_text())
        (folder / "all.json").write_text(json.dumps(results, indent=2) + "\n")
    for benchmark, result in results.items():
        for part in result["config"]["parts"]:
            print(f"\n{benchmark}: {part}\n{table([_essential(row) for row in result[part]])}")
    print(f"\nwritten to {folder / 'all.json'}")
    return results


def _essential(row: Row) -> Row:
    """A row without first calls, extremes and CPU seconds, which the JSON has."""
    left_out = ("first_call_s", "fastest_s", "slowest_s", "cpu_s")
    return {key: value for key, value in row.items() if key not in left_out}


if __name__ == "__main__":
    main(tyro.cli(BenchmarkConfig, description=__doc__))
