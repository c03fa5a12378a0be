"""A run's folder with three known states, made without training: hundreds of damages take seconds."""

import contextlib
import os
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import glowjax as gj
from benchmarks.faults.row import Lab
from benchmarks.faults.runs import digest
from glowjax.checks import InputError
from glowjax.train.record import RunFolder

DESCRIPTION = {"model": {"width": 8}, "training": {"num_steps": 40, "batch_size": 8}}
STEPS = (10, 20, 30)


class Recorded:
    """The folder of a run that was interrupted at step 30, and the bits of its states.

    Attributes:
        folder: the run's folder, which stays whole.
        bits: {step: a hash of the state}, 0 for the fresh one.
    """

    def __init__(self, lab: Lab) -> None:
        self.folder = lab.path("recorded")
        self._copy = lab.path("copy")
        model = gj.nvp_glow(1, 1, 8)
        params = model.init(jax.random.key(0), np.zeros((4, 8, 8, 1), np.uint8))
        optimizer = gj.train.make_optimizer(learning_rate=0.01, num_steps=40, warmup_steps=1)
        self._fresh = gj.train.make_state(params, optimizer)
        self._states = {step: self._at(step) for step in (0, *STEPS)}
        self.bits = {step: bits_of(state) for step, state in self._states.items()}
        self.write_to(self.folder)

    def write_to(self, folder: Path) -> None:
        """Writes the run to another folder as well."""
        with RunFolder(folder, DESCRIPTION) as opened:
            opened.resume(self._fresh)
            for step in STEPS:
                opened.write(record(step))
                opened.save(self._states[step], 8 - step / 100)

    def _at(self, step: int) -> Any:
        moved = jax.tree.map(lambda x: x + step if jnp.issubdtype(x.dtype, jnp.floating) else x, self._fresh)
        return (moved if step else self._fresh).replace(step=jnp.asarray(step, jnp.int32))

    def copy(self) -> Path:
        """A copy of the folder, to be damaged; the copy before it is gone."""
        shutil.rmtree(self._copy, ignore_errors=True)
        shutil.copytree(self.folder, self._copy, symlinks=True)
        return self._copy

    def resumed(self, folder: Path) -> "Resumed":
        """What comes of resuming a run from a folder and saving its next state."""
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                with RunFolder(folder, DESCRIPTION) as opened:
                    state = opened.resume(self._fresh)
                    step, bits = int(state.step), bits_of(state)
                    opened.write(record(40))
                    opened.save(self._at(40), 7.0)
            except InputError as error:
                return Resumed(None, "", f"refused: {error}")
            except Exception as error:
                return Resumed(None, "", f"{type(error).__name__}: {error}"[:300])
        return Resumed(step, bits, "; ".join(str(warning.message) for warning in told))


class Resumed(NamedTuple):
    """How a run went on.

    Attributes:
        step: the step from which it went on; None if it did not.
        bits: a hash of the state at that step.
        said: its warnings, or its error.
    """

    step: int | None
    bits: str
    said: str

    def __str__(self) -> str:
        return f"step {self.step}: {self.said}"[:500]


def record(step: int) -> dict[str, Any]:
    """The metrics of a step."""
    scores = {"train": 5.0, "gradient_norm": 1.0, "skipped_updates": 0, "validation": 8 - step / 100}
    return {"step": step, "seconds": step / 10, **scores}


def bits_of(state: Any) -> str:
    """A hash of a state."""
    return digest({str(n): np.asarray(leaf) for n, leaf in enumerate(jax.tree.leaves(state))})


@contextlib.contextmanager
def powerless() -> Iterator[None]:
    """Acts as a user without rights, if this is root, whom no file's mode stops."""
    if os.geteuid() != 0:
        yield
        return
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
