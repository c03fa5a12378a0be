"""What stderr shows of a training: plain lines or a bar, and nothing that a dead stream could end."""

import errno
import io
import sys

import pytest

from glowjax.train import progress
from glowjax.train.progress import Progress, duration


@pytest.fixture
def now(monkeypatch):
    """A clock that the test moves."""
    time = [0.0]
    monkeypatch.setattr(progress, "monotonic", lambda: time[0])
    return time


class Terminal(io.StringIO):
    def isatty(self):
        return True


def tell(now, shown, steps):
    shown.begin(0)
    now[0] = 2.5
    shown.start(1, 2.5)
    for step, record in steps.items():
        now[0] = 2.5 + 2 * step
        shown.update({"step": step, "seconds": now[0], **record})
    shown.close()


STEPS = {
    11: {"train": 5.0},  # 22 s after the start
    16: {"train": 4.5},  # 32 s
    17: {"train": 4.25, "noise": 8.0},  # an evaluation
    20: {"train": 4.0, "validation": 4.125},
}


def test_plain_lines_are_written_at_the_start_at_evaluations_and_after_a_while(now, capsys):
    tell(now, Progress(20), STEPS)
    assert capsys.readouterr().err.splitlines() == [
        "Training for 20 steps; compiling.",
        "Compiled in 2.5 s.",
        "Step 16 of 20: train 4.500 bits/dim, 0.469 steps/s, 8.53 s left",
        "Step 17 of 20: train 4.250 bits/dim, 0.471 steps/s, 6.38 s left",
        "Step 20 of 20: train 4.000, validation 4.125 bits/dim, 0.475 steps/s",
    ]


def test_a_resumed_and_a_finished_run_say_so(capsys):
    Progress(20).begin(5)
    Progress(20).begin(20)
    assert capsys.readouterr().err == (
        "Resuming at step 5 of 20; compiling.\nNothing is left to train: step 20 of 20.\n"
    )


def test_a_terminal_shows_a_bar_after_the_compilation(now, monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    tell(now, Progress(20), STEPS)
    before, bar = stream.getvalue().split("Compiled in 2.5 s.\n")
    assert before == "Training for 20 steps; compiling.\n"
    assert "20/20" in bar
    assert "train 4.000, validation 4.125 bits/dim" in bar


def test_a_silent_training_writes_nothing(now, capsys):
    tell(now, Progress(20, is_shown=False), STEPS)
    assert capsys.readouterr().err == ""


class Dead(Terminal):
    """A terminal or a file behind which there is nobody, or no space."""

    def __init__(self, error, is_terminal):
        super().__init__()
        self.error, self.is_terminal, self.attempts = error, is_terminal, 0

    def isatty(self):
        return self.is_terminal

    def write(self, text):
        self.attempts += 1
        raise self.error

    def flush(self):
        raise self.error


ERRORS = [BrokenPipeError(), OSError(errno.ENOSPC, "No space left"), ValueError("I/O operation on closed file")]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("is_terminal", [False, True])
def test_no_stream_ends_a_training(now, monkeypatch, error, is_terminal):
    stream = Dead(error, is_terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    tell(now, Progress(20), STEPS)
    assert stream.attempts >= 4


def test_a_training_without_stderr_goes_on(now, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    tell(now, Progress(20), STEPS)
    assert now[0] == 42.5  # every record was told


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.1234, "0.123 s"), (45.4, "45 s"), (200.0, "3.3 min"), (7_000.0, "1.9 h")]
)
def test_a_time_has_the_unit_that_suits_it(seconds, text):
    assert duration(seconds) == text
