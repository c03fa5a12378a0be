"""Fixtures of the tests of training."""

import signal

import pytest

from glowjax.train.signals import SIGNALS


@pytest.fixture
def handlers():
    """Handlers of signals that fail the test, since a shell may have set some signals to be ignored."""

    def fail(number, _):
        raise AssertionError(f"{signal.Signals(number).name} was not deferred")

    before = {number: signal.signal(number, fail) for number in SIGNALS}
    yield fail
    for number, handler in before.items():
        signal.signal(number, handler)
