"""Every function under `jax.jit`, with a model's params as traced arguments."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.densities import GLOW_POINT, GLOWS, dense_glow_hessian, perturbed, points, two_sets

from glowjax import analysis as an
from glowjax.stats import Estimate

KEY = jax.random.key(0)


def without_bootstrap(f, p, q):
    """The parts that do not depend on random numbers, which differ between dtypes."""
    found = an.location_spread_gap(f, p, q, KEY, num_nodes=3, num_resamples=2)
    spreads = ((spread.value.value, *list(vars(spread).values())[1:]) for spread in (found.spread_in, found.spread_out))
    return found.gap, found.location.value, *spreads


def without_curves(f, p, q):
    found = an.curvature_by_scale(f, p, q, KEY, shares=(0.5,), sizes=(1,))
    return found.gap, found.predicted_gap, found.in_dist.predicted


FUNCTIONS = {
    "hessian": lambda f, p, q: an.hessian(f, p[0], chunk_size=4),
    "hvp": lambda f, p, q: an.hvp(f, p[0], p[1]),
    "quadratic_forms": lambda f, p, q: an.quadratic_forms(f, p[0], q, chunk_size=4),
    "hessian_diagonal": lambda f, p, q: an.hessian_diagonal(f, p[0]),
    "hessian_trace": lambda f, p, q: an.hessian_trace(f, p[0], weights=p[1], chunk_size=4),
    "hessian_trace-factor": lambda f, p, q: an.hessian_trace(f, p[0], factor=an.moments(q, rank=3).covariance_factor),
    "hutchinson": lambda f, p, q: an.hessian_trace_estimate(f, p[0], KEY, 4, weights=p[1]),
    "xtrace": lambda f, p, q: an.hessian_trace_estimate(f, p[0], KEY, 2, method="xtrace", chunk_size=1),
    "laplacian": lambda f, p, q: an.laplacian(f, p[0], weights=p[1], chunk_size=4),
    "likelihood_gap": lambda f, p, q: an.likelihood_gap(f, p, q, groups_in=np.arange(len(p)) // 3),
    "second_order_gap": lambda f, p, q: an.second_order_gap(f, p, q, chunk_size=4),
    "second_order_gap-diagonal": lambda f, p, q: an.second_order_gap(f, p, q, center="in_dist", covariance="diagonal"),
    "remainder": lambda f, p, q: an.remainder(f, p, q, center="in_dist", num_nodes=3),
    "curvature_by_scale": without_curves,
    "location_spread_gap": lambda f, p, q: without_bootstrap(f, p, q),
}


def log_prob(params, x):
    hidden = jnp.tanh(params["matrix"] @ x)
    return hidden @ params["shift"] - jnp.sum(jnp.cosh(params["scale"] * x))


def inputs(dtype):
    in_dist, out_dist = (jnp.asarray(images, dtype) for images in two_sets(9, 9))
    params = {"matrix": points(4), "shift": points(1, (4,))[0], "scale": 0.7}
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), params), in_dist, out_dist


def leaves(found):
    """Arrays, of estimates the value and the error: the count has a dtype of its own."""
    estimates = jax.tree.leaves(found, is_leaf=lambda part: isinstance(part, Estimate))
    return [array for one in estimates for array in ((one.value, one.sem) if isinstance(one, Estimate) else (one,))]


def assert_close(found, expected, dtype, rtol):
    for one, other in zip(leaves(found), leaves(expected), strict=True):
        assert one.dtype == dtype
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol * (1 + np.abs(other).max()))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_results_are_the_same_with_traced_params_in_both_dtypes(name):
    """The points are traced too in float64, and known in float32."""
    with jax.enable_x64(True):
        params, in_dist, out_dist = inputs("float64")
        eager = FUNCTIONS[name](functools.partial(log_prob, params), in_dist, out_dist)
        traced = jax.jit(lambda *given: FUNCTIONS[name](functools.partial(log_prob, given[0]), *given[1:]))
        assert_close(traced(params, in_dist, out_dist), eager, jnp.float64, 1e-10)
    params, in_dist, out_dist = inputs("float32")
    if name in ("hutchinson", "xtrace"):  # which draw other random numbers than in float64
        eager = FUNCTIONS[name](functools.partial(log_prob, params), in_dist, out_dist)
    known = jax.jit(lambda params: FUNCTIONS[name](functools.partial(log_prob, params), in_dist, out_dist))
    assert_close(known(params), eager, jnp.float32, 1e-3)


def test_a_glow_with_traced_params_and_a_known_image(float64):
    @jax.jit
    def traces(params):
        log_prob = functools.partial(GLOWS["nvp-remat"].log_prob, params)
        return an.laplacian(log_prob, GLOW_POINT, chunk_size=5), an.hessian_trace(log_prob, GLOW_POINT, chunk_size=5)

    expected = np.trace(dense_glow_hessian("nvp-remat"))
    np.testing.assert_allclose(traces(perturbed("nvp-remat")), expected, rtol=1e-9)
