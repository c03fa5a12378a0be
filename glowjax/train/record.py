"""Where a training run keeps its metrics and params: in memory, or in the run's folder, from which it resumes."""

import contextlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import jax

from glowjax.checks import InputError, writable_directory
from glowjax.train.checkpoint import Checkpoints
from glowjax.train.files import as_json, in_one_step
from glowjax.train.log import REPORTED, MetricLog, Record
from glowjax.train.shared_record import SharedRecord
from glowjax.train.step import TrainState
from glowjax.typing import Params

NOT_COMPARED = ("provenance", "training.evaluate_every", "training.log_every", "training.save_every")
"""Entries of a description that may differ when a run resumes, since they do not change its params."""

_REMEDIES = {
    "num_devices": "set JAX_NUM_CPU_DEVICES={before} (on a CPU)",
    **dict.fromkeys(("num_images", "images", "image_shape"), "give the images that it had"),
}
"""How to resume a run, by the entry of its description that differs."""


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
        """Keeps the averaged params if no earlier ones are better; those of the last step if none was evaluated."""
        bits_per_dim = bits_per_dim if math.isfinite(bits_per_dim) else math.inf
        if bits_per_dim <= self._lowest:
            self._lowest, self.step = bits_per_dim, int(state.step)
            self.params = jax.device_get(state.ema_params)  # a copy, since the next step donates the state
        return True


class RunFolder(contextlib.AbstractContextManager["RunFolder"]):
    """A run's folder: `config.json` describes the run; `metrics.jsonl` and `checkpoints` hold its progress."""

    def __init__(self, directory: Path | str, description: Mapping[str, Any]) -> None:
        """Opens a new folder, or that of the same run.

        Raises InputError if the folder holds another run, or if the description is not JSON.
        """
        description = as_json(description)
        self.directory = writable_directory(directory)
        self._checkpoints = Checkpoints(self.directory / "checkpoints")
        self._latest = self._checkpoints.latest_step()
        if self._latest is not None:
            _check_same_run(self.directory, read_description(self.directory), description)
        else:
            with in_one_step(self.directory / "config.json") as part:
                part.write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
        self._log = MetricLog(self.directory, resume_step=self._latest or 0)
        self.seconds = max((record["seconds"] for record in self._log.records), default=0.0)

    def resume(self, fresh: TrainState) -> TrainState:
        """The state of the newest checkpoint, or `fresh` if there is none."""
        return fresh if self._latest is None else self._checkpoints.restore(self._latest, fresh)

    def write(self, record: Record) -> None:
        """Adds a record of metrics."""
        self._log.write(record)

    def save(self, state: TrainState, bits_per_dim: float) -> bool:
        """Saves a checkpoint; returns whether that worked."""
        self._checkpoints.save(int(state.step), state, bits_per_dim)
        return True

    def __exit__(self, *error: object) -> None:
        self._log.close()
        self._checkpoints.close()


RunRecord: TypeAlias = InMemory | RunFolder | SharedRecord
"""Where the training loop reads the first state, and puts metrics and later states."""


def evaluations(records: list[Record]) -> list[Record]:
    """The records that hold an evaluation; all of them if no set was evaluated."""
    return [record for record in records if record.keys() - set(REPORTED)] or records


def read_description(directory: Path) -> dict[str, Any]:
    """The description of the run in `directory`. Raises InputError if there is none, or if it is damaged."""
    path = directory / "config.json"
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} does not describe a run ({error}); name the folder of a run.") from error


def _check_same_run(directory: Path, saved: dict[str, Any], given: dict[str, Any]) -> None:
    """Raises InputError that names the first entry in which two descriptions differ."""
    before, now = _entries(saved), _entries(given)
    for name in [*now, *before]:
        if name.startswith(NOT_COMPARED) or before.get(name) == now.get(name):
            continue
        remedy = _REMEDIES.get(name, "give the same value").format(before=before.get(name))
        raise InputError(
            f"{directory} holds a run with {name} = {before.get(name)!r}, but this one has {now.get(name)!r}; "
            f"{remedy} to resume it, or another directory to start a new run."
        )


def _entries(description: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values of nested dictionaries by dotted name, such as `model.width`."""
    entries: dict[str, Any] = {}
    for name, value in description.items():
        if isinstance(value, dict):
            entries |= _entries(value, f"{prefix}{name}.")
        else:
            entries[prefix + name] = value
    return entries
