"""Stages of a long plan: each is run once, found finished by a marker that depends on its configuration, or skipped."""

import dataclasses
import hashlib
import json
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax

from glowjax.checks import InputError

MARKER = "finished.json"


@dataclasses.dataclass(frozen=True)
class Stage:
    """One experiment of a plan.

    Attributes:
        main: runs it, given `config`; returns its results, with the "seconds" of all its sessions where it knows them.
        config: a frozen dataclass, whose `output_dir` is a folder of its own.
        command: the same from the command line.
        needs: names of the stages before it whose output it reads.
        ignored: options of `config` that, changed, do not make a finished stage run again.
        places: where its images were found; from elsewhere they may be others, so that it runs again.
    """

    main: Callable[[Any], Mapping[str, Any]]
    config: Any
    command: str
    needs: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    places: str = ""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a stage.

    Attributes:
        seconds: that it took, now or when it was finished before; None where it was skipped.
        reason: why it was skipped; empty otherwise.
    """

    seconds: float | None = None
    reason: str = ""

    @property
    def finished(self) -> bool:
        """Whether its output is there."""
        return self.seconds is not None


Plan = Mapping[str, Stage]
"""Stages by name, each after those that it needs."""


def run_plan(plan: Plan) -> dict[str, Outcome]:
    """Runs what is not finished yet, and says of each stage what became of it.

    A stage that bad input stops is skipped with its sentence, and so is every stage that needs it. Any other error, too
    little memory for example, is printed with its traceback, and the rest of the plan goes on all the same.
    """
    outcomes: dict[str, Outcome] = {}
    for number, (name, stage) in enumerate(plan.items(), start=1):
        print(f"[{number}/{len(plan)}] {name}: {stage.command}", flush=True)
        outcomes[name] = _run(name, plan, outcomes)
        if not outcomes[name].finished:
            print(f"  skipped: {outcomes[name].reason}", flush=True)
    return outcomes


def _run(name: str, plan: Plan, outcomes: Mapping[str, Outcome]) -> Outcome:
    stage = plan[name]
    missing = [other for other in stage.needs if not outcomes[other].finished]
    if missing:
        return Outcome(reason=f"it needs {', '.join(missing)}, which was skipped.")
    marker = Path(stage.config.output_dir) / MARKER
    mark = fingerprint(name, plan)
    before = json.loads(marker.read_text()) if marker.is_file() else {}
    if before.get("fingerprint") == mark:
        return Outcome(before["seconds"])
    started = time.monotonic()
    try:
        made = stage.main(stage.config)
    except InputError as error:
        return Outcome(reason=str(error))
    except Exception as error:
        traceback.print_exc()
        return Outcome(reason=f"it failed: {traceback.format_exception_only(error)[0].splitlines()[0]}")
    finally:
        jax.clear_caches()  # a process may hold only so many compiled programs
    seconds = made.get("seconds", time.monotonic() - started)  # a training that was resumed took longer than this time
    marker.write_text(json.dumps({"fingerprint": mark, "seconds": seconds, "command": stage.command}, indent=1) + "\n")
    return Outcome(seconds)


def fingerprint(name: str, plan: Plan) -> str:
    """A hash of a stage's configuration and places, and of those of the stages that it needs."""
    stage = plan[name]
    config = dataclasses.replace(stage.config, **dict.fromkeys(stage.ignored))
    content = [name, repr(config), stage.places, *(fingerprint(other, plan) for other in stage.needs)]
    return hashlib.blake2b(json.dumps(content).encode(), digest_size=16).hexdigest()
