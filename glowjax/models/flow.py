"""A normalising flow: a bijection to latents, and a standard normal over them."""

import dataclasses
import functools
import math
from typing import NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from glowjax.checks import InputError, check_count, check_images
from glowjax.layers.base import sum_per_image
from glowjax.layers.compose import MultiScale
from glowjax.likelihood import bits_per_dim, dequantize, log_mean_exp, quantize
from glowjax.models.base import check_shape
from glowjax.typing import Array, Continuous, Images, Key, Latents, Params

LOG_2PI = math.log(2 * math.pi)


@flax.struct.dataclass
class FlowParams:
    """A flow's learned arrays, with the shape of the images that they are for.

    Attributes:
        layer: the pytree of the flow's layer.
        image_shape: (H, W, C); static, so that samples know their size and other shapes are refused.
    """

    layer: Params
    image_shape: tuple[int, int, int] = flax.struct.field(pytree_node=False)


class FlowTerms(NamedTuple):
    """The two parts of log p(x), in nats: `log_pz + log_det` is `log_prob`.

    Attributes:
        log_pz: [...], the log density of the latents.
        log_det: [...], log |det dz/dx|, the volume term.
        log_pz_by_scale: [..., num_scales], finest scale first.
        log_det_by_scale: [..., num_scales], finest scale first; a scale's split counts to the scale.
    """

    log_pz: Array
    log_det: Array
    log_pz_by_scale: Array
    log_det_by_scale: Array


@dataclasses.dataclass(frozen=True)
class Flow:
    """log p(x) = log p(z) + log |det dz/dx| with z = layer(x) and p(z) a standard normal; x in grey levels [0, 256).

    Satisfies `ImageModel`. Every method is compiled at its first call for a shape.

    Attributes:
        layer: from x to latents, one array a scale; for a single scale, a `MultiScale` with one.
    """

    layer: MultiScale

    def __post_init__(self) -> None:
        """Raises InputError for a layer that has no scales."""
        if not hasattr(self.layer, "forward_by_scale"):
            raise InputError(
                f"A flow takes a MultiScale, but got a {type(self.layer).__name__}; for a single scale, "
                "MultiScale((layer,), Split())."
            )

    def init(self, key: Key, images: Images) -> FlowParams:
        """Learned arrays for images like `images`, uint8 [N, H, W, C]; ActNorms are set by these N images.

        Raises InputError for images that are not uint8 [N, H, W, C], or whose height, width or channels do not
        suit the layers.
        """
        check_images(images, batch=True)
        try:
            return _init(self, key, images)
        except InputError as error:
            raise InputError(f"Images {list(images.shape[1:])} do not suit this model. {error}") from error

    def log_prob(self, params: FlowParams, x: Continuous) -> Array:
        """The log density of `x` [..., H, W, C], in nats over grey levels, [...].

        It is computed in the dtype of `x` or in that of the params, whichever is the more precise. Raises InputError
        for NaN, a dtype that is not floating, or a shape other than that of `init`'s images.
        """
        terms = self.terms(params, x)
        return terms.log_pz + terms.log_det

    def terms(self, params: FlowParams, x: Continuous) -> FlowTerms:
        """The parts of `log_prob`, summed and by scale. Raises InputError as `log_prob` does."""
        check_continuous(params, x)
        return _terms(self, params, x)

    def encode(self, params: FlowParams, x: Continuous) -> Latents:
        """The latents of `x` [..., H, W, C], finest scale first. Raises InputError as `log_prob` does."""
        check_continuous(params, x)
        return _encode(self, params, x)

    def decode(self, params: FlowParams, latents: Latents) -> Continuous:
        """The continuous images [..., H, W, C] of `latents`; undoes `encode`.

        Raises InputError for latents of other shapes than `encode` gives.
        """
        expected = [z.shape[-3:] for z in _latent_shapes(self, params)]
        if [z.shape[-3:] for z in latents] != expected:
            raise InputError(
                f"The latents of this model end in the shapes {expected}, but got {[z.shape for z in latents]}; "
                "take them from encode."
            )
        return _decode(self, params, latents)

    def log_likelihood(self, params: FlowParams, key: Key, images: Images, num_draws: int = 1) -> Array:
        """Log P(image) [...] of uint8 images [..., H, W, C], in nats: log-mean-exp over dequantisation draws.

        By Jensen's inequality a lower bound on average, which tightens as `num_draws` grows: compare data sets
        with the same number. Raises InputError for images that are not uint8 or whose shape is not `init`'s.
        """
        check_images(images)
        check_shape(params.image_shape, images.shape)
        check_count("num_draws", num_draws)
        return _log_likelihood(self, params, key, images, num_draws)

    def loss(self, params: FlowParams, key: Key, images: Images) -> Array:
        """Mean bits per dimension of uint8 images [N, H, W, C], with one dequantisation draw."""
        log_likelihood = self.log_likelihood(params, key, images)
        return jnp.mean(bits_per_dim(log_likelihood, math.prod(params.image_shape)))

    def sample(self, params: FlowParams, key: Key, num_images: int, temperature: float = 1.0) -> Images:
        """uint8 images [num_images, H, W, C], decoded from normal latents of standard deviation `temperature`.

        Raises InputError for fewer than one image, or a temperature that is negative or no number.
        """
        return quantize(self.sample_continuous(params, key, num_images, temperature))

    def sample_continuous(self, params: FlowParams, key: Key, num_images: int, temperature: float = 1.0) -> Continuous:
        """What `sample` rounds down and clips: [num_images, H, W, C] in grey levels, some outside [0, 256).

        Raises as `sample` does.
        """
        check_count("num_images", num_images)
        if not isinstance(temperature, jax.core.Tracer) and not temperature >= 0:
            raise InputError(f"temperature must not be negative, but is {temperature}; 1 draws from the flow as it is.")
        return _sample(self, params, key, num_images, temperature)


def check_continuous(params: FlowParams, x: Continuous) -> None:
    """Raises InputError unless `x` [..., H, W, C] is finite, floating and of the shape of the flow's images."""
    check_shape(params.image_shape, x.shape)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise InputError(
            f"A density needs floating-point grey levels, but x is {x.dtype}; "
            "call dequantize(key, images), or log_likelihood for 8-bit images."
        )
    # NumPy, since under a jit even operations on known JAX arrays are traced.
    if not isinstance(x, jax.core.Tracer) and not np.isfinite(np.asarray(x)).all():
        bad = np.argwhere(~np.isfinite(np.asarray(x)))[0].tolist()
        raise InputError(f"x holds NaN or infinity, first at index {bad}; grey levels must be finite.")


@functools.partial(jax.jit, static_argnums=0)
def _init(flow: Flow, key: Key, images: Images) -> FlowParams:
    noise_key, layer_key = jax.random.split(key)
    layer_params = flow.layer.init(layer_key, dequantize(noise_key, images))
    return FlowParams(layer_params, tuple(images.shape[1:]))


@functools.partial(jax.jit, static_argnums=0)
def _terms(flow: Flow, params: FlowParams, x: Continuous) -> FlowTerms:
    latents, log_dets = flow.layer.forward_by_scale(params.layer, as_precise(params, x))
    log_pz_by_scale = jnp.stack([sum_per_image(-0.5 * (z**2 + LOG_2PI)) for z in latents], axis=-1)
    log_det_by_scale = jnp.stack(log_dets, axis=-1)
    return FlowTerms(log_pz_by_scale.sum(-1), log_det_by_scale.sum(-1), log_pz_by_scale, log_det_by_scale)


@functools.partial(jax.jit, static_argnums=0)
def _encode(flow: Flow, params: FlowParams, x: Continuous) -> Latents:
    return flow.layer.forward(params.layer, as_precise(params, x))[0]


def _latent_shapes(flow: Flow, params: FlowParams) -> tuple[jax.ShapeDtypeStruct, ...]:
    """What `encode` gives for one image, without computing it."""
    image = jax.ShapeDtypeStruct(params.image_shape, jnp.float32)
    return jax.eval_shape(functools.partial(_encode, flow), params, image)


@functools.partial(jax.jit, static_argnums=0)
def _decode(flow: Flow, params: FlowParams, latents: Latents) -> Continuous:
    return flow.layer.inverse(params.layer, tuple(as_precise(params, z) for z in latents))[0]


def as_precise(params: FlowParams, x: Array) -> Array:
    """`x` in the params' dtype, where that is the more precise."""
    dtypes = [leaf.dtype for leaf in jax.tree.leaves(params.layer) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    return x.astype(jnp.result_type(x.dtype, *dtypes))


@functools.partial(jax.jit, static_argnums=(0, 4))
def _log_likelihood(flow: Flow, params: FlowParams, key: Key, images: Images, num_draws: int) -> Array:
    def one_draw(draw_key: Key) -> Array:
        return flow.log_prob(params, dequantize(draw_key, images))

    return log_mean_exp(jax.lax.map(one_draw, jax.random.split(key, num_draws)))


@functools.partial(jax.jit, static_argnums=(0, 3))
def _sample(flow: Flow, params: FlowParams, key: Key, num_images: int, temperature: float) -> Continuous:
    shapes = [(num_images, *z.shape) for z in _latent_shapes(flow, params)]
    keys = jax.random.split(key, len(shapes))
    latents = tuple(temperature * jax.random.normal(k, shape) for k, shape in zip(keys, shapes, strict=True))
    return _decode(flow, params, latents)
