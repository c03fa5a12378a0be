"""Event files for TensorBoard, if tensorboardX is installed. A failure to write them never ends a run."""

import contextlib
import functools
import math
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

import numpy as np
from jaxtyping import UInt8

from glowjax.train.log import REPORTED, Record

SECONDS_BETWEEN_FLUSHES = 10.0

P = ParamSpec("P")


def _guarded(write: Callable[Concatenate["Events", P], None]) -> Callable[Concatenate["Events", P], None]:
    """Makes a method do nothing unless the events are open. Its first error closes them, with a warning."""

    @functools.wraps(write)
    def guarded(self: "Events", *args: P.args, **kwargs: P.kwargs) -> None:
        if self.is_open:
            try:
                write(self, *args, **kwargs)
            except Exception as error:  # whatever TensorBoard's writer raises
                writer, self._writer = self._writer, None
                _warn(error)
                with contextlib.suppress(Exception):
                    writer.close()

    return guarded


class Events:
    """Writes the records of a run into an event file in its folder.

    The tags are `bits_per_dim/train`, `bits_per_dim/NAME` for every evaluated set, `gradient_norm`, `learning_rate`,
    `steps_per_second`, `skipped_updates`, and `samples`.
    """

    def __init__(self, directory: Path | None, resume_step: int = 0):
        """Opens a new file, which tells TensorBoard to drop all events after `resume_step`.

        Without a directory, nothing is written.
        """
        self._writer: Any = None if directory is None else _event_writer(directory)
        self._next_flush = 0.0
        self._begin(resume_step + 1)

    @property
    def is_open(self) -> bool:
        """Whether anything is written."""
        return self._writer is not None

    @_guarded
    def _begin(self, step: int) -> None:
        from tensorboardX.proto.event_pb2 import SessionLog

        self._write(step, session_log=SessionLog(status=SessionLog.START))

    @_guarded
    def write(self, record: Record) -> None:
        """Writes the scalars of a record."""
        from tensorboardX import summary

        for name in record.keys() - {"step", "seconds"}:
            has_its_unit = name != "train" and name in (*REPORTED, "steps_per_second")
            tag = name if has_its_unit else f"bits_per_dim/{name}"
            if math.isfinite(record[name]):
                self._write(record["step"], summary=summary.scalar(tag, record[name]))

    @_guarded
    def show(self, name: str, step: int, images: UInt8[np.ndarray, "N H W C"]) -> None:
        """Writes images as one picture, side by side."""
        from tensorboardX import summary

        self._write(step, summary=summary.image(name, np.concatenate(list(images), axis=1), dataformats="HWC"))

    def _write(self, step: int, **content: Any) -> None:
        from tensorboardX.proto.event_pb2 import Event

        self._writer.write_event(Event(wall_time=time.time(), step=step, **content))
        if time.monotonic() >= self._next_flush:
            self._writer.flush()
            self._next_flush = time.monotonic() + SECONDS_BETWEEN_FLUSHES

    @_guarded
    def close(self) -> None:
        """Writes the remaining events and closes the file."""
        self._writer.close()


def _event_writer(directory: Path) -> Any:
    """TensorBoard's writer, or None if tensorboardX is not installed.

    This writer writes at once. The thread of tensorboardX's SummaryWriter would die on a full disk and block the run.
    """
    try:
        from tensorboardX.event_file_writer import EventsWriter

        suffix = f".{time.time_ns()}"  # two runs that start in the same second must not share a file
        return EventsWriter(str(directory / "events"), suffix)
    except ImportError:
        return None
    except Exception as error:
        _warn(error)
        return None


def _warn(error: Exception) -> None:
    warnings.warn(f"TensorBoard's events are no longer written ({error}); training goes on.", stacklevel=4)
