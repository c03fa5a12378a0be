"""Show the progress of a run on stderr, by a bar or by plain lines. A stream that fails never ends a run."""

import contextlib
import sys
from collections.abc import Mapping
from time import monotonic
from typing import Any

from tqdm import tqdm

from glowjax.train.log import REPORTED

SECONDS_BETWEEN_LINES = 30.0
"""The time between plain lines, in addition to those at evaluations."""


class SafeStream:
    """A text stream whose failures are ignored, such as a full disk, a closed pipe, or no stream at all."""

    def __init__(self, stream: Any):
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes what can be written."""
        with contextlib.suppress(OSError, ValueError):  # ValueError: the stream is closed
            if self._stream is not None:
                return self._stream.write(text)
        return 0

    def flush(self) -> None:
        """Flushes what can be flushed."""
        with contextlib.suppress(OSError, ValueError):
            if self._stream is not None:
                self._stream.flush()

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        with contextlib.suppress(OSError, ValueError):
            return self._stream is not None and self._stream.isatty()
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Progress:
    """The progress of a run. The bar starts after compilation, so that its rate is that of the steps."""

    def __init__(self, num_steps: int, is_shown: bool = True):
        """Writes to stderr if `is_shown`; otherwise writes nothing."""
        self._num_steps = num_steps
        self._stream = SafeStream(sys.stderr if is_shown else None)
        self._bar: Any = None
        self._first, self._began, self._next_line = 0, 0.0, 0.0
        self._bits: dict[str, float] = {}

    def begin(self, step: int) -> None:
        """Prints the step at which the run begins, before compilation."""
        if step >= self._num_steps:
            self._line(f"Nothing is left to train: step {step:,} of {self._num_steps:,}.")
        else:
            start = f"Resuming at step {step:,} of {self._num_steps:,}; compiling."
            self._line(start if step else f"Training for {self._num_steps:,} steps; compiling.")

    def start(self, step: int, seconds: float) -> None:
        """Starts the clock or the bar at `step`, after a compilation of `seconds`."""
        self._line(f"Compiled in {duration(seconds)}.")
        self._first, self._began = step, monotonic()
        self._next_line = self._began + SECONDS_BETWEEN_LINES
        if self._stream.isatty():
            stream: Any = self._stream
            self._bar = tqdm(total=self._num_steps, initial=step, unit="step", dynamic_ncols=True, file=stream)

    def update(self, record: Mapping[str, Any]) -> None:
        """Shows a record of metrics on the bar, or in a plain line if one is due or the record is of an evaluation."""
        self._bits |= {name: record[name] for name in ("train", "validation") if name in record}
        bits = ", ".join(f"{name} {value:.3f}" for name, value in self._bits.items()) + " bits/dim"
        step = record["step"]
        if self._bar is not None:
            self._bar.set_postfix_str(bits, refresh=False)
            self._bar.update(step - self._bar.n)
        elif record.keys() - set(REPORTED) or step == self._num_steps or monotonic() >= self._next_line:
            self._line(f"Step {step:,} of {self._num_steps:,}: {bits}{self._pace(step)}")
            self._next_line = monotonic() + SECONDS_BETWEEN_LINES

    def _pace(self, step: int) -> str:
        """The rate and the time left, once steps were taken after the first one."""
        taken, seconds = step - self._first, monotonic() - self._began
        if not self._first or taken <= 0 or seconds <= 0:
            return ""
        left = duration((self._num_steps - step) * seconds / taken)
        return f", {taken / seconds:.3g} steps/s" + (f", {left} left" if step < self._num_steps else "")

    def _line(self, text: str) -> None:
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def close(self) -> None:
        """Closes the bar and leaves it on the terminal."""
        if self._bar is not None:
            self._bar.close()


def duration(seconds: float) -> str:
    """A time in the unit that suits it, such as "12 s", "3.5 min" or "2.1 h"."""
    if seconds < 100:
        return f"{seconds:.3g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6_000 else f"{seconds / 3_600:.1f} h"
