"""Checkpoints: which ones are kept, what comes back, and what happens to damaged ones and those of other models."""

import errno
import gc
import logging
import math
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

import chex
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from glowjax import nvp_glow
from glowjax.checks import InputError
from glowjax.train import make_optimizer, make_state, storage, train_step
from glowjax.train.arrays import named_leaves
from glowjax.train.checkpoint import Checkpoints, NotSavedError

W = {"w": jnp.arange(3.0)}
MODEL = nvp_glow(1, 1, 4)
OPTIMIZER = make_optimizer(learning_rate=0.01, num_steps=10, warmup_steps=2)


def assert_bit_identical(left: Any, right: Any) -> None:
    assert jax.tree.structure(left) == jax.tree.structure(right)
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


def save_all(checkpoints: Checkpoints, *bits_per_dim: float) -> None:
    """Saves steps 1, 2, ... with these bits per dimension."""
    for step, bits in enumerate(bits_per_dim, start=1):
        checkpoints.save(step, W, bits)


def steps_in(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


@pytest.mark.parametrize("device", [None, jax.devices()[0]], ids=["uncommitted", "committed"])
def test_a_restored_state_continues_bit_for_bit_without_a_new_trace(tmp_path, images, device):
    def start():
        return jax.device_put(make_state(MODEL.init(jax.random.key(0), images), OPTIMIZER), device)

    step = jax.jit(lambda state: train_step(MODEL, OPTIMIZER, state, jax.random.key(1), images)[0], donate_argnums=0)
    checkpoints = Checkpoints(tmp_path)
    state = step(start())
    checkpoints.save(1, state, 4.5)
    restored = checkpoints.restore(1, start())
    assert_bit_identical(restored, state)
    num_traces = step._cache_size()
    state = step(state)  # donates the buffers that were saved
    assert_bit_identical(step(restored), state)
    assert step._cache_size() == num_traces


def test_every_array_comes_back_bit_for_bit_with_the_classes_and_static_fields_of_the_template(tmp_path):
    class Static(flax.struct.PyTreeNode):
        array: Any
        name: str = flax.struct.field(pytree_node=False)

    odd = {"a/b c": [jnp.asarray([np.nan, -0.0, np.inf]), jnp.ones((2,), jnp.bfloat16)], "d": (jnp.asarray(True),)}
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(3, Static(odd, "saved"), 4.5)
    checkpoints = Checkpoints(tmp_path, read_only=True)
    restored = checkpoints.restore(3, Static(jax.eval_shape(lambda: odd), "template"))
    assert_bit_identical(restored, Static(odd, "template"))
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(restored))


def test_the_newest_three_and_the_best_are_kept_the_newer_of_two_equally_good_ones(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    save_all(checkpoints, 3.0, 3.0, 3.5, 3.6, 3.7, 3.8)
    assert steps_in(tmp_path) == {"2", "4", "5", "6"}
    assert (checkpoints.best_step(), checkpoints.latest_step()) == (2, 6)
    checkpoints = Checkpoints(tmp_path)
    assert (checkpoints.best_step(), checkpoints.latest_step()) == (2, 6)
    checkpoints.save(7, W, 2.0)
    assert steps_in(tmp_path) == {"5", "6", "7"}


def test_nonfinite_bits_per_dim_is_never_best(tmp_path):
    checkpoints = Checkpoints(tmp_path, num_kept=1)
    save_all(checkpoints, math.nan)
    assert (checkpoints.best_step(), checkpoints.latest_step()) == (None, 1)
    for step, bits in ((2, 5.0), (3, math.nan), (4, -math.inf)):
        checkpoints.save(step, W, bits)
    assert steps_in(tmp_path) == {"2", "4"}
    checkpoints = Checkpoints(tmp_path)
    assert (checkpoints.best_step(), checkpoints.latest_step()) == (2, 4)


def test_a_relative_directory_is_accepted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoints = Checkpoints(Path("run") / "checkpoints")
    save_all(checkpoints, 4.0)
    assert steps_in(tmp_path / "run" / "checkpoints") == {"1"}


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"params": jnp.zeros((3, 5))}, r"array params is float32\[3, 4\] there and float32\[3, 5\] in this model"),
        ({"step": jnp.asarray(1.0)}, r"array step is int32\[\] there and float32\[\] in this model"),
        ({"step": None}, r"array step is int32\[\] there and absent in this model"),
        ({"step": (jnp.asarray(1),)}, r"array step\.0 is absent there and int32\[\] in this model"),
    ],
)
def test_a_checkpoint_of_another_model_is_refused_with_the_first_difference(tmp_path, changes, difference):
    state = {"step": jnp.asarray(1), "params": jnp.zeros((3, 4))}
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(3, state, 4.5)
    with pytest.raises(InputError, match=f"step 3 in .* is of another model: {difference}"):
        checkpoints.restore(3, {**state, **changes})


def test_arrays_whose_names_would_be_the_same_are_refused():
    with pytest.raises(InputError, match="2 arrays have only 1 different names"):
        named_leaves({"a": {"b": jnp.zeros(1)}, "a.b": jnp.zeros(1)})


def test_reading_a_missing_directory_finds_nothing_and_creates_nothing(tmp_path):
    missing = tmp_path / "missing"
    checkpoints = Checkpoints(missing, read_only=True)
    assert checkpoints.latest_step() is None
    assert checkpoints.best_step() is None
    with pytest.raises(InputError, match=f"No checkpoint at step 1 in {missing}; there is none"):
        checkpoints.read(1)
    assert not missing.exists()


def test_unknown_and_repeated_steps_are_refused_with_the_known_ones(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    save_all(checkpoints, 4.0, 3.0)
    with pytest.raises(InputError, match=r"No checkpoint at step 9 in .*; the steps are 1, 2\."):
        checkpoints.restore(9, W)
    with pytest.raises(InputError, match=r"Step 1 does not follow the newest checkpoint .* step 2;"):
        checkpoints.save(1, W, 1.0)


def test_a_checkpoint_at_the_same_step_is_replaced_or_stays_as_it_was(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    save_all(checkpoints, 4.0, math.nan)
    checkpoints.save(2, W, 3.0)
    assert (steps_in(tmp_path), checkpoints.best_step()) == ({"1", "2"}, 2)

    def refuse(folder):
        raise OSError("Input/output error")

    monkeypatch.setattr("glowjax.train.checkpoint.sync", refuse)
    with pytest.raises(NotSavedError):
        checkpoints.save(2, W, 5.0)
    assert steps_in(tmp_path) == {"1", "2"}
    assert checkpoints.read(2).bits_per_dim == 3.0


@pytest.mark.parametrize("is_replaced", [True, False])
def test_a_kill_during_a_replacement_leaves_the_new_checkpoint_or_the_old_one(tmp_path, is_replaced):
    save_all(Checkpoints(tmp_path), 4.0, 3.0)
    if is_replaced:
        shutil.copytree(tmp_path / "1", tmp_path / "2.old.part")
    else:
        (tmp_path / "2").rename(tmp_path / "2.old.part")
        (tmp_path / "2.part").mkdir()
    checkpoints = Checkpoints(tmp_path)
    assert (steps_in(tmp_path), checkpoints.read(2).bits_per_dim) == ({"1", "2"}, 3.0)


def test_unfinished_checkpoints_are_cleaned_up_by_the_next_run_but_not_by_a_reader(tmp_path):
    save_all(Checkpoints(tmp_path), 4.0)
    (tmp_path / "7.part").mkdir()
    (tmp_path / "8.part").write_text("")
    assert Checkpoints(tmp_path, read_only=True).latest_step() == 1
    assert steps_in(tmp_path) == {"1", "7.part", "8.part"}
    Checkpoints(tmp_path)
    assert steps_in(tmp_path) == {"1"}


def test_routine_events_are_not_logged_and_the_loggers_are_left_as_they_were(tmp_path, caplog):
    filters = list(logging.getLogger("absl").filters)
    checkpoints = Checkpoints(tmp_path)
    save_all(checkpoints, math.nan)
    checkpoints = Checkpoints(tmp_path, read_only=True)
    checkpoints.restore(1, W)
    assert caplog.records == []
    assert logging.getLogger("absl").filters == filters


def test_a_directory_that_cannot_be_created_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for directory in (tmp_path / "file", tmp_path / "file" / "inside"):
        with pytest.raises(InputError, match="Cannot write"):
            Checkpoints(directory)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_without_write_permission_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="Cannot write"):
        Checkpoints(tmp_path)


def test_a_kill_during_a_save_leaves_the_previous_checkpoint(tmp_path):
    """The process dies when all of step 2 is written and none of it is in its place yet."""
    script = """
        import os, pathlib, sys
        import numpy as np
        from glowjax.train.checkpoint import Checkpoints

        def die(*args, **kwargs):
            if os.path.basename(str(args[-1])) == "2":
                os._exit(9)
            return rename(*args, **kwargs)

        checkpoints = Checkpoints(pathlib.Path(sys.argv[1]))
        checkpoints.save(1, {"w": np.arange(3, dtype=np.float32)}, 4.0)
        rename, os.rename = os.rename, die
        checkpoints.save(2, {"w": np.zeros(3, np.float32)}, 3.0)
    """
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert killed.returncode == 9, killed.stderr
    assert killed.stderr == ""  # orbax prints nothing either
    assert len(steps_in(tmp_path)) == 2
    checkpoints = Checkpoints(tmp_path)
    assert (checkpoints.latest_step(), checkpoints.best_step()) == (1, 1)
    chex.assert_trees_all_equal(checkpoints.restore(1, W), W)
    checkpoints.save(2, W, 3.0)
    assert steps_in(tmp_path) == {"1", "2"}


NAMES = ("lr=[0.1]", "[a", "**", "*", "a?b", "back\\slash", "new\nline", "läufe-日本-😀", "/".join(["d" * 200] * 8))


@pytest.mark.parametrize("name", NAMES)
def test_every_name_of_a_folder_works_also_beside_folders_that_it_would_match_as_a_pattern(tmp_path, name):
    for other in ("axb", "lr=0", "backslash"):
        Checkpoints(tmp_path / other).save(1, {"w": jnp.zeros(3)}, 4.0)
    save_all(Checkpoints(tmp_path / name), 4.0, 5.0)
    restored = Checkpoints(tmp_path / name, read_only=True).restore(2, W)
    assert_bit_identical(restored, W)
    assert steps_in(tmp_path / name) == {"1", "2"}


@pytest.mark.parametrize("name", [os.fsdecode(b"bad\xff"), "n" * 300])
def test_a_name_that_cannot_be_written_is_refused_at_once(tmp_path, name):
    with pytest.raises(InputError, match=r"not UTF-8|File name too long"):
        Checkpoints(tmp_path / name)


def test_a_temporary_folder_with_an_odd_name_is_refused_if_it_is_needed(tmp_path, monkeypatch):
    odd = tmp_path / "[tmp]"
    odd.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(odd))
    save_all(Checkpoints(tmp_path / "plain"), 4.0)
    with pytest.raises(InputError, match="set TMPDIR to a folder with a plain name"):
        Checkpoints(tmp_path / "lr=[0.1]")


def failing(number: int):
    def fail(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    return fail


def orbax_on_a_full_disk(*args, **kwargs):
    raise ValueError("RESOURCE_EXHAUSTED: Failed to write 9 bytes [os_error_code='28'] \n and pages more")


@pytest.mark.parametrize(
    ("target", "name", "fail", "reason"),
    [
        (os, "fsync", failing(errno.EIO), "Input/output error"),
        (Path, "rename", failing(errno.ESTALE), "Stale file handle"),
        (Path, "mkdir", failing(errno.ENOSPC), "No space left on device"),
        (storage, "write_arrays", orbax_on_a_full_disk, "No space left on device"),
        (storage, "read_arrays", lambda folder, names: {"w": np.zeros(3, np.float32)}, "array w has another digest"),
    ],
    ids=["fsync", "rename", "mkdir", "full disk", "other bits on disk"],
)
def test_a_save_that_the_disk_refuses_is_told_leaves_nothing_and_can_be_tried_again(
    tmp_path, monkeypatch, target, name, fail, reason
):
    checkpoints = Checkpoints(tmp_path, num_kept=1)
    save_all(checkpoints, 4.0)
    with monkeypatch.context() as patch:
        patch.setattr(target, name, fail)
        with pytest.raises(NotSavedError, match=rf"step 2 could not be written to .* \(.*{reason}.*\)$"):
            checkpoints.save(2, W, 3.0)
    assert steps_in(tmp_path) == {"1"}
    checkpoints.save(2, W, 3.0)
    assert steps_in(tmp_path) == {"2"}
    assert_bit_identical(checkpoints.restore(2, W), W)


@pytest.mark.parametrize(("target", "name"), [(Path, "rename"), (shutil, "rmtree")])
def test_a_deletion_that_fails_is_a_warning_and_tried_again_at_the_next_save(tmp_path, monkeypatch, target, name):
    checkpoints = Checkpoints(tmp_path, num_kept=1)
    save_all(checkpoints, 4.0)
    whole, original = tmp_path / "1", getattr(target, name)

    def fail(path, *args, **kwargs):
        if Path(path).name in ("1", "1.part"):
            raise OSError(errno.ENOTEMPTY, "Directory not empty")
        return original(path, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(target, name, fail)
        with pytest.warns(UserWarning, match="could not be deleted .Directory not empty.; the next save tries again"):
            checkpoints.save(2, W, 3.0)
    assert checkpoints.latest_step() == 2
    checkpoints.save(3, W, 2.0)
    assert steps_in(tmp_path) == {"3"}
    assert not whole.exists()


def test_saving_and_reading_leave_nothing_in_memory(tmp_path):
    checkpoints = Checkpoints(tmp_path, num_kept=1)
    arrays = {f"a{n}": np.ones(n + 1, np.float32) for n in range(20)}
    counts = []
    for step in range(1, 9):
        checkpoints.save(step, arrays, 3.0)
        checkpoints.read(step)
        gc.collect()
        counts.append(len(gc.get_objects()))
    assert counts[-1] - counts[2] < 100  # tensorstore's answer about an array leaks 8 objects
