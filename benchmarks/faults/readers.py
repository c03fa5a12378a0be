"""Healthy checkpoints that cannot be read just now."""

import os
import re
import time
from collections.abc import Iterator

from benchmarks.faults import runs
from benchmarks.faults.row import Lab, Trial, row, trial

NUM_WRITES = 150
"""Steps of the training that saves at each while an evaluation reads."""


@row("A healthy checkpoint that may not be read", "not called damaged, not renamed; read once it may be")
def unreadable(lab: Lab) -> Iterator[Trial]:
    """Takes the right to read from a user's files, one after the other."""
    from benchmarks.faults.recorded import Recorded, powerless

    recorded = Recorded(lab)
    newest = recorded.folder / "checkpoints" / "30"
    for path in (newest.parent, newest, *sorted(newest.rglob("*"))):
        name = path.relative_to(recorded.folder)
        folder = recorded.copy()
        for path in (folder, *folder.rglob("*")):
            os.chown(path, *((65534, 65534) if os.geteuid() == 0 else (-1, -1)))
        mode = (folder / name).stat().st_mode
        (folder / name).chmod(0)
        with powerless():
            found = recorded.resumed(folder)
        (folder / name).chmod(mode)
        again = recorded.resumed(folder)
        claims = {
            "refused in a sentence, or not needed": found.said.startswith("refused: ") or found.step == 30,
            "not called damaged": "is damaged" not in found.said,
            "no advice to delete": not re.search(r"\bdelete\b", found.said),
            f"read afterwards ({again})": found.step == 30 or again.bits == recorded.bits[30],
        }
        yield trial(f"{name} without rights", claims, found)


@row("An evaluation reads while a training saves and deletes", "a whole model; never called damaged")
def read_meanwhile(lab: Lab) -> Iterator[Trial]:
    """Loads the model of a run that saves at every step."""
    import glowjax as gj
    from glowjax.checks import InputError

    out = lab.path("written")
    process = runs.start(lab, runs.words(out, steps=NUM_WRITES, every=1))
    while process.poll() is None:
        try:
            trained = gj.load(out)
            claims, seen = {"a whole model": trained.step > 0}, f"step {trained.step}"
        except InputError as error:
            has_begun = bool(runs.steps(out)) and (out / "config.json").exists()
            if not has_begun:
                time.sleep(0.1)
                continue
            claims, seen = {"a model": False}, str(error)
        yield trial(f"read {seen}", claims, seen)
        time.sleep(0.1)
    yield trial("the training", {"exit 0": process.returncode == 0}, f"exit {process.returncode}")
