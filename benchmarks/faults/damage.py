"""Damaged checkpoints: bits, files and folders."""

import json
import os
import random
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.faults import runs
from benchmarks.faults.row import Lab, Trial, row, trial

NUM_FLIPS = 200
Damage = Callable[[Path, random.Random], object]


def _flip(path: Path, source: random.Random, count: int = 1) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(count):
        content[source.randrange(len(content))] ^= 1 << source.randrange(8)
    path.write_bytes(content)


def replace_by_folder(path: Path) -> None:
    """Puts a folder in the place of a file."""
    path.unlink()
    path.mkdir()


def replace_folder_by_file(path: Path) -> None:
    """Puts a file in the place of a folder."""
    shutil.rmtree(path)
    path.write_text("precious")


def replace_by_link(path: Path, target: Path) -> None:
    """Puts a link in the place of a file."""
    path.unlink()
    path.symlink_to(target)


FILES: dict[str, Damage] = {
    "deleted": lambda path, _: path.unlink(),
    "cut in half": lambda path, _: os.truncate(path, path.stat().st_size // 2),
    "emptied": lambda path, _: os.truncate(path, 0),
    "filled with zeros": lambda path, _: path.write_bytes(bytes(path.stat().st_size)),
    "three bits flipped": lambda path, source: _flip(path, source, 3) if path.stat().st_size else None,
    "random bytes": lambda path, source: path.write_bytes(source.randbytes(max(1, path.stat().st_size))),
    "replaced by a folder": lambda path, _: replace_by_folder(path),
}
"""Ways to damage a file."""


@row("One flipped bit in the arrays of a checkpoint of 2 MB", "refused, or the same bits; never other values")
def bit_flips(lab: Lab) -> Iterator[Trial]:
    """Flips one bit of a file, reads the checkpoint, and flips it back."""
    from glowjax.checks import InputError
    from glowjax.train.checkpoint import Checkpoints

    numbers = np.random.default_rng(0)
    shapes = [(64, 64, 9)] * 12 + [(512, 256)] + [(64,)] * 40
    state = {f"array{n}": numbers.normal(size=shape).astype(np.float32) for n, shape in enumerate(shapes)}
    folder = lab.path("checkpoints")
    Checkpoints(folder).save(1, state, 3.0)
    files = [path for path in sorted((folder / "1").rglob("*")) if path.is_file() and path.stat().st_size]
    sizes = [path.stat().st_size for path in files]
    for _ in range(NUM_FLIPS * lab.repeats):
        (path,) = lab.random.choices(files, sizes)
        before = path.read_bytes()
        _flip(path, lab.random)
        try:
            same = runs.digest(Checkpoints(folder, read_only=True).read(1).arrays) == runs.digest(state)
            claims = {"the same bits": same}
        except InputError:
            claims = {}
        yield trial(f"a bit of {path.name}", claims)
        path.write_bytes(before)


@row("Each file of the newest checkpoint damaged in 7 ways", "goes on from the newest whole one, and says so")
def damaged_files(lab: Lab) -> Iterator[Trial]:
    """Resumes from each damaged checkpoint, which must be set aside and not deleted."""
    from benchmarks.faults.recorded import Recorded

    recorded = Recorded(lab)
    newest = recorded.folder / "checkpoints" / "30"
    for file in sorted(path.relative_to(recorded.folder) for path in newest.rglob("*") if path.is_file()):
        for name, damage in FILES.items():
            folder = recorded.copy()
            damage(folder / file, lab.random)
            found = recorded.resumed(folder)
            aside = [path.name for path in (folder / "checkpoints").iterdir() if path.name.startswith("30.")]
            claims = {
                "goes on from 20 or 30": found.step in (20, 30),
                "the right bits": found.bits == recorded.bits.get(found.step or 0),
                f"set aside with a warning ({aside})": found.step == 30 or bool(aside and found.said),
                "no advice to delete": not re.search(r"\bdelete\b", found.said),
            }
            yield trial(f"{file.relative_to('checkpoints')} {name}", claims, found)


def _gone(*names: str) -> Callable[[Path], None]:
    def delete(folder: Path) -> None:
        for name in names:
            shutil.rmtree(folder / name)

    return delete


def _emptied(name: str) -> Callable[[Path], None]:
    def empty(folder: Path) -> None:
        shutil.rmtree(folder / name)
        (folder / name).mkdir()

    return empty


def _foreign(folder: Path) -> None:
    """A folder as another program of orbax leaves it: a number, and arrays of another kind."""
    import orbax.checkpoint as ocp

    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(folder / "70", {"w": np.ones(3)})


FOLDERS: dict[str, Callable[[Path], object]] = {
    "newest emptied": _emptied("30"),
    "newest a file": lambda folder: replace_folder_by_file(folder / "30"),
    "arrays of the newest gone": _emptied("30/state"),
    "an empty folder 99": lambda folder: (folder / "99").mkdir(),
    "a folder 007": lambda folder: (folder / "007").mkdir(),
    "a folder -5": lambda folder: (folder / "-5").mkdir(),
    "a folder backup": lambda folder: (folder / "backup").mkdir(),
    "newest copied as 31": lambda folder: shutil.copytree(folder / "30", folder / "31"),
    "newest copied as '30 copy'": lambda folder: shutil.copytree(folder / "30", folder / "30 copy"),
    "a link to nowhere": lambda folder: (folder / "40").symlink_to("/nonexistent"),
    "a half-written 40.part": lambda folder: shutil.copytree(folder / "20", folder / "40.part"),
    "a file 35.part": lambda folder: (folder / "35.part").write_text(""),
    "an older one emptied": _emptied("20"),
    "arrays of an older one gone": _gone("20/state"),
    "both newest ones gone": _gone("20", "30"),
}
"""Changes to the folder of the checkpoints."""


@row("Folders of checkpoints emptied, copied, renamed, foreign", "goes on from the newest whole one")
def damaged_folders(lab: Lab) -> Iterator[Trial]:
    """Changes the folders as users, backups and other programs do; then damages an older checkpoint's files."""
    from benchmarks.faults.recorded import Recorded

    recorded = Recorded(lab)
    for name, damage in FOLDERS.items():
        folder = recorded.copy()
        damage(folder / "checkpoints")
        found = recorded.resumed(folder)
        claims = {
            "goes on": found.step in (10, 20, 30),
            "the right bits": found.bits == recorded.bits.get(found.step or 0),
            "no advice to delete": not re.search(r"\bdelete\b", found.said),
        }
        yield trial(name, claims, found)
    for file in sorted(path for path in (recorded.folder / "checkpoints/20").rglob("*") if path.is_file()):
        folder = recorded.copy()
        os.truncate(folder / file.relative_to(recorded.folder), 3)
        found = recorded.resumed(folder)
        claims = {"goes on from 30": found.step == 30, "the right bits": found.bits == recorded.bits[30]}
        yield trial(f"the older {file.relative_to(recorded.folder / 'checkpoints')} cut", claims, found)
    folder = recorded.copy()
    _foreign(folder / "checkpoints")
    found = recorded.resumed(folder)
    claims = {
        "refused by name": "70 was not written by glowjax" in found.said,
        "still there": (folder / "checkpoints" / "70").is_dir(),
        "no advice to delete": "delete" not in found.said,
    }
    yield trial("another program's checkpoint", claims, found)
    folder = recorded.copy()
    _gone("10", "20", "30")(folder / "checkpoints")
    found = recorded.resumed(folder)
    yield trial("all gone", {"starts again": found.step == 0, "says so": bool(found.said)}, found)


@row("The deletion of an old checkpoint cut off after each file", "goes on from the newest; saves again")
def half_deleted(lab: Lab) -> Iterator[Trial]:
    """A kill while an old checkpoint is deleted leaves part of it."""
    from benchmarks.faults.recorded import Recorded

    recorded = Recorded(lab)
    for victim in ("10", "20"):
        for is_renamed in (False, True):
            old = recorded.folder / "checkpoints" / victim
            paths = sorted(old.rglob("*"), key=lambda path: -len(path.parts))
            for count in range(1, len(paths) + 1):
                folder = recorded.copy() / "checkpoints"
                for path in paths[:count]:
                    gone = folder / path.relative_to(recorded.folder / "checkpoints")
                    (Path.rmdir if gone.is_dir() else Path.unlink)(gone)
                if is_renamed:
                    (folder / victim).rename(folder / f"{victim}.part")
                found = recorded.resumed(folder.parent)
                claims = {"goes on from 30": found.step == 30, "the right bits": found.bits == recorded.bits[30]}
                yield trial(f"{victim}{'.part' if is_renamed else ''} after {count}", claims, found)


def describe_run(folder: Path, change: Callable[[dict], object]) -> None:
    """Changes `config.json` of a run."""
    path = folder / "config.json"
    description = json.loads(path.read_text())
    change(description)
    path.write_text(json.dumps(description))
