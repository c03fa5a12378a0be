"""The metrics of a training run: one JSON line a write, and the same scalars for TensorBoard."""

import json
import math
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self, SupportsFloat

from tensorboardX import SummaryWriter

from glowjax.checks import InputError, writable_directory


class MetricLog:
    """A run's metrics, written to `metrics.jsonl` and to TensorBoard's event files in one directory."""

    def __init__(self, directory: Path, resume_step: int | None = None):
        """Opens the log, after the lines that are already there.

        Args:
          directory: Created if need be.
          resume_step: The step that the run continues from. Lines after it are dropped, for an interrupted
            run wrote them and the continued one will write them again; -1 drops every line. None keeps all.

        Raises:
          InputError: The directory cannot be written, or a line other than the last one is damaged.
        """
        self.path = writable_directory(directory) / "metrics.jsonl"
        self.path.touch()
        records = [r for r in read(self.path) if resume_step is None or r["step"] <= resume_step]
        rest = self.path.with_suffix(".tmp")
        rest.write_text("".join(_line(record) for record in records), encoding="utf-8")
        rest.replace(self.path)  # atomic: a kill here leaves the old file or the new one
        self._file = self.path.open("a", encoding="utf-8")
        self._events = SummaryWriter(
            str(self.path.parent),
            purge_step=None if resume_step is None else resume_step + 1,
            flush_secs=10,
            filename_suffix=f".{time.time_ns()}",  # two runs in one second must not share a file
        )

    def write(self, step: int, **scalars: SupportsFloat) -> None:
        """Appends one line, and returns once it is with the operating system.

        Args:
          step: The training step.
          **scalars: Numbers by name, such as `bits_per_dim` or wall-clock `seconds`; null where not finite.

        Raises:
          InputError: A value is not one number.
        """
        record: dict[str, int | float | None] = {"step": int(step)}
        for name, value in scalars.items():
            try:
                number = float(value)
            except (TypeError, ValueError) as error:
                raise InputError(
                    f"Metric '{name}' is {value!r}, but one number was expected; reduce it first."
                ) from error
            record[name] = number if math.isfinite(number) else None
        self._file.write(_line(record))
        self._file.flush()
        for name, value in scalars.items():
            self._events.add_scalar(name, float(value), int(step))

    def close(self) -> None:
        """Writes what TensorBoard's queue still holds, and closes the files."""
        self._file.close()
        self._events.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read(path: Path) -> list[dict[str, Any]]:
    """The records of a `metrics.jsonl`, oldest first, without a half-written last line.

    Raises:
      InputError: There is no such file, or a line other than the last one is damaged.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError as error:
        raise InputError(f"No metrics at {path}; train first, or name the metrics.jsonl of a run.") from error
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            records.append({**record, "step": int(record["step"])})
        except (ValueError, KeyError, TypeError) as error:
            if number < len(lines):
                raise InputError(
                    f"Line {number} of {path} is not a record of metrics ({error}); repair or delete that line."
                ) from error
    return records


def _line(record: dict[str, Any]) -> str:
    """One record as a line of JSON."""
    return json.dumps(record, allow_nan=False) + "\n"
