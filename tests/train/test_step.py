"""One training step: known numbers, a lower loss, and no harm by a non-finite gradient."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from glowjax import nvp_glow
from glowjax.train import make_optimizer, make_state, train_step

MODEL = nvp_glow(1, 1, 4)
OPTIMIZER = make_optimizer(learning_rate=0.02, num_steps=100, warmup_steps=2)
KEY = jax.random.key(5)


@jax.jit
def step(state, key, images):
    return train_step(MODEL, OPTIMIZER, state, key, images)


@pytest.fixture
def state(images):
    return make_state(MODEL.init(jax.random.key(0), images), OPTIMIZER)


def test_a_golden_step_gives_the_known_loss_and_params(state, images):
    """A change of initialization, noise, loss, gradient or optimizer shows here first."""
    for _ in range(2):  # the warm-up's first rate is 0
        state, metrics = step(state, KEY, images)
    actual = [metrics.bits_per_dim, metrics.gradient_norm, *map(optax.tree.norm, (state.params, state.ema_params))]
    np.testing.assert_allclose(actual, [7.667009, 1.104230, 8.874249, 8.873126], rtol=1e-5)
    assert (int(state.loss_count), float(state.loss_sum)) == (2, pytest.approx(15.333799, rel=1e-5))


def test_twenty_steps_lower_the_loss(state, images):
    before = MODEL.loss(state.params, KEY, images)
    for count in range(1, 21):
        state, metrics = step(state, KEY, images)
        assert int(state.step) == count
        assert metrics.gradient_norm > 0
    # The same noise before and after; 20 steps bring about 0.5 bits.
    assert MODEL.loss(state.params, KEY, images) < before - 0.2
    assert MODEL.loss(state.ema_params, KEY, images) < before - 0.1


def test_the_noise_depends_on_the_step_and_on_the_key(state, images):
    reported = [
        float(step(s, key, images)[1].bits_per_dim)
        for s, key in [(state, KEY), (state.replace(step=state.step + 1), KEY), (state, jax.random.key(6))]
    ]
    assert len(set(reported)) == 3
    step_key = jax.random.fold_in(KEY, 0)
    keys = jnp.stack([jax.random.fold_in(step_key, index) for index in range(len(images))])
    np.testing.assert_allclose(reported[0], MODEL.loss(state.params, keys, images), rtol=1e-6)


def test_the_average_follows_the_params(state, images):
    after, _ = step(state, KEY, images)
    after, _ = step(after, KEY, images)  # the warm-up's first rate is 0
    third, _ = step(after, KEY, images)
    decay = 3 / 13
    expected = optax.incremental_update(third.params, after.ema_params, 1 - decay)
    chex.assert_trees_all_close(third.ema_params, expected, rtol=1e-6, atol=1e-7)
    assert any(jax.tree.leaves(jax.tree.map(lambda a, b: bool((a != b).any()), third.params, after.params)))


def test_a_nonfinite_gradient_changes_nothing_and_is_counted(state, images):
    class Poisoned(type(MODEL)):
        def loss(self, params, key, images):
            return super().loss(params, key, images) * jnp.where(images[0, 0, 0, 0] == 7, jnp.nan, 1.0)

    model = Poisoned(MODEL.layer)
    poisoned_step = jax.jit(lambda state, images: train_step(model, OPTIMIZER, state, KEY, images))
    good, bad = images.copy(), images.copy()
    good[0, 0, 0, 0], bad[0, 0, 0, 0] = 8, 7
    for _ in range(2):
        state, _ = poisoned_step(state, good)
    assert state.opt_state.notfinite_count == 0
    for count in (1, 2):
        after, _ = poisoned_step(state, bad)
        chex.assert_trees_all_equal(after.params, state.params)
        chex.assert_trees_all_equal(after.ema_params, state.ema_params)
        assert after.opt_state.notfinite_count == count
        state = after
    state, _ = poisoned_step(state, good)
    assert state.opt_state.notfinite_count == 0
