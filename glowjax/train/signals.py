"""Handle the signals that ask a training run to stop. The run ends after the current step and its checkpoint."""

import concurrent.futures
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any, TypeVar

import jax

from glowjax.cores import in_these_settings
from glowjax.processes import max_of

SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGQUIT")
    if hasattr(signal, name)  # Windows lacks some
)
"""The signals that end a run: from Ctrl-C, from schedulers and from a closed terminal."""

PATIENCE = 2.0
"""Seconds in which a second Ctrl-C is ignored. Some launchers send the first one twice."""

POLL = 0.1
"""Seconds between two checks for a signal while a thread works."""

GRACE = 0.5
"""Seconds in which that thread may still end after a signal before it is abandoned."""

ResultT = TypeVar("ResultT")


class Interrupted(KeyboardInterrupt):
    """A signal ended the work in an orderly way. The message is a sentence for the user.

    Attributes:
        number: the number of the signal.
        exit_code: 128 + number, as shells report it. Schedulers can be told to start such a job again.
    """

    def __init__(self, number: int, message: str = ""):
        super().__init__(message or f"Interrupted by {name_of(number)}.")
        self.number = number
        self.exit_code = 128 + number


def name_of(number: int) -> str:
    """The name of a signal, as users know it."""
    return "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name


class Interrupts:
    """The signals that arrive while `deferred_interrupts` is active.

    Several processes end at the same step and for the same signal, so none acts on its own signal at once.

    Attributes:
        own: the first signal of this process, or None.
        number: the signal that ends the run, or None. It is `own`, or with several processes the one they agree on.
    """

    def __init__(self) -> None:
        self.own: int | None = None
        self.number: int | None = None
        self._are_shared = jax.process_count() > 1
        self._arrived = 0.0
        self._is_shielded = False

    def is_interrupted(self) -> bool:
        """Whether a signal ends the run."""
        return self.number is not None

    def has_arrived(self) -> bool:
        """Whether a signal has arrived, even if the other processes do not know of it yet."""
        return self.own is not None

    def own_number(self) -> int:
        """The number of the first signal of this process, or 0."""
        return self.own or 0

    def heed(self, number: Any) -> None:
        """With several processes, notes the signal that ends the run, the same in all processes; 0 means none."""
        if self._are_shared and int(number):
            self.number = int(number)

    def agree(self) -> None:
        """Shares the signals of all processes. All of them must call this at the same time."""
        self.heed(max_of(self.own_number()))

    def raise_if_interrupted(self) -> None:
        """Raises Interrupted if a signal ends the run."""
        if self.number is not None:
            raise Interrupted(self.number)

    @contextlib.contextmanager
    def shielded(self) -> Iterator[None]:
        """A block, such as a save, that even a second Ctrl-C does not end."""
        self._is_shielded = True
        try:
            yield
        finally:
            self._is_shielded = False

    def call(self, work: Callable[[], ResultT]) -> ResultT:
        """Runs `work()` in a thread. After a signal, raises Interrupted unless the thread ends soon.

        A compilation cannot be stopped, so it must not block the main thread, which receives the signals. The abandoned
        thread continues. The interpreter would wait for it at exit, so commands end with `os._exit`. If this is not the
        main thread, `work()` is called directly.
        """
        if threading.current_thread() is not threading.main_thread():
            return work()
        future: concurrent.futures.Future[ResultT] = concurrent.futures.Future()
        threading.Thread(target=_fulfill, args=(future, in_these_settings(work))).start()
        while not (future.done() or self.is_interrupted()):
            concurrent.futures.wait([future], timeout=POLL)
        if not concurrent.futures.wait([future], timeout=GRACE).done:
            self.raise_if_interrupted()
        return future.result()

    def receive(self, number: int, _: object = None) -> None:
        """The handler. It notes the first signal; a second Ctrl-C ends everything except for a save."""
        now = monotonic()
        if self.own is None:
            self.own, self._arrived = number, now
            self.number = None if self._are_shared else number
        elif number == signal.SIGINT and now - self._arrived > PATIENCE and not self._is_shielded:
            raise Interrupted(self.own)


@contextlib.contextmanager
def deferred_interrupts() -> Iterator[Interrupts]:
    """A block that signals do not end at once. If one has arrived, Interrupted is raised at the end of the block.

    Otherwise a signal during a step would lose the state, which was donated to the step. A signal that the process
    ignores, such as SIGHUP under nohup, is still ignored. Only the main thread receives signals; in other threads,
    nothing changes.
    """
    interrupts = Interrupts()
    previous: dict[int, Any] = {}
    try:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    previous[number] = signal.signal(number, interrupts.receive)
        yield interrupts
    finally:
        for number, handler in previous.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
    interrupts.raise_if_interrupted()


def _fulfill(future: "concurrent.futures.Future[ResultT]", work: Callable[[], ResultT]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # the caller raises it
        future.set_exception(error)
