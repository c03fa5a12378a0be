"""The VAE: its bound, its importance-weighted estimate, and the exact marginal of a linear-Gaussian one."""

import dataclasses
import functools
import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from layers_under_test import perturb
from models.test_flow import noise, structured
from scipy import stats

from glowjax.checks import InputError
from glowjax.models import VAE, Categorical, LogisticMixture, conv_vae
from glowjax.networks.autoencoder import Decoder

KEY = jax.random.key(0)
MODELS = {"categorical": conv_vae(3, 4), "logistic": conv_vae(3, 4, pixels=LogisticMixture(1))}
every_model = pytest.mark.parametrize("name", MODELS)


@functools.cache
def perturbed(name):
    return perturb(MODELS[name].init(KEY, structured()), 0.1)


@every_model
def test_the_estimate_rises_with_the_draws_and_lies_above_the_elbo(name):
    model, params, images = MODELS[name], perturb(perturbed(name), 0.2), structured(64)
    keys = jax.random.split(KEY, 4)
    elbo = model.elbo(params, keys[0], images, 200).mean()
    estimates = [
        model.log_likelihood(params, key, images, n).mean() for n, key in zip((2, 20, 200), keys[1:], strict=True)
    ]
    assert elbo < estimates[0] < estimates[1] < estimates[2]


@dataclasses.dataclass(frozen=True)
class Gaussian:
    """A density, not probabilities: of values with unit variance around the outputs."""

    num_levels: int = 256
    num_outputs: int = 1

    def log_prob(self, outputs, levels):
        return jax.scipy.stats.norm.logpdf(levels.astype(outputs.dtype) / 50, outputs[..., 0])

    def sample(self, key, outputs, temperature=1.0):
        raise NotImplementedError


class LinearEncoder(nn.Module):
    """The exact posterior of the linear decoder, with a log-scale that is `excess` too large."""

    excess: float = 0.0

    @nn.compact
    def __call__(self, x, num_latents):
        loadings = jnp.asarray(LOADINGS, x.dtype)
        values = ((x + 1) * 127.5 / 50).reshape(len(x), -1)
        precision = np.eye(num_latents) + LOADINGS @ LOADINGS.T
        covariance = np.linalg.inv(precision)
        mean = (values - jnp.asarray(BIAS, x.dtype)[None]) @ loadings.T @ jnp.asarray(covariance, x.dtype)
        scale = 0.5 * np.log(np.diag(covariance)) + self.excess
        return mean, jnp.broadcast_to(jnp.asarray(scale, x.dtype)[None], mean.shape)


class LinearDecoder(nn.Module):
    @nn.compact
    def __call__(self, latents, image_shape, num_outputs):
        values = latents @ jnp.asarray(LOADINGS, latents.dtype) + jnp.asarray(BIAS, latents.dtype)[None]
        return values.reshape(-1, *image_shape, 1)


LOADINGS = np.linalg.qr(np.random.default_rng(0).normal(size=(16, 2)))[0].T * np.array([[2.0], [1.0]])
BIAS = np.full(16, 2.5)


@pytest.mark.parametrize("excess", [0.0, 0.3])
def test_the_estimate_agrees_with_the_exact_marginal_of_a_linear_gaussian_vae(excess):
    """log N(x; b, I + W'W): with the exact posterior (orthogonal loadings) every weight is the marginal itself."""
    model = VAE(2, LinearEncoder(excess), LinearDecoder(), Gaussian())
    images = noise(12, (4, 4, 1))
    params = model.init(KEY, images)
    exact = stats.multivariate_normal(BIAS, np.eye(16) + LOADINGS.T @ LOADINGS).logpdf(images.reshape(12, -1) / 50.0)
    estimate = model.log_likelihood_estimate(params, KEY, images, 1_000)
    if excess == 0:
        np.testing.assert_allclose(estimate.value, exact, rtol=1e-5)
        assert np.all(estimate.sem < 1e-3)
    else:
        assert np.all(estimate.sem > 1e-3)
        assert np.all(np.abs(estimate.value - exact) < 4 * estimate.sem + 1e-4)
        assert np.all(model.elbo(params, KEY, images, 1_000) < exact)


def test_the_stated_error_is_the_spread_over_keys():
    model, params = MODELS["categorical"], perturbed("categorical")
    images = structured(4)
    estimates = [model.log_likelihood_estimate(params, key, images, 100) for key in jax.random.split(KEY, 40)]
    means, sems = (np.array([getattr(e, name) for e in estimates]) for name in ("value", "sem"))
    np.testing.assert_allclose(np.sqrt((sems**2).mean(0)), means.std(0), rtol=0.5)


class Shown(nn.Module):
    """A decoder whose every pixel is certainly at a level that the first latent says, 20 levels a unit around 128."""

    @nn.compact
    def __call__(self, latents, image_shape, num_outputs):
        del num_outputs
        mean = (2 * (128 + 20 * latents[:, 0]) / 255 - 1)[:, None, None, None]
        means = jnp.broadcast_to(mean, (len(latents), *image_shape))
        return jnp.stack([jnp.zeros_like(means), means, jnp.full_like(means, -7.0)], axis=-1)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_samples_have_latents_of_the_temperature(temperature):
    model = VAE(1, Flat(), Shown(), LogisticMixture(1))
    images = model.sample(model.init(KEY, images_of((4, 4, 1))), KEY, 2_000, temperature)
    spread = np.std(images[:, 0, 0, 0].astype(float))
    assert spread == pytest.approx(20 * temperature, rel=0.1)


class Flat(nn.Module):
    """Encoder or decoder of a single product, for images of any size."""

    @nn.compact
    def __call__(self, x, *sizes):
        if len(sizes) == 1:  # an encoder, told the number of latents
            return jnp.split(nn.Dense(2 * sizes[0])(x.reshape(len(x), -1)), 2, axis=-1)
        shape = (*sizes[0], sizes[1])
        return nn.Dense(math.prod(shape))(x).reshape(-1, *shape)


@pytest.mark.usefixtures("unchecked")
def test_networks_of_ones_own_may_take_images_of_any_size():
    model, images = VAE(2, Flat(), Flat()), images_of((5, 7, 1))
    params = model.init(KEY, images)
    assert np.isfinite(model.log_likelihood(params, KEY, images)).all()
    with pytest.raises(InputError, match="5 x 7; both must be divisible by 4"):
        VAE(2, Flat(), Decoder(4)).init(KEY, images)


def images_of(shape):
    return np.zeros((2, *shape), np.uint8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, p: m.init(KEY, images_of((6, 8, 1))), "halve height and width twice, but the images are 6 x 8"),
        (lambda m, p: m.log_likelihood_estimate(p, KEY, images_of((8, 8, 1)), 1), "standard error needs at least 2"),
        (lambda m, p: conv_vae(0, 4), "num_latents must be a positive whole number"),
        (lambda m, p: conv_vae(2, 0), "width must be a positive whole number"),
        (
            lambda m, p: conv_vae(2, 4, pixels=Categorical(4)).init(KEY, images_of((8, 8, 1)) + np.uint8(9)),
            "hold level 9, .* levels 0 to 3",
        ),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call(MODELS["categorical"], perturbed("categorical"))
