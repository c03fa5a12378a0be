"""A repetition equals its unrolled chain in every memory mode, and each mode keeps what it says."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from layers.test_layers import KEY, batch
from layers_under_test import CONV, IMAGE, STEP, perturb

from glowjax import nvp_glow
from glowjax.analysis import hessian_trace, hvp, location_spread_gap
from glowjax.checks import InputError
from glowjax.layers import ActNorm, AdditiveCoupling, AffineCoupling, Chain, Conv1x1, FullConv1x1, Repeat
from glowjax.layers.repeat import MEMORY
from glowjax.networks.conditioners import ConvConditioner


@pytest.mark.parametrize("memory", MEMORY)
def test_repeat_equals_the_unrolled_chain(memory):
    repeat, x = Repeat(STEP, 3, memory), batch(1)
    params = perturb(repeat.init(KEY, batch()), scale=0.1)
    unrolled = tuple(jax.tree.map(lambda leaf, i=i: leaf[i], params) for i in range(3))
    expected = Chain((STEP,) * 3).forward(unrolled, x)
    chex.assert_trees_all_close(repeat.forward(params, x), expected, rtol=1e-4, atol=1e-4)


def test_repeat_initializes_each_step_with_the_output_of_the_step_before():
    x, layer = batch(), Repeat(Chain((ActNorm(), Conv1x1(), AffineCoupling(CONV), ActNorm())), 3)
    y, _ = layer.forward(layer.init(KEY, x), x)
    np.testing.assert_allclose(y.mean((0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(y.std((0, 1, 2)), 1, atol=1e-4)


class Free(AffineCoupling):
    """A coupling with a map of its own, whose gradient the parent's `pull_back` does not give."""

    def forward(self, params, x):
        x_a, x_b = jnp.split(x, 2, axis=-1)
        shift, scale, log_scale = self.shift_and_scale(params, x_a)
        return jnp.concatenate([x_a, x_b * scale + shift], axis=-1), log_scale.sum((-3, -2, -1))

    def inverse(self, params, y):
        y_a, y_b = jnp.split(y, 2, axis=-1)
        shift, scale, log_scale = self.shift_and_scale(params, y_a)
        return jnp.concatenate([y_a, (y_b - shift) / scale], axis=-1), -log_scale.sum((-3, -2, -1))


class Renamed(AffineCoupling):
    """A coupling that keeps the map of its parent, and so its `pull_back`."""


STEPS = {
    "affine": STEP,
    "actnorm": ActNorm(),
    "additive": Chain((ActNorm(), FullConv1x1(), AdditiveCoupling(CONV))),
    "subclass with its own map": Free(CONV),
    "subclass": Chain((ActNorm(), Renamed(CONV))),
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_memory_modes_have_the_same_gradients_by_params_and_input(step, float64):
    def gradients(memory):
        def loss(params, x):
            y, log_det = Repeat(step, 3, memory).forward(params, x)
            return (jnp.sin(y) * y).sum() + (log_det**2).sum()

        return jax.jit(jax.grad(loss, argnums=(0, 1)))(params, batch(1, (8, *IMAGE)))

    params = perturb(Repeat(step, 3).init(KEY, batch()), scale=0.1)
    expected = gradients("store")
    for memory in ("remat", "invert"):
        chex.assert_trees_all_close(gradients(memory), expected, rtol=1e-6, atol=1e-6)


def temporary_bytes(forward, params, x):
    """The memory of the compiled gradient with respect to params and input."""
    gradient = jax.jit(jax.grad(lambda params, x: (forward(params, x)[0] ** 2).sum(), argnums=(0, 1)))
    return gradient.lower(params, x).compile().memory_analysis().temp_size_in_bytes


def test_the_inverting_mode_keeps_no_activation():
    """The memory for 24 steps over that for 6: other modes grow."""
    x = jnp.tile(batch(), (16, 1, 1, 1))

    def growth(memory):
        layers = [Repeat(STEP, num_steps, memory) for num_steps in (24, 6)]
        many, few = (temporary_bytes(layer.forward, layer.init(KEY, batch()), x) for layer in layers)
        return many / few

    assert growth("invert") < 1.3
    assert growth("invert") < growth("remat") < growth("store")


def test_storing_keeps_products_and_not_all_else():
    """The memory beside that of a scan that keeps every residual."""
    step = Chain((ActNorm(), Conv1x1(), AffineCoupling(ConvConditioner(width=32))))
    x = jnp.tile(batch(), (16, 1, 1, 1))
    params = Repeat(step, 12).init(KEY, x)

    def keep_all(params, x):
        return jax.lax.scan(lambda x, step_params: (step.forward(step_params, x)[0], None), x, params)

    stored, remat = (temporary_bytes(Repeat(step, 12, memory).forward, params, x) for memory in ("store", "remat"))
    assert remat < stored < 0.85 * temporary_bytes(keep_all, params, x)


def test_the_inverting_mode_refuses_forward_mode_and_the_analysis_says_what_to_do():
    inverting, storing = (nvp_glow(1, 2, 4, memory=memory) for memory in ("invert", "store"))
    images = np.random.default_rng(0).integers(0, 256, (8, 4, 4, 1), dtype=np.uint8)
    params, points = inverting.init(KEY, images), images.astype(np.float32)
    inverting, storing = (functools.partial(model.log_prob, params) for model in (inverting, storing))
    with pytest.raises(InputError, match=r"no second derivatives .* memory='invert' .*with_memory\('store'\)"):
        hessian_trace(inverting, points[0])
    with pytest.raises(InputError, match="with_memory"):
        location_spread_gap(inverting, points, points + 1, key=KEY)
    expected = hvp(storing, points[0], points[0])
    np.testing.assert_allclose(hvp(inverting, points[0], points[0]), expected, rtol=1e-3, atol=1e-4)
