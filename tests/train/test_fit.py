"""Training in one call: an interrupted run resumes to the same bits, and bad input is refused before the first step."""

import json
import signal

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import glowjax as gj
from glowjax.checks import InputError
from glowjax.data import ImageSet, batch_indices
from glowjax.models import Flow
from glowjax.train import compiled_step, evaluate, fit, loop
from glowjax.train.checkpoint import Checkpoints
from glowjax.train.log import read
from glowjax.train.step import StepMetrics

MODEL = gj.nvp_glow(1, 1, 4)
KEY = jax.random.key(0)


@pytest.fixture
def train(images):
    """`fit` of a tiny run with two evaluations: at step 3 and at step 6."""
    options = {"key": KEY, "num_steps": 6, "batch_size": 4, "log_every": 2, "evaluate_every": 3, "warmup_steps": 1}
    sets = {"validation": images, "watch": {"other": 255 - images}}
    return lambda *args, **changes: fit(*(args or (MODEL, images)), **{**options, **sets, **changes})


def without_seconds(records):
    return [{name: value for name, value in record.items() if name != "seconds"} for record in records]


def metrics(directory):
    return without_seconds(json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines())


def interrupted_at(num_steps):
    """A compiled step during which Ctrl-C is pressed, after the state has been donated."""

    def make(*arguments):
        step = compiled_step(*arguments)

        def step_with_signal(state, key, batch):
            state, metrics = step(state, key, batch)
            if int(state.step) == num_steps:
                signal.raise_signal(signal.SIGINT)
            return state, metrics

        return step_with_signal

    return make


@pytest.mark.parametrize("num_steps", [1, 5])  # neither is a step at which metrics or checkpoints are due
def test_an_interrupted_run_resumes_to_the_same_bits_as_one_without_a_folder(tmp_path, train, monkeypatch, num_steps):
    expected = train()
    handler = signal.getsignal(signal.SIGINT)  # under `make test &` the shell has set it to be ignored
    with monkeypatch.context() as patch:
        patch.setattr(loop, "compiled_step", interrupted_at(num_steps))
        with pytest.raises(KeyboardInterrupt):
            train(directory=str(tmp_path))
    assert signal.getsignal(signal.SIGINT) is handler
    assert gj.load(tmp_path, MODEL).step == (num_steps if num_steps < 3 else 3)  # the best, or the only one
    actual = train(directory=tmp_path)
    chex.assert_trees_all_equal(actual.params, expected.params)
    assert without_seconds(actual.history) == without_seconds(expected.history)
    seconds = [record["seconds"] for record in read(tmp_path / "metrics.jsonl")]
    assert seconds == sorted(seconds)  # the time before the interruption counts
    records = metrics(tmp_path)
    assert [record["step"] for record in records] == [2, 3, 4, 6]
    assert [record["step"] for record in records if "validation" in record] == [3, 6]
    again = train(directory=tmp_path, log_every=3, evaluate_every=2)  # a finished run has nothing left to do
    assert metrics(tmp_path) == records
    assert without_seconds(again.history) == without_seconds(expected.history)


def test_without_a_directory_nothing_is_written(tmp_path, train, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    train()
    assert list(tmp_path.iterdir()) == []


def test_the_params_are_the_averaged_ones_of_the_best_step_by_validation(train, images, monkeypatch):
    bits = iter((4.0, 3.0, 3.5))
    seen = []

    def scores(model, params, key, sets, is_interrupted):
        seen.append(jax.device_get(params))
        return {"validation": next(bits)}

    monkeypatch.setattr(loop, "evaluate", scores)
    trained = train(evaluate_every=2)
    chex.assert_trees_all_equal(trained.params, seen[1])
    assert (trained.step, trained.bits_per_dim, trained.curve("validation")) == (4, 3.0, [4.0, 3.0, 3.5])


def test_without_validation_the_params_are_those_of_the_last_step(tmp_path, train, images):
    trained = train(validation=None, watch=None)
    saved = train(validation=None, watch=None, directory=tmp_path)
    assert trained.step == saved.step == 6
    assert trained.bits_per_dim is None
    assert [record["step"] for record in trained.history] == [2, 3, 4, 6]
    chex.assert_trees_all_equal(trained.params, saved.params)
    key = jax.random.split(KEY, 3)[2]
    evaluated = evaluate(MODEL, trained.params, key, {"validation": images})["validation"]
    assert train().history[-1]["validation"] == pytest.approx(evaluated)


def test_every_record_reaches_the_callback_with_the_mean_loss_since_the_last_one(train, monkeypatch):
    losses, records = [], []

    def recorded(*arguments):
        step = compiled_step(*arguments)

        def step_and_note(*given):
            state, metrics = step(*given)
            losses.append(float(metrics.bits_per_dim))
            return state, metrics

        return step_and_note

    monkeypatch.setattr(loop, "compiled_step", recorded)
    trained = train(on_metrics=records.append)
    assert [record["step"] for record in records] == [2, 3, 4, 6]
    assert [record for record in records if "other" in record] == trained.history
    expected = [np.mean(losses[:2]), losses[2], losses[3], np.mean(losses[4:])]
    np.testing.assert_allclose([record["train"] for record in records], expected, rtol=1e-6)


def test_another_run_is_refused_with_the_first_difference_and_how_to_resume(tmp_path, train, images, monkeypatch):
    train(directory=tmp_path)
    for changes, difference in [
        ({"key": jax.random.key(1)}, "training.seed = 0, but this one has 1; give the same value to resume"),
        ({"batch_size": 2}, "training.batch_size = 4, but this one has 2"),
        ({"learning_rate": 0.1}, "training.learning_rate = 0.01, but this one has 0.1"),
        ({"num_steps": 5}, "training.num_steps = 6, but this one has 5; give at least as many"),
        ({"description": {"width": 4}}, "width = None, but this one has 4"),
        ({"mutation_rate": 0.2}, "training.mutation_rate = None, but this one has 0.2; give the same value"),
    ]:
        with pytest.raises(InputError, match=f"holds a run with {difference}"):
            train(directory=tmp_path, **changes)
    with pytest.raises(InputError, match=r"num_images = 8, .* 7; give the images that it had"):
        train(MODEL, images[:7], directory=tmp_path)
    with pytest.raises(InputError, match=r"images = '.*; give the images that it had"):
        train(MODEL, 255 - images, directory=tmp_path)
    with pytest.raises(InputError, match=r"init_from = None, .*; start from the same params"):
        train(directory=tmp_path, init_from=train())
    monkeypatch.setattr("glowjax.train.fitting.step_devices", lambda *_: jax.local_devices()[:1])
    assert train(directory=tmp_path).step == 6  # another number of devices may go on


def test_scores_of_other_images_are_never_compared_with_those_of_a_run(tmp_path, train, images):
    train(directory=tmp_path, num_steps=3)
    for changes, name in [
        ({"validation": images[:4]}, "validation"),
        ({"validation": None}, "validation"),
        ({"watch": {"other": images}}, "other"),
    ]:
        with pytest.raises(InputError, match=rf"evaluated\.{name} = '.*; give the images that it had"):
            train(directory=tmp_path, **changes)
    trained = train(directory=tmp_path, watch={"new": images})
    np.testing.assert_array_equal(trained.curve("new"), [np.nan, trained.history[-1]["new"]])
    assert not np.isfinite(trained.curve("other")[-1])


def test_validation_may_begin_when_a_run_is_extended(tmp_path, train, images):
    train(directory=tmp_path, num_steps=3, validation=None)
    assert train(directory=tmp_path, validation=images).step == 6


def test_a_run_on_mutated_pixels_sees_them_in_each_step_and_not_in_its_evaluations(train, images, monkeypatch):
    seen, evaluated = [], []

    def noted(*arguments):
        step = compiled_step(*arguments)
        return lambda state, key, batch: (seen.append(batch), step(state, key, batch))[1]

    def scores(model, params, key, sets, is_interrupted):
        evaluated.append(sets["validation"])
        return {"validation": 4.0}

    monkeypatch.setattr(loop, "compiled_step", noted)
    monkeypatch.setattr(loop, "evaluate", scores)
    trained = train(mutation_rate=0.5, evaluate_every=6)
    assert trained.description["training"]["mutation_rate"] == 0.5
    assert trained.summarize().endswith(", with 50% of the pixel values random")
    np.testing.assert_array_equal(evaluated[0], images)
    shares = [(batch != images[batch_indices(0, step, 8, 4)]).mean() for step, batch in enumerate(seen)]
    np.testing.assert_allclose(shares, 0.5, atol=0.15)


@pytest.mark.parametrize("has_folder", [False, True])
def test_a_callback_may_change_the_record_that_it_gets(tmp_path, train, has_folder):
    trained = train(directory=tmp_path if has_folder else None, on_metrics=dict.clear)
    assert without_seconds(trained.history) == without_seconds(train().history)


def test_checkpoints_by_time_can_be_turned_off(tmp_path, train):
    trained = train(directory=tmp_path, save_every=float("inf"))
    assert trained.description["training"]["save_every"] is None
    assert train(directory=tmp_path).step == trained.step


@pytest.mark.parametrize("rate", [np.float32(0.5), jnp.float32(0.5), np.array(0.5)])
def test_a_learning_rate_may_be_a_number_of_numpy_or_jax(train, rate):
    trained = train(learning_rate=rate)
    assert trained.description["training"]["learning_rate"] == 0.5
    chex.assert_trees_all_equal(trained.params, train(learning_rate=0.5).params)


LIKE = np.zeros((2, 8, 8, 1), np.uint8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 9}, "batch_size is 9, but there are only 8 images"),
        ({"num_steps": 0}, "num_steps must be a positive whole number"),
        ({"num_steps": 2**40}, "num_steps is 1,099,511,627,776, but a run has at most 2,147,483,647 steps; give fewer"),
        ({"save_every": 0.0}, "save_every must be a positive number of seconds, but is 0.0"),
        ({"save_every": float("nan")}, "save_every must be a positive number of seconds, but is nan"),
        ({"mutation_rate": 1.0}, "mutation_rate must be a number from 0 to less than 1, but is 1.0; 0.1 to 0.3"),
        ({"mutation_rate": float("nan")}, "mutation_rate must be a number from 0 to less than 1, but is nan"),
        ({"evaluate_every": 0}, "evaluate_every must be a positive whole number"),
        ({"key": jax.random.PRNGKey(0)}, r"key must be one key of JAX, such as jax.random.key\(0\), but is Array"),
        ({"validation": LIKE[:, 1:]}, r"'validation' have the shape \[7, 8, 1\], but those to train on \[8, 8, 1\]"),
        ({"validation": LIKE.astype(np.float32)}, "'validation' are float32"),
        ({"validation": LIKE[:0]}, r"shape \[0, 8, 8, 1\]"),
        ({"watch": {"seconds": LIKE}}, "A set to watch is called 'seconds'"),
        ({"watch": {"validation": LIKE}}, "A set to watch is called 'validation'"),
        ({"optimizer": "adamx"}, "did you mean 'adamax'"),
        ({"optimizer": optax.sgd(0.1), "learning_rate": 0.1}, "leave learning_rate out"),
        ({"description": {"width": float("nan")}}, "cannot be written as JSON"),
        ({"description": {"model": "mine"}}, "has an entry 'model', which fit writes itself; give it another name"),
        ({"description": {"provenance": "mine"}}, "has an entry 'provenance'"),
        ({"description": {"history": "long"}}, "has an entry 'history'"),
        ({"learning_rate": np.ones(2)}, "learning_rate must be a number, but is .*; a schedule of your own goes"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(tmp_path, train, changes, message):
    with pytest.raises(InputError, match=message):
        train(**{"directory": tmp_path / "run", **changes})
    assert not (tmp_path / "run").exists()


def test_a_directory_that_cannot_be_created_is_refused(tmp_path, train):
    (tmp_path / "file").write_text("")
    for directory in (tmp_path / "file", tmp_path / "file" / "inside"):
        with pytest.raises(InputError, match="Cannot write"):
            train(directory=directory)


def test_the_order_of_images_depends_on_the_seed_of_the_key_alone(train, images, monkeypatch):
    class EnoughError(Exception):
        pass

    def batches(seed):
        seen = []

        def step(state, key, batch):
            seen.append(batch)
            if len(seen) == 5:
                raise EnoughError
            return state.replace(step=state.step + 1), StepMetrics(jnp.zeros(()), jnp.zeros(()))

        monkeypatch.setattr(loop, "compiled_step", lambda *arguments: step)
        with pytest.raises(EnoughError):
            train(key=jax.random.key(seed), log_every=100, evaluate_every=100)
        return np.stack(seen)

    first = batches(0)
    np.testing.assert_array_equal(first, batches(0))
    assert (first != batches(1)).any()
    np.testing.assert_array_equal(first, [images[batch_indices(0, step, 8, 4)] for step in range(5)])


class Overflowing(Flow):
    """A flow whose first ActNorm overflows at the first step."""

    def init(self, key, images):
        def fill(path, leaf):
            is_scale = "[2][0]['log_scale']" in jax.tree_util.keystr(path)
            return jnp.full_like(leaf, 1e4) if is_scale else leaf

        return jax.tree_util.tree_map_with_path(fill, super().init(key, images))


def test_twenty_nonfinite_gradients_stop_the_run_at_a_named_layer_and_keep_the_checkpoint(tmp_path, train, images):
    options = {"num_steps": 40, "log_every": 5, "evaluate_every": 10, "directory": tmp_path}
    message = r"at step 20: 20 gradients .* output of scale 1, step 1, ActNorm\. Lower .* is of step 10\."
    with pytest.raises(InputError, match=message), pytest.warns(UserWarning, match=r"\(train\) are nan at step 5"):
        train(Overflowing(MODEL.layer), images, **options)
    saved = Checkpoints(tmp_path / "checkpoints", read_only=True).read(10).arrays
    assert np.isfinite(saved["gradient_norm"])
    assert gj.load(tmp_path, MODEL).step == 10


def test_an_optimizer_of_optax_takes_the_place_of_ours(train, images):
    trained = train(optimizer=optax.sgd(0.0))
    assert trained.description["training"]["optimizer"] == "custom"
    assert "learning_rate" not in trained.description["training"]
    init_key, first = jax.random.split(KEY, 3)[0], batch_indices(0, 0, 8, 8)
    chex.assert_trees_all_close(trained.params, MODEL.init(init_key, images[first]), rtol=1e-5)


def test_an_image_set_gives_the_run_the_name_of_its_data(train, images):
    trained = train(MODEL, ImageSet("ramps:train", images))
    assert (trained.in_dist, trained.name, trained.seed, trained.num_dims) == ("ramps", "ramps", 0, 64)
    assert trained.learned(ImageSet("ramps:train", images))
    assert not trained.learned(ImageSet("ramps:test", images))
    with pytest.raises(InputError, match="have no name; train it on an ImageSet"):
        _ = train().in_dist
