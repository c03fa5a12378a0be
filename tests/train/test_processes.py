"""Two real processes on this machine train one model: they are interrupted and killed, and the run is resumed."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from tiny import write_ramps
from train.one_of_two_processes import train

from glowjax import processes
from glowjax.checks import InputError

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": "2", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
PROGRAM = Path(__file__).parent / "one_of_two_processes.py"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def started(*words, **environment):
    """A process of Python."""
    return subprocess.Popen(
        [sys.executable, *map(str, words)],
        cwd=ROOT,
        env={**os.environ, **ENVIRONMENT, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(*running):
    """[(exit status, stdout, stderr)] of processes, which must end within two minutes."""
    try:
        outputs = [one.communicate(timeout=120) for one in running]
    finally:
        for one in running:
            one.kill()
    return [(one.returncode, *output) for one, output in zip(running, outputs, strict=True)]


def test_two_processes_take_the_steps_of_one_and_stop_together_at_each_signal(tmp_path):
    """`one_of_two_processes.py` says what it compares."""
    port = free_port()
    ends = ended(*(started(PROGRAM, tmp_path, port, index) for index in range(2)))
    for code, _, errors in ends:
        assert code == 0, errors
    alone = jax.tree.leaves(train(None).params)
    with np.load(tmp_path / "together.npz") as together:
        for one, other in zip(alone, together.values(), strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5)


class Command:
    """`experiments train` with a tiny model in two processes, or in one."""

    def __init__(self, folder):
        write_ramps(folder)
        self.run = folder / "run"
        self.words = ["-m", "experiments", "train", "--in-dist", "ramps", "--data-dir", folder]
        self.words += ["--output-dir", self.run, "--training.num-steps", 4_000, "--training.batch-size", 16]
        self.words += ["--training.evaluate-every", 4_000, "--training.warmup-steps", 2]
        self.words += ["--model.num-scales", 1, "--model.num-steps", 1, "--model.width", 4]

    def start(self, *more, count=2):
        where = ["--coordinator", f"127.0.0.1:{free_port()}", "--num-processes", count, "--process-id"]
        return [started(*self.words, *more, *where, index) for index in range(count)]

    def stop(self, running, number, victims):
        """Sends a signal once the run is some steps further."""
        deadline, before = time.monotonic() + 120, self.last_step()
        while self.last_step() < before + 20:
            if time.monotonic() > deadline or any(one.poll() is not None for one in running):
                victims, number = range(len(running)), signal.SIGKILL
                break
            time.sleep(0.05)
        for victim in victims:
            running[victim].send_signal(number)
        return ended(*running)

    def last_step(self):
        """The step of the last whole line of the metrics."""
        path = self.run / "metrics.jsonl"
        lines = path.read_text().split("\n")[:-1] if path.exists() else []
        return json.loads(lines[-1])["step"] if lines else 0

    def checkpoints(self):
        return sorted(int(path.name) for path in (self.run / "checkpoints").iterdir() if path.name.isdigit())


@pytest.mark.release
def test_a_run_of_two_processes_survives_the_end_of_one_or_both_and_goes_on_with_one_or_two(tmp_path):
    command = Command(tmp_path)
    ends = command.stop(command.start(), signal.SIGTERM, [1])
    assert [code for code, *_ in ends] == [143, 143]
    (_, _, errors), (_, *silence) = ends
    assert "Interrupted by SIGTERM at step" in errors
    assert not [line for line in "".join(silence).splitlines() if "Gloo" not in line]  # the first one alone prints
    (saved,) = command.checkpoints()

    ends = command.stop(command.start(), signal.SIGKILL, [1])
    assert [code for code, *_ in ends] == [1, -signal.SIGKILL]
    assert "Stopped, because another process has ended" in ends[0][2]

    ends = command.stop(command.start(), signal.SIGKILL, [0])
    assert ends[0][0] == -signal.SIGKILL
    assert ends[1][0] in (1, -signal.SIGABRT)  # whichever notices first, we or JAX
    assert "has ended" in ends[1][2] or "another task died" in ends[1][2]

    ends = command.stop(command.start(), signal.SIGKILL, [0, 1])
    assert [code for code, *_ in ends] == [-signal.SIGKILL] * 2

    (code, _, errors), (other, *_) = ended(*command.start("--training.seed", 7))
    assert (code, other) == (2, 2)
    assert "holds a run with training.seed = 0, but this one has 7" in errors
    assert command.checkpoints() == [saved]

    ends = command.stop(command.start(count=1), signal.SIGINT, [0])
    assert [code for code, *_ in ends] == [130]
    assert command.checkpoints()[-1] > saved
    starts = json.loads((command.run / "config.json").read_text())["starts"]
    assert [start["step"] for start in starts] == [0, *[saved] * 4]


@pytest.mark.parametrize(
    ("environment", "words", "message"),
    [
        ({"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "2"}, (), "task 2 of 4, but the tasks are not connected"),
        ({}, ("--distributed",), "The processes could not be connected"),
        ({}, ("--coordinator", "node1"), "The coordinator is 'node1'; expected HOST:PORT"),
    ],
)
@pytest.mark.release
def test_tasks_that_are_not_connected_are_refused(tmp_path, environment, words, message):
    ((code, _, errors),) = ended(started("-m", "experiments", "train", "--output-dir", tmp_path, *words, **environment))
    assert code == 2
    assert message in errors
    assert "Traceback" not in errors
    assert not list(tmp_path.iterdir())


def test_launchers_that_start_several_tasks_are_noticed(monkeypatch):
    processes.refuse_unconnected_tasks()
    for size, rank in processes.TASKS.items():
        with monkeypatch.context() as patch:
            patch.setenv(size, "1")
            processes.refuse_unconnected_tasks()
            patch.setenv(size, "3")
            patch.setenv(rank, "1")
            with pytest.raises(InputError, match=r"This is task 1 of 3, .* add --distributed to connect them"):
                processes.refuse_unconnected_tasks()


def test_one_process_agrees_with_itself():
    tree = {"a": np.array([1.5, -0.0]), "b": np.array(3)}
    assert processes.broadcast_json({"a": [1, None]}) == {"a": [1, None]}
    assert (processes.agree(False), processes.agree(True), processes.max_of(3)) == (False, True, 3)
    for same in (processes.broadcast(tree), *processes.gather(tree)):
        assert all(same[name].tobytes() == tree[name].tobytes() for name in tree)
    assert processes.on_first_process(lambda: "done") == "done"


def test_a_process_that_could_not_connect_is_not_ended_later(monkeypatch):
    def refuse(*arguments, **options):
        raise ValueError("coordinator_address should be defined.")

    monkeypatch.setattr(jax.distributed, "initialize", refuse)
    monkeypatch.setattr(jax.config, "update", lambda *arguments: None)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    with pytest.raises(InputError, match=r"could not be connected \(coordinator_address should be defined\.\)"):
        processes.initialize()
    waiting = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    assert all(timer.finished.is_set() for timer in waiting)
