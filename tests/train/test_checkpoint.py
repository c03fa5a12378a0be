"""Checkpoints: which ones are kept, what comes back, and what happens to damaged ones and those of other models."""

import functools
import math
import os
import shutil
from pathlib import Path
from typing import Any

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


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path)


def saved(directory: Path, *bits_per_dim: float) -> Checkpoints:
    """Checkpoints at steps 1, 2, ... with these bits per dimension."""
    checkpoints = Checkpoints(directory)
    for step, bits in enumerate(bits_per_dim, start=1):
        checkpoints.save(step, W, bits)
    return checkpoints


def names(directory: Path) -> set[str]:
    return {path.name.removesuffix(".safetensors") for path in directory.iterdir()}


def test_a_restored_state_is_bit_identical_and_has_the_classes_of_the_template(checkpoints):
    state = make_state(seed=7, name="saved")
    for _ in range(3):
        state = train_step(state, jnp.ones((5, 3)))
    checkpoints.save(3, state, 4.5)
    restored = checkpoints.restore(3, make_state(name="template"))
    assert_bit_identical(checkpoints.restore(3, jax.eval_shape(make_state)), restored.replace(name="a"))
    assert_bit_identical(restored.replace(name="saved"), state)
    assert restored.name == "template"
    assert isinstance(restored.opt_state, optax.ApplyIfFiniteState)
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(restored))


@pytest.mark.parametrize("committed", [False, True])
def test_a_restored_state_continues_like_the_original_without_a_new_trace(checkpoints, committed):
    def start() -> State:
        return jax.device_put(make_state(seed=1), jax.devices()[0] if committed else None)

    x = jnp.ones((5, 3))
    state = train_step(start(), x)
    checkpoints.save(1, state, 4.5)
    num_traces = train_step._cache_size()
    state = train_step(state, x)  # donates the buffers that were saved
    resumed = train_step(checkpoints.restore(1, start()), x)
    assert train_step._cache_size() == num_traces
    assert_bit_identical(resumed, state)


def test_the_newest_three_and_the_best_are_kept(tmp_path):
    saved(tmp_path, 4.0, 3.0, 3.5, 3.6, 3.7, 3.8)
    assert names(tmp_path) == {"2-3.0", "4-3.6", "5-3.7", "6-3.8"}
    checkpoints = Checkpoints(tmp_path)
    assert (checkpoints.best_step(), checkpoints.latest_step()) == (2, 6)
    checkpoints.save(7, W, 2.0)
    assert names(tmp_path) == {"5-3.7", "6-3.8", "7-2.0"}


@pytest.mark.parametrize(
    ("bits_per_dim", "best"),
    [
        ([3.0, 3.0, 4.0], 2),  # the newest of equals
        ([math.nan], None),
        ([math.nan, 5.0, math.nan, -math.inf, math.inf, math.nan], 2),
        ([1e-7, -1e-7, 0.0, 1e20], 2),
        ([4.000000000000001, 4.0, 4.000000000000001], 2),
    ],
)
def test_the_best_has_the_lowest_finite_bits_per_dim(tmp_path, bits_per_dim, best):
    checkpoints = saved(tmp_path, *bits_per_dim)
    assert (checkpoints.best_step(), checkpoints.latest_step()) == (best, len(bits_per_dim))


@pytest.mark.parametrize(
    ("template", "difference"),
    [
        (make_state(width=5), r"array params\.coupling\.0\.w is float32\[3, 4\] there and float32\[3, 5\] in this"),
        (make_state().replace(initialized=jnp.asarray(1)), r"array initialized is bool\[\] there and int32\[\] in"),
        (make_state().replace(initialized=None), r"array initialized is bool\[\] there and absent in this model"),
        (make_state().replace(initialized=(jnp.asarray(True),)), r"array initialized\.0 is absent there"),
    ],
)
def test_a_checkpoint_of_another_model_is_refused_with_the_first_difference(checkpoints, template, difference):
    checkpoints.save(3, make_state(), 4.5)
    with pytest.raises(InputError, match=f"step 3 in .* is of another model: {difference}"):
        checkpoints.restore(3, template)


def test_arrays_whose_names_would_be_the_same_are_refused():
    with pytest.raises(InputError, match="2 arrays have only 1 different names"):
        named_leaves({"a": {"b": jnp.zeros(1)}, "a.b": jnp.zeros(1)})


def test_reading_a_missing_directory_finds_nothing_and_creates_nothing(tmp_path):
    missing = Checkpoints(tmp_path / "missing")
    assert missing.latest_step() is missing.best_step() is None
    with pytest.raises(InputError, match=f"No checkpoint at step 1 in {missing.directory}; there is none"):
        missing.arrays(1)
    assert not missing.directory.exists()


def test_unknown_and_repeated_steps_are_refused_with_the_known_ones(tmp_path):
    checkpoints = saved(tmp_path, 4.0, 3.0)
    with pytest.raises(InputError, match=r"No checkpoint at step 9 in .*; the steps are 1, 2\."):
        checkpoints.restore(9, W)
    for step in (1, 2):
        with pytest.raises(InputError, match=f"Step {step} does not follow the newest checkpoint .* step 2;"):
            checkpoints.save(step, W, 1.0)


@pytest.mark.parametrize(
    "damage", [lambda path: os.truncate(path, path.stat().st_size // 2), lambda path: os.truncate(path, 0)]
)
def test_a_damaged_checkpoint_is_refused_and_the_others_stay_readable(tmp_path, damage):
    checkpoints = saved(tmp_path, 4.5, 4.0)
    damage(tmp_path / "2-4.0.safetensors")
    with pytest.raises(
        InputError, match=r"step 2 in .* is damaged .*; delete 2-4\.0\.safetensors and use another step"
    ):
        checkpoints.restore(2, W)
    assert_bit_identical(checkpoints.restore(1, W), W)
    (tmp_path / "2-4.0.safetensors").unlink()
    assert (checkpoints.latest_step(), checkpoints.best_step()) == (1, 1)


def test_a_kill_during_a_save_leaves_the_previous_checkpoint_and_the_next_save_cleans_up(tmp_path, monkeypatch):
    """The files are those at the moment at which all of step 2 is written and none of it is in its place yet."""
    running, killed = tmp_path / "running", tmp_path / "killed"
    running.mkdir()
    checkpoints = saved(running, 4.0)
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda *paths: (shutil.copytree(running, killed), replace(*paths)))
    checkpoints.save(2, W, 3.0)
    monkeypatch.undo()
    assert names(killed) == {"1-4.0", "2-3.0.safetensors.part"}
    left = Checkpoints(killed)
    assert (left.latest_step(), left.best_step()) == (1, 1)
    assert_bit_identical(left.restore(1, W), W)
    assert len(names(killed)) == 2  # reading changes nothing, since the run may still be writing
    left.save(3, W, 3.0)
    assert names(killed) == {"1-4.0", "3-3.0"}
