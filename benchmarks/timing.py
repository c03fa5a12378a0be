"""Measurements: implementations run in turn; medians, ratios and the CPU seconds of all threads."""

import dataclasses
import json
import os
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import jax

from glowjax.checks import writable_directory

Row: TypeAlias = dict[str, Any]
Runs: TypeAlias = dict[str, Callable[[], Any]]
ConfigT = TypeVar("ConfigT")

OURS = "glowjax"
LIMIT = "matrix products alone"
SETTLING_SECONDS = 0.5


def seconds(work: Callable[[], Any]) -> tuple[float, float]:
    """Wall-clock seconds until the results of `work` are ready, and the CPU seconds of all threads in that time.

    Waits first until the threads of the previous run are idle (PyTorch's spin for a while).
    """
    time.sleep(SETTLING_SECONDS)
    wall, cpu = time.perf_counter(), time.process_time()
    jax.block_until_ready(work())
    return time.perf_counter() - wall, time.process_time() - cpu


def in_turn(runs: Runs, repeats: int, reference: str = OURS, limit: Callable[[], Any] | None = None) -> list[Row]:
    """One row per implementation: seconds of its first call and over `repeats` rounds, and ratios to the reference.

    A ratio is the median over rounds of its seconds divided by the reference's in the same round. With `limit`, which
    runs the matrix products of the reference alone (benchmarks/arithmetic.py), each row also has the seconds of these
    and the fraction that they are of the row's seconds in the same round.
    """
    first = {name: seconds(run)[0] for name, run in runs.items()}
    all_runs = runs if limit is None else {**runs, LIMIT: limit}
    if limit is not None:
        seconds(limit)  # compiles
    samples = [{name: seconds(run) for name, run in all_runs.items()} for _ in range(repeats)]
    rows = []
    for name in runs:
        wall, cpu = zip(*(sample[name] for sample in samples), strict=True)
        row = {"way": name, "first_call_s": first[name], "median_s": statistics.median(wall), "fastest_s": min(wall)}
        row |= {"slowest_s": max(wall), "cpu_s": statistics.median(cpu)}
        for number, unit in enumerate(("wall", "cpu")):
            ratios = [sample[name][number] / sample[reference][number] for sample in samples]
            row[f"ratio_{unit}"] = statistics.median(ratios)
        if limit is not None:
            row["limit_s"] = statistics.median(sample[LIMIT][0] for sample in samples)
            row["fraction"] = statistics.median(sample[LIMIT][0] / sample[name][0] for sample in samples)
        rows.append(row)
    return rows


def run_parts(parts: Mapping[Any, Callable[[ConfigT], list[Row]]], config: Any) -> dict[str, Any]:
    """Measures the parts that `config.parts` names, prints a table for each and writes all to `config.output`."""
    path = writable_directory(Path(config.output).parent) / Path(config.output).name
    machine = {"device": jax.devices()[0].device_kind, "cores": os.cpu_count(), "jax": jax.__version__}
    results: dict[str, Any] = {**machine, "config": dataclasses.asdict(config)}
    print(machine, config)
    for part in config.parts:
        results[part] = parts[part](config)
        print(f"\n{part}\n{table(results[part])}", flush=True)
        path.write_text(json.dumps(results, indent=2, default=str) + "\n")
    print(f"\nwritten to {path}")
    return results


def resident_mib(field: str) -> float:
    """This process's memory in MiB: now (VmRSS) or at its peak (VmHWM); ru_maxrss would include a parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def temporary_mib(program: Any) -> float:
    """MiB that a compiled program allocates besides its arguments and results."""
    return program.memory_analysis().temp_size_in_bytes / 2**20


def table(rows: list[Row]) -> str:
    """The rows under their keys, in columns."""
    cells = [list(rows[0]), *([f"{v:.4g}" if isinstance(v, float) else str(v) for v in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(map(str.rjust, line, widths)) for line in cells)
