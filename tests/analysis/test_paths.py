import jax.numpy as jnp
import numpy as np
import pytest
from analysis.densities import EDGE, kinked, nonlinear, points

from glowjax import stats
from glowjax.analysis.paths import gauss_legendre, log_prob_along, remainder_along
from glowjax.checks import InputError

pytestmark = pytest.mark.usefixtures("float64")


@pytest.mark.parametrize("num_nodes", [1, 2, 5, 24])
def test_nodes_integrate_polynomials_of_twice_their_number(num_nodes):
    t, weights = gauss_legendre(num_nodes)
    assert np.all((t > 0) & (t < 1))
    for degree in range(2 * num_nodes):
        np.testing.assert_allclose(weights @ t**degree, 1 / (degree + 1), rtol=1e-12)
    if num_nodes <= 5:
        assert abs(weights @ t ** (2 * num_nodes) - 1 / (2 * num_nodes + 1)) > 1e-7


@pytest.mark.parametrize("chunk_size", [1, 2, None])
def test_a_profile_holds_log_p_and_its_derivatives_along_each_path(chunk_size):
    ends, center, t = points(5, (4,)), points(1, (4,), seed=1)[0], np.array([0.1, 0.5, 0.8])
    along = log_prob_along(lambda x: jnp.sum(x**3), center, ends, t, chunk_size=chunk_size)
    d = ends - center
    on_the_path = center + t[None, :, None] * d[:, None]
    np.testing.assert_allclose(along.center, np.full(5, np.sum(center**3)))
    np.testing.assert_allclose(along.end, np.sum(ends**3, axis=-1))
    np.testing.assert_allclose(along.slope_at_center, np.sum(3 * center**2 * d, axis=-1))
    np.testing.assert_allclose(along.curvature_at_center, np.sum(6 * center * d**2, axis=-1))
    np.testing.assert_allclose(along.value, np.sum(on_the_path**3, axis=-1))
    np.testing.assert_allclose(along.slope, np.sum(3 * on_the_path**2 * d[:, None], axis=-1))
    np.testing.assert_allclose(along.curvature, np.sum(6 * on_the_path * d[:, None] ** 2, axis=-1))


def test_each_path_may_have_a_center_of_its_own():
    ends, centers, t = points(5, (4,)), points(5, (4,), seed=1), np.array([0.5])
    together = log_prob_along(nonlinear, centers, ends, t)
    for n in range(5):
        alone = log_prob_along(nonlinear, centers[n], ends[n : n + 1], t)
        for one, all_of_them in zip(alone, together, strict=True):
            np.testing.assert_allclose(one[0], all_of_them[n], rtol=1e-12)


def test_the_kink_is_what_the_jump_of_the_gradient_adds():
    """The slope of -|x_0 - EDGE| jumps by -2 |d_0| where the path crosses, with (x_0 - EDGE) / d_0 of it ahead."""
    ends, center, nodes = points(40, (3,)), np.array([-0.2, 0.1, 0.0]), gauss_legendre(100)
    found = remainder_along(log_prob_along(kinked, center, ends, nodes.t), nodes)
    kink = np.where(ends[:, 0] > EDGE, -2 * (ends[:, 0] - EDGE), 0)
    assert 5 < np.count_nonzero(kink) < 35
    # A sum over nodes is off by less than the largest weight times the jump of the integrand.
    error = 2 * np.abs(ends - center)[:, 0].max() * nodes.weights.max()
    np.testing.assert_allclose(found.total, kink, atol=1e-12)
    np.testing.assert_allclose(found.smooth, np.zeros(40), atol=1e-12)
    np.testing.assert_allclose(found.kink, kink, atol=error)
    np.testing.assert_allclose(found.quadrature, found.kink - kink, atol=1e-12)


def test_what_a_profile_cannot_follow_is_refused_in_a_sentence():
    center, ends, t = points(1, (4,))[0], points(3, (4,), seed=1), np.array([0.5])
    with pytest.raises(InputError, match="must give one real number for one point"):
        log_prob_along(lambda x: jnp.sum(x, keepdims=True), center, ends, t)
    with pytest.raises(InputError, match=r"center has shape \[1\]"):
        log_prob_along(nonlinear, center[:1], ends, t)
    with pytest.raises(InputError, match="a point of points is uint8"):
        log_prob_along(nonlinear, center, ends.astype(np.uint8), t)
    nodes = gauss_legendre(2)
    lone = log_prob_along(nonlinear, center, ends[:1], nodes.t)
    with pytest.raises(InputError, match="two or more"):
        stats.gap(remainder_along(lone, nodes), remainder_along(lone, nodes))
