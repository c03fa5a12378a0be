"""Simulates every function that returns an interval or a standard error, and prints how often its interval is right.

    python -m benchmarks.coverage
    python -m benchmarks.coverage --only mean share

A case is a function, a field of its result, a distribution, and a number of images. Many data sets are drawn, and the
share of those whose 95 % interval contains the truth is printed with its own interval. Cases below 0.92 are marked. By
default a share has a standard error of 0.005 to 0.01.
"""

import dataclasses
import json
import multiprocessing
import os
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import tyro

from benchmarks.coverage.row import ENOUGH, rows, simulate
from benchmarks.faults.__main__ import machine
from benchmarks.timing import Row as Found
from benchmarks.timing import table
from glowjax.checks import unknown


@dataclasses.dataclass(frozen=True)
class CoverageConfig:
    """The options of the command.

    Attributes:
        only: the rows to simulate; default: all.
        seed: the seed of the data sets.
        repeats: the factor by which the number of data sets differs from the default.
        workers: number of rows that are simulated at a time.
        json: file to which the rows are written; other rows in it are kept.
    """

    only: tuple[str, ...] = ()
    seed: int = 0
    repeats: float = 1.0
    workers: int = os.cpu_count() or 1
    json: Path | None = None


def main(config: CoverageConfig) -> dict[str, Any]:
    """Simulates the rows, prints the table, and returns the rows with their cases."""
    known = rows()
    for name in config.only:
        if name not in known:
            raise unknown("row", name, known)
    names, began = config.only or tuple(known), time.monotonic()
    found: dict[str, Any] = {}
    failed: dict[str, BaseException] = {}
    with ProcessPoolExecutor(config.workers, multiprocessing.get_context("spawn")) as pool:
        jobs = {pool.submit(simulate, name, config.seed, config.repeats): name for name in names}
        for job in as_completed(jobs):
            name = jobs[job]
            if error := job.exception():
                failed[name] = error
                print(f"{name} failed: {type(error).__name__}: {error}", flush=True)
                continue
            found[name] = job.result()
            print(f"{name}: {found[name]['seconds']:.0f} s", flush=True)
            if config.json:
                _write(config.json, found, known)
    print(f"\n{machine()}, {(time.monotonic() - began) / 60:.1f} minutes\n")
    print(table([shown(case) for name in names if name in found for case in found[name]["cases"]]))
    if failed:
        raise SystemExit(f"Failed: {', '.join(failed)}. The other rows are complete.")
    return found


def _write(path: Path, found: dict[str, Any], known: Iterable[str]) -> None:
    """Writes the rows, in the order of the tables, beside those that the file has of other rows."""
    kept = json.loads(path.read_text())["rows"] if path.is_file() else {}
    together = {**kept, **found}
    rows = {name: together[name] for name in known if name in together}
    path.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")


def shown(case: Found) -> Found:
    """A case as the terminal shows it."""
    coverage = f"{case['coverage']:.3f} [{case['low']:.3f}, {case['high']:.3f}]"
    row = {"function": case["function"].rpartition(".")[2], "field": case["field"], "data": case["data"]}
    row |= {"N": case["num"], "groups": case["groups"] or "", "coverage": coverage}
    row |= {name: f"{case[name]:.3f}" for name in ("below", "above")}
    row |= {"error": "" if case["ratio"] is None else f"{case['ratio']:.2f}", "told": f"{case['told']:.2f}"}
    return row | {"mark": "<" if case["coverage"] < ENOUGH else ""}


if __name__ == "__main__":
    main(tyro.cli(CoverageConfig, description=__doc__))
