"""Signals: those that ask a run to stop, at every moment of a run, and those that do not ask."""

import functools
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.faults import runs
from benchmarks.faults.row import Lab, Trial, row, trial

STOPS = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGQUIT, signal.SIGINT)
LONG = {"steps": 3000, "every": 1500}
"""A run that lasts long enough to be met by a signal in the middle."""

SAVING = {"steps": 200, "every": 2}
"""A run that evaluates and saves most of the time."""


def _begun(lab: Lab, name: str, step: int = 40, **schedule: int) -> tuple[subprocess.Popen, Path, Path]:
    """A run that has taken some steps, with its folder and the log of its errors."""
    out = lab.path(name)
    log = out.with_suffix(".log")
    process = runs.start(lab, runs.words(out, **schedule), log)
    runs.wait_for_step(out, step, process)
    return process, out, log


def _resumed(lab: Lab, out: Path, **schedule: int) -> dict[str, bool]:
    """What must hold of the same command again: the bits and metrics of a run that was not disturbed."""
    again = runs.run(lab, runs.words(out, **schedule))
    base = lab.folder / "undisturbed"
    if not base.exists():
        runs.run(lab, runs.words(base, **schedule))
    same = runs.bits(out) == runs.bits(base)
    return {
        f"resumed with exit 0 ({again})": again.code == 0,
        f"the same bits ({runs.bits(out)})": same,
        "the same metrics": runs.metrics(out) == runs.metrics(base),
    }


@row(
    "SIGTERM, SIGHUP, SIGUSR1, SIGQUIT, Ctrl-C in training",
    "the step is saved; exit 128 + number; the same command ends with the same bits",
)
def stop_signals(lab: Lab) -> Iterator[Trial]:
    """One run for each signal."""
    for number in STOPS:
        process, out, log = _begun(lab, number.name, **LONG)
        runs.stop(process, number)
        done = runs.ended(process, log)
        saved = max(runs.steps(out), default=0)
        claims = {
            f"exit {128 + number}": done.code == 128 + number,
            "no traceback": done.is_orderly,
            f"its last step is saved (newest {saved})": saved >= max(20, runs.metrics(out)[-1]["step"]),
        }
        yield trial(number.name, claims | _resumed(lab, out, **LONG), done)


@row("Ctrl-C twice, 0 to 0.3 s apart", "the second changes nothing: saved, exit 130, no traceback")
def ctrl_c_twice(lab: Lab) -> Iterator[Trial]:
    """A terminal and a launcher often send the same Ctrl-C."""
    for gap in (0.0, 0.01, 0.1, 0.3):
        process, out, log = _begun(lab, f"twice-{gap}", **LONG)
        runs.stop(process, signal.SIGINT)
        time.sleep(gap)
        runs.stop(process, signal.SIGINT)
        done = runs.ended(process, log)
        saved = runs.bits(out)
        claims = {"exit 130": done.code == 130, "no traceback": done.is_orderly}
        yield trial(f"{gap} s apart", claims | {f"a whole checkpoint ({saved})": saved.startswith("step ")}, done)


@row("Signals during imports and compilation", "one line and exit 128 + number, within 10 s; no traceback")
def early_signals(lab: Lab) -> Iterator[Trial]:
    """A process that is still importing may also die of the signal, which a shell reports in the same way."""
    for n, moment in enumerate((0.5, 1.0, 1.7, 2.5, 3.5, 4.5)):
        number = (signal.SIGINT, signal.SIGTERM)[n % 2]
        yield _early(lab, number, f"{number.name} after {moment} s", functools.partial(_after, moment))
    for number in (signal.SIGINT, signal.SIGTERM):
        yield _early(
            lab, number, f"{number.name} in compilation", _compiling, JAX_COMPILATION_CACHE_DIR=lab.path("cold")
        )


def _early(lab: Lab, number: signal.Signals, name: str, wait: Callable[[Path], None], **variables: object) -> Trial:
    out = lab.path("early")
    log = out.with_suffix(".log")
    deep = ["--model.num-steps", "6", "--model.width", "64", "--model.memory", "store"] if variables else []
    process = runs.start(lab, runs.words(out, *deep, **LONG), log, **variables)
    wait(out)
    runs.stop(process, number)
    since = time.monotonic()
    done = runs.ended(process, log)
    claims = {
        f"exit {128 + number}": done.code in (128 + number, -number),
        "no traceback": done.is_orderly,
        "one line at the end": not done.lines or done.lines[-1].startswith("Interrupted"),
        f"within 10 s ({time.monotonic() - since:.1f} s)": time.monotonic() - since < 10,
    }
    return trial(name, claims, done)


def _after(moment: float, _: Path) -> None:
    time.sleep(moment)


def _compiling(out: Path) -> None:
    """Waits until a run has opened its folder; what comes next is compilation."""
    limit = time.monotonic() + 60
    while not (out / "config.json").exists() and time.monotonic() < limit:
        time.sleep(0.02)
    time.sleep(1)


@row("Signals during evaluations and saves", "as in training")
def signals_in_saves(lab: Lab) -> Iterator[Trial]:
    """A run that does little else than evaluate and save is stopped at a random moment."""
    for number in STOPS[:4] * lab.repeats:
        process, out, log = _begun(lab, number.name, step=2, **SAVING)
        time.sleep(lab.random.uniform(0, 1))
        runs.stop(process, number)
        done = runs.ended(process, log)
        claims = {f"exit {128 + number}": done.code == 128 + number, "no traceback": done.is_orderly}
        yield trial(number.name, claims | _resumed(lab, out, **SAVING), done)


@row("kill -9 at random moments", "the same command ends with the same bits and metrics", minutes=8)
def kill_at_random(lab: Lab) -> Iterator[Trial]:
    """Starts the same run again and again, and kills it at any moment from its imports on."""
    yield from _killed(lab, 8 * lab.repeats, lambda lab, out: time.sleep(lab.random.uniform(0.5, 9)))


@row("kill -9 while a checkpoint is written", "the same", minutes=8)
def kill_in_saves(lab: Lab) -> Iterator[Trial]:
    """Kills the run 0 to 50 ms after a half-written checkpoint appears."""
    yield from _killed(lab, 8 * lab.repeats, _half_written)


def _half_written(lab: Lab, out: Path) -> None:
    folder, wanted = out / "checkpoints", lab.random.randrange(1, 6)
    before = _unfinished(folder)
    limit = time.monotonic() + 60
    while time.monotonic() < limit and wanted:
        found = _unfinished(folder) - before
        wanted -= bool(found)
        before |= found
        time.sleep(0.0005)
    time.sleep(lab.random.choice([0, 0.002, 0.005, 0.01, 0.02, 0.05]))


def _unfinished(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.isdigit()} if folder.is_dir() else set()


def _killed(lab: Lab, number: int, wait: Callable[[Lab, Path], None]) -> Iterator[Trial]:
    """One trial per kill; a run is resumed until it has been killed four times, and must then end undisturbed."""
    for _ in range(max(1, number // 4)):
        out = lab.path("killed")
        moments: list[str] = []
        while len(moments) < 4:
            log = out.with_suffix(".log")
            process = runs.start(lab, runs.words(out, **SAVING), log)
            began = time.monotonic()
            wait(lab, out)
            runs.stop(process)
            if process.wait() == 0:
                break
            moments.append(
                f"after {time.monotonic() - began:.2f} s, newest checkpoint {max(runs.steps(out), default=0)}"
            )
        claims = _resumed(lab, out, **SAVING)
        left = sorted(_unfinished(out / "checkpoints"))
        claims[f"nothing half-written stays ({left})"] = not left
        for moment in moments:
            yield trial(f"killed {moment}", claims, runs.bits(out))


@row("SIGSTOP and SIGCONT, five times", "the same bits")
def stopped_and_continued(lab: Lab) -> Iterator[Trial]:
    """As a laptop that sleeps."""
    process, out, log = _begun(lab, "sleeps", step=2, **SAVING)
    for _ in range(5):
        runs.stop(process, signal.SIGSTOP)
        time.sleep(1)
        runs.stop(process, signal.SIGCONT)
        time.sleep(0.2)
    done = runs.ended(process, log)
    yield trial("five times", {"exit 0": done.code == 0} | _resumed(lab, out, **SAVING), done)
