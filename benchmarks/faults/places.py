"""Where a run is written: names, obstacles, and standard streams that are gone."""

import os
import shlex
import string
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.faults import runs
from benchmarks.faults.row import Lab, Trial, row, trial

CHARACTERS = [character for character in string.printable if character not in "/\r\v\f"]
PATTERNS = (
    *("lr=[0.1]", "[0]", "[]", "[a", "[!a]", "**", "2**32", "a?b=c", "{a}"),
    *("%20", "100%_%s", "-rf", "..hidden", "a..b", "läufe-日本語-😀"),
)
NAMES = [
    *(f"x{character}y" for character in CHARACTERS),
    *PATTERNS,
    *('it\'s "q" $HOME `x`', " ", "\u202ereversed", os.fsdecode(b"bad\xff\xfe"), "n" * 250),
    "/".join(["d" * 200] * 5),
]
"""Names of a run's folder; the last is a path of 1,000 characters."""


@row("Names of output folders: `[`, `**`, a backslash, ...", "every state can be read, or refused before step 1")
def names(lab: Lab) -> Iterator[Trial]:
    """Writes a run to each name and resumes it."""
    from benchmarks.faults.recorded import Recorded
    from glowjax.checks import InputError

    recorded = Recorded(lab)
    for name in NAMES:
        folder = lab.folder / "names" / name
        try:
            recorded.write_to(folder)
        except InputError as error:
            yield trial(ascii(name), {"nothing is written": not runs.steps(folder)}, error)
            continue
        except Exception as error:
            yield trial(ascii(name), {"a sentence": False}, repr(error)[:200])
            continue
        found = recorded.resumed(folder)
        yield trial(
            ascii(name), {"resumed": found.step == 30, "the right bits": found.bits == recorded.bits[30]}, found
        )


@row("A whole training into `runs/lr=[0.1]`", "trains, and has the usual bits")
def odd_path(lab: Lab) -> Iterator[Trial]:
    """The names that sweeps of Hydra give."""
    for name in ("lr=[0.1]", "x,y=[1,2] **"):
        out = lab.folder / "runs" / name
        done = runs.run(lab, runs.words(out))
        yield trial(
            name, {"exit 0": done.code == 0, f"the same bits ({runs.bits(out)})": runs.is_undisturbed(lab, out)}, done
        )


def _looping(path: Path) -> None:
    path.symlink_to(path)


def _with_a_file(path: Path) -> None:
    path.mkdir()
    (path / "checkpoints").write_text("precious")


OBSTACLES: dict[str, Callable[[Path], object]] = {
    "a file": lambda path: path.write_text("precious"),
    "a link to nowhere": lambda path: path.symlink_to("/nonexistent/x"),
    "a link to itself": _looping,
    "a link to /dev/null": lambda path: path.symlink_to("/dev/null"),
    "a folder that may not be written": lambda path: path.mkdir(mode=0o555),
    "a folder that may not be listed": lambda path: path.mkdir(mode=0o333),
    "checkpoints is a file": _with_a_file,
}
"""What lies where a run's folder should be made."""


@row("Something in the way of the output folder", "refused in a sentence; what lay there stays")
def obstacles(lab: Lab) -> Iterator[Trial]:
    """Tries to begin a run at each obstacle, as a user without rights."""
    from benchmarks.faults.recorded import Recorded, powerless

    recorded = Recorded(lab)
    for name, make in OBSTACLES.items():
        path = lab.path("obstacle")
        with powerless():
            make(path)
            found = recorded.resumed(path)
        precious = [file.read_text() == "precious" for file in (path, path / "checkpoints") if file.is_file()]
        yield trial(name, {"refused in a sentence": found.said.startswith("refused: "), "kept": all(precious)}, found)


STREAMS = {
    "stdout on a full disk": ">/dev/full",
    "stderr on a full disk": "2>/dev/full",
    "both on a full disk": ">/dev/full 2>&1",
    "stdout closed": ">&-",
    "stderr closed": "2>&-",
    "both closed": ">&- 2>&-",
    "into a pipe that closes": "2>&1 | head -1",
    "stdin closed": "<&-",
}
"""Redirections of a shell."""


@row("Standard streams closed, full, or a pipe that closes", "trains to the end, with the same bits")
def streams(lab: Lab) -> Iterator[Trial]:
    """Trains under each redirection."""
    for name, redirection in STREAMS.items():
        out = lab.path("stream")
        done = runs.run(lab, ["bash", "-c", f"{shlex.join(runs.words(out))} {redirection}"])
        yield trial(name, {f"the same bits ({runs.bits(out)})": runs.is_undisturbed(lab, out)}, done)
