"""A PixelCNN's residuals are white noise for its own samples, and every score without a continuous density is there."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from layers_under_test import perturb
from models.test_flow import structured
from scipy import stats
from scipy.special import ndtr, ndtri

from glowjax import ood
from glowjax.models import Categorical, LogisticMixture, PixelCNN
from glowjax.models.pixels import scaled
from glowjax.ood.families import Subject, View
from glowjax.ood.pixelcnn import as_normal

KEY = jax.random.key(0)
MODELS = {"categorical": PixelCNN(2, 6, Categorical(16)), "mixture": PixelCNN(2, 6, LogisticMixture(2, 16))}


def residuals(model, params, images, key=KEY):
    return np.asarray(as_normal(View(Subject(params, model), ood.Options(), key, images, key)))


def trained_a_little(model, shape=(6, 5, 3)):
    return perturb(model.init(KEY, np.zeros((2, *shape), np.uint8)), 0.3)


@pytest.mark.parametrize("name", MODELS)
def test_residuals_of_own_samples_are_standard_normal_and_white_and_those_of_another_model_are_not(name):
    model = MODELS[name]
    params = trained_a_little(model)
    samples = np.asarray(model.sample(params, KEY, 200))
    z = residuals(model, params, samples)
    assert stats.kstest(z.ravel(), "norm").pvalue > 0.01
    # the correlation with the value before, which the network saw, and with the channel before
    for pair in ((z[:, :, 1:], z[:, :, :-1]), (z[..., 1:], z[..., :-1])):
        assert abs(np.corrcoef(*(one.ravel() for one in pair))[0, 1]) < 4 / np.sqrt(pair[0].size)
    other = residuals(model, perturb(params, 0.5), samples)
    assert stats.kstest(other.ravel(), "norm").pvalue < 1e-6


def test_residuals_are_quantiles_of_the_predicted_distribution():
    """By a loop in double precision, from the outputs of the network."""
    model, images = MODELS["categorical"], np.random.default_rng(0).integers(0, 16, (2, 6, 5, 3), np.uint8)
    params = trained_a_little(model)
    z = residuals(model, params, images)
    outputs = model.outputs(params, scaled(jnp.asarray(images), 16))
    for place in np.ndindex(images.shape):
        logits = np.asarray(outputs[place[-1]][place[:-1]], np.float64)
        probs = np.exp(logits) / np.exp(logits).sum()
        level = images[place]
        assert probs[:level].sum() - 1e-6 <= ndtr(z[place]) <= probs[: level + 1].sum() + 1e-6


def test_far_tails_stay_finite_and_have_their_sign():
    """The first value of a mixture with a tiny scale at the middle is 10 standard deviations away, and more."""
    model = PixelCNN(1, 2, LogisticMixture(1))
    params = model.init(KEY, np.zeros((2, 4, 4, 1), np.uint8))
    params.arrays["heads"][0]["out_bias"] = jnp.array([0.0, 0.0, -6.0])
    z = residuals(model, params, np.stack([np.zeros((4, 4, 1), np.uint8), np.full((4, 4, 1), 255, np.uint8)]))
    assert np.isfinite(z).all()
    assert z[0].max() < -10
    assert z[1].min() > 10


def test_a_ramp_is_no_white_noise_and_extremes_are_not_normal_under_a_model_of_uniform_values():
    """Without training, z is the normal quantile of the level; the statistic of a ramp is that of its quantiles."""
    model = PixelCNN(1, 2)
    params = model.init(KEY, np.zeros((2, 16, 16, 1), np.uint8))
    ramp = np.broadcast_to(np.arange(256).reshape(1, 16, 16, 1), (20, 16, 16, 1)).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, ramp.shape, np.uint8)
    of_ramp, of_noise, of_extremes = (
        ood.statistics(model, params, KEY, images, ["residuals"]) for images in (ramp, noise, noise // 128 * 255)
    )
    z = ndtri((np.arange(256) + 0.5) / 256)
    correlations = [np.sum(z[lag:] * z[:-lag]) / np.sum(z**2) for lag in range(1, 65)]
    np.testing.assert_allclose(of_ramp["residuals.box_pierce"], 256 * np.mean(np.square(correlations)), rtol=0.05)
    assert of_noise["residuals.box_pierce"].mean() == pytest.approx(1, abs=0.2)
    for name, other in (("residual-white-noise", of_ramp), ("residual-anderson-darling", of_extremes)):
        detector = ood.SCORES[name].score.fit(of_noise.as_reference())
        assert detector(other).min() > detector(of_noise).max()


def test_scores_that_need_no_continuous_density_are_finite_under_a_pixelcnn():
    model, images = PixelCNN(1, 2), structured(90)
    params = perturb(model.init(KEY, images), 0.1)
    names = [name for name, one in ood.SCORES.items() if not one.others and not ood.missing(model, ood.needed([name]))]
    assert {"likelihood", "rank", "typicality-5", "stirring", "shaking", "residual-white-noise"} < set(names)
    assert any("complexity" in name for name in names)
    stats = ood.statistics(model, params, KEY, images, ood.needed(names))
    reference, others = stats.select(slice(60)).as_reference(), stats.select(slice(60, None))
    for name in names:
        assert np.isfinite(ood.SCORES[name].score.fit(reference)(others)).all(), name
