"""All who follow a run besides its own record: the progress on stderr, TensorBoard, and a warning of divergence."""

import contextlib
import warnings
from pathlib import Path
from time import monotonic

from glowjax.train.events import Events
from glowjax.train.log import Record
from glowjax.train.progress import Progress

NOISE_BITS = 8.0
"""Bits per dimension without a model: all 256 levels are equally likely."""


class Reports(contextlib.AbstractContextManager["Reports"]):
    """Hands each record of a run on.

    Attributes:
        progress: the bar or the lines on stderr.
        events: TensorBoard's events.
    """

    def __init__(self, directory: Path | None, step: int, num_steps: int, warmup_steps: int, shows_progress: bool):
        """Begins with a run at `step` of `num_steps`, whose events are in `directory`, if there is one."""
        self.progress = Progress(num_steps, shows_progress)
        self.events = Events(directory, step)
        self._warmup_steps = warmup_steps
        self._paced_from = (step, monotonic())
        self._last: Record = {}
        self._is_warned = False

    def pace(self, step: int) -> None:
        """The time after `step` counts for the steps per second."""
        self._paced_from = (step, monotonic())

    def write(self, record: Record) -> None:
        """Hands a record on; warns, once, if the model is worse than none after the warm-up."""
        step, (since, began) = record["step"], self._paced_from
        seconds = monotonic() - began
        self.progress.update(record)
        self.events.write(record | ({"steps_per_second": (step - since) / seconds} if step > since and seconds else {}))
        self._last = record
        if step > self._warmup_steps and not self._is_warned:
            self._warn()

    def _warn(self) -> None:
        """Warns if the last record shows a model that is worse than none."""
        for name in ("validation", "train"):
            bits = self._last.get(name, 0.0)
            if not bits <= NOISE_BITS:  # written this way so that NaN counts
                self._is_warned = True
                warnings.warn(
                    f"The bits/dim ({name}) are {bits:.4g} at step {self._last['step']:,}, but those of uniform noise "
                    f"{NOISE_BITS:g}: the model has diverged or learned nothing. Lower the learning rate, lengthen the "
                    "warm-up, or train for longer.",
                    stacklevel=5,
                )
                return

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        self.progress.close()
        self.events.close()
        if error is None:
            self._warn()
