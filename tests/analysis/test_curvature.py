import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.densities import (
    DIM,
    GLOW_POINT,
    dense_glow_hessian,
    dense_hessian,
    glow_density,
    nonlinear,
    points,
    quadratic,
    symmetric,
)

from glowjax.analysis import hessian, hessian_diagonal, hessian_trace, hvp, quadratic_forms

pytestmark = pytest.mark.usefixtures("float64")

SHAPE = (2, 3, 1)
BOWL = quadratic(symmetric(), slope=points(1, seed=3)[0], constant=7.0)
X = points(1, SHAPE, seed=4)[0]


@pytest.mark.parametrize("chunk_size", [1, 4, None])
@pytest.mark.parametrize("log_prob", [BOWL, nonlinear], ids=["quadratic", "nonlinear"])
def test_every_function_takes_the_hessian_at_x(log_prob, chunk_size):
    """Of the quadratic it is its matrix; of the other density it changes from place to place."""
    dense = symmetric() if log_prob is BOWL else dense_hessian(nonlinear, X)
    assert log_prob is BOWL or np.abs(dense - dense_hessian(nonlinear, 2 * X)).max() > 0.1
    rows = hessian(log_prob, X, chunk_size=chunk_size)
    chex.assert_shape(rows, (*SHAPE, *SHAPE))
    np.testing.assert_allclose(rows.reshape(DIM, DIM), dense, atol=1e-12)
    diagonal = hessian_diagonal(log_prob, X, chunk_size=chunk_size)
    chex.assert_shape(diagonal, SHAPE)
    np.testing.assert_allclose(diagonal.ravel(), np.diag(dense), atol=1e-12)
    directions = points(5, SHAPE, seed=6)
    flat = directions.reshape(5, DIM)
    forms = quadratic_forms(log_prob, X, directions, chunk_size=chunk_size)
    np.testing.assert_allclose(forms, np.einsum("ni,ij,nj->n", flat, dense, flat), rtol=1e-11)
    product = hvp(log_prob, X, directions[0])
    chex.assert_shape(product, SHAPE)
    np.testing.assert_allclose(product.ravel(), dense @ flat[0], atol=1e-12)


@pytest.mark.parametrize("chunk_size", [1, 4, None])
@pytest.mark.parametrize("log_prob", [BOWL, nonlinear], ids=["quadratic", "nonlinear"])
def test_the_trace_takes_weights_of_either_sign_and_factors_of_any_rank(log_prob, chunk_size):
    dense = symmetric() if log_prob is BOWL else dense_hessian(nonlinear, X)
    weights = points(1, SHAPE, seed=7)[0]
    assert weights.min() < 0 < weights.max()
    trace = hessian_trace(log_prob, X, chunk_size=chunk_size)
    weighted = hessian_trace(log_prob, X, weights=weights, chunk_size=chunk_size)
    chex.assert_shape([trace, weighted], ())
    np.testing.assert_allclose(trace, np.trace(dense), rtol=1e-12)
    np.testing.assert_allclose(weighted, np.diag(dense) @ weights.ravel(), rtol=1e-12)
    for rank in (1, 3, 9):
        factor = points(1, (*SHAPE, rank), seed=8)[0]
        flat = factor.reshape(DIM, rank)
        trace = hessian_trace(log_prob, X, factor=factor, chunk_size=chunk_size)
        np.testing.assert_allclose(trace, np.trace(dense @ flat @ flat.T), rtol=1e-11)


@pytest.mark.parametrize("shape", [(), (1,), (1, 1, 1)], ids=str)
def test_a_single_value_is_a_point_too(shape):
    def cube(x):
        return jnp.sum(x**3)

    x = jnp.full(shape, 2.0)
    for result in (hessian(cube, x), hessian_diagonal(cube, x), hessian_trace(cube, x), hvp(cube, x, jnp.ones(shape))):
        np.testing.assert_allclose(result, np.full(np.shape(result), 12.0))


def test_the_hessian_of_a_glow_is_that_of_jax():
    dense = dense_glow_hessian("nvp-remat")
    found = hessian(glow_density("nvp-remat"), GLOW_POINT, chunk_size=5)
    np.testing.assert_allclose(found.reshape(dense.shape), dense, atol=1e-11 * np.ptp(dense))


def test_products_with_a_glows_hessian_are_finite_differences():
    """Of its gradient along any direction, and of its values along the axes."""
    log_prob, x = glow_density("nvp-tanh"), GLOW_POINT
    v, step = jnp.asarray(points(1, x.shape)[0]), 1e-3
    gradient = jax.jit(jax.grad(log_prob))
    difference = (gradient(x + step * v) - gradient(x - step * v)) / (2 * step)
    np.testing.assert_allclose(hvp(log_prob, x, v), difference, atol=1e-6 * np.abs(difference).max())

    step = 0.02
    steps = step * np.eye(x.size).reshape(x.size, *x.shape)
    values = jax.jit(jax.vmap(log_prob))(x[None] + np.concatenate([steps, -steps, np.zeros((1, *x.shape))]))
    difference = (values[: x.size] - 2 * values[-1] + values[x.size : -1]) / step**2
    diagonal = hessian_diagonal(log_prob, x).ravel()
    np.testing.assert_allclose(diagonal, difference, atol=1e-5 * np.abs(diagonal).max())
