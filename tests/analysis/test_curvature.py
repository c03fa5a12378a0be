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
    negative_definite,
    nonlinear,
    points,
    quadratic,
    symmetric,
)

from glowjax.analysis import hessian, hessian_diagonal, hessian_trace, hvp, quadratic_forms

pytestmark = pytest.mark.usefixtures("float64")

SHAPE = (2, 3, 1)
MATRIX = symmetric()
chunk_sizes = pytest.mark.parametrize("chunk_size", [1, 4, None])


def bowl():
    return quadratic(MATRIX, slope=points(1, seed=3)[0], constant=7.0)


def at():
    return jnp.asarray(points(1, SHAPE, seed=4)[0])


@chunk_sizes
def test_the_hessian_of_a_quadratic_is_its_matrix(chunk_size):
    rows = hessian(bowl(), at(), chunk_size=chunk_size)
    chex.assert_shape(rows, (*SHAPE, *SHAPE))
    np.testing.assert_allclose(rows.reshape(DIM, DIM), MATRIX, atol=1e-14)


def test_the_product_with_a_quadratics_hessian_is_one_with_its_matrix():
    v = points(1, SHAPE, seed=5)[0]
    product = hvp(bowl(), at(), v)
    chex.assert_shape(product, SHAPE)
    np.testing.assert_allclose(product.ravel(), MATRIX @ v.ravel(), atol=1e-13)


@chunk_sizes
def test_quadratic_forms_take_each_direction(chunk_size):
    directions = points(5, SHAPE, seed=6)
    flat = directions.reshape(5, DIM)
    forms = quadratic_forms(bowl(), at(), directions, chunk_size=chunk_size)
    np.testing.assert_allclose(forms, np.einsum("ni,ij,nj->n", flat, MATRIX, flat), rtol=1e-12)


@chunk_sizes
def test_the_diagonal_of_a_quadratic_is_that_of_its_matrix(chunk_size):
    diagonal = hessian_diagonal(bowl(), at(), chunk_size=chunk_size)
    chex.assert_shape(diagonal, SHAPE)
    np.testing.assert_allclose(diagonal.ravel(), np.diag(MATRIX), atol=1e-14)


@chunk_sizes
def test_the_trace_takes_weights_of_either_sign(chunk_size):
    weights = points(1, SHAPE, seed=7)[0]
    assert weights.min() < 0 < weights.max()
    trace = hessian_trace(bowl(), at(), chunk_size=chunk_size)
    weighted = hessian_trace(bowl(), at(), weights=weights, chunk_size=chunk_size)
    chex.assert_shape([trace, weighted], ())
    np.testing.assert_allclose(trace, np.trace(MATRIX), rtol=1e-12)
    np.testing.assert_allclose(weighted, np.diag(MATRIX) @ weights.ravel(), rtol=1e-12)


@pytest.mark.parametrize("rank", [1, 3, 9])
def test_the_trace_takes_a_factor_of_any_rank(rank):
    factor = points(1, (*SHAPE, rank), seed=8)[0]
    flat = factor.reshape(DIM, rank)
    trace = hessian_trace(bowl(), at(), factor=factor, chunk_size=2)
    np.testing.assert_allclose(trace, np.trace(MATRIX @ flat @ flat.T), rtol=1e-12)


def test_the_hessian_of_a_gaussian_is_minus_its_precision():
    covariance = -np.linalg.inv(negative_definite())
    mean = points(1)[0]

    def log_prob(x):
        return jax.scipy.stats.multivariate_normal.logpdf(x, mean, covariance)

    x = jnp.asarray(points(1, seed=1)[0])
    np.testing.assert_allclose(hessian(log_prob, x), negative_definite(), atol=1e-12)
    np.testing.assert_allclose(hessian_trace(log_prob, x), np.trace(negative_definite()), rtol=1e-12)


def test_where_the_hessian_varies_every_function_takes_it_at_x():
    x, v = jnp.asarray(points(1, SHAPE)[0]), jnp.asarray(points(1, SHAPE, seed=1)[0])
    dense = dense_hessian(nonlinear, x)
    other = dense_hessian(nonlinear, 2 * x)
    assert np.abs(dense - other).max() > 0.1
    np.testing.assert_allclose(hessian(nonlinear, x).reshape(DIM, DIM), dense, atol=1e-12)
    np.testing.assert_allclose(hessian_diagonal(nonlinear, x).ravel(), np.diag(dense), atol=1e-12)
    np.testing.assert_allclose(hessian_trace(nonlinear, x), np.trace(dense), rtol=1e-12)
    np.testing.assert_allclose(hvp(nonlinear, x, v).ravel(), dense @ v.ravel(), atol=1e-12)
    np.testing.assert_allclose(quadratic_forms(nonlinear, x, v[None]), [v.ravel() @ dense @ v.ravel()], rtol=1e-12)


@pytest.mark.parametrize("shape", [(), (1,), (1, 1, 1)], ids=str)
def test_a_single_value_is_a_point_too(shape):
    def cube(x):
        return jnp.sum(x**3)

    x = jnp.full(shape, 2.0)
    for result in (hessian(cube, x), hessian_diagonal(cube, x), hessian_trace(cube, x), hvp(cube, x, jnp.ones(shape))):
        np.testing.assert_allclose(result, 12.0)


def test_the_hessian_of_a_glow_is_that_of_jax():
    dense = dense_glow_hessian("nvp-remat")
    found = hessian(glow_density("nvp-remat"), GLOW_POINT, chunk_size=5)
    np.testing.assert_allclose(found.reshape(dense.shape), dense, atol=1e-11 * np.ptp(dense))


def test_a_product_with_a_glows_hessian_is_a_finite_difference_of_its_gradient():
    log_prob, x = glow_density("nvp-tanh"), GLOW_POINT
    v, step = jnp.asarray(points(1, x.shape)[0]), 1e-3
    gradient = jax.jit(jax.grad(log_prob))
    difference = (gradient(x + step * v) - gradient(x - step * v)) / (2 * step)
    np.testing.assert_allclose(hvp(log_prob, x, v), difference, atol=1e-6 * np.abs(difference).max())


def test_the_diagonal_of_a_glows_hessian_is_a_second_difference_of_its_values():
    log_prob, x = glow_density("nvp-tanh"), GLOW_POINT
    step = 0.02
    steps = step * jnp.eye(x.size).reshape(x.size, *x.shape)
    values = jax.jit(jax.vmap(log_prob))(x + jnp.concatenate([steps, -steps, jnp.zeros((1, *x.shape))]))
    difference = (values[: x.size] - 2 * values[-1] + values[x.size : -1]) / step**2
    diagonal = hessian_diagonal(log_prob, x).ravel()
    np.testing.assert_allclose(diagonal, difference, atol=1e-5 * np.abs(diagonal).max())
