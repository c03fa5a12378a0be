"""Reports on a run in addition to its record: progress on stderr, TensorBoard, and a warning of divergence."""

import contextlib
import warnings
from pathlib import Path
from time import monotonic

from glowjax.train.events import Events
from glowjax.train.log import Record
from glowjax.train.progress import Progress

NOISE_BITS = 8.0
"""The bits per dimension without a model, if all 256 levels are equally likely."""


class Reports(contextlib.AbstractContextManager["Reports"]):
    """Passes each record of a run to the progress and to TensorBoard.

    Attributes:
        progress: the bar or the lines on stderr.
        events: TensorBoard's events.
    """

    def __init__(self, directory: Path | None, step: int, num_steps: int, warmup_steps: int, shows_progress: bool):
        """Starts at `step` of `num_steps`. Events are written to `directory`, unless it is None."""
        self.progress = Progress(num_steps, shows_progress)
        self.events = Events(directory, step)
        self._warmup_steps = warmup_steps
        self._paced_from = (step, monotonic())
        self._last: Record = {}
        self._is_warned = False

    def pace(self, step: int) -> None:
        """Starts the clock for the steps per second at `step`."""
        self._paced_from = (step, monotonic())

    def write(self, record: Record) -> None:
        """Passes a record on. Warns once if the model is worse than no model after the warm-up."""
        step, (since, began) = record["step"], self._paced_from
        seconds = monotonic() - began
        self.progress.update(record)
        self.events.write(record | ({"steps_per_second": (step - since) / seconds} if step > since and seconds else {}))
        self._last = record
        if step > self._warmup_steps and not self._is_warned:
            self._warn()

    def _warn(self) -> None:
        """Warns if the model is worse than no model in the last record."""
        for name in ("validation", "train"):
            bits = self._last.get(name, 0.0)
            if not bits <= NOISE_BITS:  # written this way so that NaN counts
                self._is_warned = True
                warnings.warn(
                    f"The bits/dim ({name}) are {bits:.4g} at step {self._last['step']:,}, but uniform noise needs "
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
