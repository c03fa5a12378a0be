"""A tiny training as a command: started, disturbed, resumed, and compared bit for bit with an undisturbed one."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.faults.row import Lab

ROOT = Path(__file__).parents[2]
STEPS, EVERY = 60, 10
PROGRESS = re.compile(r"^(Training for|Resuming at|Nothing is left|Compiled in|Step) |step/s|^\s*$")
"""A line that tells the progress of a training."""

TIMES = ("seconds",)
"""Entries of a record that tell the time, and differ between two runs."""


class Ended(NamedTuple):
    """How a process ended: its exit code (None if it hung), and what it wrote."""

    code: int | None
    stdout: str
    stderr: str

    @property
    def lines(self) -> list[str]:
        """The lines of its errors, without those that tell the progress."""
        return [line for line in self.stderr.replace("\r", "\n").splitlines() if not PROGRESS.search(line)]

    @property
    def is_orderly(self) -> bool:
        """Whether no traceback was shown."""
        return "Traceback" not in self.stderr and "Fatal Python error" not in self.stderr

    def __str__(self) -> str:
        last = self.lines[-1][:300] if self.lines else ""
        return f"exit {'none, it hung' if self.code is None else self.code}: {last}"


def environment(shared: Path, **more: Any) -> dict[str, str]:
    """The variables of every process: two CPU devices, and compiled programs that all rows share."""
    own = {
        "GLOWJAX_DATA_DIR": shared / "data",
        "JAX_COMPILATION_CACHE_DIR": shared / "cache",
        "JAX_NUM_CPU_DEVICES": 2,
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
        "COLUMNS": 200,
    }
    return {**os.environ, **{name: str(value) for name, value in {**own, **more}.items() if value is not None}}


def words(out: Path | str, *more: str, steps: int = STEPS, every: int = EVERY) -> list[str]:
    """The command of the tiny training; it takes about as long as it takes to import JAX."""
    size = ["--model.num-scales", "1", "--model.num-steps", "1", "--model.width", "8"]
    schedule = ["--training.num-steps", str(steps), "--training.evaluate-every", str(every)]
    training = [
        "--training.batch-size",
        "16",
        "--training.warmup-steps",
        "2",
        "--training.learning-rate",
        "0.03",
        *schedule,
    ]
    return [
        sys.executable,
        "-m",
        "experiments",
        "train",
        "--in-dist",
        "tiny",
        f"--output-dir={out}",
        *size,
        *training,
        *more,
    ]


def start(lab: Lab, command: list[str], log: Path | None = None, **variables: Any) -> subprocess.Popen:
    """A process of the command; its errors go to the log."""
    with open(log or os.devnull, "wb") as errors:
        return subprocess.Popen(
            command, cwd=ROOT, env=environment(lab.shared, **variables), stdout=subprocess.DEVNULL, stderr=errors
        )


def run(lab: Lab, command: list[str], seconds: float = 120, cwd: Path = ROOT, **variables: Any) -> Ended:
    """Runs a command to its end."""
    settings: dict[str, Any] = {"cwd": cwd, "env": environment(lab.shared, **variables), "capture_output": True}
    try:
        done = subprocess.run(command, timeout=seconds, check=False, **settings)
    except subprocess.TimeoutExpired as error:
        return Ended(None, _text(error.stdout), _text(error.stderr))
    return Ended(done.returncode, _text(done.stdout), _text(done.stderr))


def ended(process: subprocess.Popen, log: Path, seconds: float = 60) -> Ended:
    """How a process that was started ends; it is killed if it hangs."""
    try:
        code: int | None = process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        code = None
    return Ended(code, "", log.read_text(errors="replace"))


def wait_for_step(out: Path, step: int, process: subprocess.Popen, seconds: float = 90) -> None:
    """Returns once the metrics tell of a step, or the process has ended."""
    limit = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < limit:
        if metrics(out) and metrics(out)[-1]["step"] >= step:
            return
        time.sleep(0.02)


def metrics(out: Path) -> list[dict[str, Any]]:
    """The records of a run without their times."""
    records = []
    with contextlib.suppress(FileNotFoundError):
        for line in (out / "metrics.jsonl").read_text(errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                records.append({name: value for name, value in json.loads(line).items() if name not in TIMES})
    return records


def steps(out: Path) -> list[int]:
    """The steps of the checkpoints by their folders."""
    folder = out / "checkpoints"
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit()) if folder.is_dir() else []


def digest(arrays: dict[str, np.ndarray]) -> str:
    """A hash over named arrays: their names, dtypes, shapes and bits."""
    total = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        total.update(f"{name} {array.dtype} {array.shape}".encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()[:16]


def bits(out: Path) -> str:
    """The newest checkpoint's step and digest, as the library reads them; or why it cannot."""
    from glowjax.checks import InputError
    from glowjax.train.checkpoint import Checkpoints

    try:
        checkpoints = Checkpoints(out / "checkpoints", read_only=True)
        step = checkpoints.latest_step()
        return "none" if step is None else f"step {step} {digest(checkpoints.read(step).arrays)}"
    except InputError as error:
        return str(error)


def is_undisturbed(lab: Lab, out: Path) -> bool:
    """Whether a finished run has the bits and metrics of the undisturbed one."""
    base = lab.shared / "base"
    return bits(out) == bits(base) and metrics(out) == metrics(base)


def copy_of_base(lab: Lab, name: str, at: int = STEPS) -> Path:
    """A copy of the undisturbed run, as if it had ended at an earlier step."""
    out = lab.path(name)
    shutil.copytree(lab.shared / "base", out, symlinks=True)
    for step in steps(out):
        if step > at:
            shutil.rmtree(out / "checkpoints" / str(step))
    return out


def prepare(lab: Lab) -> Ended:
    """Writes the images that the rows train on, and runs the training undisturbed, which fills the cache as well."""
    from glowjax.data import bundled

    data = lab.shared / "data"
    data.mkdir(parents=True)
    with np.load(Path(bundled.__file__).with_name("fashion_mnist_train.npz")) as archive:
        images = np.ascontiguousarray(archive["image"][:3200, 0:8, 4:12])
    np.savez(data / "tiny_train.npz", image=images[:3000], label=np.arange(3000) % 3)
    np.savez(data / "tiny_test.npz", image=images[3000:3100])
    np.savez(data / "other_test.npz", image=255 - images[3100:])
    return run(lab, words(lab.shared / "base"))


@contextlib.contextmanager
def scratch(parent: Path | None) -> Iterator[Path]:
    """A temporary folder that other users may enter, so that rows can act as one."""
    with tempfile.TemporaryDirectory(prefix="glowjax-faults-", dir=parent, ignore_cleanup_errors=True) as name:
        os.chmod(name, 0o755)
        yield Path(name).resolve()


def stop(process: subprocess.Popen, number: int = signal.SIGKILL) -> None:
    """Sends a signal to a process that may have ended."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)


def _text(output: bytes | None) -> str:
    return (output or b"").decode(errors="replace")
