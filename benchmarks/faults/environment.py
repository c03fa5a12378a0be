"""Other settings, versions, devices and limits of a machine."""

import shutil
import sys
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.faults import runs
from benchmarks.faults.disks import limited
from benchmarks.faults.row import Lab, Trial, row, trial

SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    "JAX_ENABLE_X64=1": ({"JAX_ENABLE_X64": 1}, "x64"),
    "JAX_DEFAULT_PRNG_IMPL=rbg": ({"JAX_DEFAULT_PRNG_IMPL": "rbg"}, "prng"),
    "JAX_THREEFRY_PARTITIONABLE=0": ({"JAX_THREEFRY_PARTITIONABLE": 0}, "threefry"),
}
"""Settings that change the bits of a run, and the word by which a message names each."""

OLD_JAX = """import jax, runpy, sys
jax.__version__ = "0.0.1"
sys.argv[0] = "experiments"
runpy.run_module("experiments", run_name="__main__", alter_sys=True)
"""
"""Runs a command under what says to be an old version of JAX."""


@row("Resumed under x64, another PRNG, other versions or devices", "refused or warned of by name")
def other_settings(lab: Lab) -> Iterator[Trial]:
    """Resumes a run that was begun under the usual settings."""
    for name, (variables, word) in SETTINGS.items():
        out = runs.copy_of_base(lab, "settings", at=40)
        done = runs.run(lab, runs.words(out), **variables)
        named = any(line.startswith("error:") and word in line.lower() for line in done.lines)
        yield trial(name, {"exit 2": done.code == 2, "refused by name": named}, done)
    out = lab.path("versions")
    runs.run(lab, [sys.executable, "-c", OLD_JAX, *runs.words(out)[3:]])
    for step in (50, 60):
        shutil.rmtree(out / "checkpoints" / str(step))
    done = runs.run(lab, runs.words(out))
    warned = any(line.startswith("warning:") and "0.0.1" in line for line in done.lines)
    claims = {"exit 0": done.code == 0, "warned of by name": warned, "same bits": runs.is_undisturbed(lab, out)}
    yield trial("another version of JAX", claims, done)
    out = runs.copy_of_base(lab, "devices", at=40)
    done = runs.run(lab, runs.words(out), JAX_NUM_CPU_DEVICES=1)
    yield trial(
        "one device in place of two", {"exit 0": done.code == 0, "at the end": runs.steps(out)[-1] == runs.STEPS}, done
    )


DEVICES = ("100000", "0", "-1", "x", "1.5")
MEMORY = (1.0, 1.5, 2.0)
"""Limits on the address space in GB."""


@row("Absurd numbers of devices", "an error in a line within a minute")
def absurd_devices(lab: Lab) -> Iterator[Trial]:
    """Starts a training under each `JAX_NUM_CPU_DEVICES`."""
    for number in DEVICES:
        done = runs.run(lab, runs.words(lab.path("devices")), seconds=60, JAX_NUM_CPU_DEVICES=number)
        claims = {"exit 2": done.code == 2, "no traceback": done.is_orderly, "one line": len(done.lines) == 1}
        yield trial(f"{number} devices", claims if number != "-1" else {"exit 0 or 2": done.code in (0, 2)}, done)


@row("Little memory, few open files", "trained, or an error within a minute")
def tight_limits(lab: Lab) -> Iterator[Trial]:
    """Starts a training under limits of the operating system."""
    limits = [(f"{gigabytes} GB", "RLIMIT_AS", int(gigabytes * 2**30)) for gigabytes in MEMORY]
    for name, limit, value in [*limits, ("20 open files", "RLIMIT_NOFILE", 20)]:
        since = time.monotonic()
        out = lab.path("limit")
        done = runs.run(lab, limited(runs.words(out), limit, value), seconds=60)
        is_trained = done.code == 0 and runs.is_undisturbed(lab, out)
        claims = {"no hang": done.code is not None, "trained, or an error": is_trained or done.code != 0}
        yield trial(f"{name} ({time.monotonic() - since:.0f} s)", claims, done)
