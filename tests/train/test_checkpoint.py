"""Checkpoints: what is kept, what comes back, and what happens to damaged or foreign ones."""

import functools
import math
import os
import shutil
import subprocess
import sys
import textwrap
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

DESCRIPTION = {"model": {"num_scales": 2, "name": "glow"}, "learning_rate": 1e-3, "augment": True}


@flax.struct.dataclass
class State:
    step: jax.Array
    params: Any
    opt_state: Any
    initialised: jax.Array
    name: str = flax.struct.field(pytree_node=False)


OPTIMIZER = optax.apply_if_finite(
    optax.chain(optax.clip_by_global_norm(1.0), optax.adamax(optax.linear_schedule(0.0, 1e-3, 5))), 3
)


def make_state(seed: int = 0, width: int = 4, name: str = "a") -> State:
    key_w, key_b = jax.random.split(jax.random.key(seed))
    params = {
        "coupling": ({"w": jax.random.normal(key_w, (3, width))}, jax.random.normal(key_b, (width,))),
        "a/b.c": [jnp.asarray([np.nan, -0.0, np.inf], jnp.float32), jnp.ones((2,), jnp.bfloat16)],
        "permutation": jnp.arange(width, dtype=jnp.int32),
    }
    learned = params["coupling"]
    return State(jnp.asarray(seed, jnp.int32), params, OPTIMIZER.init(learned), jnp.asarray(True), name)


@functools.partial(jax.jit, donate_argnums=0)
def train_step(state: State, x: jax.Array) -> State:
    def loss(learned: Any) -> jax.Array:
        layer, bias = learned
        return jnp.mean((x @ layer["w"] + bias) ** 2)

    learned = state.params["coupling"]
    updates, opt_state = OPTIMIZER.update(jax.grad(loss)(learned), state.opt_state, learned)
    params = {**state.params, "coupling": optax.apply_updates(learned, updates)}
    return state.replace(step=state.step + 1, params=params, opt_state=opt_state)


def assert_bit_identical(left: Any, right: Any) -> None:
    assert jax.tree.structure(left) == jax.tree.structure(right)
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


def save_all(checkpoints: Checkpoints, bits_per_dim: list[float]) -> None:
    """Saves steps 1, 2, ... with these bits per dimension."""
    for step, bits in enumerate(bits_per_dim, start=1):
        checkpoints.save(step, {"w": jnp.full(2, float(step))}, DESCRIPTION, bits)


def steps_below(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_round_trip_is_bit_identical_and_has_the_templates_types(tmp_path):
    state = make_state(seed=7, name="saved")
    for _ in range(3):
        state = train_step(state, jnp.ones((5, 3)))
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(3, state, DESCRIPTION, 4.5)
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        restored = checkpoints.restore(3, make_state(name="template"))
    assert_bit_identical(restored.replace(name="saved"), state)
    assert restored.name == "template"
    assert isinstance(restored.opt_state, optax.ApplyIfFiniteState)
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(restored))


def test_template_may_be_abstract(tmp_path):
    state = make_state(seed=2)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, state, DESCRIPTION, 4.5)
        assert_bit_identical(checkpoints.restore(1, jax.eval_shape(make_state)), state)


@pytest.mark.parametrize("committed", [False, True])
def test_restored_state_continues_like_the_uninterrupted_one_without_a_new_trace(tmp_path, committed):
    def start() -> State:
        return jax.device_put(make_state(seed=1), jax.devices()[0] if committed else None)

    x = jnp.ones((5, 3))
    with Checkpoints(tmp_path) as checkpoints:
        state = train_step(start(), x)
        checkpoints.save(1, state, DESCRIPTION, 4.5)
        num_traces = train_step._cache_size()
        state = train_step(state, x)  # donates the buffers that were saved
        resumed = train_step(checkpoints.restore(1, start()), x)
    assert train_step._cache_size() == num_traces
    assert_bit_identical(resumed, state)


def test_the_newest_three_and_the_best_are_kept(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        save_all(checkpoints, [4.0, 3.0, 3.5, 3.6, 3.7, 3.8])
        assert steps_below(tmp_path) == {"2", "4", "5", "6"}
        assert (checkpoints.best_step(), checkpoints.latest_step()) == (2, 6)
    with Checkpoints(tmp_path) as checkpoints:
        assert (checkpoints.best_step(), checkpoints.latest_step()) == (2, 6)
        checkpoints.save(7, {"w": jnp.zeros(2)}, DESCRIPTION, 2.0)
        assert steps_below(tmp_path) == {"5", "6", "7"}


def test_among_equally_good_checkpoints_the_newest_is_best(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        save_all(checkpoints, [3.0, 3.0, 4.0])
        assert checkpoints.best_step() == 2


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_non_finite_bits_per_dim_is_never_best(tmp_path, bad):
    with Checkpoints(tmp_path, num_kept=1) as checkpoints:
        save_all(checkpoints, [bad])
        assert (checkpoints.best_step(), checkpoints.latest_step()) == (None, 1)
        checkpoints.save(2, {"w": jnp.zeros(2)}, DESCRIPTION, 5.0)
        checkpoints.save(3, {"w": jnp.zeros(2)}, DESCRIPTION, bad)
        checkpoints.save(4, {"w": jnp.zeros(2)}, DESCRIPTION, bad)
        assert (checkpoints.best_step(), checkpoints.latest_step()) == (2, 4)
    assert steps_below(tmp_path) == {"2", "4"}
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.best_step() == 2


def test_no_finite_bits_per_dim_is_told_when_the_best_is_asked_for(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        save_all(checkpoints, [math.nan, math.nan])
        with pytest.raises(InputError, match=r"No checkpoint with finite bits per dimension .* steps 1, 2\."):
            checkpoints.restore(checkpoints.best_step(), {"w": jnp.zeros(2)})


def test_description_comes_back(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, make_state(), DESCRIPTION, 4.5)
        assert checkpoints.description(1) == DESCRIPTION


def test_relative_directory_is_accepted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Checkpoints(Path("run") / "checkpoints") as checkpoints:
        save_all(checkpoints, [4.0])
    assert steps_below(tmp_path / "run" / "checkpoints") == {"1"}


@pytest.mark.parametrize(
    ("template", "told"),
    [
        (
            make_state(width=5),
            r"leaf \.params\['coupling'\]\[0\]\['w'\] is float32\[3, 4\] .* and float32\[3, 5\]",
        ),
        (
            make_state().replace(initialised=jnp.asarray(1)),
            r"leaf \.initialised is bool\[\] .* and int32\[\] in",
        ),
        (
            make_state().replace(initialised=None),
            r"leaf \.initialised is bool\[\] .* and absent in the template",
        ),
        (make_state().replace(initialised=(jnp.asarray(True),)), r"leaf \.initialised\[0\] is absent in"),
    ],
)
def test_checkpoint_of_another_model_is_told_by_the_first_differing_leaf(tmp_path, template, told):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(3, make_state(), DESCRIPTION, 4.5)
        with pytest.raises(InputError, match=f"step 3 below .* is of another model: {told}"):
            checkpoints.restore(3, template)


@pytest.mark.parametrize("step", [1, None])
def test_empty_directory_asks_for_training_and_stays_untouched(tmp_path, step):
    missing = tmp_path / "missing"
    with Checkpoints(missing, read_only=True) as checkpoints:
        assert checkpoints.latest_step() is None
        assert checkpoints.best_step() is None
        with pytest.raises(InputError, match=f"No checkpoint below {missing}; train one first"):
            checkpoints.restore(step, make_state())
        with pytest.raises(InputError, match="No checkpoint below"):
            checkpoints.description(step)
    assert not missing.exists()


def test_unknown_step_is_told_with_the_known_ones(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        save_all(checkpoints, [4.0, 3.0])
        with pytest.raises(InputError, match=r"No checkpoint at step 9 below .*; name one of the steps 1, 2\."):
            checkpoints.description(9)


@pytest.mark.parametrize("step", [1, 2])
def test_step_that_does_not_follow_the_newest_is_refused(tmp_path, step):
    with Checkpoints(tmp_path) as checkpoints:
        save_all(checkpoints, [4.0, 3.0])
        with pytest.raises(InputError, match=f"Step {step} does not follow the newest checkpoint"):
            checkpoints.save(step, {"w": jnp.zeros(2)}, DESCRIPTION, 1.0)


def test_read_only_saves_nothing_and_cleans_nothing_up(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        save_all(checkpoints, [4.0])
    (tmp_path / "2.orbax-checkpoint-tmp").mkdir()  # another process is writing it
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        with pytest.raises(InputError, match="opened read-only"):
            save_all(checkpoints, [4.0])
        assert checkpoints.latest_step() == 1
    assert steps_below(tmp_path) == {"1", "2.orbax-checkpoint-tmp"}


def test_what_a_killed_run_left_half_written_is_cleaned_up(tmp_path):
    (tmp_path / "7.orbax-checkpoint-tmp").mkdir()
    with Checkpoints(tmp_path) as checkpoints:
        save_all(checkpoints, [4.0])
    assert steps_below(tmp_path) == {"1"}


def test_routine_events_are_not_logged(tmp_path, caplog):
    with Checkpoints(tmp_path) as checkpoints:
        save_all(checkpoints, [math.nan])
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        checkpoints.restore(1, {"w": jnp.zeros(2)})
    assert caplog.records == []


@pytest.mark.parametrize("description", [{"path": Path("x")}, {"rate": math.nan}])
def test_description_that_json_cannot_say_is_refused_before_anything_is_written(tmp_path, description):
    with Checkpoints(tmp_path) as checkpoints:
        with pytest.raises(InputError, match="cannot be written as JSON"):
            checkpoints.save(1, make_state(), description, 4.5)
        assert steps_below(tmp_path) == set()


def test_directory_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    for directory in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="Cannot write below"):
            Checkpoints(directory)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_directory_that_cannot_be_written_is_told(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="Cannot write below"):
        Checkpoints(tmp_path)


def test_num_kept_below_one_is_refused(tmp_path):
    with pytest.raises(InputError, match="num_kept is 0"):
        Checkpoints(tmp_path, num_kept=0)


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: os.truncate(path, path.stat().st_size // 2)])
def test_damaged_checkpoint_is_told_or_else_whole_and_spares_the_others(tmp_path, damage):
    """Each file of a checkpoint in turn is deleted, or cut in half."""
    state = {"w": jnp.arange(300.0)}
    whole = tmp_path / "whole"
    with Checkpoints(whole) as checkpoints:
        checkpoints.save(1, state, DESCRIPTION, 4.5)
        checkpoints.save(2, state, DESCRIPTION, 4.0)
    told = []
    for number, file in enumerate(p for p in (whole / "2").rglob("*") if p.is_file()):
        copy = tmp_path / str(number)
        shutil.copytree(whole, copy)
        damage(copy / file.relative_to(whole))
        try:
            with Checkpoints(copy, read_only=True) as checkpoints:
                assert_bit_identical(checkpoints.restore(1, state), state)
                assert_bit_identical(checkpoints.restore(2, state), state)
                assert checkpoints.description(2) == DESCRIPTION
        except InputError as error:
            told.append(str(error))
    assert len(told) >= 3
    assert all("damaged" in sentence for sentence in told)


@pytest.mark.parametrize(
    ("lost", "read"),
    [("state", lambda c: c.restore(1, make_state())), ("description", lambda c: c.description(1))],
)
def test_half_deleted_checkpoint_is_told(tmp_path, lost, read):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, make_state(), DESCRIPTION, 4.5)
        shutil.rmtree(tmp_path / "1" / lost)
        with pytest.raises(InputError, match=r"step 1 below .* is damaged"):
            read(checkpoints)


def test_killed_while_saving_leaves_the_previous_checkpoint(tmp_path):
    """The process dies when everything of step 2 is written and nothing of it is in its place yet."""
    script = """
        import os, pathlib, sys
        import numpy as np
        from glowjax.train.checkpoint import Checkpoints

        def die(*args, **kwargs):
            if os.path.basename(str(args[-1])) == "2":
                os._exit(9)
            return rename(*args, **kwargs)

        checkpoints = Checkpoints(pathlib.Path(sys.argv[1]))
        checkpoints.save(1, {"w": np.arange(3.0)}, {"name": "first"}, 4.0)
        rename, os.rename = os.rename, die
        checkpoints.save(2, {"w": np.zeros(3)}, {"name": "second"}, 3.0)
    """
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert killed.returncode == 9, killed.stderr
    assert killed.stderr == ""  # nor does orbax talk
    assert len(steps_below(tmp_path)) == 2
    with Checkpoints(tmp_path) as checkpoints:
        assert (checkpoints.latest_step(), checkpoints.best_step()) == (1, 1)
        np.testing.assert_array_equal(checkpoints.restore(1, {"w": np.zeros(3)})["w"], np.arange(3.0))
        checkpoints.save(2, {"w": np.ones(3)}, {"name": "again"}, 3.0)
    assert steps_below(tmp_path) == {"1", "2"}
