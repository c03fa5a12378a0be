"""A run's folder: what it says, what may differ when it resumes, and how it survives damage and full disks."""

import errno
import json
import math
import shutil
import warnings

import chex
import jax
import numpy as np
import pytest

from glowjax import nvp_glow
from glowjax.checks import InputError
from glowjax.train import checkpoint, make_optimizer, make_state, storage
from glowjax.train.environment import settings, versions
from glowjax.train.log import read
from glowjax.train.record import RunFolder

KEY = jax.random.key(0)
OPTIMIZER = make_optimizer(learning_rate=0.01, num_steps=10, warmup_steps=2)


def description(**changes):
    """The description of a run, with changes of entries by dotted name."""
    about = {
        "images": "0123",
        "model": {"kind": "nvp", "width": 4},
        "training": {"num_steps": 60, "batch_size": 8, "evaluate_every": 10, "seed": 0},
        "num_devices": 2,
        "environment": settings(KEY),
        "provenance": versions(),
    }
    for name, value in changes.items():
        *parents, last = name.split("__")
        entry = about
        for parent in parents:
            entry = entry[parent]
        entry[last] = value
    return about


@pytest.fixture
def fresh(images):
    return make_state(nvp_glow(1, 1, 4).init(KEY, images), OPTIMIZER)


def at(state, step):
    return state.replace(step=state.step + step)


def record(step, **scores):
    return {"step": step, "seconds": float(step), "train": 5.0, **scores}


def train(folder, fresh, steps, **changes):
    """Opens a run and saves it at some steps; returns the step from which it went on."""
    with RunFolder(folder, description(**changes)) as run:
        first = int(run.resume(fresh).step)
        for step in steps:
            run.write(record(step))
            assert run.save(at(fresh, step), 5.0 - step / 100)
    return first


def config(folder):
    return json.loads((folder / "config.json").read_text(), parse_constant=pytest.fail)


def test_a_run_says_what_it_is_and_when_it_was_started(tmp_path, fresh):
    assert train(tmp_path, fresh, [10, 20]) == 0
    assert train(tmp_path, fresh, [30], num_devices=8, training__evaluate_every=5) == 20
    found = config(tmp_path)
    assert found["model"] == {"kind": "nvp", "width": 4}
    assert found["training"]["evaluate_every"] == 5
    assert [(one["step"], one["num_devices"]) for one in found["starts"]] == [(0, 2), (20, 8)]
    assert {"host", "started", "jax", "glowjax", "device", "num_processes"} <= found["starts"][1].keys()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": "4567"}, "images = '0123', but this one has '4567'; give the images that it had"),
        ({"model__width": 8}, "model.width = 4, but this one has 8; give the same value"),
        ({"training__batch_size": 4}, "training.batch_size = 8, but this one has 4; give the same value"),
        ({"training__num_steps": 30}, "training.num_steps = 60, but this one has 30; give at least as many"),
        ({"environment__x64": True}, "environment.x64 = False, but this one has True; set JAX_ENABLE_X64=False"),
        ({"environment__prng": "rbg"}, r"environment.prng = '\w*', but this one has 'rbg'; give a key of that kind"),
        ({"environment__threefry_partitionable": False}, "; set JAX_THREEFRY_PARTITIONABLE=True"),
    ],
)
def test_what_may_not_differ_is_refused_by_name_and_nothing_changes(tmp_path, fresh, changes, message):
    train(tmp_path, fresh, [10])
    before = config(tmp_path)
    with pytest.raises(InputError, match=message):
        RunFolder(tmp_path, description(**changes))
    assert config(tmp_path) == before
    assert train(tmp_path, fresh, []) == 10  # the lock was released


def test_a_run_can_be_extended_and_then_not_be_shortened(tmp_path, fresh):
    train(tmp_path, fresh, [10])
    assert train(tmp_path, fresh, [20], training__num_steps=90) == 10
    assert config(tmp_path)["training"]["num_steps"] == 90
    with pytest.raises(InputError, match=r"training\.num_steps = 90, but this one has 60"):
        RunFolder(tmp_path, description())


@pytest.mark.parametrize("name", ["jax", "jaxlib", "glowjax", "numpy", "platform", "device"])
def test_other_versions_and_devices_are_a_warning_that_names_them(tmp_path, fresh, name):
    train(tmp_path, fresh, [10], **{f"provenance__{name}": "another"})
    with pytest.warns(UserWarning, match=rf"trained with {name} another \(now .*\); it goes on, but may end with"):
        assert train(tmp_path, fresh, []) == 10


def test_a_second_training_of_a_folder_is_refused(tmp_path, fresh):
    with (
        RunFolder(tmp_path, description()) as run,
        pytest.raises(InputError, match="is in use by process"),
    ):
        RunFolder(tmp_path, description())
    assert run.seconds == 0


def test_a_run_whose_newest_checkpoint_is_damaged_goes_on_from_the_one_before(tmp_path, fresh):
    train(tmp_path, fresh, [10, 20, 30])
    (tmp_path / "checkpoints" / "30" / "state" / "_METADATA").unlink()
    with pytest.warns(UserWarning, match=r"30 is damaged .* renamed 30\.damaged\. The run goes on from step 20"):
        assert train(tmp_path, fresh, [30]) == 20
    assert [one["step"] for one in read(tmp_path / "metrics.jsonl")] == [10, 20, 30]


@pytest.mark.parametrize("is_damaged", [True, False])
def test_a_run_without_a_whole_checkpoint_starts_again_and_keeps_the_old_metrics(tmp_path, fresh, is_damaged):
    train(tmp_path, fresh, [10])
    before = (tmp_path / "metrics.jsonl").read_bytes()
    (tmp_path / "checkpoints" / "10" / "checkpoint.json").write_text("")
    if not is_damaged:
        shutil.rmtree(tmp_path / "checkpoints")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert train(tmp_path, fresh, [], model__width=8) == 0
    messages = [str(one.message) for one in caught]
    assert "up to step 10, but there is no checkpoint; it was renamed metrics.jsonl.old" in messages[-1]
    assert [message.endswith("The run starts again at step 0.") for message in messages[:-1]] == [True] * is_damaged
    assert (tmp_path / "metrics.jsonl.old").read_bytes() == before


@pytest.mark.parametrize("content", ["", "null", "[]", "{", '{"starts": 3}', "[" * 100_000, None])
def test_a_damaged_config_is_written_again(tmp_path, fresh, content):
    train(tmp_path, fresh, [10])
    path = tmp_path / "config.json"
    path.unlink()
    if content is None:
        path.mkdir()
    else:
        path.write_text(content)
    assert train(tmp_path, fresh, []) == 10
    assert config(tmp_path)["starts"][-1]["step"] == 10


def test_a_save_that_the_disk_refuses_is_a_warning_and_the_next_one_succeeds(tmp_path, fresh, monkeypatch):
    def fail(*args):
        raise ValueError("RESOURCE_EXHAUSTED [os_error_code='28']")

    with RunFolder(tmp_path, description()) as run:
        with monkeypatch.context() as patch:
            patch.setattr(storage, "write_arrays", fail)
            with pytest.warns(UserWarning, match=r"step 10 could not be written .*\(No space left on device\)"):
                assert run.save(at(fresh, 10), math.nan) is False
        assert run.save(at(fresh, 10), math.nan) is True
    with RunFolder(tmp_path, description()) as run:
        chex.assert_trees_all_equal(run.resume(fresh), at(fresh, 10))


def test_a_disk_that_is_full_at_the_start_is_told(tmp_path, monkeypatch):
    def fail(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint.os, "fsync", fail)
    with pytest.raises(InputError, match=r"config\.json cannot be written \(No space left on device\); free the disk"):
        RunFolder(tmp_path, description())
    assert {path.name for path in tmp_path.iterdir()} == {".lock", "checkpoints"}


def test_a_description_that_is_not_json_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be written as JSON"):
        RunFolder(tmp_path, description(training__learning_rate=np.nan))
