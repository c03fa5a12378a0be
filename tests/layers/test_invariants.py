"""The properties that every layer must have, checked on every layer of the registry.

Compiling takes nearly all of the time, so forward and inverse are compiled together, once per shape and dtype.
"""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from layers_under_test import IMAGE, LAYERS

from glowjax.layers import Layer
from glowjax.testing import assert_log_det_matches_jacobian

TOLERANCE = {jnp.float32: 2e-4, jnp.float64: 1e-9}  # a few hundred operations of relative precision 6e-8 and 1e-16

every_layer = pytest.mark.parametrize("name", LAYERS)
both_dtypes = pytest.mark.parametrize("dtype", TOLERANCE, ids=["float32", "float64"])


def round_trip(layer, params, x):
    """The output, log-det, reconstruction and log-det of the inverse."""
    y, log_det = layer.forward(params, x)
    return y, log_det, *layer.inverse(params, y)


@functools.cache
def compiled(name):
    return jax.jit(functools.partial(round_trip, LAYERS[name]))


@functools.cache
def perturbed_float64(name):
    key, init_key, noise_key = jax.random.split(jax.random.key(0), 3)
    params = jax.jit(LAYERS[name].init)(init_key, jax.random.normal(key, (16, *IMAGE), jnp.float64))
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(noise_key, max(len(leaves), 1))
    noisy = [leaf + 0.1 * jax.random.normal(k, leaf.shape, leaf.dtype) for leaf, k in zip(leaves, keys, strict=False)]
    return jax.tree.unflatten(structure, noisy)


def perturbed(name, dtype=jnp.float64):
    """Params away from their initial values, where zero-initialized convolutions would hide errors."""
    return jax.tree.map(lambda leaf: leaf.astype(dtype), perturbed_float64(name))


def inputs(batch=(2, 3), dtype=jnp.float64):
    """The first of six images, so that every batch shape has images in common with (2, 3)."""
    six = jax.random.normal(jax.random.key(7), (6, *IMAGE), jnp.float64).astype(dtype)
    return six[: int(np.prod(batch))].reshape(*batch, *IMAGE)


@pytest.fixture(autouse=True)
def allow_float64():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("batch", [(), (2, 3)], ids=str)
@both_dtypes
@every_layer
def test_inverse_undoes_forward_and_an_image_has_one_result_in_any_batch_and_dtype(name, dtype, batch):
    x, close = inputs(batch, dtype), functools.partial(np.testing.assert_allclose, rtol=0, atol=TOLERANCE[dtype])
    y, log_det, back, inverse_log_det = compiled(name)(perturbed(name, dtype), x)
    close(back, x)
    close(inverse_log_det, -log_det, atol=1e-2, rtol=1e-6)
    found = jax.tree.map(lambda a: np.float64(a.reshape(-1, *a.shape[len(batch) :])), (y, log_det))
    reference = compiled(name)(perturbed(name), inputs())[:2]
    expected = jax.tree.map(lambda a: np.float64(a.reshape(6, *a.shape[2:]))[: int(np.prod(batch))], reference)
    chex.assert_trees_all_close(found, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("batch", [(), (1,), (4,), (2, 3)], ids=str)
@every_layer
def test_every_batch_shape_and_dtype_is_kept(name, batch):
    for dtype in TOLERANCE:
        x = jax.ShapeDtypeStruct((*batch, *IMAGE), dtype)
        params = jax.eval_shape(LAYERS[name].init, jax.random.key(0), jax.ShapeDtypeStruct((4, *IMAGE), dtype))
        results = jax.eval_shape(functools.partial(round_trip, LAYERS[name]), params, x)
        assert {leaf.dtype for leaf in jax.tree.leaves((params, results))} == {jnp.dtype(dtype)}
        y, log_det, back, inverse_log_det = results
        assert log_det.shape == inverse_log_det.shape == batch
        assert back.shape == x.shape
        assert all(leaf.shape[:-3] == batch for leaf in jax.tree.leaves(y))


@every_layer
def test_log_det_is_that_of_the_autodiff_jacobian(name):
    """In float64 at (2, 3); the first test carries it over to other batch shapes and to float32."""
    assert_log_det_matches_jacobian(LAYERS[name], perturbed(name), inputs(), atol=TOLERANCE[jnp.float64])


@every_layer
def test_images_of_a_batch_do_not_mix(name):
    x = inputs()
    together, changed = (compiled(name)(perturbed(name), images) for images in (x, x.at[0].add(1.0)))
    chex.assert_trees_all_equal(*(jax.tree.map(lambda a: a[1:], result) for result in (together, changed)))


@every_layer
def test_jit_changes_nothing_and_traces_once_for_two_calls(name):
    num_traces = 0

    def forward(params, x):
        nonlocal num_traces
        num_traces += 1
        return LAYERS[name].forward(params, x)

    jitted = jax.jit(forward)
    with jax.disable_jit():
        eager = LAYERS[name].forward(perturbed(name), inputs(()))
    chex.assert_trees_all_close(jitted(perturbed(name), inputs(())), eager, rtol=1e-10, atol=1e-10)
    jitted(perturbed(name), 2 * inputs(()))
    assert num_traces == 1


@every_layer
def test_gradients_are_finite_and_reach_every_learned_array(name):
    def loss(params, x):
        y, log_det = LAYERS[name].forward(params, x)
        return sum(jnp.sum(jnp.sin(leaf + 1)) for leaf in jax.tree.leaves(y)) + log_det.sum()

    gradient, x_gradient = jax.jit(jax.grad(loss, argnums=(0, 1)))(perturbed(name), inputs((4,)))
    assert np.isfinite(x_gradient).all()
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
        place = jax.tree_util.keystr(path)
        assert np.isfinite(leaf).all(), place
        assert leaf.any() == ("signed_permutation" not in place), f"{place}: only a fixed permutation has no gradient"


@every_layer
def test_equal_hyperparameters_make_equal_hashable_layers(name):
    layer = LAYERS[name]
    assert isinstance(layer, Layer)
    assert hash(layer) == hash(type(layer)(**vars(layer)))
    assert layer == type(layer)(**vars(layer))
