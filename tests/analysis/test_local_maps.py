"""Laplacians through the networks of couplings, whose outputs depend on a window of pixels."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.densities import points

from glowjax.analysis import laplacian, local_maps
from glowjax.layers import AffineCoupling
from glowjax.networks import local
from glowjax.networks.conditioners import ConvConditioner, HighwayConditioner

pytestmark = pytest.mark.usefixtures("float64", "promotion")

SHAPE = (7, 5, 4)
NETWORKS = {
    "relu": ConvConditioner(3),
    "tanh": ConvConditioner(3, jnp.tanh),
    "highway": HighwayConditioner(3, jax.nn.swish, num_layers=1),
}


@functools.cache
def coupling(name):
    """A coupling and its params, none of which has its initial value."""
    layer = AffineCoupling(NETWORKS[name])
    leaves, tree = jax.tree.flatten(layer.init(jax.random.key(0), jnp.asarray(points(3, SHAPE))))
    rng = np.random.default_rng(0)
    return layer, jax.tree.unflatten(tree, [leaf + 0.4 * rng.normal(size=leaf.shape) for leaf in leaves])


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_reach_as_far_as_they_declare(name):
    layer, params = coupling(name)
    x = jnp.asarray(points(1, (7, 6, 2))[0])
    jacobian = np.asarray(jax.jacfwd(functools.partial(layer.condition, params))(x))
    distances = np.abs(np.arange(7)[:, None] - np.arange(7))
    depends = np.abs(jacobian).sum(axis=(2, 5)).astype(bool)  # [row, column, row, column]
    for rows_and_columns in (depends.any(axis=(1, 3)), depends.any(axis=(0, 2))):
        found = distances[: len(rows_and_columns), : len(rows_and_columns)][rows_and_columns]
        assert found.max() == vars(type(layer.conditioner))["reach"]


@pytest.mark.parametrize("shape", [(7, 6, 2), (6, 3, 2), (1, 8, 1)])
def test_derivatives_along_probes_give_those_along_any_direction(shape):
    weights = points(1, (5, 5, shape[-1], 3))[0]

    def convolve(image):
        return jax.lax.conv_general_dilated(
            image[None], weights, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )[0]

    directions = points(4, shape, seed=1)
    probes = local_maps.probes(shape, 2).astype(float)
    assert len(probes) == local_maps.num_probes(shape, 2)
    along = local_maps.along(jnp.asarray(directions), jax.vmap(convolve)(probes), 2)
    np.testing.assert_allclose(along, jax.vmap(convolve)(directions), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_laplacian_by_probes_is_the_trace_of_the_hessian(name, monkeypatch):
    layer, params = coupling(name)
    x, weights = jnp.asarray(points(2, SHAPE))
    uses = []
    monkeypatch.setattr(local_maps, "along", lambda *args, along=local_maps.along: (uses.append(1), along(*args))[1])

    def log_prob(x):
        y, log_det = layer.forward(params, jnp.sin(x))
        return log_det - jnp.sum(y**2) / 2

    expected = np.diag(jax.jit(jax.hessian(log_prob))(x).reshape(x.size, x.size)) @ weights.ravel()
    np.testing.assert_allclose(laplacian(log_prob, x, weights=weights), expected, rtol=1e-10)
    assert uses


def test_images_and_params_may_be_mapped_and_networks_differentiated():
    layer, params = coupling("tanh")
    twice = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf / 2]), params)
    x = jnp.asarray(points(1, (5, 4, 4))[0])

    def log_prob(x):
        pair = jax.vmap(layer.forward, in_axes=(None, 0))(params, jnp.stack([x, x**2]))[0]
        mixture = jax.vmap(layer.forward, in_axes=(0, None))(twice, x)[0]
        slope = jax.grad(lambda x: jnp.sum(layer.forward(params, x)[0] ** 2))(x)
        return sum(jnp.sum(jnp.sin(part)) for part in (pair, mixture, slope))

    expected = jnp.trace(jax.jit(jax.hessian(log_prob))(x).reshape(x.size, x.size))
    np.testing.assert_allclose(laplacian(log_prob, x), expected, rtol=1e-10)


def test_a_subclass_declares_its_own_reach():
    class Wider(ConvConditioner):
        def hidden(self, x, norm, activation):
            return activation(norm(kernel_size=5)(x))

    class Declared(Wider):
        reach = 3

    def names(network: nn.Module):
        x = jnp.ones((3, 3, 2))
        params = network.init(jax.random.key(0), x, 2)["params"]
        jaxpr = jax.make_jaxpr(lambda x: local.apply(network, params, x, 2))(x)
        return [local.reach_of(eqn.params.get("name", "")) for eqn in jaxpr.eqns]

    assert names(Declared(2)) == [3]
    assert not any(names(Wider(2)))
