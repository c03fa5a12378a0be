"""A convolutional variational autoencoder: a bound on log P(image) to train with, and an estimate of it to report.

After the VAE of Rosca, Lakshminarayanan and Mohamed 2018 (arXiv 1802.06847): convolutional encoder and decoder, normal
latents, a softmax over 256 levels for every pixel value. With w = P(image | z) p(z) / q(z | image), z ~ q(. | image),

    ELBO = E[log w]  <=  E[log mean of K w]  <=  log P(image),

and the middle rises with K (Burda, Grosse and Salakhutdinov 2016, theorem 1).
"""

import dataclasses
import functools
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from glowjax.checks import InputError, check_count, check_images
from glowjax.likelihood import bits_per_dim, log_mean_exp
from glowjax.models.base import NetworkParams, check_shape, check_temperature
from glowjax.models.pixels import SOFTMAX, PixelDistribution, check_levels, scaled
from glowjax.networks.autoencoder import Decoder, Encoder
from glowjax.stats import Estimate
from glowjax.typing import Array, Images, Key

LOG_2PI = math.log(2 * math.pi)


@dataclasses.dataclass(frozen=True)
class VAE:
    """Probabilities of images by latents that are integrated over. Satisfies `ImageModel`.

    Attributes:
        num_latents: dimensions of the latent vector, which is standard normal beforehand.
        encoder: a linen module from (x [N, H, W, C] in [-1, 1], num_latents) to mean and log-scale [N, num_latents].
        decoder: from (latents [N, num_latents], image_shape, num_outputs) to [N, H, W, C, num_outputs].
        pixels: the distribution of a value, `Categorical()`, or `LogisticMixture(1)` for a discretised logistic.
    """

    num_latents: int
    encoder: nn.Module
    decoder: nn.Module
    pixels: PixelDistribution = SOFTMAX

    def __post_init__(self) -> None:
        """Raises InputError for a number of latents that is not positive."""
        check_count("num_latents", self.num_latents)

    def init(self, key: Key, images: Images) -> NetworkParams:
        """Learned arrays for images like `images`, uint8 [N, H, W, C]; their values are not used.

        Raises InputError for images that are not uint8 [N, H, W, C], hold a level that the model does not have, or
        whose height or width is not divisible by 4, with the networks of `conv_vae`.
        """
        check_images(images, batch=True)
        check_levels(images, self.pixels.num_levels)
        image_shape = tuple(images.shape[1:])
        return NetworkParams(_init(self, key, image_shape), image_shape)

    def log_weights(self, params: NetworkParams, key: Key, images: Images, num_draws: int) -> Array:
        """Log w [num_draws, N] in nats of uint8 images [N, H, W, C], each draw with latents of its own.

        One draw at a time is in memory. Raises InputError for images that are not uint8, of another shape than
        `init`'s, or with a level that the model does not have, and for fewer than one draw.
        """
        check_images(images, batch=True)
        check_shape(params.image_shape, images.shape)
        check_levels(images, self.pixels.num_levels)
        check_count("num_draws", num_draws)
        return _log_weights(self, params, key, jnp.asarray(images), num_draws)

    def elbo(self, params: NetworkParams, key: Key, images: Images, num_draws: int = 1) -> Array:
        """The evidence lower bound [N] in nats, averaged over `num_draws`. Raises as `log_weights` does."""
        return jnp.mean(self.log_weights(params, key, images, num_draws), axis=0)

    def log_likelihood(self, params: NetworkParams, key: Key, images: Images, num_draws: int = 1) -> Array:
        """The importance-weighted log P(image) [N] in nats; with one draw, a draw of the ELBO.

        A lower bound on average, which rises with `num_draws`: compare image sets with the same number, a thousand to
        come near log P(image). Raises as `log_weights` does.
        """
        return log_mean_exp(self.log_weights(params, key, images, num_draws))

    def log_likelihood_estimate(
        self, params: NetworkParams, key: Key, images: Images, num_draws: int = 1_000
    ) -> Estimate:
        """`log_likelihood` with its standard error over draws: [N] each, in nats.

        The error is that of the logarithm of a mean, to first order. Where few weights dominate, both it and the
        estimate are too low: see whether the estimate still rises with `num_draws`. Raises as `log_weights` does, or
        for fewer than two draws.
        """
        if num_draws < 2:
            raise InputError(f"num_draws is {num_draws}; a standard error needs at least 2: try 1,000.")
        log_weights = self.log_weights(params, key, images, num_draws)
        mean = log_mean_exp(log_weights)
        relative = jnp.exp(log_weights - mean)
        return Estimate(mean, jnp.std(relative, axis=0, ddof=1) / math.sqrt(num_draws), num_draws)

    def loss(self, params: NetworkParams, key: Key, images: Images) -> Array:
        """Minus the ELBO of uint8 images [N, H, W, C] with one draw, in bits per dimension."""
        return jnp.mean(bits_per_dim(self.elbo(params, key, images), math.prod(params.image_shape)))

    def sample(self, params: NetworkParams, key: Key, num_images: int, temperature: float = 1.0) -> Images:
        """uint8 images [num_images, H, W, C]: latents of standard deviation `temperature`, then levels given them.

        Raises InputError for fewer than one image, or a temperature that is not positive.
        """
        check_count("num_images", num_images)
        check_temperature(temperature)
        return _sample(self, params, key, num_images, temperature)


def conv_vae(num_latents: int, width: int, *, pixels: PixelDistribution = SOFTMAX) -> VAE:
    """A VAE with convolutional encoder and decoder.

    Args:
        num_latents: dimensions of the latent vector.
        width: features of the networks at full size, twice as many at a quarter of height and width.
        pixels: the distribution of a value.

    Raises:
        InputError: for a size that is not positive.
    """
    check_count("width", width)
    return VAE(num_latents, Encoder(width), Decoder(width), pixels)


@functools.partial(jax.jit, static_argnums=(0, 2))
def _init(model: VAE, key: Key, image_shape: tuple[int, int, int]) -> dict[str, Any]:
    encoder_key, decoder_key = jax.random.split(key)
    x, latents = jnp.zeros((1, *image_shape)), jnp.zeros((1, model.num_latents))
    return {
        "encoder": model.encoder.init(encoder_key, x, model.num_latents),
        "decoder": model.decoder.init(decoder_key, latents, image_shape, model.pixels.num_outputs),
    }


def _log_normal(x: Array, mean: Array | float, log_scale: Array | float) -> Array:
    """[N] log density of rows of `x` [N, K]."""
    return jnp.sum(-0.5 * (((x - mean) * jnp.exp(-log_scale)) ** 2 + LOG_2PI) - log_scale, axis=-1)


@functools.partial(jax.jit, static_argnums=(0, 4))
def _log_weights(model: VAE, params: NetworkParams, key: Key, images: Array, num_draws: int) -> Array:
    x = scaled(images, model.pixels.num_levels)
    posterior: Any = model.encoder.apply(params.network["encoder"], x, model.num_latents)
    mean, log_scale = posterior

    def one_draw(draw_key: Key) -> Array:
        latents = mean + jnp.exp(log_scale) * jax.random.normal(draw_key, mean.shape)
        outputs = _decode(model, params, latents)
        log_likelihood = model.pixels.log_prob(outputs, images).sum(axis=(-3, -2, -1))
        return log_likelihood + _log_normal(latents, 0.0, 0.0) - _log_normal(latents, mean, log_scale)

    keys = jax.random.split(key, num_draws)
    return one_draw(keys[0])[None] if num_draws == 1 else jax.lax.map(one_draw, keys)


def _decode(model: VAE, params: NetworkParams, latents: Array) -> Array:
    """[N, H, W, C, num_outputs]."""
    decoder = params.network["decoder"]
    outputs: Any = model.decoder.apply(decoder, latents, params.image_shape, model.pixels.num_outputs)
    return outputs


@functools.partial(jax.jit, static_argnums=(0, 3))
def _sample(model: VAE, params: NetworkParams, key: Key, num_images: int, temperature: float) -> Images:
    latents_key, pixels_key = jax.random.split(key)
    latents = temperature * jax.random.normal(latents_key, (num_images, model.num_latents))
    return model.pixels.sample(pixels_key, _decode(model, params, latents)).astype(jnp.uint8)
