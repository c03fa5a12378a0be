"""Faults that are quick to try hold; a row that loses says so; the page tells of every row."""

import json
import os
import random

import pytest

from benchmarks.faults import __main__ as command
from benchmarks.faults import damage, places, readers, row, worker
from benchmarks.faults.row import Lab, trial
from docs.tables.kept import kept

QUICK = (damage.damaged_files, damage.damaged_folders, readers.unreadable, places.names)
SLOW = (
    "stop-signals",
    "kill-in-saves",
    "damaged-metrics",
    "archives",
    "images",
)


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A small laboratory; a user without rights may enter it."""
    monkeypatch.setattr(damage, "FILES", {"three bits flipped": damage.FILES["three bits flipped"]})
    monkeypatch.setattr(places, "NAMES", ["lr=[0.1]", "**", "x\\y", "a b", "läufe", os.fsdecode(b"\xff")])
    folder = tmp_path
    while folder != folder.parent and folder.stat().st_uid == os.geteuid():
        folder.chmod(folder.stat().st_mode | 0o011)
        folder = folder.parent
    own = tmp_path / "own"
    own.mkdir(mode=0o777)
    return Lab(own, tmp_path, 1, random.Random(0))


@pytest.mark.parametrize("trials", [pytest.param(one, id=one.__name__) for one in QUICK])
def test_a_row_loses_nothing(trials, lab):
    tried = list(trials(lab))
    assert tried
    assert not [one for one in tried if one.lost]


def _lucky_and_unlucky(lab):
    yield trial("one", {"it holds": True})
    yield trial("two", {"it holds": False, "that too": True}, "exit 1")
    raise RuntimeError("the row breaks")


@pytest.fixture
def broken_row(monkeypatch):
    one = row.Row("broken", "title", "holds", "damage", _lucky_and_unlucky, 1)
    monkeypatch.setattr(worker, "rows", lambda: {"broken": one})
    return one


def test_what_does_not_hold_is_lost_and_told(broken_row, lab, capsys):
    worker.main("broken", str(lab.folder), str(lab.shared), "1", "0")
    tried = [row.Trial(**json.loads(line)) for line in capsys.readouterr().out.splitlines()]
    assert [bool(one.lost) for one in tried] == [False, True, True]
    summary = command._summary(broken_row, tried)
    assert (summary["tried"], summary["survived"], summary["lost"]) == (3, 1, 2)
    assert [loss["lost"] for loss in summary["losses"]] == ["not: it holds; exit 1", "RuntimeError: the row breaks"]


def test_the_page_tells_of_every_row():
    told = {one["row"]: (one["title"], one["holds"]) for one in kept("faults")["rows"]}
    assert told == {name: (one.title, one.holds) for name, one in row.rows().items()}, "run python -m benchmarks.faults"


@pytest.mark.release
def test_runs_survive_signals_kills_and_strangers():
    results = command.main(command.FaultsConfig(only=SLOW))
    assert [one["row"] for one in results["rows"]] == list(SLOW)
    assert not [loss for one in results["rows"] for loss in one["losses"]]
