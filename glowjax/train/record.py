"""The record of a training run, its metrics and params: in memory, or in a folder from which the run resumes."""

import contextlib
import json
import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import jax

from glowjax.checks import InputError, writable_directory
from glowjax.files import as_json, set_aside, write_text
from glowjax.train.checkpoint import Checkpoints, NotSavedError
from glowjax.train.comparison import check_same_run
from glowjax.train.environment import start
from glowjax.train.lock import locked
from glowjax.train.log import REPORTED, MetricLog, Record
from glowjax.train.shared_record import SharedRecord
from glowjax.train.step import TrainState
from glowjax.typing import Params


class InMemory:
    """The metrics of a run, and the averaged params of its best step; nothing is written."""

    directory: Path | None = None

    def __init__(self) -> None:
        self.seconds = 0.0
        self.records: list[Record] = []
        self.step = 0
        self.params: Params = None
        self._lowest = math.inf

    def resume(self, fresh: TrainState) -> TrainState:
        """`fresh`, since nothing was saved."""
        return fresh

    def write(self, record: Record) -> None:
        """Adds a record of metrics."""
        self.records.append(record)

    def save(self, state: TrainState, bits_per_dim: float) -> bool:
        """Keeps the averaged params if no earlier ones are better. Without evaluations, those of the last step stay."""
        bits_per_dim = bits_per_dim if math.isfinite(bits_per_dim) else math.inf
        if bits_per_dim <= self._lowest:
            self._lowest, self.step = bits_per_dim, int(state.step)
            self.params = jax.device_get(state.ema_params)  # a copy, since the next step donates the state
        return True


class RunFolder(contextlib.AbstractContextManager["RunFolder"]):
    """A run's folder: `config.json` describes the run; `metrics.jsonl` and `checkpoints` hold its progress."""

    def __init__(self, directory: Path | str, description: Mapping[str, Any]) -> None:
        """Opens a new folder, or that of the same run, and keeps other processes from training into it.

        Damaged files are set aside with a warning, and the run goes on from its newest whole checkpoint.

        Raises InputError if the folder holds another run, if another process trains into it, if it cannot be read or
        written, or if the description is not JSON.
        """
        self._description = as_json(description)
        self.directory = writable_directory(directory)
        with contextlib.ExitStack() as stack:
            stack.enter_context(locked(self.directory))
            self._checkpoints = Checkpoints(self.directory / "checkpoints")
            self._newest = self._checkpoints.newest_whole()
            if self._newest:
                check_same_run(self.directory, self._newest.description, self._description)
            step = self._newest.step if self._newest else 0
            _write_config(self.directory, self._description, step)
            self._log = stack.enter_context(MetricLog(self.directory, step))
            self._opened = stack.pop_all()
        self.seconds = max((record.get("seconds", 0.0) for record in self._log.records), default=0.0)

    def resume(self, fresh: TrainState) -> TrainState:
        """The state of the newest whole checkpoint, or `fresh` if there is none."""
        newest, self._newest = self._newest, None  # so that its arrays are freed
        return fresh if newest is None else self._checkpoints.as_state(newest, fresh)

    def write(self, record: Record) -> None:
        """Adds a record of metrics."""
        self._log.write(record)

    def save(self, state: TrainState, bits_per_dim: float) -> bool:
        """Saves a checkpoint. If the disk refuses it, warns and returns False; a later save may succeed."""
        try:
            self._checkpoints.save(int(state.step), state, bits_per_dim, self._description)
        except NotSavedError as error:
            warnings.warn(f"{error}; the earlier ones are whole.", stacklevel=2)
            return False
        return True

    def __exit__(self, *error: object) -> None:
        self._opened.close()


RunRecord: TypeAlias = InMemory | RunFolder | SharedRecord
"""The training loop reads its first state from a record, and writes metrics and later states to it."""


def evaluations(records: list[Record]) -> list[Record]:
    """The records that hold an evaluation; all of them if no set was evaluated."""
    return [record for record in records if record.keys() - set(REPORTED)] or records


def _write_config(directory: Path, description: Mapping[str, Any], step: int) -> None:
    """Writes `config.json`, with one more entry in its list of starts."""
    path = directory / "config.json"
    try:
        starts = list(json.loads(path.read_text(encoding="utf-8"))["starts"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        starts = []  # a new run, or a damaged file, which is written again
    content = {**description, "starts": [*starts, start(step, description)]}
    try:
        if path.is_dir():
            set_aside(path)
        write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror}); free the disk or name another directory."
        ) from error
