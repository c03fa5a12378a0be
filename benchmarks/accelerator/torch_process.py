"""Rows of PyTorch, from a process of its own: JAX is on the CPU there, and PyTorch has the accelerator."""

import functools
import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator

from benchmarks.accelerator.cases import Case
from benchmarks.accelerator.report import Job
from benchmarks.timing import Row

MOST_SECONDS = 80.0
"""After this time a process is ended: torch.compile can take many minutes for a deep flow."""


def jobs(cases: Iterable[Case], tiny: bool, seconds_left: Callable[[], float]) -> Iterator[Job]:
    """PyTorch's steps and likelihoods of each case, and its trace."""
    if importlib.util.find_spec("torch") is None:
        yield Job("torch", "PyTorch", lambda: [{"failed": "PyTorch is not installed."}], 1)
        return
    for place, case in enumerate(cases):
        if getattr(case.config, "conditioner", "conv") == "conv" and case.kind != "cv":
            run = functools.partial(_rows, case, tiny, seconds_left)
            yield Job("torch", str(case), run, 35 + place / 100 + (0 if place < 6 else 50))


def _rows(case: Case, tiny: bool, seconds_left: Callable[[], float]) -> Iterator[Row]:
    """The rows that the process prints, one JSON object per line, until it ends or is ended."""
    size = "tiny" if tiny else "full"
    command = [sys.executable, "-m", "benchmarks.accelerator.torch_rows", case.kind, case.preset, size]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        end = threading.Timer(min(MOST_SECONDS, max(1.0, seconds_left() - 2)), process.kill)
        end.start()
        assert process.stdout is not None
        yield from (json.loads(line) for line in process.stdout if line.startswith("{"))
        end.cancel()
    if process.returncode:
        yield {"model": str(case), "failed": f"ended with code {process.returncode}, before all rows were there"}
