"""`hessian_trace_estimate`: the estimates are right on average, and so are their standard errors."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.densities import nonlinear, numbers, points, quadratic, symmetric

from glowjax.analysis import hessian_trace, hessian_trace_estimate

DIM = 48
MATRIX = symmetric(DIM)  # a flat spectrum, of both signs
TRACE = np.trace(MATRIX)
both_methods = pytest.mark.parametrize("method", ["hutchinson", "xtrace"])
bowl = quadratic(MATRIX)


@functools.cache
def estimates(method, num_probes=16, num_keys=400):
    """Means and standard errors over keys."""

    @jax.jit
    def of_keys(x, keys):
        return jax.lax.map(lambda key: hessian_trace_estimate(bowl, x, key, num_probes, method=method), keys)

    return numbers(of_keys(jnp.zeros(DIM), jax.random.split(jax.random.key(0), num_keys)))


@both_methods
def test_estimates_are_unbiased(method):
    mean, _ = estimates(method)
    assert abs(mean.mean() - TRACE) < 4 * mean.std() / np.sqrt(len(mean))


@both_methods
@pytest.mark.parametrize("num_probes", [10, 16])
def test_normal_intervals_cover_the_trace_about_95_times_in_100(method, num_probes):
    mean, sem = estimates(method, num_probes)
    assert 0.90 <= np.mean(np.abs(mean - TRACE) < 1.96 * sem) <= 0.99


@pytest.mark.parametrize(("method", "num_probes", "rtol"), [("hutchinson", 2, 0.15), ("xtrace", 16, 0.35)])
def test_the_standard_error_is_the_spread_of_the_estimates(method, num_probes, rtol):
    mean, sem = estimates(method, num_probes)
    np.testing.assert_allclose(np.sqrt(np.mean(sem**2)), mean.std(), rtol=rtol)


def test_xtrace_is_far_better_where_few_eigenvalues_dominate():
    few = quadratic(-np.outer(*[points(1, (DIM,))[0]] * 2) - 1e-3 * np.eye(DIM))
    x, key = jnp.zeros(DIM), jax.random.key(0)
    hutchinson, xtrace = (hessian_trace_estimate(few, x, key, 8, method=method) for method in ("hutchinson", "xtrace"))
    assert xtrace.sem < 0.01 * hutchinson.sem
    assert abs(xtrace.value - hessian_trace(few, x)) < 0.01 * hutchinson.sem


@pytest.mark.parametrize("num_probes", [24, 48])
def test_xtrace_is_exact_with_half_as_many_probes_as_dimensions(num_probes):
    mean, sem = numbers(hessian_trace_estimate(bowl, jnp.zeros(DIM), jax.random.key(0), num_probes, method="xtrace"))
    np.testing.assert_allclose(mean, TRACE, rtol=1e-4)
    assert sem < 1e-4 * abs(TRACE)


@both_methods
def test_the_unit_of_x_does_not_matter(method):
    matrix, x, key = MATRIX - 9 * np.eye(DIM), jnp.zeros(DIM), jax.random.key(0)

    @jax.jit
    def scaled(scale):
        return hessian_trace_estimate(quadratic(scale * matrix), x, key, 10, method=method)

    expected = numbers(scaled(1.0))
    for scale in (1e-9, 1e-4, 1e4):
        np.testing.assert_allclose(numbers(scaled(scale)) / scale, expected, rtol=1e-2)


@pytest.mark.parametrize("rank", [0, 5])
def test_xtrace_is_exact_where_the_rank_is_below_the_number_of_probes(rank):
    a = points(rank, (DIM,))
    bowl = quadratic(a.T @ a)
    mean, sem = numbers(hessian_trace_estimate(bowl, jnp.zeros(DIM), jax.random.key(0), 10, method="xtrace"))
    np.testing.assert_allclose(mean, np.sum(a**2), rtol=1e-4)
    assert sem <= 1e-4 * np.sum(a**2)


def test_hutchinson_is_exact_for_a_diagonal_hessian():
    diagonal = points(1, (DIM,))[0]
    mean, sem = numbers(hessian_trace_estimate(quadratic(np.diag(diagonal)), jnp.zeros(DIM), jax.random.key(0), 3))
    np.testing.assert_allclose(mean, diagonal.sum(), rtol=1e-5)
    assert sem < 1e-4


@both_methods
def test_weights_of_either_sign_weigh_the_diagonal(method):
    weights = np.where(np.arange(DIM) % 3, points(1, (DIM,), seed=1)[0], 0.0)
    exact = np.diag(MATRIX) @ weights
    x, keys = jnp.zeros(DIM), jax.random.split(jax.random.key(0), 20)
    found = [hessian_trace_estimate(bowl, x, key, 16, method=method, weights=weights) for key in keys]
    mean, sem = numbers(found).T
    assert np.all(np.abs(mean - exact) < 4 * sem)
    assert abs(mean.mean() - exact) < 4 * mean.std() / np.sqrt(20)


@both_methods
def test_chunks_change_nothing(method):
    x, key = jnp.asarray(points(1, (4, 5))[0], jnp.float32), jax.random.key(0)
    whole, chunked = (hessian_trace_estimate(nonlinear, x, key, 7, method=method, chunk_size=s) for s in (None, 3))
    np.testing.assert_allclose(numbers(chunked), numbers(whole), rtol=1e-3)


@both_methods
def test_the_probes_are_a_function_of_the_key(method):
    x = jnp.zeros(DIM)
    first, again, other = (hessian_trace_estimate(bowl, x, jax.random.key(k), 4, method=method) for k in (0, 0, 1))
    assert first == again
    assert first.value != other.value


@both_methods
def test_keys_and_points_may_be_mapped_over(method):
    keys, xs = jax.random.split(jax.random.key(0), 3), jnp.asarray(points(3), jnp.float32)

    def estimate(x, key):
        return hessian_trace_estimate(nonlinear, x, key, 2, method=method)

    mapped = jax.vmap(estimate)(xs, keys)
    single = [estimate(x, key) for x, key in zip(xs, keys, strict=True)]
    np.testing.assert_allclose(numbers(mapped).T, numbers(single), rtol=1e-3, atol=1e-4)
