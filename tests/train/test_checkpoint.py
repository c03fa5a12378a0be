"""Checkpoints: which ones are kept, what comes back, and what happens to damaged ones and those of other models."""

import logging
import math
import os
import shutil
import subprocess
import sys
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
from glowjax.train import make_optimizer, make_state, train_step
from glowjax.train.checkpoint import Checkpoints
from glowjax.train.files import named_leaves

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
    with Checkpoints(tmp_path) as checkpoints:
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
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(3, Static(odd, "saved"), 4.5)
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        restored = checkpoints.restore(3, Static(jax.eval_shape(lambda: odd), "template"))
    assert_bit_identical(restored, Static(odd, "template"))
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(restored))


def test_the_newest_three_and_the_best_are_kept_the_newer_of_two_equally_good_ones(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        save_all(checkpoints, 3.0, 3.0, 3.5, 3.6, 3.7, 3.8)
        assert steps_in(tmp_path) == {"2", "4", "5", "6"}
        assert (checkpoints.best_step(), checkpoints.latest_step()) == (2, 6)
    with Checkpoints(tmp_path) as checkpoints:
        assert (checkpoints.best_step(), checkpoints.latest_step()) == (2, 6)
        checkpoints.save(7, W, 2.0)
        assert steps_in(tmp_path) == {"5", "6", "7"}


def test_nonfinite_bits_per_dim_is_never_best(tmp_path):
    with Checkpoints(tmp_path, num_kept=1) as checkpoints:
        save_all(checkpoints, math.nan)
        assert (checkpoints.best_step(), checkpoints.latest_step()) == (None, 1)
        for step, bits in ((2, 5.0), (3, math.nan), (4, -math.inf)):
            checkpoints.save(step, W, bits)
    assert steps_in(tmp_path) == {"2", "4"}
    with Checkpoints(tmp_path) as checkpoints:
        assert (checkpoints.best_step(), checkpoints.latest_step()) == (2, 4)


def test_a_relative_directory_is_accepted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Checkpoints(Path("run") / "checkpoints") as checkpoints:
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
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(3, state, 4.5)
        with pytest.raises(InputError, match=f"step 3 in .* is of another model: {difference}"):
            checkpoints.restore(3, {**state, **changes})


def test_arrays_whose_names_would_be_the_same_are_refused():
    with pytest.raises(InputError, match="2 arrays have only 1 different names"):
        named_leaves({"a": {"b": jnp.zeros(1)}, "a.b": jnp.zeros(1)})


def test_reading_a_missing_directory_finds_nothing_and_creates_nothing(tmp_path):
    missing = tmp_path / "missing"
    with Checkpoints(missing, read_only=True) as checkpoints:
        assert checkpoints.latest_step() is None
        assert checkpoints.best_step() is None
        with pytest.raises(InputError, match=f"No checkpoint at step 1 in {missing}; there is none"):
            checkpoints.arrays(1)
    assert not missing.exists()


def test_unknown_and_repeated_steps_are_refused_with_the_known_ones(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        save_all(checkpoints, 4.0, 3.0)
        with pytest.raises(InputError, match=r"No checkpoint at step 9 in .*; the steps are 1, 2\."):
            checkpoints.restore(9, W)
        for step in (1, 2):
            with pytest.raises(InputError, match=f"Step {step} does not follow the newest checkpoint .* step 2;"):
                checkpoints.save(step, W, 1.0)


def test_unfinished_checkpoints_are_cleaned_up_by_the_next_run_but_not_by_a_reader(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        save_all(checkpoints, 4.0)
    (tmp_path / "7.orbax-checkpoint-tmp").mkdir()
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        assert checkpoints.latest_step() == 1
    assert steps_in(tmp_path) == {"1", "7.orbax-checkpoint-tmp"}
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(2, W, 4.0)
    assert steps_in(tmp_path) == {"1", "2"}


def test_routine_events_are_not_logged_and_the_loggers_are_left_as_they_were(tmp_path, caplog):
    filters = list(logging.getLogger("absl").filters)
    with Checkpoints(tmp_path) as checkpoints:
        save_all(checkpoints, math.nan)
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
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


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: os.truncate(path, path.stat().st_size // 2)])
def test_a_damaged_checkpoint_is_refused_or_else_whole_and_the_others_stay_readable(tmp_path, damage):
    """Each file of a checkpoint in turn is deleted, or cut in half."""
    state = {"w": jnp.arange(300.0)}
    whole = tmp_path / "whole"
    with Checkpoints(whole) as checkpoints:
        checkpoints.save(1, state, 4.5)
        checkpoints.save(2, state, 4.0)
    messages = []
    for number, file in enumerate(p for p in (whole / "2").rglob("*") if p.is_file()):
        copy = tmp_path / str(number)
        shutil.copytree(whole, copy)
        damage(copy / file.relative_to(whole))
        try:
            with Checkpoints(copy, read_only=True) as checkpoints:
                assert_bit_identical(checkpoints.restore(1, state), state)
                assert_bit_identical(checkpoints.restore(2, state), state)
        except InputError as error:
            messages.append(str(error))
    assert len(messages) >= 2
    assert all("damaged" in message for message in messages)


def test_a_half_deleted_checkpoint_is_refused(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        save_all(checkpoints, 4.5)
        shutil.rmtree(tmp_path / "1" / "state")
        with pytest.raises(InputError, match=r"step 1 in .* is damaged"):
            checkpoints.restore(1, W)


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
    with Checkpoints(tmp_path) as checkpoints:
        assert (checkpoints.latest_step(), checkpoints.best_step()) == (1, 1)
        chex.assert_trees_all_equal(checkpoints.restore(1, W), W)
        checkpoints.save(2, W, 3.0)
    assert steps_in(tmp_path) == {"1", "2"}
