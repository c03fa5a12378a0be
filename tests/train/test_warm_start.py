"""Warm starts and extensions: which params and which schedule a run goes on with."""

import chex
import jax
import numpy as np
import optax
import pytest

import glowjax as gj
from glowjax.checks import InputError
from glowjax.train import compiled_step, fit, make_optimizer, make_state
from glowjax.train.loop import batch_indices
from glowjax.train.warm_start import digest_of

MODEL = gj.nvp_glow(1, 1, 4)
KEY = jax.random.key(0)


@pytest.fixture
def train(images):
    """`fit` of a tiny run."""
    options = {"key": KEY, "num_steps": 2, "batch_size": 4, "warmup_steps": 1, "evaluate_every": 2}
    return lambda model=MODEL, data=images, **changes: fit(model, data, **{**options, **changes})


def test_a_run_starts_with_the_params_of_a_trained_model_a_folder_or_a_file(tmp_path, train):
    before = train(directory=tmp_path / "before")
    given = digest_of(before.params)
    file = gj.save(before, tmp_path / "before.safetensors")
    for source in (before, tmp_path / "before", str(file)):
        trained = train(init_from=source, optimizer=optax.sgd(0.0))  # which takes no steps
        chex.assert_trees_all_close(trained.params, before.params, rtol=1e-6)  # an average of equal params
        assert trained.description["init_from"] == given
        assert digest_of(before.params) == given  # the first step did not take over their memory
    assert "init_from" not in before.description


def test_a_run_is_resumed_with_the_same_warm_start_alone(tmp_path, train):
    first, second = train(), train(key=jax.random.key(1))
    train(init_from=first, directory=tmp_path)
    assert train(init_from=first, directory=tmp_path).step == 2
    for other in (None, second):
        with pytest.raises(InputError, match="init_from"):
            train(init_from=other, directory=tmp_path)


def test_params_that_do_not_fit_are_refused(tmp_path, train, images):
    before = train(directory=tmp_path / "before")
    for source in (before, tmp_path / "before"):
        with pytest.raises(InputError, match=r"is of another model: array .* is float32\[.*\] there and"):
            train(gj.nvp_glow(1, 1, 6), init_from=source)
        with pytest.raises(InputError, match=r"images of shape \[8, 8, 1\], but these are \[4, 8, 1\]; start from"):
            train(data=np.ascontiguousarray(images[:, :4]), init_from=source)
    with pytest.raises(InputError, match="There is no trained model at"):
        train(init_from=tmp_path / "missing")


def test_a_longer_run_goes_on_with_the_schedule_of_its_length(tmp_path, train, images):
    options = {"directory": tmp_path, "log_every": 1, "learning_rate": 0.01}
    train(**options, num_steps=3, evaluate_every=3)
    extended = train(**options, num_steps=5, evaluate_every=5)
    init_key, step_key, _ = jax.random.split(KEY, 3)
    state = None
    for first, last in ((0, 3), (3, 5)):
        optimizer = make_optimizer(learning_rate=0.01, num_steps=last, warmup_steps=1)
        if state is None:
            state = make_state(MODEL.init(init_key, images[batch_indices(0, 0, 8, 8)]), optimizer)
        step = compiled_step(MODEL, optimizer)
        for index in range(first, last):
            state, _ = step(state, step_key, images[batch_indices(0, index, 8, 4)])
    chex.assert_trees_all_equal(extended.params, jax.device_get(state.ema_params))
    assert extended.description["training"]["num_steps"] == 5
    with pytest.raises(InputError, match="num_steps"):
        train(**options, num_steps=4)


def test_a_longer_run_equals_an_uninterrupted_one_if_the_rate_does_not_depend_on_its_length(tmp_path, train):
    options = {"optimizer": optax.sgd(0.01)}
    train(**options, directory=tmp_path)
    extended = train(**options, directory=tmp_path, num_steps=5, evaluate_every=5)
    chex.assert_trees_all_equal(extended.params, train(**options, num_steps=5).params)
