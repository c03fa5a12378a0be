"""Densities that were not written for glowjax, and second derivatives that were not written by JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.densities import dense_hessian, points

from glowjax.analysis import hessian, laplacian, location_spread_gap, second_order_gap

pytestmark = [
    pytest.mark.usefixtures("float64"),
    pytest.mark.filterwarnings("ignore"),  # theirs, about themselves
]


@pytest.mark.release
def test_the_hessian_is_that_of_pytorch():
    import torch

    first, second, x = points(7, (4,)), points(5, (7,), seed=1), points(1, (4,), seed=2)[0]

    def in_torch(x):
        hidden = torch.tanh(torch.tensor(first) @ x)
        return -torch.logsumexp(torch.tensor(second) @ hidden, dim=0) - torch.sum(x**4) / 4 + torch.cos(x[0] * x[3])

    def in_jax(x):
        hidden = jnp.tanh(first @ x)
        return -jax.nn.logsumexp(second @ hidden) - jnp.sum(x**4) / 4 + jnp.cos(x[0] * x[3])

    expected = torch.func.hessian(in_torch)(torch.tensor(x)).numpy()
    np.testing.assert_allclose(hessian(in_jax, x), expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(laplacian(in_jax, x), np.trace(expected), rtol=1e-10)


def test_a_flow_of_flowjax_serves_as_a_density():
    flows, distributions = pytest.importorskip("flowjax.flows"), pytest.importorskip("flowjax.distributions")
    flow = flows.coupling_flow(
        jax.random.key(0), base_dist=distributions.Normal(jnp.zeros(3)), flow_layers=1, nn_width=4, nn_depth=1
    )

    def log_prob(x):
        return flow.log_prob(x)

    x, in_dist, out_dist = points(1, (3,))[0], points(7, (3,), seed=1), points(7, (3,), seed=2, scale=0.5)
    dense = dense_hessian(log_prob, jnp.asarray(x))
    np.testing.assert_allclose(hessian(log_prob, x), dense, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(laplacian(log_prob, x), np.trace(dense), rtol=1e-9)
    prediction = second_order_gap(log_prob, in_dist, out_dist)
    terms = prediction.first_order.value + prediction.mean_curvature.value + prediction.covariance.value
    np.testing.assert_allclose(prediction.total.value, terms, rtol=1e-10)
    split = location_spread_gap(log_prob, in_dist, out_dist, jax.random.key(0), num_nodes=4, num_resamples=5)
    parts = split.location.value + split.spread_out.value.value - split.spread_in.value.value
    gap = flow.log_prob(out_dist).mean() - flow.log_prob(in_dist).mean()
    np.testing.assert_allclose([split.gap.value, parts], gap, rtol=1e-10)
    normal = distributions.Normal(jnp.zeros(3))  # its method cannot be hashed
    np.testing.assert_allclose(laplacian(normal.log_prob, x), -3, rtol=1e-10)
