"""The files beside the checkpoints: metrics, markers and reports of a plan, and the compilation cache."""

import contextlib
import functools
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.faults import runs
from benchmarks.faults.damage import replace_by_folder, replace_by_link, replace_folder_by_file
from benchmarks.faults.row import Lab, Trial, row, trial

Lines = Callable[[list[str]], str | bytes]

METRICS: dict[str, Lines] = {
    "empty": lambda lines: "",
    "half the last line": lambda lines: "".join(lines[:-1]) + lines[-1][:20],
    "half a line in the middle": lambda lines: lines[0] + lines[1][:20] + "\n" + "".join(lines[2:]),
    "no newline at the end": lambda lines: "".join(lines).rstrip("\n"),
    "a blank line": lambda lines: lines[0] + "\n" + "".join(lines[1:]),
    "zeros at the end": lambda lines: "".join(lines[:-1]) + "\0" * 500,
    "zeros, then lines": lambda lines: "".join(lines[:2]) + "\0" * 40 + "\n" + "".join(lines[2:]),
    "two lines joined": lambda lines: "".join(lines).replace("\n", "", 1),
    "a step that is a word": lambda lines: '{"step": "ten"}\n' + "".join(lines),
    "a step that is null": lambda lines: '{"step": null}\n' + "".join(lines),
    "a list": lambda lines: "[1]\n" + "".join(lines),
    "a number": lambda lines: "3\n" + "".join(lines),
    "lines twice": lambda lines: "".join(lines * 2),
    "lines reversed": lambda lines: "".join(reversed(lines)),
    "NaN": lambda lines: '{"step": 1, "train": NaN}\n' + "".join(lines),
    "a step of 1e400": lambda lines: '{"step": 1e400}\n' + "".join(lines),
    "a step of 1e30": lambda lines: '{"step": 1e30}\n' + "".join(lines),
    "not UTF-8": lambda lines: b"\xff\xfe\n" + "".join(lines).encode(),
    "lines of Windows": lambda lines: "".join(lines).replace("\n", "\r\n"),
    "a line separator in a name": lambda lines: '{"step": 1, "a\u2028b": 1}\n' + "".join(lines),
    "brackets 100,000 deep": lambda lines: "[" * 100_000 + "\n" + "".join(lines),
    "a word for a number": lambda lines: "".join(lines).replace('"seconds": ', '"seconds": "x", "was": '),
}
"""Contents of a damaged `metrics.jsonl`, from its lines."""


def _rewrite(path: Path, content: Lines) -> None:
    new = content(path.read_text().splitlines(keepends=True))
    path.write_bytes(new if isinstance(new, bytes) else new.encode())


@row("`metrics.jsonl` cut, mixed up, gone, or a folder", "the run goes on with the right bits, and can be loaded")
def damaged_metrics(lab: Lab) -> Iterator[Trial]:
    """Damages the metrics of a run that is resumed, and of a finished one that is loaded."""
    from benchmarks.faults.recorded import Recorded

    recorded = Recorded(lab)

    def damaged(name: str, damage: Callable[[Path], object]) -> Trial:
        folder = recorded.copy()
        damage(folder / "metrics.jsonl")
        found = recorded.resumed(folder)
        finished = runs.copy_of_base(lab, "finished")
        damage(finished / "metrics.jsonl")
        claims = {"goes on from 30": found.step == 30, "the right bits": found.bits == recorded.bits[30]}
        return trial(name, claims | _loaded(finished), found)

    for name, content in METRICS.items():
        yield damaged(name, functools.partial(_rewrite, content=content))
    yield damaged("gone", lambda path: path.unlink())
    yield damaged("a folder in its place", replace_by_folder)
    precious = lab.path("precious")
    precious.write_text("precious\n")
    one = damaged("a link in its place", lambda path: replace_by_link(path, precious))
    yield Trial(one.name, one.lost if precious.read_text() == "precious\n" else "the target of the link was written")


def _loaded(folder: Path) -> dict[str, bool]:
    import glowjax as gj

    try:
        return {"loaded": gj.load(folder).step > 0}
    except Exception as error:
        return {f"loaded ({type(error).__name__}: {error})"[:300]: False}


def _fields(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def rewrite(path: Path) -> None:
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return rewrite


MARKERS: dict[str, Callable[[Path], object]] = {
    "half": lambda path: os.truncate(path, 20),
    "empty": lambda path: os.truncate(path, 0),
    "zeros": lambda path: path.write_bytes(bytes(50)),
    "a list": lambda path: path.write_text("[]"),
    "null": lambda path: path.write_text("null"),
    "NaN seconds": lambda path: path.write_text(path.read_text().replace('"seconds": ', '"seconds": NaN, "was": ')),
    "without seconds": _fields(lambda content: content.pop("seconds")),
    "not UTF-8": lambda path: path.write_bytes(b"\xff\xfe"),
    "a folder": replace_by_folder,
    "gone, with its folder": lambda path: shutil.rmtree(path.parent),
    "gone, a file for its folder": lambda path: replace_folder_by_file(path.parent),
}
"""Damages to the marker of a finished stage."""


@row("Markers of finished stages cut, empty, of another kind", "the plan goes on; what cannot be read is made again")
def damaged_markers(lab: Lab) -> Iterator[Trial]:
    """Runs a plan of two stages, damages the marker of the first, and runs it again."""
    from experiments.stages import MARKER, Stage, run_plan

    for name, damage in MARKERS.items():
        root = lab.path("plan")
        code = "import os, sys; os.makedirs(sys.argv[1], exist_ok=True)"
        plan = {
            "first": Stage("first", ("-c", code, str(root / "a")), root / "a"),
            "second": Stage("second", ("-c", code, str(root / "b")), root / "b", needs=("first",)),
        }
        with contextlib.redirect_stdout(io.StringIO()):
            run_plan(plan)
            damage(root / "a" / MARKER)
            try:
                outcomes = run_plan(plan)
            except Exception as error:
                yield trial(name, {"the plan goes on": False}, f"{type(error).__name__}: {error}"[:300])
                continue
        is_blocked = name.endswith("a file for its folder")
        claims = {
            "the first stage is finished, or skipped in a sentence": isinstance(outcomes["first"], float) or is_blocked,
            "the second is": isinstance(outcomes["second"], float) or is_blocked,
        }
        yield trial(name, claims, outcomes)


@row("Every entry of the compilation cache cut or changed", "the same bits; whole again after two starts", 8)
def damaged_cache(lab: Lab) -> Iterator[Trial]:
    """Damages a cache of its own, each entry in one of five ways, and starts twice; then a cache that cannot be."""
    cache = lab.path("cache")
    shutil.copytree(lab.shared / "cache", cache)
    entries = sorted(path for path in cache.iterdir() if path.is_file() and path.name.endswith("-cache"))
    before = {path: path.read_bytes() for path in entries}
    for n, (path, content) in enumerate(before.items()):
        half, flipped = content[: len(content) // 2], bytes(255 - byte for byte in content[:100]) + content[100:]
        path.write_bytes([half, b"", bytes(len(content)), flipped, content[:-1]][n % 5])
    damaged = {path: path.read_bytes() for path in entries}
    for start in ("first", "second"):
        out = lab.path("start")
        done = runs.run(lab, runs.words(out), seconds=240, JAX_COMPILATION_CACHE_DIR=cache)
        claims = {"exit 0": done.code == 0, "no traceback": done.is_orderly, "bits": runs.is_undisturbed(lab, out)}
        yield trial(f"{start} start", claims, done)
    used = [path for path in entries if not path.exists() or path.read_bytes() != damaged[path]]
    warned = [line for line in done.lines if "cache" in line]
    yield trial("the second start warns no more", {f"{len(used)} of {len(entries)} repaired": not warned}, warned[:2])
    out = lab.path("start")
    done = runs.run(lab, runs.words(out), HOME="/dev/null", JAX_COMPILATION_CACHE_DIR=None, XDG_CACHE_HOME=None)
    yield trial("no place for a cache", {"exit 0": done.code == 0, "bits": runs.is_undisturbed(lab, out)}, done)
