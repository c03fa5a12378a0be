"""What every layer must do, run on every layer of the registry.

Compiling takes nearly all of the time, so a layer is initialised once and compiled once for a shape and dtype.
"""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from layers_under_test import IMAGE, LAYERS

from glowjax.layers import Layer
from glowjax.testing import assert_invertible, assert_log_det_matches_jacobian

BATCH_SHAPES = [(), (1,), (4,), (2, 3)]
TOLERANCE = {jnp.float32: 2e-4, jnp.float64: 1e-9}  # a few hundred operations of relative precision 6e-8 and 1e-16

every_layer = pytest.mark.parametrize("name", LAYERS)
both_dtypes = pytest.mark.parametrize("dtype", TOLERANCE, ids=["float32", "float64"])


class Compiled:
    """A layer's forward and inverse, compiled; `num_traces` counts those of forward."""

    def __init__(self, layer):
        self.num_traces = 0
        self.inverse = jax.jit(layer.inverse)

        @jax.jit
        def forward(params, x):
            self.num_traces += 1
            return layer.forward(params, x)

        self.forward = forward


@functools.cache
def compiled(name):
    return Compiled(LAYERS[name])


@functools.cache
def perturbed_float64(name):
    key, init_key, noise_key = jax.random.split(jax.random.key(0), 3)
    params = jax.jit(LAYERS[name].init)(init_key, jax.random.normal(key, (16, *IMAGE), jnp.float64))
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(noise_key, max(len(leaves), 1))
    noisy = [leaf + 0.1 * jax.random.normal(k, leaf.shape, leaf.dtype) for leaf, k in zip(leaves, keys, strict=False)]
    return jax.tree.unflatten(structure, noisy)


def perturbed(name, dtype=jnp.float64):
    """Params away from their initial values, where zero-initialised convolutions would hide errors."""
    return jax.tree.map(lambda leaf: leaf.astype(dtype), perturbed_float64(name))


def inputs(batch, dtype=jnp.float64):
    """The first of six images, so that every batch shape has images in common with (2, 3)."""
    six = jax.random.normal(jax.random.key(7), (6, *IMAGE), jnp.float64).astype(dtype)
    return six[: int(np.prod(batch))].reshape(*batch, *IMAGE)


@pytest.fixture(autouse=True)
def allow_float64():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("batch", BATCH_SHAPES, ids=str)
@both_dtypes
@every_layer
def test_inverse_undoes_forward_and_log_dets_cancel(name, dtype, batch):
    assert_invertible(compiled(name), perturbed(name, dtype), inputs(batch, dtype), atol=TOLERANCE[dtype])


@every_layer
def test_log_det_is_that_of_the_autodiff_jacobian(name):
    """In float64 at (2, 3); the next test carries it over to the other batch shapes and to float32."""
    layer = compiled(name)
    assert_log_det_matches_jacobian(layer, perturbed(name), inputs((2, 3)), atol=TOLERANCE[jnp.float64])


@pytest.mark.parametrize("batch", BATCH_SHAPES, ids=str)
@both_dtypes
@every_layer
def test_every_batch_shape_and_dtype_gives_each_image_the_same_result(name, dtype, batch):
    result = compiled(name).forward(perturbed(name, dtype), inputs(batch, dtype))
    reference = compiled(name).forward(perturbed(name), inputs((2, 3)))
    flat = jax.tree.map(lambda a: a.reshape(-1, *a.shape[len(batch) :]), result)
    expected = jax.tree.map(lambda a: a.reshape(6, *a.shape[2:])[: int(np.prod(batch))], reference)
    chex.assert_trees_all_close(
        jax.tree.map(np.float64, flat), jax.tree.map(np.float64, expected), rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype]
    )


@both_dtypes
@every_layer
def test_params_and_outputs_keep_the_dtype(name, dtype):
    x = inputs((4,), dtype)
    params = jax.eval_shape(LAYERS[name].init, jax.random.key(0), x)
    y, log_det = compiled(name).forward(perturbed(name, dtype), x)
    back = compiled(name).inverse(perturbed(name, dtype), y)
    assert {leaf.dtype for leaf in jax.tree.leaves((params, y, log_det, back))} == {jnp.dtype(dtype)}


@every_layer
def test_images_of_a_batch_do_not_mix(name):
    params, x = perturbed(name), inputs((4,))
    together = compiled(name).forward(params, x)
    changed = compiled(name).forward(params, x.at[0].add(1.0))
    chex.assert_trees_all_equal(jax.tree.map(lambda a: a[1:], together), jax.tree.map(lambda a: a[1:], changed))


@every_layer
def test_jit_changes_nothing(name):
    params, x = perturbed(name), inputs((4,))
    with jax.disable_jit():
        eager = LAYERS[name].forward(params, x)
    chex.assert_trees_all_close(compiled(name).forward(params, x), eager, rtol=1e-10, atol=1e-10)


@every_layer
def test_forward_is_traced_once_for_two_calls(name):
    layer = Compiled(LAYERS[name])
    for scale in (1.0, 2.0):
        jax.eval_shape(layer.forward, perturbed(name), scale * inputs((4,)))
    assert layer.num_traces == 1


@every_layer
def test_gradients_are_finite_and_reach_every_learned_array(name):
    layer = LAYERS[name]

    def loss(params, x):
        y, log_det = layer.forward(params, x)
        return sum(jnp.sum(jnp.sin(leaf + 1)) for leaf in jax.tree.leaves(y)) + log_det.sum()

    gradient, x_gradient = jax.jit(jax.grad(loss, argnums=(0, 1)))(perturbed(name), inputs((4,)))
    assert np.isfinite(x_gradient).all()
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
        place = jax.tree_util.keystr(path)
        assert np.isfinite(leaf).all(), place
        if "signed_permutation" in place:
            assert not leaf.any(), "the fixed permutation must get no gradient"
        else:
            assert leaf.any(), place


@every_layer
def test_equal_hyperparameters_make_equal_hashable_layers(name):
    layer = LAYERS[name]
    assert isinstance(layer, Layer)
    assert hash(layer) == hash(type(layer)(**vars(layer)))
    assert layer == type(layer)(**vars(layer))
