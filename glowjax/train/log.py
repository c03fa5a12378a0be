"""The metrics of a training run, one line of JSON per record. Damage or a full disk does not end a run."""

import contextlib
import errno
import json
import math
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from glowjax.files import set_aside, write_text

Record: TypeAlias = dict[str, Any]
"""Scalars by name, with the training `step` among them."""

REPORTED = ("step", "seconds", "train", "learning_rate", "gradient_norm", "skipped_updates")
"""The entries of every record. A record of an evaluation also has one entry per evaluated set."""


class MetricLog(contextlib.AbstractContextManager["MetricLog"]):
    """A run's metrics, written to `metrics.jsonl` in its directory."""

    def __init__(self, directory: Path, resume_step: int = 0):
        """Opens the log of a run that continues from `resume_step`.

        Later lines are dropped, since the continued run writes them again. A damaged file is renamed, with a warning.
        So is the log of a run that has lost its checkpoints, since nothing else is left of that run.
        """
        self.path = directory / "metrics.jsonl"
        self._is_whole = False
        self._is_told = False
        found, problem = _read(self.path)
        self.records = [record for record in found if record["step"] <= resume_step]
        if problem:
            self._rename("damaged", f"{problem}; {len(self.records)} of its records are kept")
        elif found and resume_step == 0:
            self._rename("old", f"{self.path} goes up to step {found[-1]['step']}, but there is no checkpoint")
        self._write("".join(map(_line, self.records)))

    def write(self, record: Record) -> None:
        """Adds one line, with null for numbers that are not finite, and passes it to the operating system.

        If the disk refuses, there is one warning, and the next call tries to write all lines again.
        """
        self.records.append(record)
        self._write(_line(record))

    def close(self) -> None:
        """Tries one last time to write lines that the disk has refused."""
        if not self._is_whole:
            self._write("")

    def __exit__(self, *error: object) -> None:
        self.close()

    def _write(self, line: str) -> None:
        """Appends a line if the file is complete; otherwise writes the whole file again."""
        try:
            if self._is_whole:
                _append(self.path, line.encode())
            else:
                write_text(self.path, "".join(map(_line, self.records)))
            self._is_whole = True
        except OSError as error:
            self._is_whole = False
            if not self._is_told:
                warnings.warn(
                    f"{self.path} cannot be written ({error.strerror}); training goes on, and it is tried again.",
                    stacklevel=4,
                )
            self._is_told = True

    def _rename(self, suffix: str, reason: str) -> None:
        try:
            result = f"it was renamed {set_aside(self.path, suffix).name}"
        except OSError as error:
            result = f"it cannot be renamed ({error.strerror})"
        warnings.warn(f"{reason}; {result}.", stacklevel=4)


def read(path: Path) -> list[Record]:
    """The records of a `metrics.jsonl`, oldest first; null becomes NaN.

    A half-written last line is left out. Other lines that are no record are left out with a warning. If the file is
    missing, there is a warning and there are no records.
    """
    records, problem = _read(path)
    if problem is None and not os.path.lexists(path):
        problem = f"There are no metrics at {path}"
    if problem:
        warnings.warn(f"{problem}; {len(records)} records are used.", stacklevel=2)
    return records


def to_json(record: Mapping[str, Any]) -> Record:
    """A record with null for NaN and infinity, which JSON does not have."""
    return {name: value if math.isfinite(value) else None for name, value in record.items()}


def from_json(record: Mapping[str, Any]) -> Record:
    """A record with NaN for null."""
    return {name: math.nan if value is None else value for name, value in record.items()}


def _read(path: Path) -> tuple[list[Record], str | None]:
    """The records of a file, one per step and in order, and what is wrong with it, if anything."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return [], None
    except OSError as error:
        return [], f"{path} cannot be read ({error.strerror})"
    records, damaged = {}, []
    for number, line in enumerate(lines, start=1):
        record = _record(line)
        if record is not None:
            records[record["step"]] = record
        elif line.strip() and number < len(lines):  # the last line may be half-written
            damaged.append(number)
    ordered = [records[step] for step in sorted(records)]
    return ordered, f"{path} is damaged in line {damaged[0]}" if damaged else None


def _record(line: bytes) -> Record | None:
    """The record in a line, or None if there is none."""
    try:
        found = json.loads(line)
        if not isinstance(found, dict) or type(found.get("step")) is not int:
            return None
        record = from_json(found)
        to_json(record)  # an integer may be too large
        return record
    except (ValueError, TypeError, RecursionError, OverflowError):
        return None


def _append(path: Path, line: bytes) -> None:
    """Adds a line to a file. Raises OSError if only a part of it was written."""
    with path.open("ab", buffering=0) as file:
        if file.write(line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(to_json(record), allow_nan=False) + "\n"
