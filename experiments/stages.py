"""Commands that are run one after another, each in a process of its own, and not again if nothing has changed."""

import contextlib
import dataclasses
import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

from experiments.process import SIGNALS
from glowjax.files import write_text
from glowjax.plots.style import json_text
from glowjax.train import Interrupted
from glowjax.train.log import read

MARKER = "finished.json"
REPORT = ("results.json", "report.html", "report.md")


@dataclasses.dataclass(frozen=True)
class Stage:
    """One command of the plan.

    Attributes:
        name: name in the report.
        words: the command after "python".
        output_dir: its output folder, which no other stage has.
        needs: names of the stages whose output it reads.
        images: fingerprint of the images that it reads.
        identity: what decides whether a finished stage is run again; default: the command.
    """

    name: str
    words: tuple[str, ...]
    output_dir: Path
    needs: tuple[str, ...] = ()
    images: str = ""
    identity: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """The command line."""
        return shlex.join(["python", *self.words])


Outcome: TypeAlias = float | str
"""How a stage ended: the seconds that it took, or the reason why it was skipped."""


def run_plan(stages: Mapping[str, Stage]) -> dict[str, Outcome]:
    """Runs what is not finished yet, and returns how each stage ended.

    A stage that fails is skipped with its error message, and so is every stage that needs it.
    """
    outcomes: dict[str, Outcome] = {}
    for number, (name, stage) in enumerate(stages.items(), start=1):
        print(f"[{number}/{len(stages)}] {name}: {stage.command}", flush=True)
        missing = [other for other in stage.needs if isinstance(outcomes[other], str)]
        reason = f"It needs {', '.join(missing)}, which was skipped."
        outcomes[name] = reason if missing else _run(stage, fingerprint(name, stages))
        if isinstance(outcomes[name], str):
            print(f"  skipped: {outcomes[name]}", flush=True)
    return outcomes


def _run(stage: Stage, mark: str) -> Outcome:
    before = recall(stage.output_dir / MARKER)
    if before.get("fingerprint") == mark and isinstance(before.get("seconds"), float) and _is_whole(stage, before):
        return float(before["seconds"])
    started = time.monotonic()
    if error := launch(stage.words):
        return error
    seconds = _seconds(stage.output_dir / "metrics.jsonl", time.monotonic() - started)
    content = {"fingerprint": mark, "seconds": seconds, "command": stage.command}
    try:
        keep(stage.output_dir / MARKER, content | {"output": output_of(stage.output_dir)})
    except OSError as refusal:
        print(f"  cannot be marked as finished ({refusal.strerror}), so the next start runs it again", flush=True)
    return seconds


def _is_whole(stage: Stage, before: Mapping[str, Any]) -> bool:
    """Whether the output is still as it was when the stage was marked."""
    try:
        return bool(before["output"].items() <= output_of(stage.output_dir).items())
    except (OSError, LookupError, TypeError, AttributeError):
        return False


def output_of(folder: Path) -> dict[str, str]:
    """The output of a stage: {file: its hash} for its report, {file: its size} for its checkpoints."""
    reports = [folder / name for name in REPORT if (folder / name).is_file()]
    checkpoints = [path for path in (folder / "checkpoints").rglob("*") if path.is_file()]
    found = {path.name: hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest() for path in reports}
    return found | {str(path.relative_to(folder)): f"{path.stat().st_size} bytes" for path in checkpoints}


def _seconds(metrics: Path, elapsed: float) -> float:
    """The seconds of a stage. Those of a training run are read from its log, since it may have been resumed."""
    try:
        return float(read(metrics)[-1]["seconds"]) if metrics.is_file() else elapsed
    except LookupError:
        return elapsed


def recall(path: Path) -> dict[str, Any]:
    """The content that `keep` wrote; empty if the file is missing or damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def keep(path: Path, content: Mapping[str, Any]) -> None:
    """Writes `content` to a JSON file, for `recall` at the next start."""
    write_text(path, json_text(content))


def launch(words: Sequence[str]) -> str:
    """Runs a command in a process of its own; returns its error message if it fails, else nothing.

    Signals are passed on to the process, which may save a checkpoint before it ends. Then Interrupted is raised.
    """
    with handed_on() as (received, processes):
        with subprocess.Popen([sys.executable, *words], stderr=subprocess.PIPE) as process:
            processes.append(process)
            for number in received:  # before there was a process
                process.send_signal(number)
            assert process.stderr is not None
            tail = b""
            while chunk := os.read(process.stderr.fileno(), 2**16):  # progress is shown as it comes
                sys.stderr.write(chunk.decode(errors="replace"))
                tail = (tail + chunk)[-(2**14) :]
        code = process.returncode
    if code and (received or code - 128 in SIGNALS):
        ending = "The plan stops here; the same command continues it."
        raise Interrupted(received[0] if received else code - 128, ending)
    if code < 0:
        return f"It was ended by {signal.Signals(-code).name}, perhaps because there was not enough memory."
    lines = tail.decode(errors="replace").strip().splitlines() or [f"exit status {code}"]
    starts = [n for n, line in enumerate(lines) if line.startswith("error: ")]  # a message may have several lines
    message = "\n".join(lines[starts[-1] if starts else -1 :]).removeprefix("error: ")
    return message if code else ""


@contextlib.contextmanager
def handed_on() -> Iterator[tuple[list[int], list[subprocess.Popen[bytes]]]]:
    """A block that passes signals on. Yields the list of their numbers, and the list of processes that receive them."""
    received: list[int] = []
    processes: list[subprocess.Popen[bytes]] = []

    def hand_on(number: int, _: FrameType | None) -> None:
        received.append(number)
        for process in processes:
            process.send_signal(number)

    is_main = threading.current_thread() is threading.main_thread()
    numbers = [number for number in SIGNALS if is_main and signal.getsignal(number) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, hand_on) for number in numbers}
    try:
        yield received, processes
    finally:
        for number, handler in previous.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def fingerprint(name: str, stages: Mapping[str, Stage]) -> str:
    """A hash of a stage's command and images, and of those of the stages that it needs."""
    stage = stages[name]
    content = [stage.identity or stage.words, stage.images, [fingerprint(other, stages) for other in stage.needs]]
    return hashlib.blake2b(json.dumps(content).encode(), digest_size=16).hexdigest()
