"""Checkpoints: which ones are kept, what comes back, and what happens to damaged ones and those of other models."""

import functools
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
import optax
import pytest

from glowjax.checks import InputError
from glowjax.train.checkpoint import Checkpoints
from glowjax.train.files import named_leaves
from glowjax.train.optimizer import skip_nonfinite

W = {"w": jnp.arange(3.0)}


class State(flax.struct.PyTreeNode):
    step: jax.Array
    params: Any
    opt_state: Any
    initialized: Any
    name: str = flax.struct.field(pytree_node=False)


OPTIMIZER = skip_nonfinite(
    optax.chain(optax.clip_by_global_norm(1.0), optax.adamax(optax.linear_schedule(0.0, 1e-3, 5)))
)


def make_state(seed: int = 0, width: int = 4, name: str = "a") -> State:
    key_w, key_b = jax.random.split(jax.random.key(seed))
    params = {
        "coupling": ({"w": jax.random.normal(key_w, (3, width))}, jax.random.normal(key_b, (width,))),
        "a/b c": [jnp.asarray([np.nan, -0.0, np.inf], jnp.float32), jnp.ones((2,), jnp.bfloat16)],
        "permutation": jnp.arange(width, dtype=jnp.int32),
    }
    return State(jnp.asarray(seed, jnp.int32), params, OPTIMIZER.init(params["coupling"]), jnp.asarray(True), name)


@functools.partial(jax.jit, donate_argnums=0)
def train_step(state: State, x: jax.Array) -> State:
    def loss(learned: Any) -> jax.Array:
        layer, bias = learned
        return jnp.mean((x @ layer["w"] + bias[None]) ** 2)

    learned = state.params["coupling"]
    updates, opt_state = OPTIMIZER.update(jax.grad(loss)(learned), state.opt_state, learned)
    params = {**state.params, "coupling": optax.apply_updates(learned, updates)}
    return state.replace(step=state.step + 1, params=params, opt_state=opt_state)


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


def test_a_restored_state_is_bit_identical_and_has_the_classes_of_the_template(tmp_path):
    state = make_state(seed=7, name="saved")
    for _ in range(3):
        state = train_step(state, jnp.ones((5, 3)))
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(3, state, 4.5)
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        restored = checkpoints.restore(3, make_state(name="template"))
        assert_bit_identical(checkpoints.restore(3, jax.eval_shape(make_state)), restored.replace(name="a"))
    assert_bit_identical(restored.replace(name="saved"), state)
    assert restored.name == "template"
    assert isinstance(restored.opt_state, optax.ApplyIfFiniteState)
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(restored))


@pytest.mark.parametrize("committed", [False, True])
def test_a_restored_state_continues_like_the_original_without_a_new_trace(tmp_path, committed):
    def start() -> State:
        return jax.device_put(make_state(seed=1), jax.devices()[0] if committed else None)

    x = jnp.ones((5, 3))
    with Checkpoints(tmp_path) as checkpoints:
        state = train_step(start(), x)
        checkpoints.save(1, state, 4.5)
        num_traces = train_step._cache_size()
        state = train_step(state, x)  # donates the buffers that were saved
        resumed = train_step(checkpoints.restore(1, start()), x)
    assert train_step._cache_size() == num_traces
    assert_bit_identical(resumed, state)


def test_the_newest_three_and_the_best_are_kept(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        save_all(checkpoints, 4.0, 3.0, 3.5, 3.6, 3.7, 3.8)
        assert steps_in(tmp_path) == {"2", "4", "5", "6"}
        assert (checkpoints.best_step(), checkpoints.latest_step()) == (2, 6)
    with Checkpoints(tmp_path) as checkpoints:
        assert (checkpoints.best_step(), checkpoints.latest_step()) == (2, 6)
        checkpoints.save(7, W, 2.0)
        assert steps_in(tmp_path) == {"5", "6", "7"}


def test_among_equally_good_checkpoints_the_newest_is_best(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        save_all(checkpoints, 3.0, 3.0, 4.0)
        assert checkpoints.best_step() == 2


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
    ("template", "difference"),
    [
        (make_state(width=5), r"array params\.coupling\.0\.w is float32\[3, 4\] there and float32\[3, 5\] in this"),
        (make_state().replace(initialized=jnp.asarray(1)), r"array initialized is bool\[\] there and int32\[\] in"),
        (make_state().replace(initialized=None), r"array initialized is bool\[\] there and absent in this model"),
        (make_state().replace(initialized=(jnp.asarray(True),)), r"array initialized\.0 is absent there"),
    ],
)
def test_a_checkpoint_of_another_model_is_refused_with_the_first_difference(tmp_path, template, difference):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(3, make_state(), 4.5)
        with pytest.raises(InputError, match=f"step 3 in .* is of another model: {difference}"):
            checkpoints.restore(3, template)


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
