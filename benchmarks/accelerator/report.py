"""The rows of a run: written as they come, within a number of minutes, whatever fails or takes too long."""

import gc
import json
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import jax

from benchmarks.timing import Row, table
from glowjax.checks import writable_directory


class Job(NamedTuple):
    """Rows to be measured.

    Attributes:
        part: the table that they belong to.
        name: what is measured, for messages.
        rows: computes them, one after the other.
        urgency: jobs with smaller numbers run first.
    """

    part: str
    name: str
    rows: Callable[[], Iterable[Row]]
    urgency: float


class Report:
    """Rows by part, in a file that is complete after every row."""

    def __init__(self, path: Path, minutes: float, about: Row):
        """A report that ends after `minutes`; `about` are facts of the run, such as the device."""
        self._path = writable_directory(path.parent) / path.name
        self._deadline = time.monotonic() + 60 * minutes
        self._lock = threading.RLock()
        self._started = time.monotonic()
        self._rows: dict[str, list[Row]] = {}
        self._left_out: list[str] = []
        self._running: list[str] = []
        self.about = about

    @property
    def seconds_left(self) -> float:
        """The seconds until the report ends."""
        return self._deadline - time.monotonic()

    def run(self, jobs: Iterable[Job]) -> dict[str, Any]:
        """Runs the jobs by urgency and returns what the file holds.

        A compilation cannot be interrupted. If the time is over during one, the process prints its tables and ends.
        """
        waiting = sorted(jobs, key=lambda job: job.urgency)
        self._running = [f"{job.part}: {job.name}" for job in waiting]
        end = threading.Timer(max(0.0, self.seconds_left), self._end_process)
        end.daemon = True
        end.start()
        for job in waiting:
            self._run(job)
            with self._lock:
                self._running.pop(0)
        end.cancel()
        return self._finish()

    def _run(self, job: Job) -> None:
        try:
            for row in job.rows():
                self.add(job.part, row)
        except Exception as error:  # out of memory, or not supported here: the other rows are still wanted
            traceback.print_exc()
            self.add(job.part, {"of": job.name, "failed": f"{type(error).__name__}: {_first_line(error)}"})
        gc.collect()  # frees the arrays of this job on the device

    def add(self, part: str, row: Row) -> None:
        """Prints a row and writes the file again."""
        with self._lock:
            self._rows.setdefault(part, []).append(row)
            words = ", ".join(f"{key} {_short(value)}" for key, value in row.items() if value is not None)
            print(f"[{time.monotonic() - self._started:5.0f} s] {part}: {words}", flush=True)
            self._write()

    def _write(self) -> dict[str, Any]:
        results = {**self.about, "seconds": round(time.monotonic() - self._started, 1), "left_out": self._left_out}
        results |= self._rows
        part = self._path.with_name(f"{self._path.name}.part")
        part.write_text(json.dumps(results, indent=2, default=str) + "\n")
        part.replace(self._path)
        return results

    def _finish(self) -> dict[str, Any]:
        """Prints the tables, and what was left out."""
        with self._lock:
            self._left_out = list(self._running)
            results = self._write()
            for part, rows in self._rows.items():
                print(f"\n{part}\n{table(_even(rows))}")
            for name in self._left_out:
                print(f"left out, because the time was over: {name}")
            print(f"\nwritten to {self._path}", flush=True)
            return results

    def _end_process(self) -> None:
        with self._lock:
            self._finish()
            os._exit(exit_code(self._rows))


def exit_code(results: dict[str, Any]) -> int:
    """1 if a value is wrong, otherwise 0."""
    rows = results.get("correctness", [])
    return int(any(row.get("verdict") == "WRONG" for row in rows))


def about_devices() -> Row:
    """The devices and the versions."""
    devices = jax.local_devices()
    return {
        "device": devices[0].device_kind,
        "platform": devices[0].platform,
        "num_devices": len(devices),
        "cores": os.cpu_count(),
        "jax": jax.__version__,
    }


def _even(rows: list[Row]) -> list[Row]:
    """The rows with all keys of any of them, in the order of their first use."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    return [{key: "" if row.get(key) is None else row[key] for key in keys} for row in rows]


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:300]
