"""The process of a command: its signals, its standard streams and its limits.

This module imports only the standard library, because it must be ready before JAX is imported.
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
"""The process ends this many seconds after a signal, even if compiled code keeps the main thread from seeing it."""

MIN_ADDRESS_SPACE = 2_000_000_000
"""The minimum address space in bytes. JAX was seen to start with it; with less, JAX aborts or waits forever."""

MAX_CPU_DEVICES = 1_024
"""The maximum number of CPU devices. A training run was seen to start with so many within a minute."""

WITHOUT_TRANSFERS = ("disallow", "disallow_explicit")
"""The values of JAX_TRANSFER_GUARD with which no image can be copied to a device."""


def run(work: Callable[[], None]) -> None:
    """Runs `work` as a command. A signal ends it with one line and the exit status 128 + number of the signal."""
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
        """Installs the handler, except for signals that are ignored, such as SIGHUP under nohup."""
        read, write = os.pipe()
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self.receive)
        sys.unraisablehook = self._tell
        threading.Thread(target=self._watch, args=(read,), daemon=True).start()

    def receive(self, number: int, frame: FrameType | None = None) -> None:
        """The handler: the first signal interrupts the main thread, or ends the process during an import.

        C code that imports modules, such as NumPy's, prints an interrupt as an error of its own, or aborts.
        """
        if _is_importing(frame):
            self.end(number)
        if self.first is None:
            self.first = number
            raise KeyboardInterrupt

    def _tell(self, lost: Any) -> None:
        """Prints errors that Python cannot raise, except for an interrupt, since the process ends anyway."""
        if not isinstance(lost.exc_value, KeyboardInterrupt):
            sys.__unraisablehook__(lost)

    def _watch(self, wakeup: int) -> None:
        """Ends the process after a signal if the main thread does not, unless other code now handles the signal.

        The main thread does not see a signal during a compilation, and an interrupt in a callback of the garbage
        collector is lost.
        """
        while received := os.read(wakeup, 1):
            number = received[0]
            if signal.getsignal(number) == self.receive or self.first == number:
                time.sleep(GRACE)
                if signal.getsignal(number) == self.receive:
                    self.end(number)
                if self.first == number:  # the interrupt was lost, and other code handles the signal now
                    self.first = None
                    signal.pthread_kill(threading.main_thread().ident or 0, number)

    def end(self, number: int, message: str = "") -> NoReturn:
        """Prints one line and ends the process. It does not wait for threads, which may compile for minutes."""
        self.first = number
        with self._is_ending:  # never released: a second thread waits here until the process has ended
            name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
            print(message or f"Interrupted by {name}. The same command goes on from what was saved.", file=sys.stderr)
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError, AttributeError):
                    stream.flush()
            os._exit(128 + number)


def _is_importing(frame: FrameType | None) -> bool:
    """Whether an import is under way in a frame or in its callers."""
    while frame and frame.f_code.co_filename != "<frozen importlib._bootstrap>":
        frame = frame.f_back
    return frame is not None


class Stream(io.FileIO):
    """A standard stream that drops what it cannot write, if its reader is gone or its disk is full, for example."""

    def write(self, data: Any) -> int:
        """Writes what can be written. Returns the full length in any case."""
        with contextlib.suppress(OSError):
            return super().write(data) or 0
        return len(data)


def keep_streams() -> None:
    """Makes sure that the standard streams can be used until the process ends.

    A closed stream is opened on the null device. Otherwise the next file that is opened, for example a checkpoint,
    would get its number, and printed text would go there.
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
    """Says why JAX cannot work in this process; "" if it can. With a few settings, JAX aborts or waits forever."""
    flags = re.search(r"host_platform_device_count=(\S+)", environment.get("XLA_FLAGS", ""))
    counts = {"JAX_NUM_CPU_DEVICES": environment.get("JAX_NUM_CPU_DEVICES", "-1")}  # -1 leaves the choice to JAX
    counts |= {"XLA_FLAGS=--xla_force_host_platform_device_count": flags[1]} if flags else {}
    for name, value in counts.items():
        if value != "-1" and not (value.isdecimal() and 1 <= int(value) <= MAX_CPU_DEVICES):
            return f"{name} is '{value}'; expected a whole number from 1 to {MAX_CPU_DEVICES:,}; correct or unset it."
    for name, value in environment.items():
        if name.startswith("JAX_TRANSFER_GUARD") and value in WITHOUT_TRANSFERS:
            return f"{name} is '{value}', but images must be copied to the device; unset it."
    limit = address_space()
    if limit < MIN_ADDRESS_SPACE:
        return (
            f"This process may use {limit / 1e9:.1f} GB of address space (ulimit -v), with which JAX cannot start; "
            f"allow {MIN_ADDRESS_SPACE / 1e9:.0f} GB or more, or set no limit: ulimit -v unlimited"
        )
    return ""


def address_space() -> float:
    """The limit of this process's address space in bytes; infinity if there is none."""
    try:
        import resource  # which Windows lacks
    except ImportError:
        return float("inf")
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return float("inf") if limit == resource.RLIM_INFINITY else float(limit)
