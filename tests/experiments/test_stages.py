"""Stages: what is run again, what is skipped with a reason, and what a process says of its end."""

from pathlib import Path

import pytest

from experiments import stages
from experiments.stages import Stage, launch, run_plan


@pytest.fixture
def launched(monkeypatch):
    """The names of the stages that were run; a stage whose images are "refused" fails."""
    names = []

    def fake(words):
        name, folder, *rest = words
        names.append(name)
        Path(folder).mkdir(parents=True, exist_ok=True)
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


def test_a_process_reports_its_last_error_and_an_interrupt_ends_the_plan(capsys):
    assert launch(["-c", "pass"]) == ""
    refused = "import sys; print('step 3', 'error: Not today.', 'Known: x', sep='\\n', file=sys.stderr); sys.exit(2)"
    assert launch(["-c", refused]) == "Not today.\nKnown: x"
    assert launch(["-c", "raise MemoryError('7 GiB')"]) == "MemoryError: 7 GiB"
    assert "Traceback" in capsys.readouterr().err
    with pytest.raises(KeyboardInterrupt):
        launch(["-c", "import sys; sys.exit(130)"])
