"""Damaged checkpoints: whatever happens to a file, no other bits are restored, and an older whole one takes over."""

import errno
import gc
import itertools
import os
import random
import re
import shutil
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import orbax.checkpoint as ocp
import pytest

from glowjax.checks import InputError
from glowjax.train import saved_state, storage
from glowjax.train.checkpoint import Checkpoints
from glowjax.train.saved_state import DamagedError, UnreadableError

RNG = random.Random(0)
NUM_FLIPS = 20


def state(step: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(step)
    return {"w": rng.normal(size=(40, 30)).astype(np.float32), "b": rng.normal(size=3), "step": np.asarray(step)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Checkpoints of steps 1, 2 and 3."""
    folder = tmp_path_factory.mktemp("run") / "whole"
    checkpoints = Checkpoints(folder)
    for step in (1, 2, 3):
        checkpoints.save(step, state(step), 5.0 - step, {"width": 4})
    return folder


@pytest.fixture
def copied(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "copy")


def newest(folder: Path) -> tuple[int, list[str]]:
    """The step from which a run goes on, after a look at its bits, and the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        saved = Checkpoints(folder).newest_whole()
    for name, array in state(saved.step).items():
        assert saved.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(saved.arrays[name], array)
    return saved.step, [str(warning.message) for warning in caught]


def flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


DAMAGES = {
    "deleted": Path.unlink,
    "emptied": lambda path: os.truncate(path, 0),
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "extended": lambda path: path.write_bytes(path.read_bytes() + bytes(9)),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "garbage": lambda path: path.write_bytes(RNG.randbytes(path.stat().st_size)),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


def test_a_run_goes_on_from_the_newest_whole_checkpoint_whichever_file_is_damaged(whole, tmp_path):
    """Each file in one of the ways; `benchmarks.faults` tries all ways on each."""
    fallen_back = 0
    files = sorted(path for path in (whole / "3").rglob("*") if path.is_file())
    for number, (file, damage) in enumerate(zip(files, itertools.cycle(DAMAGES.values()))):
        copy = shutil.copytree(whole, tmp_path / str(number))
        damage(copy / file.relative_to(whole))
        step, messages = newest(copy)
        names = {path.name for path in copy.iterdir()}
        if step == 2:
            fallen_back += 1
            assert names == {"1", "2", "3.damaged"}
            assert len(messages) == 1
            assert re.search(r"3 is damaged \(.*renamed 3\.damaged\. The run goes on from step 2\.", messages[0])
        else:
            assert (step, names, messages) == (3, {"1", "2", "3"}, [])
    assert fallen_back >= 3


def test_a_flipped_bit_is_never_read_as_another_value(whole, tmp_path, caplog):
    files = sorted(path for path in (whole / "3").rglob("*") if path.is_file() and path.stat().st_size)
    fallen_back = 0
    for number, file in enumerate(RNG.choices(files, [path.stat().st_size for path in files], k=NUM_FLIPS)):
        copy = shutil.copytree(whole, tmp_path / str(number))
        flip(copy / file.relative_to(whole), RNG.randrange(8 * file.stat().st_size))
        fallen_back += newest(copy)[0] == 2
        shutil.rmtree(copy)
    assert fallen_back > NUM_FLIPS / 2
    gc.collect()
    assert caplog.records == []  # no future of orbax complains of its error


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (shutil.rmtree(folder), folder.mkdir()),
        lambda folder: (shutil.rmtree(folder), folder.write_text("")),
        lambda folder: (shutil.rmtree(folder), folder.symlink_to("/nonexistent")),
        lambda folder: shutil.rmtree(folder / "state"),
        lambda folder: (shutil.rmtree(folder), shutil.copytree(folder.with_name("2"), folder)),
    ],
    ids=["empty", "a file", "a dangling link", "no state", "another step"],
)
def test_a_damaged_folder_is_set_aside(copied, damage):
    damage(copied / "3")
    step, messages = newest(copied)
    assert (step, len(messages)) == (2, 1)
    (copied / "3").mkdir()  # it happens again
    step, messages = newest(copied)
    assert {os.path.basename(path) for path in copied.iterdir()} == {"1", "2", "3.damaged", "3.damaged-2"}


@pytest.mark.parametrize("content", ["", "null", "[]", "{}", '{"blake2b": 1}', "[" * 100_000, "\ud800"])
def test_a_damaged_description_of_an_older_checkpoint_stops_nobody(copied, content):
    (copied / "1" / "checkpoint.json").write_text(content, errors="surrogatepass")
    reader = Checkpoints(copied, read_only=True)
    assert (reader.best_step(), reader.latest_step()) == (3, 3)
    with pytest.warns(UserWarning, match=r"1 is damaged .* Step 3 is used"):  # it may have been the best
        assert reader.read_best().step == 3
    step, (message,) = newest(copied)
    assert step == 3
    assert "renamed 1.damaged" in message


def test_if_no_checkpoint_is_whole_a_run_starts_again_and_loses_none(copied):
    for step in (1, 2, 3):
        (copied / str(step) / "checkpoint.json").unlink()
    with pytest.warns(UserWarning, match=r"1\.damaged.* The run starts again at step 0"):
        assert Checkpoints(copied).newest_whole() is None
    assert {path.name for path in copied.iterdir()} == {"1.damaged", "2.damaged", "3.damaged"}


def test_a_reader_passes_over_a_damaged_checkpoint_with_a_warning_and_changes_nothing(copied):
    (copied / "3" / "checkpoint.json").write_text("")
    reader = Checkpoints(copied, read_only=True)
    with pytest.warns(UserWarning, match=r"3 is damaged .* Step 2 is used"):
        assert reader.read_best().step == 2
    with pytest.raises(DamagedError, match=r"checkpoint .*3 is damaged"):
        reader.read(3)
    assert {path.name for path in copied.iterdir()} == {"1", "2", "3"}


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(errno.EACCES, "Permission denied"),
        OSError(errno.EIO, "Input/output error"),
        OSError(errno.ESTALE, "Stale file handle"),
        ValueError("PERMISSION_DENIED: Error reading local file [os_error_code='13']"),
        MemoryError(),
    ],
    ids=["permission", "EIO", "ESTALE", "orbax", "memory"],
)
def test_what_cannot_be_read_just_now_is_not_called_damaged_and_stays(copied, monkeypatch, error):
    def fail(folder, names):
        raise error

    monkeypatch.setattr(storage, "read_arrays", fail)
    for read in (Checkpoints(copied).newest_whole, Checkpoints(copied, read_only=True).read_best):
        with pytest.raises(UnreadableError, match=r"3 cannot be read just now \(.*\); it may be whole") as caught:
            read()
        assert "damaged" not in str(caught.value)
        assert "delete" not in str(caught.value)
    assert {path.name for path in copied.iterdir()} == {"1", "2", "3"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("place", [".", "3", "3/state", "3/checkpoint.json"])
def test_what_may_not_be_read_is_not_called_damaged(copied, place):
    (copied / place).chmod(0)
    with pytest.raises(InputError, match=r"cannot be (read just now|listed) \(Permission denied\)"):
        Checkpoints(copied, read_only=True).read_best()
    (copied / place).chmod(0o700)


def test_a_failure_that_passes_is_not_noticed(copied, monkeypatch):
    original, failures = storage.read_arrays, [ValueError("a hiccup")]
    monkeypatch.setattr(storage, "read_arrays", lambda *args: _raise(failures.pop()) if failures else original(*args))
    assert newest(copied) == (3, [])


def _raise(error):
    raise error


def test_a_reader_goes_on_to_the_next_checkpoint_while_a_training_deletes(copied, monkeypatch):
    original = storage.read_arrays

    def read(folder, names):
        if folder.parent.name != "1":
            shutil.rmtree(folder.parent)
        return original(folder, names)

    monkeypatch.setattr(storage, "read_arrays", read)
    assert Checkpoints(copied, read_only=True).read_best().step == 1


def test_a_checkpoint_of_another_program_is_refused_and_stays(copied):
    with ocp.CheckpointManager(copied) as manager:
        manager.save(7, args=ocp.args.StandardSave({"w": np.ones(3)}))
        manager.wait_until_finished()
    with pytest.raises(InputError, match="7 was not written by glowjax"):
        Checkpoints(copied).newest_whole()
    assert (copied / "7").exists()


def test_a_checkpoint_of_a_newer_version_is_told(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(saved_state, "__version__", "99.0")
        patch.setattr(saved_state, "sealed", lambda about, arrays: _sealed({"glowjax": "99.0"}, arrays))
        patch.setattr(saved_state, "_whole", lambda folder, step: None)
        Checkpoints(tmp_path).save(1, state(1), 4.0)
    with pytest.raises(InputError, match=r"1 was written by a newer glowjax \(99\.0; this is .*\); install that"):
        Checkpoints(tmp_path).newest_whole()


_sealed = saved_state.sealed


def test_a_closed_loop_is_passed_over_at_any_later_moment_and_other_complaints_are_told(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    with pytest.raises((OSError, storage.OrbaxError)):
        storage.read_arrays(tmp_path / "nothing", ["w"])
    closed, other = (SimpleNamespace(exc_value=RuntimeError(text)) for text in ("Event loop is closed", "other"))
    told.clear()
    for complaint in (closed, other):
        sys.unraisablehook(complaint)
    assert told == [other]
    hook = sys.unraisablehook
    with pytest.raises((OSError, storage.OrbaxError)):
        storage.read_arrays(tmp_path / "nothing", ["w"])
    assert sys.unraisablehook is hook  # one is enough
