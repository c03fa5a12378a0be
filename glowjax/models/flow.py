"""A normalizing flow: a bijection to latents, with a standard normal density over them."""

import dataclasses
import functools
import operator
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm
from jaxtyping import Float

from glowjax.checks import InputError, check_images
from glowjax.layers.base import Layer, promote_dtypes, sum_per_image
from glowjax.layers.compose import MultiScale
from glowjax.layers.repeat import Memory, with_memory
from glowjax.likelihood import bits_per_dim, dequantize, log_mean_exp, quantize
from glowjax.models.base import ModelParams, check_shape, compiled
from glowjax.noise import PartKey, draw, draw_keys
from glowjax.typing import Array, Batch, Continuous, Images, Key, Keys, Latents


class FlowParams(ModelParams, repr=False):
    """The learned arrays of a flow's layer, with the shape of the images that they are for."""


PerScale: TypeAlias = Float[jax.Array | np.ndarray, "*batch S"]
PerImage: TypeAlias = Float[jax.Array | np.ndarray, "*batch"]


class FlowTerms(NamedTuple):
    """The parts of log p(x) in nats, each [..., num_scales], finest scale first. Their sum is log p(x).

    Attributes:
        log_pz_by_scale: log density, under a standard normal, of the latents factored out at the scale.
        steps_by_scale: log-det of the scale's own layers; at the finest scale it includes the pixel scaling.
        splits_by_scale: log-det of the scale's split; zero for plain splits, and at the last scale, which has no split.
    """

    log_pz_by_scale: PerScale
    steps_by_scale: PerScale
    splits_by_scale: PerScale

    @property
    def log_det_by_scale(self) -> PerScale:
        """Log |det dz/dx| by scale, including the split of the scale."""
        return self.steps_by_scale + self.splits_by_scale

    @property
    def prior_by_scale(self) -> PerScale:
        """Glow's prior by scale: log density of the channels factored out at a scale, given those passed on."""
        return self.log_pz_by_scale + self.splits_by_scale

    @property
    def log_pz(self) -> PerImage:
        """Log density of all latents."""
        return self.log_pz_by_scale.sum(-1)

    @property
    def log_det(self) -> PerImage:
        """Log |det dz/dx|, the volume term."""
        return self.log_det_by_scale.sum(-1)

    @property
    def log_prob(self) -> PerImage:
        """Log p(x): `log_pz + log_det`."""
        return self.log_pz + self.log_det


@dataclasses.dataclass(frozen=True)
class Flow:
    """log p(x) = log p(z) + log |det dz/dx| with z = layer(x) and p(z) a standard normal; x in grey levels [0, 256).

    Satisfies `ImageModel`. Each method is compiled once per shape of its arguments.

    Attributes:
        layer: the map from x to latents. A layer that is not a `MultiScale` becomes a `MultiScale` with one scale.
    """

    layer: MultiScale

    def __init__(self, layer: Layer) -> None:
        object.__setattr__(self, "layer", layer if isinstance(layer, MultiScale) else MultiScale((layer,)))

    @compiled()
    def init(self, key: Key, images: Batch) -> FlowParams:
        """Learned arrays for uint8 images [N, H, W, C] of this shape, whose statistics initialize the ActNorms."""
        check_images(images, batch=True)
        noise_key, layer_key = jax.random.split(key)
        try:
            arrays = self.layer.init(layer_key, dequantize(noise_key, images))
        except InputError as error:
            raise InputError(f"Images {list(images.shape[1:])} do not fit this model. {error}") from error
        return FlowParams(arrays, tuple(images.shape[1:]))

    @compiled(batch="x")
    def log_prob(self, params: FlowParams, x: Continuous) -> Float[Array, "*batch"]:
        """The log density [...] of `x` [..., H, W, C], in nats, with x in grey levels.

        It is computed in the dtype of `x` or of the params, whichever is more precise. NaN in `x` gives NaN.
        """
        total: Any = self.terms(params, x).log_prob
        return total

    @compiled(batch="x")
    def terms(self, params: FlowParams, x: Continuous) -> FlowTerms:
        """The parts of `log_prob` by scale."""
        return self.encode_with_terms(params, x)[1]

    @compiled(batch="x")
    def encode_with_terms(self, params: FlowParams, x: Continuous) -> tuple[Latents, FlowTerms]:
        """`encode` and `terms` of `x` [..., H, W, C] in one pass."""
        check_shape(params, x.shape)
        latents, steps, splits = self.layer.forward_by_scale(params.arrays, _as_precise(params, x))
        log_pz = tuple(sum_per_image(norm.logpdf(z)) for z in latents)
        return latents, FlowTerms(*(jnp.stack(parts, axis=-1) for parts in (log_pz, steps, splits)))

    @compiled(batch="x")
    def encode(self, params: FlowParams, x: Continuous) -> Latents:
        """The latents of `x` [..., H, W, C], finest scale first."""
        check_shape(params, x.shape)
        return self.layer.forward(params.arrays, _as_precise(params, x))[0]

    @compiled(batch="latents")
    def decode(self, params: FlowParams, latents: Latents) -> Continuous:
        """The continuous images [..., H, W, C] of `latents`; the inverse of `encode`."""
        expected, found = [z.shape for z in self._latent_shapes(params)], [z.shape[-3:] for z in latents]
        if found != expected:
            raise InputError(
                f"The latents of this model end in the shapes {expected}, but got {[z.shape for z in latents]}; "
                "pass the tuple that encode returns."
            )
        return self.layer.inverse(params.arrays, tuple(_as_precise(params, z) for z in latents))[0]

    @compiled("num_draws", batch="images")
    def log_likelihood(
        self, params: FlowParams, key: Keys | PartKey, images: Images, num_draws: int = 1
    ) -> Float[Array, "*batch"]:
        """Log P(image) [...] of uint8 images [..., H, W, C], in nats: log-mean-exp over dequantization draws.

        By Jensen's inequality, its expectation is a lower bound, which becomes tighter as `num_draws` grows. Use the
        same number of draws to compare data sets. `key` is one key, or one key per image [...].
        """
        keys = draw_keys(key, num_draws)
        return log_mean_exp(jax.lax.map(lambda k: self.log_prob(params, dequantize(k, images)), keys))

    @compiled()
    def loss(self, params: FlowParams, key: Keys, images: Batch) -> Float[Array, ""]:
        """Mean bits per dimension of uint8 images [N, H, W, C], with one dequantization draw.

        `key` is one key, or one key per image [N].
        """
        return jnp.mean(bits_per_dim(self.log_likelihood(params, key, images), params.num_dims))

    @compiled("num_images", batch="num_images")
    def sample(
        self, params: FlowParams, key: Key | PartKey, num_images: int, temperature: float | Array = 1.0
    ) -> Images:
        """uint8 images [num_images, H, W, C], decoded from normal latents of standard deviation `temperature`."""
        return quantize(self.sample_continuous(params, key, num_images, temperature))

    @compiled("num_images", batch="num_images")
    def sample_continuous(
        self, params: FlowParams, key: Key | PartKey, num_images: int, temperature: float | Array = 1.0
    ) -> Continuous:
        """Samples [num_images, H, W, C] before rounding down and clipping; some values lie outside [0, 256)."""
        shapes = [z.shape for z in self._latent_shapes(params)]
        keys = draw_keys(key, len(shapes))
        draws = tuple(
            temperature * draw(jax.random.normal, jax.tree.map(operator.itemgetter(scale), keys), (num_images,), shape)
            for scale, shape in enumerate(shapes)
        )
        return self.decode(params, draws)

    def with_memory(self, memory: Memory) -> "Flow":
        """This flow with another mode of memory in each `Repeat`; the same params fit it.

        A flow with "invert" cannot be differentiated in forward mode, as the analysis does: `with_memory("store")` can.
        """
        return Flow(with_memory(self.layer, memory))

    def _latent_shapes(self, params: FlowParams) -> tuple[jax.ShapeDtypeStruct, ...]:
        """The shapes of the latents of one image; nothing is computed."""
        image = jax.ShapeDtypeStruct(params.image_shape, jnp.float32)
        return jax.eval_shape(functools.partial(self.encode, params), image)


def _as_precise(params: FlowParams, x: Array) -> Array:
    """`x` in its own dtype or that of the params, whichever is more precise."""
    dtypes = [leaf.dtype for leaf in jax.tree.leaves(params.arrays) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    return x.astype(promote_dtypes(x.dtype, *dtypes))
