"""Gradient norms by image and by parameters against closed forms, and the scores made of them."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from scipy import stats as distributions

from glowjax import Flow, ood
from glowjax.layers import ActNorm, Chain, Repeat, Squeeze
from glowjax.layers.base import per_image
from glowjax.likelihood import dequantize

KEY = jax.random.key(0)
IMAGES = np.random.default_rng(0).integers(0, 256, (30, 4, 4, 1), np.uint8)
POINTS = np.asarray(dequantize(KEY, IMAGES))


@dataclasses.dataclass(frozen=True)
class Scale:
    """x -> x exp(a), with one parameter a; the gradient of log p by a is D - |x|^2 exp(2 a)."""

    def init(self, key, x):
        return {"log_scale": jnp.float32(-5)}

    def forward(self, params, x):
        return x * jnp.exp(params["log_scale"]), per_image(16 * params["log_scale"], x)

    def inverse(self, params, y):
        return y * jnp.exp(-params["log_scale"]), per_image(-16 * params["log_scale"], y)


def normal(x):
    return -jnp.sum((x - 100) ** 2) / 2 / 50**2


def test_the_gradient_of_a_normal_is_its_closed_form_at_each_noise_level():
    options = ood.Options(noise_levels=(0.0, 8.0, 1000.0))
    norms = ood.density_statistics(normal, KEY, POINTS, ["gradient"], options=options)["gradient"]
    np.testing.assert_allclose(norms[:, 0], np.linalg.norm(POINTS.reshape(30, -1) - 100, axis=1) / 50**2, rtol=1e-5)
    assert np.mean(norms[:, 2] ** 2) == pytest.approx(16 * (1000**2 + np.mean((POINTS - 100) ** 2)) / 50**4, rel=0.3)
    stats = ood.Statistics({"gradient": norms})
    np.testing.assert_array_equal(ood.SCORES["gradient"].score.fit(stats.as_reference())(stats), norms[:, 0])


def test_the_gradient_by_one_parameter_is_its_closed_form():
    flow = Flow(Scale())
    params = flow.init(KEY, IMAGES)
    stats = ood.statistics(flow, params, KEY, IMAGES, ["parameter_gradients", "log_prob"])
    log_prob = stats["log_prob"].astype(np.float64)
    squares = -2 * (log_prob + 80 + 8 * np.log(2 * np.pi))  # |z|^2 from log p = -|z|^2 / 2 - 8 log 2 pi + 16 a
    np.testing.assert_allclose(stats["parameter_gradients"][:, 0], (16 - squares) ** 2, rtol=1e-3)


def test_repeated_steps_count_one_by_one():
    repeated = Flow(Chain((Squeeze(), Repeat(ActNorm(), 2, "invert"))))
    unrolled = Flow(Chain((Squeeze(), ActNorm(), ActNorm())))
    params = repeated.init(KEY, IMAGES)
    arrays = params.arrays["scales"][0]
    steps = tuple(jax.tree.map(lambda leaf, n=n: leaf[n], arrays[1]) for n in range(2))
    apart = params.replace(arrays={"scales": ((arrays[0], *steps),), "splits": ()})
    found, expected = (
        ood.statistics(*pair, KEY, IMAGES, ["parameter_gradients"])["parameter_gradients"]
        for pair in ((repeated, params), (unrolled, apart))
    )
    assert found.shape == (30, 4)
    np.testing.assert_allclose(found, expected[:, [0, 2, 1, 3]], rtol=1e-3, atol=1e-4)


@dataclasses.dataclass(frozen=True)
class Discrete:
    """A model of 8-bit images with log P = -|image - mean|^2 / 2, and with a table of integers in its params."""

    def log_likelihood(self, params, key, images, num_draws=1):
        return -jnp.sum((images.astype(jnp.float32) - params["mean"]) ** 2, axis=(1, 2, 3)) / 2

    def init(self, key, images):
        return {"mean": jnp.full((1, 4, 4, 1), 100.0), "table": jnp.arange(3)}

    loss = sample = log_likelihood  # an ImageModel has these; nobody calls them here


def test_a_model_of_8_bit_images_has_gradients_by_its_learned_params():
    params = Discrete().init(KEY, IMAGES)
    found = ood.statistics(Discrete(), params, KEY, IMAGES, ["parameter_gradients"])["parameter_gradients"]
    np.testing.assert_allclose(found[:, 0], ((IMAGES - 100.0) ** 2).sum((1, 2, 3)), rtol=1e-5)
    assert found.shape == (30, 1)


@pytest.fixture(scope="module")
def lognormal():
    """Log-normal squared norms of three tensors, and one that is always zero."""
    logs = np.random.default_rng(2).normal([1.0, -4.0, 0.0], [1.0, 0.5, 2.0], (500, 3))
    values = np.concatenate([np.exp(logs), np.zeros((500, 1))], axis=1).astype(np.float32)
    log_prob = np.random.default_rng(3).normal(-1000, 10, 500)
    return logs, ood.Statistics({"parameter_gradients": values, "log_prob": log_prob})


def test_layer_gradients_are_the_density_and_the_p_values_of_normals(lognormal):
    logs, stats = lognormal
    reference = stats.as_reference()
    fitted = distributions.norm(logs.mean(0), logs.std(0))
    np.testing.assert_allclose(ood.LayerGradients().fit(reference)(stats), -fitted.logpdf(logs).sum(1), rtol=1e-4)
    expected = -2 * np.log(2 * np.minimum(fitted.cdf(logs), fitted.sf(logs))).sum(1)
    np.testing.assert_allclose(ood.LayerGradients("fisher").fit(reference)(stats), expected, rtol=1e-3)
    assert distributions.kstest(expected, distributions.chi2(6).cdf).pvalue > 0.01


def test_the_combined_test_is_fishers(lognormal):
    _, stats = lognormal
    detector = ood.FisherCombination().fit(stats.select(slice(250)).as_reference())
    scores = detector(stats.select(slice(250, 500)))
    assert np.mean(scores > distributions.chi2(4).ppf(0.9)) == pytest.approx(0.1, abs=0.06)
    far = dict(stats.select(slice(250)).values)
    far["log_prob"] = far["log_prob"] + 100
    assert ood.detection_metrics(scores, detector(ood.Statistics(far))).auroc.value > 0.8


def test_a_flow_gets_another_mode_of_memory_at_any_depth():
    flow, stored = (Flow(Chain((Squeeze(), Repeat(Chain((ActNorm(),)), 2, memory)))) for memory in ("invert", "store"))
    assert (flow.with_memory("store"), stored.with_memory("invert")) == (stored, flow)
    assert tiny.flow().with_memory("store") == tiny.flow()
