"""Gated PixelCNN: log P(image) as a sum over pixel values, each predicted from those before it.

After van den Oord et al. 2016, "Conditional Image Generation with PixelCNN Decoders", section 2. Pixels come in raster
order. A vertical stack sees the rows above, a horizontal stack the pixels to the left and, of each layer, the vertical
stack: together all that came before, without a blind spot. Within a pixel the channels come in order: the head of each
reads the network's features and the channels before it. The network itself is in `gated`.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float

from glowjax.checks import InputError, check_count, check_images
from glowjax.likelihood import bits_per_dim
from glowjax.models.base import ModelParams, check_shape, compiled
from glowjax.models.pixels import SOFTMAX, PixelDistribution, scaled
from glowjax.networks import gated
from glowjax.typing import Array, Batch, Key


@dataclasses.dataclass(frozen=True)
class PixelCNN:
    """Exact probabilities of images of grey levels, by gated causal convolutions. Satisfies `ImageModel`.

    Attributes:
        num_layers: gated layers; the first has the wider kernel.
        width: features of both stacks.
        pixels: the distribution of a value, `Categorical()` or a `LogisticMixture()`.
        head_width: hidden features of the heads; `width` by default.
        entry_size: rows and columns of the first layer's kernel before it is made causal; odd.
        kernel_size: of the other layers; odd.
    """

    num_layers: int
    width: int
    pixels: PixelDistribution = SOFTMAX
    head_width: int | None = None
    entry_size: int = 7
    kernel_size: int = 3

    def __post_init__(self) -> None:
        """Raises InputError for a size that is not positive, or a kernel whose size is even."""
        for name in ("num_layers", "width", "entry_size", "kernel_size"):
            check_count(name, getattr(self, name))
        for name in ("entry_size", "kernel_size"):
            if getattr(self, name) % 2 == 0:
                raise InputError(
                    f"{name} must be odd, but is {getattr(self, name)}: an even kernel reaches less far to the right, "
                    "and some pixels of the rows above would be seen by none."
                )
        check_count("head_width", self.width if self.head_width is None else self.head_width)

    @property
    def num_levels(self) -> int:
        """The number of grey levels of a value."""
        return self.pixels.num_levels

    @compiled()
    def init(self, key: Key, images: Batch) -> ModelParams:
        """Learned arrays for uint8 images [N, H, W, C] like these; their values are not used.

        Every value starts uniform over the levels, or with the mixture that all-zero outputs mean.
        """
        check_images(images, batch=True)
        num_channels = images.shape[-1]
        layers_key, heads_key = jax.random.split(key)
        sizes = [(self.entry_size, num_channels)] + [(self.kernel_size, self.width)] * (self.num_layers - 1)
        layer_keys, head_keys = jax.random.split(layers_key, self.num_layers), jax.random.split(heads_key, num_channels)
        head = (self.width, self.head_width or self.width, self.pixels.num_outputs)
        arrays = {
            "layers": [gated.init_layer(k, *size, self.width) for k, size in zip(layer_keys, sizes, strict=True)],
            "heads": [gated.init_head(k, channel, *head) for channel, k in enumerate(head_keys)],
        }
        return ModelParams(arrays, tuple(images.shape[1:]))

    def outputs(self, params: ModelParams, x: Float[Array, "N H W C"]) -> tuple[Float[Array, "N H W K"], ...]:
        """The parameters of each channel's distribution, [N, H, W, num_outputs], for `x` [N, H, W, C] in [-1, 1].

        The outputs at a pixel and channel depend only on the values before them.
        """
        check_shape(params, x.shape)
        return gated.outputs(params.arrays, jnp.moveaxis(x, -1, 0))

    @compiled("num_draws")
    def log_likelihood(self, params: ModelParams, key: Key, images: Batch, num_draws: int = 1) -> Float[Array, " N"]:
        """Log P(image) [N] in nats of uint8 images [N, H, W, C]; exact, so `key` and `num_draws` have no effect."""
        del key, num_draws
        check_images(images, batch=True)
        check_shape(params, images.shape)
        levels = jnp.moveaxis(images, -1, 0)
        outputs = gated.outputs(params.arrays, scaled(levels, self.num_levels))
        values = [self.pixels.log_prob(output, level) for output, level in zip(outputs, levels, strict=True)]
        return jnp.sum(jnp.stack(values), axis=(0, -2, -1))

    @compiled()
    def loss(self, params: ModelParams, key: Key, images: Batch) -> Float[Array, ""]:
        """Mean bits per dimension of uint8 images [N, H, W, C]."""
        return jnp.mean(bits_per_dim(self.log_likelihood(params, key, images), params.num_dims))

    @compiled("num_images")
    def sample(self, params: ModelParams, key: Key, num_images: int, temperature: float | Array = 1.0) -> Batch:
        """uint8 images [num_images, H, W, C], value by value: an image takes about the work of one likelihood.

        Every activation is computed once and kept while a later one needs it: of each layer some rows for the vertical
        stack, some pixels for the horizontal one. The draw of value n uses `key` folded with n. At temperature 0 the
        most probable value is taken.
        """
        return _sample(self, params, key, num_images, temperature)


def _sample(model: PixelCNN, params: ModelParams, key: Key, num_images: int, temperature: float | Array) -> Batch:
    height, width, num_channels = params.image_shape
    layers, heads = params.arrays["layers"], params.arrays["heads"]
    rows_kept = [layer["vertical"].shape[0] - 1 for layer in layers]
    inputs = [layer["vertical"].shape[2] for layer in layers]

    def one_row(carry: tuple[Array, list[Array]], row: Array) -> tuple[tuple[Array, list[Array]], Array]:
        """Draws a row from the row above it, [C, N, 1, W], and each layer's inputs of the rows above that."""
        above, caches = carry
        vertical, kept, across = above, [], []
        for layer, cache in zip(layers, caches, strict=True):
            window = jnp.concatenate([cache, vertical], axis=2)
            before_gate = gated.vertical_convolution(layer, window)[:, :, -1:]
            kept.append(window[:, :, 1:])
            vertical = gated.gate(before_gate)
            across.append(gated.plus(gated.dense(layer["across"], before_gate), layer["horizontal_bias"]))
        of_columns = [jnp.moveaxis(a[:, :, 0], -1, 0) for a in across]
        left = jnp.zeros((num_channels, num_images))
        row_caches = [jnp.zeros((size, features, num_images)) for size, features in zip(rows_kept, inputs, strict=True)]
        indices = row * width + jnp.arange(width)
        _, pixels = jax.lax.scan(one_pixel, (left, row_caches), (indices, of_columns))
        drawn = jnp.transpose(pixels, (1, 2, 0))[:, :, None]
        return (scaled(drawn, model.pixels.num_levels), kept), drawn

    def one_pixel(carry: tuple[Array, list[Array]], given: tuple[Array, list[Array]]) -> tuple[Any, Array]:
        """Draws a pixel [C, N] from the one to its left and each layer's inputs to the left of that."""
        horizontal, caches = carry
        index, across = given
        kept = []
        for layer, cache, from_above in zip(layers, caches, across, strict=True):
            window = jnp.concatenate([cache, horizontal[None]])
            kernel = layer["horizontal"][0].reshape(-1, layer["horizontal"].shape[-1])
            before_gate = gated.dense(kernel, window.reshape(-1, num_images)) + from_above
            kept.append(window[1:])
            horizontal = gated.horizontal_output(layer, horizontal, before_gate)
        features, levels = jax.nn.relu(horizontal), jnp.zeros((0, num_images), jnp.int32)
        for channel, head in enumerate(heads):
            output = gated.head_outputs(head, features, scaled(levels, model.pixels.num_levels))
            draw_key = jax.random.fold_in(key, index * num_channels + channel)
            level = model.pixels.sample(draw_key, output, temperature)
            levels = jnp.concatenate([levels, level[None]])
        return (scaled(levels, model.pixels.num_levels), kept), levels

    caches = [jnp.zeros((features, num_images, size, width)) for size, features in zip(rows_kept, inputs, strict=True)]
    above = jnp.zeros((num_channels, num_images, 1, width))
    _, rows = jax.lax.scan(one_row, (above, caches), jnp.arange(height))
    return jnp.transpose(rows[:, :, :, 0], (2, 0, 3, 1)).astype(jnp.uint8)
