"""The optimizer's rates, seen in the updates that it makes, and the sentences for bad options."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from glowjax.checks import InputError
from glowjax.train import make_optimizer
from glowjax.train.optimizer import OPTIMIZERS


def rates(name="adamax", num_steps=100, **options):
    """The size of each update: with a constant gradient of 1, Adam's and Adamax's is the learning rate."""
    optimizer = make_optimizer(name, learning_rate=0.5, num_steps=num_steps, **options)

    def step(state, _):
        updates, state = optimizer.update(jnp.ones(()), state)
        return state, -updates

    return np.asarray(jax.lax.scan(step, optimizer.init(jnp.zeros(())), length=num_steps)[1])


@pytest.mark.parametrize("name", ["adamax", "adam"])
def test_cosine_rises_from_zero_to_the_rate_and_decays_to_zero(name):
    actual = rates(name, warmup_steps=20)
    angle = np.pi * np.arange(80) / 80
    expected = 0.5 * np.concatenate([np.arange(20) / 20, (1 + np.cos(angle)) / 2])
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)
    assert actual[0] == 0


def test_halving_halves_at_80_and_at_90_percent():
    actual = rates(warmup_steps=10, schedule="halving")
    expected = 0.5 * np.concatenate([np.arange(10) / 10, np.ones(70), np.full(10, 0.5), np.full(10, 0.25)])
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("schedule", ["cosine", "halving"])
def test_a_warmup_takes_no_more_than_half_of_a_short_run(schedule):
    actual = rates(num_steps=10, warmup_steps=1000, schedule=schedule)
    np.testing.assert_allclose(actual.max(), 0.5, rtol=1e-4)
    assert actual.argmax() == 5


def test_no_warmup_starts_at_the_rate():
    np.testing.assert_allclose(rates(warmup_steps=0)[0], 0.5, rtol=1e-4)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_descends(name):
    optimizer = make_optimizer(name, learning_rate=0.1, num_steps=100, warmup_steps=1)
    x = jnp.ones(3)
    state = optimizer.init(x)
    for _ in range(5):
        updates, state = optimizer.update(2 * x, state, x)
        x = optax.apply_updates(x, updates)
    assert (x < 1).all()


def test_gradients_are_clipped_by_their_global_norm(monkeypatch):
    monkeypatch.setitem(OPTIMIZERS, "sgd", optax.sgd)
    optimizer = make_optimizer("sgd", learning_rate=1.0, num_steps=9, warmup_steps=0, clip_norm=5.0)
    gradient = {"a": jnp.array([30.0]), "b": jnp.array([40.0])}
    updates, _ = optimizer.update(gradient, optimizer.init(gradient))
    np.testing.assert_allclose([updates["a"][0], updates["b"][0]], [-3, -4], rtol=1e-5)


def test_bad_options_are_told_in_a_sentence():
    good = {"learning_rate": 1e-3, "num_steps": 10, "warmup_steps": 1}
    with pytest.raises(InputError, match="Unknown optimizer 'adamx'; did you mean 'adamax'"):
        make_optimizer("adamx", **good)
    with pytest.raises(InputError, match="Unknown schedule 'cosin'; did you mean 'cosine'"):
        make_optimizer(**good, schedule="cosin")
    for bad in ({"learning_rate": 0.0}, {"learning_rate": -1.0}, {"num_steps": 0}, {"clip_norm": 0.0}):
        with pytest.raises(InputError, match="must be positive, but are"):
            make_optimizer(**{**good, **bad})
    with pytest.raises(InputError, match="must not be negative, but is -1"):
        make_optimizer(**{**good, "warmup_steps": -1})
    with pytest.raises(InputError, match="must be positive, but are nan"):
        make_optimizer(**{**good, "learning_rate": float("nan")})
