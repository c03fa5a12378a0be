"""Signals wait for the end of a block and for saves; a wait for a thread ends at once."""

import contextlib
import signal
import threading
import time

import jax
import jax.numpy as jnp
import pytest

from glowjax.train import Interrupted, signals
from glowjax.train.signals import SIGNALS, deferred_interrupts

pytestmark = pytest.mark.usefixtures("handlers")


def interrupted(work):
    """The exception with which `work(ours)` ends if signals are deferred."""
    with pytest.raises(Interrupted) as caught, deferred_interrupts() as ours:
        work(ours)
    return caught.value


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_a_block_at_its_end_with_the_code_of_the_signal(number, handlers):
    seen = []

    def work(ours):
        seen.append(ours.is_interrupted())
        signal.raise_signal(number)
        seen.append(ours.is_interrupted())

    error, name = interrupted(work), "Ctrl-C" if number == signal.SIGINT else number.name
    assert seen == [False, True]
    assert (error.number, error.exit_code, str(error)) == (number, 128 + number, f"Interrupted by {name}.")
    assert [signal.getsignal(one) for one in SIGNALS] == [handlers] * len(SIGNALS)


def test_without_a_signal_nothing_is_raised_and_the_old_handlers_return(handlers):
    with deferred_interrupts():
        assert signal.getsignal(signal.SIGTERM) is not handlers
    assert [signal.getsignal(one) for one in SIGNALS] == [handlers] * len(SIGNALS)


def test_a_signal_that_is_ignored_stays_ignored():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    with deferred_interrupts() as ours:
        signal.raise_signal(signal.SIGHUP)
        assert not ours.is_interrupted()


@pytest.mark.parametrize(("gap", "is_saving", "ends"), [(0.3, False, False), (3.0, True, False), (3.0, False, True)])
def test_a_second_ctrl_c_ends_the_block_only_after_a_while_and_never_a_save(monkeypatch, gap, is_saving, ends):
    now, reached = [100.0], []
    monkeypatch.setattr(signals, "monotonic", lambda: now[0])

    def work(ours):
        signal.raise_signal(signal.SIGTERM)
        now[0] += gap
        with ours.shielded() if is_saving else contextlib.nullcontext():
            signal.raise_signal(signal.SIGINT)
        reached.append(True)

    assert interrupted(work).number == signal.SIGTERM  # the first
    assert (not reached) == ends


def test_a_wait_for_a_thread_ends_at_once_and_gives_results_errors_and_settings():
    release = threading.Event()
    with deferred_interrupts() as ours:
        with jax.enable_x64(True):
            assert ours.call(lambda: jnp.ones(()).dtype) == jnp.float64
        with pytest.raises(ZeroDivisionError):
            ours.call(lambda: 1 / 0)

    def work():
        signal.raise_signal(signal.SIGTERM)
        release.wait(30)

    began = time.monotonic()
    interrupted(lambda ours: ours.call(work))
    release.set()
    assert time.monotonic() - began < 5


def test_outside_the_main_thread_nothing_changes(handlers):
    found = []

    def work():
        with deferred_interrupts() as ours:
            found.append(signal.getsignal(signal.SIGTERM))
            found.append(ours.call(threading.current_thread))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [handlers, thread]
