"""Stages: what is run again, what is skipped with a reason, and what a process says of its end."""

import json
import os
import shutil
from pathlib import Path

import pytest

from experiments import stages
from experiments.process import SIGNALS
from experiments.stages import MARKER, Stage, keep, launch, recall, run_plan
from glowjax.train import Interrupted


@pytest.fixture
def launched(monkeypatch):
    """The names of the stages that were run; a stage whose images are "refused" fails."""
    names = []

    def fake(words):
        name, folder, *rest = words
        names.append(name)
        Path(folder, "checkpoints").mkdir(parents=True, exist_ok=True)
        for file in ("results.json", "report.html", "report.md", "checkpoints/1"):
            Path(folder, file).write_text(f"the {file} of {name}")
        return "No images of cats here; bring some." if "refused" in rest else ""

    monkeypatch.setattr(stages, "launch", fake)
    return names


def chain(root, first="", refused=(), images=""):
    def stage(name, *needs, words=(), images=""):
        return name, Stage(name, (name, str(root / name), *words), root / name, needs, images)

    train = stage("train", words=(first,), images=images)
    return dict([train, stage("look", "train", words=refused), stage("compare", "look"), stage("alone")])


@pytest.mark.parametrize(
    ("change", "again"),
    [({}, []), ({"first": "--steps 2"}, ["train", "look", "compare"]), ({"images": "b"}, ["train", "look", "compare"])],
    ids=["nothing", "command", "images"],
)
def test_a_change_of_command_or_images_reruns_a_stage_and_what_reads_it_and_no_other(launched, tmp_path, change, again):
    first = run_plan(chain(tmp_path))
    assert launched == ["train", "look", "compare", "alone"]
    second = run_plan(chain(tmp_path, **change))
    assert launched[4:] == again
    assert all(second[name] == first[name] for name in first if name not in again)  # it keeps its time


def test_a_failed_stage_is_skipped_with_its_message_and_so_is_what_needs_it(launched, tmp_path):
    outcomes = run_plan(chain(tmp_path, refused=("refused",)))
    assert outcomes["look"] == "No images of cats here; bring some."
    assert outcomes["compare"] == "It needs look, which was skipped."
    assert isinstance(outcomes["alone"], float)
    assert launched == ["train", "look", "alone"]
    assert isinstance(run_plan(chain(tmp_path))["compare"], float)  # once the images are there


def without_seconds(marker):
    keep(marker, {"fingerprint": recall(marker)["fingerprint"]})


def a_folder(path):
    path.unlink()
    path.mkdir()


CUTS = {
    "half": lambda file: os.truncate(file, file.stat().st_size // 2),
    "empty": lambda file: os.truncate(file, 0),
    "deleted": Path.unlink,
}
MARKERS = CUTS | {
    "zeros": lambda marker: marker.write_bytes(bytes(50)),
    "a folder": a_folder,
    "a list": lambda marker: marker.write_text("[]"),
    "null": lambda marker: marker.write_text("null"),
    "deep": lambda marker: marker.write_text("[" * 100_000),
    "without seconds": without_seconds,
    "seconds as text": lambda marker: keep(marker, recall(marker) | {"seconds": "12"}),
    "output as text": lambda marker: keep(marker, recall(marker) | {"output": "all"}),
}
REPORTS = CUTS | {"{}": lambda file: file.write_text("{}")}
DAMAGES = {MARKER: MARKERS, "results.json": REPORTS, "report.html": CUTS, "report.md": CUTS, "checkpoints/1": CUTS}


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        pytest.param(file, damage, id=f"{file} {name}")
        for file, damages in DAMAGES.items()
        for name, damage in damages.items()
    ],
)
def test_a_damaged_marker_or_output_runs_its_stage_again_and_stops_no_plan(launched, tmp_path, file, damage):
    run_plan(chain(tmp_path))
    damage(tmp_path / "look" / file)
    outcomes = run_plan(chain(tmp_path))
    assert launched[4:] == ["look"]
    assert all(isinstance(outcome, float) for outcome in outcomes.values())


def test_a_stage_whose_marker_cannot_be_written_counts_as_run(launched, tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(stages, "keep", full)
        outcomes = run_plan(chain(tmp_path))
    assert all(isinstance(outcome, float) for outcome in outcomes.values())
    assert "(No space left on device), so the next start runs it again" in capsys.readouterr().out
    shutil.rmtree(tmp_path / "look")
    run_plan(chain(tmp_path))
    assert launched[4:] == ["train", "look", "compare", "alone"]


def test_what_is_kept_is_json_and_replaces_the_old_file_at_once(tmp_path):
    path = tmp_path / "kept.json"
    keep(path, {"a": float("nan")})
    assert json.loads(path.read_text(), parse_constant=pytest.fail) == {"a": None}
    assert list(tmp_path.iterdir()) == [path]


def test_a_process_reports_its_last_error_and_an_interrupt_ends_the_plan(capsys):
    assert launch(["-c", "pass"]) == ""
    refused = "import sys; print('step 3', 'error: Not today.', 'Known: x', sep='\\n', file=sys.stderr); sys.exit(2)"
    assert launch(["-c", refused]) == "Not today.\nKnown: x"
    assert launch(["-c", "raise MemoryError('7 GiB')"]) == "MemoryError: 7 GiB"
    assert "Traceback" in capsys.readouterr().err
    killed = launch(["-c", "import os; os.kill(os.getpid(), 9)"])
    assert killed.startswith("It was ended by SIGKILL")
    with pytest.raises(Interrupted) as caught:
        launch(["-c", "import sys; sys.exit(143)"])
    assert caught.value.exit_code == 143


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_is_handed_on_and_the_plan_waits_for_the_process(number, tmp_path):
    """The process sends it to this one, gets it back, and saves before it ends."""
    program = f"""
import os, pathlib, signal, sys, time
def save(*_):
    time.sleep(0.2)
    pathlib.Path({str(tmp_path / "saved")!r}).touch()
    sys.exit({128 + number})
signal.signal({int(number)}, save)
os.kill(os.getppid(), {int(number)})
time.sleep(30)
"""
    with pytest.raises(Interrupted) as caught:
        launch(["-c", program])
    assert caught.value.exit_code == 128 + number
    assert (tmp_path / "saved").exists()
