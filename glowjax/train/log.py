"""The metrics of a training run: one line of JSON per record."""

import contextlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from glowjax.checks import InputError
from glowjax.train.files import in_one_step

Record: TypeAlias = dict[str, Any]
"""Scalars by name, with the training `step` among them."""

REPORTED = ("step", "seconds", "train", "learning_rate", "gradient_norm", "skipped_updates")
"""What every record of a run holds. A record of an evaluation holds the evaluated sets as well."""


class MetricLog(contextlib.AbstractContextManager["MetricLog"]):
    """A run's metrics, written to `metrics.jsonl` in its directory."""

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

    def write(self, record: Record) -> None:
        """Appends one line, with null for numbers that are not finite, and hands it to the operating system."""
        self._file.write(_line(record))
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def __exit__(self, *error: object) -> None:
        self.close()


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
