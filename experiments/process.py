"""The process of a command: its signals, its standard streams and its limits.

It imports the standard library alone, because it must be ready before JAX is imported.
"""

import contextlib
import io
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, NoReturn

SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGQUIT")
    if hasattr(signal, name)  # Windows lacks some
)
"""The signals that end a command with one line."""

GRACE = 1.0
"""Seconds from a signal until the process ends even if compiled code does not let the main thread see the signal."""

MIN_ADDRESS_SPACE = 2_000_000_000
"""Bytes of address space with which JAX was seen to start; with less it aborts or waits forever."""

MAX_CPU_DEVICES = 1_024
"""A number of CPU devices with which a training was seen to start within a minute."""

WITHOUT_TRANSFERS = ("disallow", "disallow_explicit")


def run(work: Callable[[], None]) -> None:
    """Runs `work` as a command: a signal ends it with one line and the exit status 128 + number of the signal."""
    keep_streams()
    ending = Ending()
    ending.install()
    if problem := misconfigured(os.environ):
        print(f"error: {problem}", file=sys.stderr)
        raise SystemExit(2)
    try:
        work()
    except KeyboardInterrupt as error:
        ending.end(getattr(error, "number", ending.first or signal.SIGINT), str(error))
    except BaseException:
        if ending.first is None:
            raise
        ending.end(ending.first)  # a library has made another error of the interrupt


class Ending:
    """The end of a process by a signal.

    Attributes:
        first: the number of the first signal that arrived.
    """

    def __init__(self) -> None:
        self.first: int | None = None
        self._is_ending = threading.Lock()

    def install(self) -> None:
        """Takes over the signals that are not ignored (as SIGHUP is under nohup)."""
        read, write = os.pipe()
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self.receive)
        sys.unraisablehook = self._tell
        threading.Thread(target=self._watch, args=(read,), daemon=True).start()

    def receive(self, number: int, _: FrameType | None = None) -> None:
        """The handler: the first signal interrupts the main thread."""
        if self.first is None:
            self.first = number
            raise KeyboardInterrupt

    def _tell(self, lost: Any) -> None:
        """Prints errors that Python cannot raise, as it does, except for an interrupt, with which the process ends."""
        if not isinstance(lost.exc_value, KeyboardInterrupt):
            sys.__unraisablehook__(lost)

    def _watch(self, wakeup: int) -> None:
        """Ends the process if the main thread has not, unless other code has taken over the signal and saves, say.

        The main thread does not see a signal during a compilation, and an interrupt that is raised in a callback of
        the garbage collector is lost.
        """
        while received := os.read(wakeup, 1):
            number = received[0]
            if signal.getsignal(number) == self.receive:
                time.sleep(GRACE)
                if signal.getsignal(number) == self.receive:
                    self.end(number)
                os.kill(os.getpid(), number)  # the interrupt was lost, and other code has taken over the signal since

    def end(self, number: int, message: str = "") -> NoReturn:
        """Prints one line and ends the process; it does not wait for threads, which may compile for minutes."""
        self.first = number
        with self._is_ending:  # never released: whoever comes second waits for the end
            name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
            print(message or f"Interrupted by {name}. The same command goes on from what was saved.", file=sys.stderr)
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError, AttributeError):
                    stream.flush()
            os._exit(128 + number)


class Stream(io.FileIO):
    """A standard stream whose reader may go away, and whose disk may be full: it drops what it cannot write."""

    def write(self, data: Any) -> int:
        """Writes what can be written, and says that all was."""
        with contextlib.suppress(OSError):
            return super().write(data) or 0
        return len(data)


def keep_streams() -> None:
    """Makes the standard streams usable to the end, whatever becomes of their other side.

    A closed stream is opened on the null device. Otherwise the next file, a checkpoint say, would get its number, and
    what is printed would go there.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # which gets the lowest free number
            os.set_inheritable(number, True)
    for number, name in ((1, "stdout"), (2, "stderr")):
        encoding = getattr(getattr(sys, name), "encoding", "utf-8")
        writer = io.BufferedWriter(Stream(number, "w", closefd=False))
        stream = io.TextIOWrapper(writer, encoding, "backslashreplace", line_buffering=True)
        setattr(sys, name, stream)


def misconfigured(environment: Mapping[str, str]) -> str:
    """Why JAX could not work in this process, or "" if it can: a few settings make it abort, or wait forever."""
    flags = re.search(r"host_platform_device_count=(\S+)", environment.get("XLA_FLAGS", ""))
    counts = {"JAX_NUM_CPU_DEVICES": environment.get("JAX_NUM_CPU_DEVICES", "-1")}  # -1 leaves the choice to JAX
    counts |= {"XLA_FLAGS=--xla_force_host_platform_device_count": flags[1]} if flags else {}
    for name, value in counts.items():
        if value != "-1" and not (value.isdecimal() and 1 <= int(value) <= MAX_CPU_DEVICES):
            return f"{name} is '{value}'; expected a whole number from 1 to {MAX_CPU_DEVICES:,}, or unset it."
    for name, value in environment.items():
        if name.startswith("JAX_TRANSFER_GUARD") and value in WITHOUT_TRANSFERS:
            return f"{name} is '{value}', but images must get to the device; unset it."
    limit = address_space()
    if limit < MIN_ADDRESS_SPACE:
        return (
            f"This process may use {limit / 1e9:.1f} GB of address space (ulimit -v), with which JAX cannot start; "
            f"allow it {MIN_ADDRESS_SPACE / 1e9:.0f} GB or more, or set no limit: ulimit -v unlimited"
        )
    return ""


def address_space() -> float:
    """The limit of this process's address space in bytes, infinite if there is none."""
    try:
        import resource  # which Windows lacks
    except ImportError:
        return float("inf")
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return float("inf") if limit == resource.RLIM_INFINITY else float(limit)
