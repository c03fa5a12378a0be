"""Tries faults on runs, files, data and processes, and prints what each kind of them did.

    python -m benchmarks.faults
    python -m benchmarks.faults --only stop-signals bit-flips

A row counts the faults that were tried, survived and lost. What was lost is told above the table, and the command then
exits with status 1. Everything happens in a temporary folder, with the bundled images. Without the rights of root, a
full disk is a limit on the size of files; with them, it is a small tmpfs as well. All rows take 10 minutes on
2 cores, and 30 on busy ones.
"""

import dataclasses
import json
import os
import platform
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import tyro

from benchmarks.faults import runs
from benchmarks.faults.row import Lab, Row, Trial, rows
from benchmarks.timing import table
from glowjax.checks import InputError, unknown

COLUMNS = ("row", "tried", "survived", "lost", "minutes")


@dataclasses.dataclass(frozen=True)
class FaultsConfig:
    """The options of the command.

    Attributes:
        only: the rows to try; default: all.
        repeats: how often more than by default the random trials are made, such as kills.
        seed: the seed of random moments and places.
        workers: rows at a time.
        json: write the rows, and what they lost, to this file.
        keep: work in this folder, and leave it there.
    """

    only: tuple[str, ...] = ()
    repeats: int = 1
    seed: int = 0
    workers: int = 2
    json: Path | None = None
    keep: Path | None = None


def main(config: FaultsConfig) -> dict[str, Any]:
    """Tries the rows, prints the table, and returns it with what was lost."""
    known = rows()
    for name in config.only:
        if name not in known:
            raise unknown("row", name, known)
    chosen = {name: known[name] for name in config.only or known}
    began = time.monotonic()
    with runs.scratch(config.keep) as folder:
        prepared = runs.prepare(Lab(folder, folder, 1, random.Random(config.seed)))
        if prepared.code != 0:
            raise InputError(f"The undisturbed run failed, with {prepared}.")
        with ThreadPoolExecutor(config.workers) as pool:
            tried = dict(zip(chosen, pool.map(lambda one: _try(one, folder, config), chosen.values()), strict=True))
    results = {"machine": machine(), "seed": config.seed, "minutes": (time.monotonic() - began) / 60}
    results["rows"] = [_summary(one, tried[name]) for name, one in chosen.items()]
    _report(results)
    if config.json:
        config.json.write_text(json.dumps(results, indent=1) + "\n")
    return results


def machine() -> dict[str, Any]:
    """The versions and the kind of machine."""
    packages = {name: version(name) for name in ("glowjax", "jax", "orbax-checkpoint", "numpy")}
    return {
        "date": time.strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        **packages,
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "root": os.geteuid() == 0,
    }


def _try(one: Row, folder: Path, config: FaultsConfig) -> list[Trial]:
    """The trials of a row, made by a process of its own."""
    own = folder / one.name
    own.mkdir()
    own.chmod(0o777)
    words = [one.name, str(own), str(folder), str(config.repeats), str(config.seed)]
    command = [sys.executable, "-m", "benchmarks.faults.worker", *words]
    with open(own.with_suffix(".log"), "wb") as log:
        process = subprocess.Popen(
            command,
            cwd=runs.ROOT,
            env=runs.environment(folder),
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=60 * one.minutes * config.repeats)
            failure = "" if process.returncode == 0 else f"the row ended with exit {process.returncode}"
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)  # with all processes that the row has started
            output, _ = process.communicate()
            failure = f"the row took more than {one.minutes * config.repeats:g} minutes"
    trials = [Trial(**json.loads(line)) for line in output.decode().splitlines()]
    if failure or not trials:
        trials.append(Trial("the row itself", failure or "nothing was tried"))
    lost = sum(bool(one.lost) for one in trials)
    print(f"{one.name}: {len(trials)} tried, {lost} lost", flush=True)
    return trials


def _summary(one: Row, trials: list[Trial]) -> dict[str, Any]:
    """A row's counts, and what was lost; equal losses are told once."""
    losses: dict[str, list[str]] = {}
    for trial in trials:
        if trial.lost:
            losses.setdefault(trial.lost, []).append(trial.name)
    lost = sum(map(len, losses.values()))
    return {
        "row": one.name,
        "kind": one.kind,
        "title": one.title,
        "holds": one.holds,
        "tried": len(trials),
        "survived": len(trials) - lost,
        "lost": lost,
        "minutes": round(sum(trial.seconds for trial in trials) / 60, 2),
        "losses": [{"trials": names, "lost": text} for text, names in losses.items()],
    }


def _report(results: dict[str, Any]) -> None:
    for row in results["rows"]:
        for loss in row["losses"]:
            names = loss["trials"]
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            print(f"\nlost: {row['row']}: {'; '.join(names[:3])}{more}\n  {loss['lost']}")
    print(f"\n{results['machine']}, seed {results['seed']}, {results['minutes']:.1f} minutes\n")
    print(table([{name: row[name] for name in COLUMNS} for row in results["rows"]]))


if __name__ == "__main__":
    results = main(tyro.cli(FaultsConfig, description=__doc__))
    raise SystemExit(any(row["lost"] for row in results["rows"]))
