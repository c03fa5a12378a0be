"""Commands that are run one after another, each in a process of its own, and not again if nothing has changed."""

import dataclasses
import hashlib
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from glowjax.train.log import read

MARKER = "finished.json"


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
    marker = stage.output_dir / MARKER
    before = json.loads(marker.read_text()) if marker.is_file() else {}
    if before.get("fingerprint") == mark:
        return before["seconds"]
    started = time.monotonic()
    if error := launch(stage.words):
        return error
    metrics = stage.output_dir / "metrics.jsonl"  # of a training, which may have been interrupted and resumed before
    seconds = read(metrics)[-1]["seconds"] if metrics.is_file() else time.monotonic() - started
    marker.write_text(json.dumps({"fingerprint": mark, "seconds": seconds, "command": stage.command}, indent=1) + "\n")
    return seconds


def launch(words: Sequence[str]) -> str:
    """Runs a command in a process of its own; returns its error message if it fails, else nothing."""
    with subprocess.Popen([sys.executable, *words], stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        tail = b""
        try:
            while chunk := os.read(process.stderr.fileno(), 2**16):  # progress is shown as it comes
                sys.stderr.write(chunk.decode(errors="replace"))
                tail = (tail + chunk)[-(2**14) :]
        except KeyboardInterrupt:
            process.wait()  # it saves a checkpoint
            raise
    if process.returncode == 130:
        raise KeyboardInterrupt
    lines = tail.decode(errors="replace").strip().splitlines() or [f"exit status {process.returncode}"]
    starts = [n for n, line in enumerate(lines) if line.startswith("error: ")]  # a message may have several lines
    message = "\n".join(lines[starts[-1] if starts else -1 :]).removeprefix("error: ")
    return message if process.returncode else ""


def fingerprint(name: str, stages: Mapping[str, Stage]) -> str:
    """A hash of a stage's command and images, and of those of the stages that it needs."""
    stage = stages[name]
    content = [stage.identity or stage.words, stage.images, [fingerprint(other, stages) for other in stage.needs]]
    return hashlib.blake2b(json.dumps(content).encode(), digest_size=16).hexdigest()
