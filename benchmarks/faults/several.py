"""Several processes that train one model together, as on several machines."""

import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.faults import runs
from benchmarks.faults.row import Lab, Trial, row, trial

SHORT = {"steps": 200, "every": 50}
"""Processes that wait for each other on few cores take many times longer for a step."""


def _together(lab: Lab, out: Path, **schedule: int) -> tuple[list[subprocess.Popen], list[Path]]:
    """Two processes of one training on this machine, and the logs of their errors."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{free.getsockname()[1]}"
    options = ["--distributed", "--coordinator", coordinator, "--num-processes", "2", "--process-id"]
    logs = [out.with_suffix(f".{number}.log") for number in range(2)]
    words = [runs.words(out, *options, str(number), **schedule) for number in range(2)]
    return [runs.start(lab, one, log, JAX_NUM_CPU_DEVICES=1) for one, log in zip(words, logs, strict=True)], logs


def _ends(processes: list[subprocess.Popen], logs: list[Path], seconds: float = 120) -> list[runs.Ended]:
    return [runs.ended(process, log, seconds) for process, log in zip(processes, logs, strict=True)]


@row("Two processes: one or both stopped or killed", "all end; the same command ends with the same bits", minutes=8)
def two_processes(lab: Lab) -> Iterator[Trial]:
    """Disturbs a training of two processes on the loopback, and resumes it with two."""
    base = lab.path("undisturbed")
    ends = _ends(*_together(lab, base, **SHORT))
    yield trial("not disturbed", {"exit 0": [end.code for end in ends] == [0, 0]}, ends)
    disturbances = {
        "SIGTERM to both": (signal.SIGTERM, (0, 1)),
        "SIGTERM to the second": (signal.SIGTERM, (1,)),
        "SIGUSR1 to the first": (signal.SIGUSR1, (0,)),
        "kill -9 of the second": (signal.SIGKILL, (1,)),
        "kill -9 of the first": (signal.SIGKILL, (0,)),
    }
    for name, (number, victims) in disturbances.items():
        out = lab.path("together")
        processes, logs = _together(lab, out, **SHORT)
        runs.wait_for_step(out, 20, processes[0])
        for victim in victims:
            runs.stop(processes[victim], number)
        ends = _ends(processes, logs)
        codes = [end.code for end in ends]
        claims = {"no hang": None not in codes}
        if number != signal.SIGKILL:
            claims[f"exit {128 + number} of both"] = codes == [128 + number] * 2
            claims["no traceback"] = all(end.is_orderly for end in ends)
        again = _ends(*_together(lab, out, **SHORT))
        claims["resumed with exit 0"] = [end.code for end in again] == [0, 0]
        claims[f"the same bits ({runs.bits(out)})"] = runs.bits(out) == runs.bits(base)
        yield trial(name, claims, [str(end) for end in (*ends, *again)])


@row("A run of two processes resumed by one", "goes on to its end")
def fewer_processes(lab: Lab) -> Iterator[Trial]:
    """Stops two processes, and resumes with one that has their devices."""
    out = lab.path("together")
    processes, logs = _together(lab, out, **SHORT)
    runs.wait_for_step(out, 20, processes[0])
    for process in processes:
        runs.stop(process, signal.SIGTERM)
    ends = _ends(processes, logs)
    done = runs.run(lab, runs.words(out, **SHORT))
    claims = {"exit 0": done.code == 0, "at the end": max(runs.steps(out), default=0) == SHORT["steps"]}
    yield trial("one process of two devices", claims, [*map(str, ends), str(done)])
