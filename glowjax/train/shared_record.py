"""The record of a run with several processes. The first process keeps it and sends the others what they need."""

import contextlib
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from glowjax import processes
from glowjax.checks import InputError
from glowjax.models.base import ImageModel
from glowjax.train.comparison import entries
from glowjax.train.log import Record, from_json, to_json
from glowjax.train.step import TrainState
from glowjax.train.trained import Trained


class SharedRecord(contextlib.AbstractContextManager["SharedRecord"]):
    """Reads and writes only on the first process, so the others do not need its disk.

    Attributes:
        own: the record on the first process; None on the others.
        directory: the folder of the run on the first process; None on the others, and if there is none.
        seconds: the duration of the run so far.
    """

    def __init__(self, open_record: Callable[[], Any]):
        """`open_record` opens the record on the first process. Its InputError is raised in all processes."""
        self.own: Any = processes.on_first_process(open_record)
        self.directory: Path | None = None if self.own is None else self.own.directory
        self.seconds: float = processes.broadcast_json(None if self.own is None else self.own.seconds)

    def resume(self, fresh: TrainState) -> TrainState:
        """The state that the first process resumes, sent to all processes."""
        state: Any = processes.on_first_process(lambda: self.own.resume(fresh))
        if jax.process_count() == 1:
            return state
        return jax.tree.map(jnp.asarray, processes.broadcast(jax.device_get(fresh if state is None else state)))

    def write(self, record: Record) -> None:
        """Adds a record of metrics."""
        if self.own is not None:
            self.own.write(record)

    def save(self, state: TrainState, bits_per_dim: float = math.nan) -> bool:
        """Saves a checkpoint. Returns False if the disk refuses it."""
        return self.own is None or self.own.save(state, bits_per_dim)

    def __exit__(self, *error: Any) -> None:
        if isinstance(self.own, contextlib.AbstractContextManager):
            self.own.__exit__(*error)


def check_same(description: Mapping[str, Any]) -> None:
    """Raises InputError in all processes unless all describe the same run, except for its provenance."""
    first = processes.broadcast_json(description)
    theirs, ours = entries(first), entries(description)
    names = [name for name in theirs if not name.startswith("provenance") and theirs[name] != ours.get(name)]
    if not processes.agree(bool(names)):
        return
    if names:
        raise InputError(
            f"Process {jax.process_index()} was given {names[0]} = {ours.get(names[0])!r}, but process 0 "
            f"{theirs[names[0]]!r}; start all processes with the same options and the same images."
        )
    raise InputError(
        "Another process was given other options or images; its message names them; start all with the same ones."
    )


def shared_trained(work: Callable[[], Trained[Any]], model: ImageModel) -> Trained[Any]:
    """The trained model that `work` returns on the first process, sent to all processes."""
    own = processes.on_first_process(work)
    if jax.process_count() == 1:
        assert own is not None
        return own
    history = own and [to_json(record) for record in own.history]
    description, step, history = processes.broadcast_json(own and [own.description, own.step, history])
    images = jax.ShapeDtypeStruct((2, *description["image_shape"]), jnp.uint8)
    shapes = jax.eval_shape(model.init, jax.random.key(0), images)
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    params = processes.broadcast(zeros if own is None else jax.device_get(own.params))
    return Trained(model, jax.tree.map(jnp.asarray, params), description, step, [from_json(one) for one in history])
