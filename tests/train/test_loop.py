"""The loop around a step: signals at any moment, checkpoints by time, and a disk or a callback that fails."""

import json
import re
import signal
import threading
import time

import jax
import jax.numpy as jnp
import pytest

import glowjax as gj
from glowjax.checks import InputError
from glowjax.cores import EvaluationInterrupted
from glowjax.train import Interrupted, fit, loop, saves, signals
from glowjax.train.events import Events
from glowjax.train.record import InMemory, RunFolder
from glowjax.train.signals import SIGNALS
from glowjax.train.step import StepMetrics

MODEL = gj.nvp_glow(1, 1, 4)


pytestmark = pytest.mark.usefixtures("handlers")


@pytest.fixture
def run(images, monkeypatch, tmp_path):
    """`fit` with steps and evaluations that take no time: 3 bits/dim at steps 3, 6 and 9 of 9, in a folder `run`.

    `at_step(step)` is called in each step, `at_evaluation(is_interrupted)` in each evaluation.
    """

    def start(at_step=lambda step: None, at_evaluation=lambda is_interrupted: None, **options):
        def step(state, key, batch):
            at_step(int(state.step) + 1)
            state = state.replace(step=state.step + 1, loss_sum=state.loss_sum + 4.0, loss_count=state.loss_count + 1)
            return state, StepMetrics(jnp.zeros(()), jnp.zeros(()))

        def evaluate(*_, is_interrupted):
            at_evaluation(is_interrupted)
            return {"validation": 3.0}

        monkeypatch.setattr(loop, "compiled_step", lambda *arguments: step)
        monkeypatch.setattr(loop, "evaluate", evaluate)
        options = {"num_steps": 9, "batch_size": 4, "evaluate_every": 3, "directory": tmp_path / "run", **options}
        return fit(MODEL, images, key=jax.random.key(0), validation=images, **options)

    return start


def interrupted(run, **options):
    with pytest.raises(Interrupted) as caught:
        run(**options)
    return caught.value


def raises_at(moment, number=signal.SIGTERM):
    def at_step(step):
        if step == moment:
            signal.raise_signal(number)

    return at_step


def records(tmp_path):
    return [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]


def evaluated_steps(tmp_path):
    return [record["step"] for record in records(tmp_path) if "validation" in record]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_the_run_after_the_step_with_a_checkpoint(run, tmp_path, handlers, number):
    error = interrupted(run, at_step=raises_at(5, number))
    name = "Ctrl-C" if number == signal.SIGINT else number.name
    folder = tmp_path / "run"
    assert str(error) == f"Interrupted by {name} at step 5 of 9. The newest checkpoint in {folder} is of step 5."
    assert error.exit_code == 128 + number
    assert [signal.getsignal(one) for one in SIGNALS] == [handlers] * len(SIGNALS)
    assert run().history[-1]["step"] == 9


def test_two_quick_ctrl_cs_save_once_and_end(run, tmp_path):
    def at_step(step):
        if step == 2:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    assert interrupted(run, at_step=at_step).exit_code == 130
    assert gj.load(tmp_path / "run", MODEL).step == 2


@pytest.mark.parametrize("moment", ["initialization", "compilation"])
def test_a_signal_abandons_initialization_and_compilation(run, monkeypatch, moment):
    release = threading.Event()

    def work(*_):
        signal.raise_signal(signal.SIGTERM)
        release.wait(60)

    monkeypatch.setattr(signals, "GRACE", 0.01)
    if moment == "initialization":
        monkeypatch.setattr(loop.Loop, "first_state", work)
        error, expected = interrupted(run), r"before the first step\.$"
    else:
        error, expected = interrupted(run, at_step=work), r"at step 0 of 9\. There is no checkpoint in .*/run yet\.$"
    assert not release.is_set()
    release.set()
    assert re.search(f"^Interrupted by SIGTERM {expected}", str(error))


@pytest.mark.parametrize("ends", ["between two batches", "never", "with scores"])
def test_a_signal_ends_an_evaluation_which_the_resumed_run_makes_first(run, tmp_path, monkeypatch, ends):
    release = threading.Event()

    def at_evaluation(is_interrupted):
        signal.raise_signal(signal.SIGTERM)
        if ends == "between two batches":
            while not is_interrupted():
                time.sleep(0.01)
            raise EvaluationInterrupted
        if ends == "never":
            monkeypatch.setattr(signals, "GRACE", 0.01)
            release.wait(60)

    error = interrupted(run, at_evaluation=at_evaluation)
    release.set()
    assert "at step 3 of 9. The newest checkpoint" in str(error)
    assert evaluated_steps(tmp_path) == ([3] if ends == "with scores" else [])
    run(directory=tmp_path / "whole")
    whole = (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()
    trained = run()
    assert [dict(record, seconds=0) for record in records(tmp_path)] == [
        dict(json.loads(line), seconds=0) for line in whole
    ]
    assert [record["step"] for record in trained.history] == [3, 6, 9]


def test_a_second_ctrl_c_during_a_save_does_not_end_it(run, tmp_path, monkeypatch):
    save, now = RunFolder.save, [0.0]
    monkeypatch.setattr(signals, "monotonic", lambda: now[0])

    def slow_save(self, state, bits_per_dim):
        signal.raise_signal(signal.SIGINT)
        now[0] += 10
        signal.raise_signal(signal.SIGINT)
        return save(self, state, bits_per_dim)

    monkeypatch.setattr(RunFolder, "save", slow_save)
    assert "is of step 3." in str(interrupted(run))
    assert gj.load(tmp_path / "run", MODEL).step == 3


def test_a_state_is_saved_when_the_time_has_come(run, monkeypatch):
    now, saved = [0.0], []
    monkeypatch.setattr(saves, "monotonic", lambda: now[0])
    monkeypatch.setattr(InMemory, "save", lambda self, state, bits: saved.append((int(state.step), bits)) is None)

    def at_step(step):
        now[0] += 100

    run(at_step=at_step, save_every=350.0, num_steps=12, evaluate_every=6, directory=None)
    assert [step for step, _ in saved] == [4, 6, 10, 12]  # 350 s after the start, or after the save before


def test_a_save_that_the_disk_refuses_is_repeated_within_a_minute(run, monkeypatch):
    now, tried = [0.0], []
    monkeypatch.setattr(saves, "monotonic", lambda: now[0])

    def save(self, state, bits_per_dim):
        tried.append(int(state.step))
        return len(tried) == 3

    def at_step(step):
        now[0] += 25

    monkeypatch.setattr(InMemory, "save", save)
    with pytest.raises(InputError, match=r"step 12 could not be saved\. Nothing is kept"):
        run(at_step=at_step, num_steps=12, evaluate_every=20, directory=None)
    assert tried == [12, 12]  # the last step is due at first, then once more
    tried.clear()
    with pytest.raises(InputError, match="could not be saved"):
        run(at_step=at_step, num_steps=12, evaluate_every=4, directory=None)
    assert tried == [4, 7, 8, 12, 12]


def test_a_disk_that_refuses_the_last_state_is_told_with_what_is_on_it(run, tmp_path, monkeypatch):
    interrupted(run, at_step=raises_at(2))
    monkeypatch.setattr(RunFolder, "save", lambda *_: False)
    message = r"step 5 could not be saved\. The newest checkpoint in .*/run is of step 2\. Make room there, and start"
    with pytest.raises(InputError, match=message):
        run(at_step=raises_at(5))


def test_an_exception_of_the_callback_ends_the_run_after_a_checkpoint(run, tmp_path):
    def stop(record):
        if record["step"] == 6:
            raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        run(on_metrics=stop)
    trained = gj.load(tmp_path / "run", MODEL)
    assert (trained.step, trained.bits_per_dim) == (6, 3.0)
    assert run().history[-1]["step"] == 9


def test_records_hold_the_learning_rate_of_the_step(run, tmp_path):
    run(warmup_steps=4, learning_rate=0.5, log_every=1)
    rates = [record["learning_rate"] for record in records(tmp_path)]
    assert rates[:5] == pytest.approx([0, 0.125, 0.25, 0.375, 0.5])
    assert rates[-1] < 0.1


def test_tensorboard_gets_samples_at_evaluations(run, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(Events, "show", lambda self, name, step, images: shown.append((name, step, images.shape)))
    run()
    assert shown == [("samples", step, (16, 8, 8, 1)) for step in (3, 6, 9)]
