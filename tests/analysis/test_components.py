"""Components of a covariance by their curvature: of a Gaussian in closed form, and of a Glow beside a dense Hessian."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.densities import GLOW_POINT, dense_glow_hessian, glow_density, grey_levels, quadratic, symmetric

from glowjax.analysis import curvature_components, expand, hessian_trace, moments
from glowjax.checks import InputError

pytestmark = pytest.mark.usefixtures("float64")


def test_the_components_of_a_gaussian_hold_what_their_precision_and_variance_say():
    """Along axis n the Gaussian's precision is 1 / n^4 and the images' variance n^2: Tr(H S) is the sum of -1 / n^2."""
    axes = np.arange(1.0, 6)
    found = curvature_components(quadratic(np.diag(-(axes**-4))), np.zeros(5), np.diag(axes))
    np.testing.assert_allclose(found.values, -(axes**-2), rtol=1e-12)
    np.testing.assert_allclose(found.shares, np.cumsum(axes**-2) / np.sum(axes**-2), rtol=1e-12)
    np.testing.assert_allclose(found.variance_shares, np.cumsum(axes**2) / np.sum(axes**2), rtol=1e-12)
    np.testing.assert_allclose(np.abs(found.factor), np.diag(axes), atol=1e-12)


@pytest.mark.parametrize("given", ["point", "expansion"])
def test_the_components_of_a_glow_cut_the_trace_by_curvature(given):
    log_prob, dense = glow_density("nvp-tanh"), dense_glow_hessian("nvp-tanh")
    factor = moments(grey_levels(40), rank=16).covariance_factor
    center = GLOW_POINT if given == "point" else expand(log_prob, GLOW_POINT)
    found = curvature_components(log_prob, center, factor)
    assert found.factor.shape == (*GLOW_POINT.shape, 16)
    columns = found.factor.reshape(16, 16)
    np.testing.assert_allclose(columns @ columns.T, np.reshape(factor, (16, 16)) @ np.reshape(factor, (16, 16)).T)
    np.testing.assert_allclose(columns.T @ dense @ columns, np.diag(found.values), atol=1e-9 * np.abs(found.values[0]))
    assert np.all(np.diff(np.abs(found.values)) <= 0)
    for rank in (3, 16):
        cut = hessian_trace(log_prob, GLOW_POINT, factor=found.factor[..., :rank])
        np.testing.assert_allclose(cut, found.shares[rank - 1] * found.values.sum(), rtol=1e-9)


def test_what_holds_no_trace_is_refused_in_a_sentence():
    bowl = quadratic(symmetric())
    with pytest.raises(InputError, match="factor has no columns"):
        curvature_components(bowl, np.zeros(6), np.zeros((6, 0)))
    with pytest.raises(InputError, match=r"Tr\(H S\) is zero"):
        curvature_components(lambda x: x.sum(), np.zeros(6), np.eye(6))
    with pytest.raises(InputError, match="outside of jax"):
        jax.jit(lambda x: curvature_components(bowl, x, jnp.eye(6)).values)(jnp.zeros(6))
