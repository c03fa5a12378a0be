"""Scores of a VAE against the closed forms of a linear-Gaussian one, whose exact posterior is known."""

import flax.linen as nn
import jax
import numpy as np
import pytest
from models.test_flow import noise
from models.test_vae import BIAS, LOADINGS, Gaussian, LinearDecoder, LinearEncoder
from scipy.stats import multivariate_normal
from tiny import auroc

from glowjax import InputError, ood
from glowjax.models import VAE

KEY = jax.random.key(0)
IMAGES = noise(12, (4, 4, 1))
VARIANCES = 1 / (1 + np.array([4.0, 1.0]))  # of the posterior: the loadings are orthogonal, with squares 4 and 1
OPTIONS = ood.Options(num_latent_draws=400, num_regret_draws=4)


class Shifted(nn.Module):
    """The exact posterior with a mean that is `shift` too large."""

    shift: float

    @nn.compact
    def __call__(self, x, num_latents):
        mean, log_scale = LinearEncoder()(x, num_latents)
        return mean + self.shift, log_scale


def model_with(encoder):
    model = VAE(2, encoder, LinearDecoder(), Gaussian())
    return model, model.init(KEY, IMAGES)


def posterior_means(images):
    return (images.reshape(len(images), -1) / 50.0 - BIAS) @ LOADINGS.T * VARIANCES


@pytest.mark.parametrize("excess", [0.0, 0.4])
def test_the_terms_of_the_bound_are_their_closed_forms(excess):
    stats = ood.statistics(*model_with(LinearEncoder(excess)), KEY, IMAGES, ("log_prob", "vae"), options=OPTIONS)
    mean, variance = posterior_means(IMAGES), VARIANCES * np.exp(2 * excess)
    cross = 0.5 * (mean**2 + variance + np.log(2 * np.pi)).sum(axis=1)
    own = np.broadcast_to(0.5 * np.log(2 * np.pi * np.e * variance).sum(), 12)
    residuals = IMAGES.reshape(12, -1) / 50.0 - BIAS - mean @ LOADINGS
    expected = -0.5 * (residuals**2).sum(axis=1) - 8 * np.log(2 * np.pi) - 0.5 * variance @ np.array([4.0, 1.0])
    np.testing.assert_allclose(stats["vae.cross_entropy"], cross, rtol=1e-4)
    np.testing.assert_allclose(stats["vae.entropy"], own, rtol=1e-4)
    np.testing.assert_allclose(stats["vae.kl"], cross - own, rtol=1e-4)
    np.testing.assert_allclose(stats["vae.reconstruction"], expected, atol=0.3)  # 5 standard errors of 400 draws
    np.testing.assert_allclose(stats["vae.elbo"], stats["vae.reconstruction"] - stats["vae.kl"], rtol=1e-5)
    exact = multivariate_normal(BIAS, np.eye(16) + LOADINGS.T @ LOADINGS).logpdf(IMAGES.reshape(12, -1) / 50.0)
    np.testing.assert_allclose(stats["vae.bound"], exact, atol=1e-4 if excess == 0 else 0.2)
    np.testing.assert_array_equal(stats["vae.bound"], stats["log_prob"])


@pytest.mark.parametrize(
    ("encoder", "expected"),
    [
        (LinearEncoder(), 0.0),
        (LinearEncoder(0.4), np.exp(0.8) - 1 - 0.8),  # two latents of half of this
        (Shifted(0.5), (0.5**2 / 2 / VARIANCES).sum()),
    ],
)
def test_the_regret_is_the_divergence_of_q_from_the_exact_posterior(encoder, expected):
    regret = ood.statistics(*model_with(encoder), KEY, IMAGES, ["regret"], options=OPTIONS)["regret"]
    np.testing.assert_allclose(regret, expected, atol=0.03)


def test_images_that_the_model_does_not_know_have_higher_scores_and_options_are_checked():
    model, params = model_with(LinearEncoder(0.4))
    unusual = 255 - IMAGES // 8
    families = ("log_prob", "vae", "regret")
    own, other = (ood.statistics(model, params, KEY, images, families) for images in (IMAGES, unusual))
    for name in ("elbo", "reconstruction", "kl", "importance-weighted-bound", "density-of-vae-states"):
        detector = ood.SCORES[name].score.fit(own.as_reference())
        assert auroc(detector(own), detector(other)) > 0.9, name
    with pytest.raises(InputError, match="num_regret_steps must be a positive whole number"):
        ood.Options(num_regret_steps=0)
