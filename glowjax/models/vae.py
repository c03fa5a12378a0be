"""A variational autoencoder, trained on a bound of log P(image) and evaluated by an importance-weighted estimate.

After the VAE of Rosca, Lakshminarayanan and Mohamed 2018 (arXiv 1802.06847): convolutional encoder and decoder, normal
latents, a softmax over 256 levels for every pixel value. With w = P(image | z) p(z) / q(z | image), z ~ q(. | image),

    ELBO = E[log w]  <=  E[log mean of K w]  <=  log P(image),

and the middle rises with K (Burda, Grosse and Salakhutdinov 2016, theorem 1).
"""

import dataclasses
import math
from typing import Any, ClassVar, NamedTuple, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.scipy.stats import norm
from jaxtyping import Float

from glowjax.checks import InputError, check_count, check_images
from glowjax.likelihood import bits_per_dim, log_mean_exp
from glowjax.models.base import ModelParams, check_shape, compiled
from glowjax.models.parts import PIXELS_AT_A_TIME, in_parts
from glowjax.models.pixels import SOFTMAX, PixelDistribution, scaled
from glowjax.networks.autoencoder import Decoder, Encoder
from glowjax.noise import draw, draw_keys
from glowjax.stats import Estimate
from glowjax.typing import Array, Batch, Key, Keys


class VAETerms(NamedTuple):
    """The terms of log w = log P(image | z) + log p(z) - log q(z | image) at draws of z, [num_draws, N] each, in nats.

    Attributes:
        log_likelihood: log P(image | z).
        log_prior: log p(z).
        log_posterior: log q(z | image).
    """

    log_likelihood: Float[Array, "K N"]
    log_prior: Float[Array, "K N"]
    log_posterior: Float[Array, "K N"]

    @property
    def log_weights(self) -> Float[Array, "K N"]:
        """Log w."""
        return self.log_likelihood + self.log_prior - self.log_posterior


@dataclasses.dataclass(frozen=True)
class VAE:
    """Probabilities of images with latents integrated out. Satisfies `ImageModel`.

    Attributes:
        num_latents: dimensions of the latent vector, whose prior is standard normal.
        encoder: a linen module from (x [N, H, W, C] in [-1, 1], num_latents) to mean and log-scale [N, num_latents].
        decoder: from (latents [N, num_latents], image_shape, num_outputs) to [N, H, W, C, num_outputs].
        pixels: the distribution of a value, `Categorical()`, or `LogisticMixture(1)` for a discretized logistic.
    """

    num_latents: int
    encoder: nn.Module
    decoder: nn.Module
    pixels: PixelDistribution = SOFTMAX

    pixels_at_a_time: ClassVar[int] = PIXELS_AT_A_TIME

    def __post_init__(self) -> None:
        check_count("num_latents", self.num_latents)

    @property
    def num_levels(self) -> int:
        """The number of grey levels of a value."""
        return self.pixels.num_levels

    @compiled()
    def init(self, key: Key, images: Batch) -> ModelParams:
        """Learned arrays for uint8 images [N, H, W, C] like these; their values are not used.

        With the networks of `conv_vae`, height and width must be divisible by 4.
        """
        check_images(images, batch=True)
        image_shape = tuple(images.shape[1:])
        encoder_key, decoder_key = jax.random.split(key)
        x, latents = jnp.zeros((1, *image_shape)), jnp.zeros((1, self.num_latents))
        arrays = {
            "encoder": self.encoder.init(encoder_key, x, self.num_latents),
            "decoder": self.decoder.init(decoder_key, latents, image_shape, self.pixels.num_outputs),
        }
        return ModelParams(arrays, image_shape)

    @compiled()
    def encode(self, params: ModelParams, images: Batch) -> tuple[Float[Array, "N K"], Float[Array, "N K"]]:
        """The mean and the log-scale of q(z | image), [N, num_latents] each, of uint8 images [N, H, W, C]."""
        check_images(images, batch=True)
        check_shape(params, images.shape)

        def encoded(images: Array) -> Any:
            return self.encoder.apply(params.arrays["encoder"], scaled(images, self.num_levels), self.num_latents)

        return in_parts(encoded, jnp.asarray(images))

    @compiled()
    def log_prob_given(self, params: ModelParams, z: Float[Array, "N K"], images: Batch) -> Float[Array, " N"]:
        """Log P(image | z) [N] in nats of uint8 images [N, H, W, C], given latents [N, num_latents]."""

        def log_prob(images: Array, z: Float[Array, "M K"]) -> Float[Array, " M"]:
            return self.pixels.log_prob(self._decode(params, z), images).sum(axis=(-3, -2, -1))

        return in_parts(log_prob, jnp.asarray(images), z)

    @compiled("num_draws")
    def terms(self, params: ModelParams, key: Keys, images: Batch, num_draws: int) -> VAETerms:
        """The terms of log w of uint8 images [N, H, W, C]; only one draw at a time is in memory.

        `key` is one key, or one key per image [N], here and in the methods below.
        """
        mean, log_scale = self.encode(params, images)

        def one_draw(draw_key: Keys) -> VAETerms:
            z = mean + jnp.exp(log_scale) * draw(jax.random.normal, draw_key, mean.shape[:1], mean.shape[1:])
            log_prior, log_posterior = norm.logpdf(z), norm.logpdf(z, mean, jnp.exp(log_scale))
            return VAETerms(self.log_prob_given(params, z, images), log_prior.sum(axis=-1), log_posterior.sum(axis=-1))

        keys = draw_keys(key, num_draws)
        return jax.tree.map(lambda x: x[None], one_draw(keys[0])) if num_draws == 1 else jax.lax.map(one_draw, keys)

    @compiled("num_draws")
    def log_weights(self, params: ModelParams, key: Keys, images: Batch, num_draws: int) -> Float[Array, "K N"]:
        """Log w [num_draws, N] in nats of uint8 images [N, H, W, C]."""
        return self.terms(params, key, images, num_draws).log_weights

    @compiled("num_draws")
    def elbo(self, params: ModelParams, key: Keys, images: Batch, num_draws: int = 1) -> Float[Array, " N"]:
        """The evidence lower bound [N] in nats, averaged over `num_draws`."""
        return jnp.mean(self.log_weights(params, key, images, num_draws), axis=0)

    @compiled("num_draws")
    def log_likelihood(self, params: ModelParams, key: Keys, images: Batch, num_draws: int = 1) -> Float[Array, " N"]:
        """The importance-weighted log P(image) [N] in nats; with one draw, an unbiased estimate of the ELBO.

        A lower bound on average, which rises with `num_draws`: use the same number for all image sets. About a thousand
        come close to log P(image).
        """
        return log_mean_exp(self.log_weights(params, key, images, num_draws))

    def log_likelihood_estimate(
        self, params: ModelParams, key: Keys, images: Batch, num_draws: int = 1_000
    ) -> Estimate:
        """`log_likelihood` with its standard error over draws: [N] each, in nats.

        The error is first-order (delta method) for the log of a mean. If few weights dominate, both the error and the
        estimate are too low: check whether the estimate still rises with `num_draws`.

        Coverage of the 95 % interval (`python -m benchmarks.coverage`), with 100 and 1,000 draws: 0.94-0.96 if q is as
        wide as the posterior or twice as wide, and 0.70-0.71 if half as wide, when the weights have no finite variance.
        """
        if num_draws < 2:
            raise InputError(f"num_draws is {num_draws}; a standard error needs at least 2: try 1,000.")
        log_weights = self.log_weights(params, key, images, num_draws)
        mean = log_mean_exp(log_weights)
        relative = jnp.exp(log_weights - mean[None])
        return Estimate(mean, jnp.std(relative, axis=0, ddof=1) / math.sqrt(num_draws), num_draws)

    @compiled()
    def loss(self, params: ModelParams, key: Keys, images: Batch) -> Float[Array, ""]:
        """Minus the ELBO of uint8 images [N, H, W, C] with one draw, in bits per dimension."""
        return jnp.mean(bits_per_dim(self.elbo(params, key, images), params.num_dims))

    @compiled("num_images")
    def sample(self, params: ModelParams, key: Key, num_images: int, temperature: float | Array = 1.0) -> Batch:
        """uint8 images [num_images, H, W, C]: latents of standard deviation `temperature`, then levels given them."""
        latents_key, pixels_key = jax.random.split(key)
        latents = temperature * jax.random.normal(latents_key, (num_images, self.num_latents))
        return self.pixels.sample(pixels_key, self._decode(params, latents)).astype(jnp.uint8)

    def _decode(self, params: ModelParams, latents: Float[Array, "N K"]) -> Float[Array, "N H W C O"]:
        decoder, num_outputs = params.arrays["decoder"], self.pixels.num_outputs
        return cast(Any, self.decoder.apply(decoder, latents, params.image_shape, num_outputs))


def conv_vae(num_latents: int, width: int, *, pixels: PixelDistribution = SOFTMAX) -> VAE:
    """A VAE with convolutional encoder and decoder.

    Args:
        num_latents: dimensions of the latent vector.
        width: features of the networks at full size, twice as many at a quarter of height and width.
        pixels: the distribution of a value.
    """
    check_count("width", width)
    return VAE(num_latents, Encoder(width), Decoder(width), pixels)
