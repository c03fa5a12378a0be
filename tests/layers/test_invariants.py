"""What every layer must do, run on every layer of the registry."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from layers_under_test import IMAGE, LAYERS

from glowjax.layers import Layer
from glowjax.testing import assert_invertible, assert_log_det_matches_jacobian

BATCH_SHAPES = [(), (1,), (4,), (2, 3)]
TOLERANCE = {jnp.float32: 2e-4, jnp.float64: 1e-9}

every_layer = pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS.keys())
every_batch = pytest.mark.parametrize("batch", BATCH_SHAPES, ids=str)
both_dtypes = pytest.mark.parametrize("dtype", TOLERANCE, ids=["float32", "float64"])


def perturbed(layer, dtype):
    """Params away from their initial values, where zero-initialised convolutions would hide errors."""
    key, init_key, noise_key = jax.random.split(jax.random.key(0), 3)
    params = jax.jit(layer.init)(init_key, jax.random.normal(key, (16, *IMAGE), dtype))
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(noise_key, max(len(leaves), 1))
    noisy = [leaf + 0.1 * jax.random.normal(k, leaf.shape, leaf.dtype) for leaf, k in zip(leaves, keys, strict=False)]
    return jax.tree.unflatten(structure, noisy)


def inputs(batch, dtype=jnp.float32):
    return jax.random.normal(jax.random.key(7), (*batch, *IMAGE), dtype)


@pytest.fixture(autouse=True)
def allow_float64():
    with jax.enable_x64(True):
        yield


@every_layer
@every_batch
@both_dtypes
def test_inverse_undoes_forward_and_log_dets_cancel(layer, batch, dtype):
    assert_invertible(layer, perturbed(layer, dtype), inputs(batch, dtype), atol=TOLERANCE[dtype])


@every_layer
@every_batch
@both_dtypes
def test_log_det_is_that_of_the_autodiff_jacobian(layer, batch, dtype):
    assert_log_det_matches_jacobian(layer, perturbed(layer, dtype), inputs(batch, dtype), atol=TOLERANCE[dtype])


@every_layer
@both_dtypes
def test_outputs_keep_the_dtype(layer, dtype):
    params = perturbed(layer, dtype)
    y, log_det = layer.forward(params, inputs((2,), dtype))
    x, inverse_log_det = layer.inverse(params, y)
    assert {leaf.dtype for leaf in jax.tree.leaves((params, y, log_det, x, inverse_log_det))} == {jnp.dtype(dtype)}


@every_layer
def test_images_of_a_batch_do_not_mix(layer):
    params, x = perturbed(layer, jnp.float64), inputs((4,), jnp.float64)
    together = layer.forward(params, x)
    changed = layer.forward(params, x.at[0].add(1.0))
    single = layer.forward(params, x[2])
    chex.assert_trees_all_equal(jax.tree.map(lambda a: a[1:], together), jax.tree.map(lambda a: a[1:], changed))
    chex.assert_trees_all_close(jax.tree.map(lambda a: a[2], together), single, rtol=1e-12, atol=1e-12)


@every_layer
def test_leading_axes_are_a_batch(layer):
    params, x = perturbed(layer, jnp.float64), inputs((2, 3), jnp.float64)
    flat = layer.forward(params, x.reshape(6, *IMAGE))
    nested = jax.tree.map(lambda a: a.reshape(6, *a.shape[2:]), layer.forward(params, x))
    chex.assert_trees_all_close(nested, flat, rtol=1e-12, atol=1e-12)


@every_layer
def test_jit_changes_nothing(layer):
    params, x = perturbed(layer, jnp.float64), inputs((3,), jnp.float64)
    with jax.disable_jit():
        eager = layer.forward(params, x)
    chex.assert_trees_all_close(jax.jit(layer.forward)(params, x), eager, rtol=1e-10, atol=1e-10)


@every_layer
def test_gradients_are_finite_and_reach_every_learned_array(layer):
    params = perturbed(layer, jnp.float64)

    def loss(params, x):
        y, log_det = layer.forward(params, x)
        return sum(jnp.sum(jnp.sin(leaf + 1)) for leaf in jax.tree.leaves(y)) + log_det.sum()

    gradient, x_gradient = jax.grad(loss, argnums=(0, 1))(params, inputs((3,), jnp.float64))
    assert np.isfinite(x_gradient).all()
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
        name = jax.tree_util.keystr(path)
        assert np.isfinite(leaf).all(), name
        if "signed_permutation" in name:
            assert not leaf.any(), "the fixed permutation must get no gradient"
        elif layer is not LAYERS["FullConv1x1"] and "'upper'" not in name and "'lower'" not in name:
            assert leaf.any(), name


@every_layer
def test_forward_is_traced_once_for_two_calls(layer):
    @jax.jit
    @chex.assert_max_traces(n=1)
    def forward(params, x):
        return layer.forward(params, x)

    params = perturbed(layer, jnp.float32)
    for scale in (1.0, 2.0):
        forward(params, scale * inputs((2,)))


@every_layer
def test_equal_hyperparameters_make_equal_hashable_layers(layer):
    assert isinstance(layer, Layer)
    assert hash(layer) == hash(type(layer)(**vars(layer)))
    assert layer == type(layer)(**vars(layer))
