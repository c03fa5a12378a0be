"""The host's loop: an interrupted run goes on as if nothing had happened, and a hopeless one says why it stops."""

import json
import signal

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from glowjax import nvp_glow
from glowjax.checks import InputError
from glowjax.data import batch_indices
from glowjax.models import Flow
from glowjax.train import Checkpoints, Run, compiled_step, loop, make_optimizer, train
from glowjax.train.loop import evaluate
from glowjax.train.step import StepMetrics

MODEL = nvp_glow(1, 1, 4)
OPTIMIZER = make_optimizer(learning_rate=0.01, num_steps=6, warmup_steps=1)
DESCRIPTION = {"width": 4, "seed": 0}
LIKE = np.zeros((2, 8, 8, 1), np.uint8)  # images like those to train on


def run_of(directory, **options):
    fields = {"num_steps": 6, "batch_size": 4, "log_every": 2, "evaluate_every": 3, "description": DESCRIPTION}
    return Run(directory=directory, **{**fields, **options})


def trained(run, images, model=MODEL):
    return train(run, model, OPTIMIZER, images, {"validation": images, "other": 255 - images})


def metrics(directory):
    records = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in record.items() if name != "seconds"} for record in records]


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
def test_an_interrupted_run_resumes_to_the_same_bits(tmp_path, images, monkeypatch, num_steps):
    expected = trained(run_of(tmp_path / "whole"), images)
    handler = signal.getsignal(signal.SIGINT)  # under `make test &` the shell has set it to be ignored
    with monkeypatch.context() as patch:
        patch.setattr(loop, "compiled_step", interrupted_at(num_steps))
        with pytest.raises(KeyboardInterrupt):
            trained(run_of(tmp_path / "halves"), images)
    assert signal.getsignal(signal.SIGINT) is handler
    with Checkpoints(tmp_path / "halves" / "checkpoints", read_only=True) as checkpoints:
        assert checkpoints.latest_step() == num_steps
    actual = trained(run_of(tmp_path / "halves"), images)
    chex.assert_trees_all_equal(actual, expected)
    assert metrics(tmp_path / "halves") == metrics(tmp_path / "whole")


def test_metrics_and_checkpoints_come_when_they_should(tmp_path, images):
    state = trained(run_of(tmp_path), images)
    assert int(state.step) == 6
    records = metrics(tmp_path)
    assert [record["step"] for record in records if "train" in record] == [2, 4, 6]
    assert [record["step"] for record in records if "validation" in record] == [3, 6]
    assert all({"validation", "other"} <= record.keys() for record in records if "train" not in record)
    with Checkpoints(tmp_path / "checkpoints", read_only=True) as checkpoints:
        assert checkpoints.latest_step() == 6
        chex.assert_trees_all_equal(checkpoints.restore(6, state), state)
    chex.assert_trees_all_equal(trained(run_of(tmp_path), images), state)  # a finished run has nothing left to do
    assert metrics(tmp_path) == records


def test_what_is_evaluated_are_the_averaged_params(tmp_path, images):
    state, key = trained(run_of(tmp_path), images), jax.random.split(jax.random.key(0), 3)[2]
    scores = {
        name: evaluate(MODEL, params, key, {"validation": images})["validation"]
        for name, params in (("averaged", state.ema_params), ("last", state.params))
    }
    assert metrics(tmp_path)[-1]["validation"] == pytest.approx(scores["averaged"])
    assert abs(scores["last"] - scores["averaged"]) > 1e-3


def test_another_description_is_refused_by_the_name_of_its_field(tmp_path, images):
    trained(run_of(tmp_path, num_steps=1), images)
    with pytest.raises(InputError, match="holds a run with width = 4, but this one has 6"):
        trained(run_of(tmp_path, description={**DESCRIPTION, "width": 6}), images)


def test_a_run_from_before_an_option_existed_resumes_at_the_options_default(tmp_path, images):
    before, now = ({**DESCRIPTION, "model": model} for model in ({"width": 4}, {"width": 4, "depth": 1}))
    trained(run_of(tmp_path, num_steps=1, description=before), images)
    trained(run_of(tmp_path, num_steps=2, description=now, defaults={"model": {"width": 9, "depth": 1}}), images)
    other = {**DESCRIPTION, "model": {"width": 4, "depth": 2}}
    with pytest.raises(InputError, match=r"holds a run with model = .*'depth': 1"):
        trained(run_of(tmp_path, description=other, defaults={"model": {"width": 9, "depth": 1}}), images)


def test_a_run_on_another_number_of_devices_says_how_to_have_as_many_again(tmp_path, images, monkeypatch):
    with monkeypatch.context() as on_one:
        on_one.setattr(loop, "step_devices", lambda batch_size: jax.local_devices()[:1])
        trained(run_of(tmp_path, num_steps=1), images)
    with pytest.raises(InputError, match="num_devices = 1, but this one has 2; set JAX_NUM_CPU_DEVICES=1"):
        trained(run_of(tmp_path, batch_size=4), images)


def test_a_run_on_other_images_says_that_it_is_they_that_differ(tmp_path, images):
    trained(run_of(tmp_path, num_steps=1, description={**DESCRIPTION, "num_images": 7}), images)
    with pytest.raises(InputError, match=r"num_images = 7, .* 8; name the data folder that it had, .* to resume it"):
        trained(run_of(tmp_path, description={**DESCRIPTION, "num_images": 8}), images)


def test_a_batch_larger_than_the_set_is_refused_before_anything_is_written(tmp_path, images):
    with pytest.raises(InputError, match="batch size is 9 and the training set has 8 images"):
        trained(run_of(tmp_path / "run", batch_size=9), images)
    assert not (tmp_path / "run").exists()


def test_a_run_does_not_resume_under_what_would_change_its_bits(tmp_path, images):
    trained(run_of(tmp_path, num_steps=1, description={"width": 4}), images)
    for option, value in (("seed", 1), ("batch_size", 2)):
        for description in ({"width": 4}, {"width": 4, option: getattr(run_of(tmp_path), option)}):
            with pytest.raises(InputError, match=f"holds a run with {option} = "):
                trained(run_of(tmp_path, description=description, **{option: value}), images)


def test_a_run_resumes_from_before_its_conditions_were_noted(tmp_path, images, monkeypatch):
    with monkeypatch.context() as before:
        before.setattr(loop, "noted", lambda run, num_devices: run)
        trained(run_of(tmp_path, num_steps=1, description={"width": 4}), images)
    assert int(trained(run_of(tmp_path, num_steps=2, description={"width": 4}), images).step) == 2


def test_tuples_in_a_description_are_the_lists_that_json_makes_of_them(tmp_path, images):
    for num_steps in (1, 2):
        trained(run_of(tmp_path, num_steps=num_steps, description={"image_shape": (4, 4, 1)}), images)


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ({"validation": LIKE[:, 1:]}, r"'validation' to evaluate is uint8 \[2, 7, 8, 1\]"),
        ({"validation": LIKE.astype(np.float32)}, "is float32"),
        ({"validation": LIKE[:0]}, r"is uint8 \[0, 8, 8, 1\]; expected one or more"),
        ({"validation": LIKE, "seconds": LIKE}, "call it otherwise"),
        ({"other": LIKE}, "one must be called 'validation'"),
    ],
)
def test_sets_that_cannot_be_evaluated_are_refused_before_the_first_step(tmp_path, images, sets, message):
    with pytest.raises(InputError, match=message):
        train(run_of(tmp_path / "run"), MODEL, OPTIMIZER, images, sets)
    assert not (tmp_path / "run").exists()


def test_a_description_that_json_cannot_say_is_refused_before_the_first_step(tmp_path, images):
    with pytest.raises(InputError, match="cannot be written as JSON"):
        trained(run_of(tmp_path / "run", description={"width": float("nan")}), images)
    assert not (tmp_path / "run").exists()


def test_the_order_of_images_depends_on_the_seed_alone(tmp_path, images, monkeypatch):
    class EnoughError(Exception):
        pass

    def batches(seed, directory):
        seen = []

        def step(state, key, batch):
            seen.append(batch)
            if len(seen) == 5:
                raise EnoughError
            return state.replace(step=state.step + 1), StepMetrics(jnp.zeros(()), jnp.zeros(()))

        monkeypatch.setattr(loop, "compiled_step", lambda *arguments: step)
        with pytest.raises(EnoughError):
            trained(run_of(tmp_path / directory, seed=seed, log_every=100, evaluate_every=100), images)
        return np.stack(seen)

    first = batches(0, "a")
    np.testing.assert_array_equal(first, batches(0, "b"))
    assert (first != batches(1, "c")).any()
    expected = np.stack([images[batch_indices(0, step, 8, 4)] for step in range(5)])
    np.testing.assert_array_equal(first, expected)


def test_twenty_nonfinite_gradients_stop_the_run_at_a_named_layer_and_keep_the_checkpoint(tmp_path, images):
    run = run_of(tmp_path, num_steps=2)
    trained(run, images)

    class Overflowing(Flow):
        """The first ActNorm's scale overflows as soon as training has begun."""

        def init(self, key, images):
            params = super().init(key, images)
            actnorm, *rest = params.layer["scales"][0][2]
            actnorm = {**actnorm, "log_scale": jnp.full_like(actnorm["log_scale"], 1e4)}
            scale = (*params.layer["scales"][0][:2], (actnorm, *rest))
            return params.replace(layer={**params.layer, "scales": (scale,)})

    bad = run_of(tmp_path / "bad", num_steps=40, log_every=5, evaluate_every=10)
    with pytest.raises(InputError, match=r"at step 20: 20 gradients .* output of scale 1, step 1, ActNorm\. Lower"):
        trained(bad, images, Overflowing(MODEL.layer))
    with Checkpoints(tmp_path / "bad" / "checkpoints", read_only=True) as checkpoints:
        assert checkpoints.latest_step() == 10
