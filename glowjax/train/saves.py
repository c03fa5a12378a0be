"""Save the state of a training run at evaluations, at regular times and before the run ends."""

import math
from time import monotonic

from glowjax.checks import InputError
from glowjax.train.record import RunRecord
from glowjax.train.signals import Interrupts
from glowjax.train.step import TrainState

SECONDS_TO_RETRY = 60.0
"""The maximum time between a save that failed and the next attempt."""


class Saves:
    """The checkpoints of a training run.

    Attributes:
        step: the step of the newest checkpoint, or None if there is none.
    """

    def __init__(self, run_record: RunRecord, every: float, interrupts: Interrupts):
        """The first checkpoint is due in `every` seconds. Interrupts wait until a save has ended."""
        self._record, self._every, self._interrupts = run_record, every, interrupts
        self.step: int | None = None
        self._next = monotonic() + every

    def is_due(self) -> bool:
        """Whether it is time for a checkpoint."""
        return monotonic() >= self._next

    def save(self, step: int, state: TrainState, bits_per_dim: float = math.nan) -> bool:
        """Saves the state of a step. Returns False if the disk refuses it; then the next save is due in a minute."""
        with self._interrupts.shielded():
            is_saved = self._record.save(state, bits_per_dim)
        self._next = monotonic() + (self._every if is_saved else min(self._every, SECONDS_TO_RETRY))
        if is_saved:
            self.step = step
        return is_saved

    def ensure(self, step: int, state: TrainState) -> None:
        """Saves the last state, unless it is saved already. Raises InputError if the disk refuses it."""
        if self.step != step and not self.save(step, state):
            raise InputError(
                f"The state of step {step:,} could not be saved. {self.summary()} Make room there, and start the same "
                "run again to continue from it."
            )

    def summary(self) -> str:
        """A sentence about what is on disk."""
        if self._record.directory is None:
            return "Nothing is kept, since the run has no directory."
        if self.step is None:
            return f"There is no checkpoint in {self._record.directory} yet."
        return f"The newest checkpoint in {self._record.directory} is of step {self.step:,}."
