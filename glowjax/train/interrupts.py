"""Ctrl-C during training: the step in progress is finished first, so that its result can be saved."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def deferred_interrupts() -> Iterator[Callable[[], bool]]:
    """Yields a function that says whether Ctrl-C was pressed; a second Ctrl-C interrupts at once.

    A step that is cut short would lose the state, which was donated to it. Outside the main thread, which alone
    receives signals, nothing changes.
    """
    signals: list[int] = []

    def receive(number: int, _: object) -> None:
        signals.append(number)
        if len(signals) > 1:
            raise KeyboardInterrupt

    def is_interrupted() -> bool:
        return bool(signals)

    if threading.current_thread() is not threading.main_thread():
        yield is_interrupted
        return
    previous = signal.signal(signal.SIGINT, receive)
    try:
        yield is_interrupted
    finally:
        signal.signal(signal.SIGINT, previous)
