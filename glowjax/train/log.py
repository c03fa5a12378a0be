"""The metrics of a training run: one line of JSON per record, and the same scalars for TensorBoard if it is there."""

import contextlib
import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from glowjax.checks import InputError
from glowjax.train.files import in_one_step

Record: TypeAlias = dict[str, Any]
"""Scalars by name, with the training `step` among them."""

REPORTED = ("step", "seconds", "train", "gradient_norm", "skipped_updates")
"""What every record of a run holds. A record of an evaluation holds the evaluated sets as well."""


class MetricLog(contextlib.AbstractContextManager["MetricLog"]):
    """A run's metrics, written to `metrics.jsonl` and to TensorBoard's event files in one directory."""

    def __init__(self, directory: Path, resume_step: int = 0):
        """Opens the log of a run that continues from `resume_step`.

        Later lines are dropped, since the continued run writes them again.
        """
        self.path = directory / "metrics.jsonl"
        self.path.touch()
        self.records = [record for record in read(self.path) if record["step"] <= resume_step]
        with in_one_step(self.path) as part:
            part.write_text("".join(map(_line, self.records)), encoding="utf-8")
        self._file = self.path.open("a", encoding="utf-8")
        self._events = _event_writer(directory, purge_step=resume_step + 1)

    def write(self, record: Record) -> None:
        """Appends one line, with null for numbers that are not finite, and hands it to the operating system."""
        self._file.write(_line(record))
        self._file.flush()
        if self._events:
            for name in record.keys() - {"step"}:
                self._events.add_scalar(name, record[name], record["step"])

    def close(self) -> None:
        """Writes what TensorBoard's queue still holds, and closes the files."""
        self._file.close()
        if self._events:
            self._events.close()

    def __exit__(self, *error: object) -> None:
        self.close()


def _event_writer(directory: Path, purge_step: int) -> Any:
    """TensorBoard's writer, or None if tensorboardX is not installed."""
    with contextlib.suppress(ImportError):
        from tensorboardX import SummaryWriter

        suffix = f".{time.time_ns()}"  # two runs that start in the same second must not share a file
        return SummaryWriter(str(directory), purge_step=purge_step, flush_secs=10, filename_suffix=suffix)
    return None


def read(path: Path) -> list[Record]:
    """The records of a `metrics.jsonl`, oldest first, without a half-written last line; null becomes NaN.

    Raises InputError if there is no such file, or if a line other than the last one is damaged.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError as error:
        raise InputError(f"No metrics at {path}; train first, or name the metrics.jsonl of a run.") from error
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            record = from_json(json.loads(line))
            records.append({**record, "step": int(record["step"])})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if number < len(lines):
                raise InputError(
                    f"Line {number} of {path} is not a record of metrics ({error}); repair or delete that line."
                ) from error
    return records


def to_json(record: Mapping[str, Any]) -> Record:
    """A record with null for NaN and infinity, which JSON does not have."""
    return {name: value if math.isfinite(value) else None for name, value in record.items()}


def from_json(record: Mapping[str, Any]) -> Record:
    """A record with NaN for null."""
    return {name: math.nan if value is None else value for name, value in record.items()}


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(to_json(record), allow_nan=False) + "\n"
