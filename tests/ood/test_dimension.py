"""Laplacian, extreme eigenvalues, singular values and intrinsic dimensions, against closed forms and dense matrices."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import TypeCheckError

from glowjax import Flow, InputError, ood
from glowjax import analysis as an
from glowjax.layers.base import per_image
from glowjax.ood.curvature import extreme_eigenvalues, trace

KEY = jax.random.key(0)
POINTS = np.random.default_rng(0).normal(100, 30, (6, 2, 4, 1)).astype(np.float32)
SIZE, RANK = 8, 3
STRETCH = np.exp(np.array([3.0, 3.5, 4.0] + [-2.0] * 5))
"""The semi-axes of the decoder of `linear_flow`: three long ones and small noise."""


def curved(x):
    """A density with third derivatives."""
    return -jnp.sum(x**4) / 1e7 - jnp.sum(x) ** 2 / 1e4 - jnp.sum(jnp.sin(x / 30))


def normal(x):
    """Normal around 100, with standard deviation 5."""
    return -jnp.sum((x - 100) ** 2) / 2 / 5**2


@dataclasses.dataclass(frozen=True)
class Linear:
    """z = W x of the flattened image."""

    def init(self, key, x):
        turn = jax.random.orthogonal(key, SIZE)
        return jnp.matmul(turn.T / STRETCH.astype(np.float32)[None], turn)

    def forward(self, params, x):
        y = jnp.einsum("ij,...j->...i", params, x.reshape(*x.shape[:-3], SIZE))
        return y.reshape(x.shape), per_image(jnp.linalg.slogdet(params)[1], x)

    def inverse(self, params, y):
        raise NotImplementedError


@pytest.fixture(scope="module")
def linear_flow():
    flow = Flow(Linear())
    images = POINTS.astype(np.uint8)
    params = flow.init(KEY, images)
    return flow, params, ood.statistics(flow, params, KEY, images, ["dimension", "log_prob"])


def test_the_laplacian_and_the_extreme_eigenvalues_are_those_of_the_hessian():
    options = ood.Options(noise_levels=(0.0, 8.0))
    found = ood.density_statistics(curved, KEY, POINTS, ["laplacian", "curvature", "gradient"], options=options)
    for index, point in enumerate(POINTS):
        hessian = np.asarray(an.hessian(curved, point)).reshape(SIZE, SIZE)
        assert found["laplacian.trace"][index, 0] == pytest.approx(np.trace(hessian), rel=1e-4)
        ends = np.linalg.eigvalsh(hessian)[[0, -1]]
        assert found["curvature.lowest"][index, 0] == pytest.approx(ends[0], rel=1e-3)
        assert found["curvature.highest"][index, 0] == pytest.approx(ends[1], rel=1e-2, abs=1e-5)
    np.testing.assert_allclose(np.sqrt(found["laplacian.squared_gradient"][:, 0]), found["gradient"][:, 0], rtol=1e-5)
    for name, part, sign in (("laplacian", "laplacian.trace", -1), ("largest-curvature", "curvature.highest", 1)):
        scores = ood.SCORES[name].score.fit(found.as_reference())(found)
        np.testing.assert_array_equal(scores, sign * found[part][:, 0].astype(np.float64))
    assert np.abs(found["laplacian.trace"][:, 1] - found["laplacian.trace"][:, 0]).min() > 1e-5


def test_few_steps_of_lanczos_find_the_ends_of_a_spectrum_and_stay_within_it():
    rng = np.random.default_rng(1)
    turn = np.linalg.qr(rng.normal(size=(60, 60)))[0]
    spectra = np.stack([np.r_[-9.0, np.linspace(-1, 1, 58), 5.0], np.full(60, -2.0), np.zeros(60)])
    matrices = jnp.asarray(np.einsum("ij,nj,kj->nik", turn, spectra, turn), jnp.float32)
    times = lambda v: jnp.einsum("nij,nj->ni", matrices, v, precision=jax.lax.Precision.HIGHEST)  # noqa: E731
    found = extreme_eigenvalues(times, jnp.asarray(rng.normal(size=(3, 60)), jnp.float32), 12)
    np.testing.assert_allclose(found[:, [0, -1]], spectra[:, [0, -1]], rtol=1e-3, atol=1e-5)
    assert (found >= spectra[:, :1] - 1e-4).all()
    assert (found <= spectra[:, -1:] + 1e-4).all()


def test_the_trace_of_a_large_image_is_estimated():
    point = jnp.full((33, 33, 1), 90.0)
    assert trace(normal, point, KEY) == pytest.approx(-33 * 33 / 25, rel=1e-4)  # exact: the Hessian is diagonal
    assert trace(lambda x: -(jnp.sum(x) ** 2), point, KEY) == pytest.approx(-2 * 33 * 33, rel=0.8)


def test_flipd_of_a_normal_at_its_own_noise_is_its_closed_form():
    options = ood.Options(noise_levels=(5.0,))
    found = ood.density_statistics(normal, KEY, POINTS, ["laplacian"], options=options)
    np.testing.assert_allclose(found["laplacian.trace"], -SIZE / 25, rtol=1e-5)
    # D + s^2 (-D / s^2 + |x|^2 / s^4) = |x|^2 / s^2, and |gradient| = |x| / s^2
    np.testing.assert_allclose(found["laplacian.flipd"], 25 * found["laplacian.squared_gradient"], rtol=1e-4)
    scores = ood.SCORES["flipd"].score.fit(found.as_reference())(found)
    np.testing.assert_array_equal(scores, -found["laplacian.flipd"][:, 0].astype(np.float64))
    images = np.full((1, 2, 4, 1), 100, np.uint8)
    levels = ood.density_statistics(normal, KEY, images, ["laplacian"], options=ood.Options(noise_levels=(0.0,)))
    expected = SIZE + (levels["laplacian.squared_gradient"] - SIZE / 25) / 12
    np.testing.assert_allclose(levels["laplacian.flipd"], expected, rtol=1e-5)


def test_the_dimension_of_a_linear_flow_is_its_rank_on_every_scale_between(linear_flow):
    _, _, stats = linear_flow
    np.testing.assert_allclose(
        -stats["dimension.log_singular_values"][:, ::-1], np.sort(np.log(STRETCH))[None, ::-1].repeat(6, 0), atol=1e-3
    )
    for log_scale in (-1.5, 0.0, 2.5):
        np.testing.assert_array_equal(ood.intrinsic_dimension(stats, log_scale), RANK)
    assert (ood.intrinsic_dimension(stats, 3.2)[0], ood.intrinsic_dimension(stats, -3.0)[0]) == (2, SIZE)


def test_the_dimension_after_convolution_is_a_derivative_of_the_convolved_density(linear_flow):
    _, params, stats = linear_flow
    encoder = np.asarray(params.arrays["scales"][0], np.float64)
    latents = stats["dimension.latents"].astype(np.float64)
    log_prob = -0.5 * np.sum(latents**2, axis=1) - SIZE / 2 * np.log(2 * np.pi) + np.linalg.slogdet(encoder)[1]
    np.testing.assert_allclose(log_prob, stats["log_prob"], rtol=1e-4)
    axes = np.sort(STRETCH)

    def log_convolved(log_scale):
        variance = axes**2 + np.exp(2 * log_scale)
        return -0.5 * np.sum(np.log(variance) + (latents * axes) ** 2 / variance, axis=1)

    slope = (log_convolved(1.001) - log_convolved(0.999)) / 0.002
    np.testing.assert_allclose(ood.convolved_dimension(stats, 1.0), SIZE + slope, rtol=1e-2)


def dimensions(log_prob, axes):
    """Statistics of images whose decoders have these numbers of long semi-axes of 10."""
    logs = -np.log(np.where(np.arange(20)[None] < np.asarray(axes)[:, None], 10.0, 0.1))
    logs += np.random.default_rng(4).normal(0, 0.1, logs.shape)
    values = {"log_prob": np.asarray(log_prob, float), "dimension.log_singular_values": np.sort(logs)[:, ::-1]}
    return ood.Statistics(values | {"dimension.latents": np.zeros_like(logs)})


def test_two_thresholds_flag_a_low_likelihood_and_a_low_dimension_alike():
    rng = np.random.default_rng(2)
    inside = dimensions(rng.normal(0, 1, 300), rng.integers(8, 13, 300))
    detector = ood.TwoThresholds(ood.Dimension(log_scale=0.0)).fit(inside.as_reference())
    unlikely, flat, usual, extreme = detector(dimensions([-6, 5, 0, -60], [10, 2, 10, 10]))
    assert min(unlikely, flat) > np.quantile(detector(inside), 0.99) > usual
    assert extreme > unlikely
    np.testing.assert_array_equal(
        detector.score.dimension.fit(inside.as_reference())(dimensions([0, 0], [3, 15])), [-3, -15]
    )
    assert np.mean(ood.Dimension(share=0.25).fit(inside.as_reference())(inside)) == pytest.approx(-5, abs=0.01)


def test_the_hull_of_two_thresholds():
    rng = np.random.default_rng(3)
    in_a, in_b, out_a, out_b = rng.normal(size=(4, 200))
    assert 0.5 <= ood.two_threshold_hull(in_a, in_b, out_a, out_b) < 0.65
    assert ood.two_threshold_hull(in_a, in_b, -np.ones(100) * 9, np.zeros(100) - 9) == pytest.approx(0.5)
    half = np.arange(200) < 100  # each score finds one half of the OOD images
    found = ood.two_threshold_hull(in_a, in_b, np.where(half, 9, out_a), np.where(half, out_b, 9))
    assert found == pytest.approx(1)
    only_a = ood.two_threshold_hull(in_a, np.zeros(200), in_a + 1, np.zeros(200))
    assert only_a == pytest.approx(0.76, abs=0.05)  # Phi(1 / sqrt 2), and a little for the hull
    with pytest.raises((InputError, TypeCheckError)):
        ood.two_threshold_hull(in_a, in_b[1:], out_a, out_b)
