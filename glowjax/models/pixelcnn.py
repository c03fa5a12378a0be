"""Gated PixelCNN: log P(image) as a sum over pixel values, each predicted from the previous ones.

After van den Oord et al. 2016, "Conditional Image Generation with PixelCNN Decoders", section 2. Pixels come in raster
order. A vertical stack sees the rows above, a horizontal stack the pixels to the left and, of each layer, the vertical
stack. Together they see all earlier pixels, without a blind spot. Within a pixel the channels come in order: the head
of each reads the network's features and the channels before it. The network is in `glowjax.networks.gated`.
"""

import dataclasses
import functools
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from glowjax.checks import InputError, check_count, check_images
from glowjax.likelihood import bits_per_dim
from glowjax.models.base import ModelParams, check_shape, compiled
from glowjax.models.parts import PIXELS_AT_A_TIME, in_parts
from glowjax.models.pixels import SOFTMAX, PixelDistribution, scaled
from glowjax.networks import gated
from glowjax.typing import Array, Batch, Key, Keys


@dataclasses.dataclass(frozen=True)
class PixelCNN:
    """Exact probabilities of images of grey levels, by gated causal convolutions. Satisfies `ImageModel`.

    Attributes:
        num_layers: gated layers; the first has the wider kernel.
        width: features of both stacks.
        pixels: the distribution of a value, `Categorical()` or a `LogisticMixture()`.
        head_width: hidden features of the heads; `width` by default.
        entry_size: rows and columns of the first layer's kernel before it is made causal; odd.
        kernel_size: rows and columns of the other layers' kernels; odd.
    """

    num_layers: int
    width: int
    pixels: PixelDistribution = SOFTMAX
    head_width: int | None = None
    entry_size: int = 7
    kernel_size: int = 3

    pixels_at_a_time: ClassVar[int] = PIXELS_AT_A_TIME

    def __post_init__(self) -> None:
        for name in ("num_layers", "width", "entry_size", "kernel_size"):
            check_count(name, getattr(self, name))
        for name in ("entry_size", "kernel_size"):
            if getattr(self, name) % 2 == 0:
                raise InputError(
                    f"{name} must be odd, but is {getattr(self, name)}: an even kernel reaches less far to the right, "
                    "so no layer would see some pixels of the rows above; use an odd size."
                )
        check_count("head_width", self.width if self.head_width is None else self.head_width)

    @property
    def num_levels(self) -> int:
        """The number of grey levels of a value."""
        return self.pixels.num_levels

    @compiled()
    def init(self, key: Key, images: Batch) -> ModelParams:
        """Learned arrays for uint8 images [N, H, W, C] like these; their values are not used.

        Every value starts uniform over the levels, or, for a mixture, as outputs of zero define it.
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
        """The distribution parameters of each channel, [N, H, W, num_outputs], for `x` [N, H, W, C] in [-1, 1].

        The outputs at a pixel and channel depend only on the values before them.
        """
        check_shape(params, x.shape)
        return gated.outputs(params.arrays, x)

    @compiled("num_draws")
    def log_likelihood(self, params: ModelParams, key: Keys, images: Batch, num_draws: int = 1) -> Float[Array, " N"]:
        """Log P(image) [N] in nats of uint8 images [N, H, W, C]; exactly; `key` and `num_draws` are ignored."""
        del key, num_draws
        check_images(images, batch=True)
        check_shape(params, images.shape)
        return in_parts(functools.partial(self._log_prob, params), jnp.asarray(images))

    def _log_prob(self, params: ModelParams, images: Array) -> Float[Array, " N"]:
        outputs = gated.outputs(params.arrays, scaled(images, self.num_levels))
        values = [self.pixels.log_prob(output, images[..., channel]) for channel, output in enumerate(outputs)]
        return jnp.sum(jnp.stack(values), axis=(0, -2, -1))

    @compiled()
    def loss(self, params: ModelParams, key: Keys, images: Batch) -> Float[Array, ""]:
        """Mean bits per dimension of uint8 images [N, H, W, C]."""
        return jnp.mean(bits_per_dim(self.log_likelihood(params, key, images), params.num_dims))

    @compiled("num_images")
    def sample(self, params: ModelParams, key: Key, num_images: int, temperature: float | Array = 1.0) -> Batch:
        """uint8 images [num_images, H, W, C], value by value, at about the cost of one likelihood per image.

        Every activation is computed once and kept while later pixels need it: some rows for the vertical stack of each
        layer, some pixels for its horizontal stack. Value n is drawn with `key` folded with n; at temperature 0 it is
        the most probable value.
        """
        return _Sampler(self, params, key, num_images, temperature).sample()


class _Row(NamedTuple):
    """The state between rows: the row above in [-1, 1], and the last inputs [N, rows, W, F] of each vertical layer."""

    above: Float[Array, "N 1 W C"]
    inputs: list[Float[Array, "N _ W _"]]


class _Pixel(NamedTuple):
    """The state in a row: the left pixel in [-1, 1], and the last inputs [N, columns, F] of each horizontal layer."""

    left: Float[Array, "N C"]
    inputs: list[Float[Array, "N _ _"]]


class _Sampler(NamedTuple):
    """Draws images value by value; a scan over rows holds a scan over the pixels of a row."""

    model: PixelCNN
    params: ModelParams
    key: Key
    num_images: int
    temperature: float | Array

    def sample(self) -> Batch:
        height, width, channels = self.params.image_shape
        sizes = [layer["vertical"].shape for layer in self.params.arrays["layers"]]
        inputs = [jnp.zeros((self.num_images, size[0] - 1, width, size[2])) for size in sizes]
        start = _Row(jnp.zeros((self.num_images, 1, width, channels)), inputs)
        _, rows = jax.lax.scan(self.draw_row, start, jnp.arange(height))
        return jnp.moveaxis(rows[:, :, 0], 0, 1).astype(jnp.uint8)

    def draw_row(self, row: _Row, index: Array) -> tuple[_Row, Int[Array, "N 1 W C"]]:
        _, width, channels = self.params.image_shape
        vertical, inputs, across = row.above, [], []
        for layer, before in zip(self.params.arrays["layers"], row.inputs, strict=True):
            window = jnp.concatenate([before, vertical], axis=1)
            before_gate = gated.vertical_convolution(layer, window)[:, -1:]
            inputs.append(window[:, 1:])
            vertical = gated.gate(before_gate)
            across.append(gated.add_bias(gated.dense(layer["across"], before_gate), layer["horizontal_bias"]))
        by_column = [jnp.moveaxis(a[:, 0], 1, 0) for a in across]
        sizes = [layer["horizontal"].shape for layer in self.params.arrays["layers"]]
        nothing = [jnp.zeros((self.num_images, size[1] - 1, size[2])) for size in sizes]
        start = _Pixel(jnp.zeros((self.num_images, channels)), nothing)
        _, pixels = jax.lax.scan(self.draw_pixel, start, (index * width + jnp.arange(width), by_column))
        levels = jnp.moveaxis(pixels, 0, 1)[:, None]
        return _Row(scaled(levels, self.model.num_levels), inputs), levels

    def draw_pixel(
        self, pixel: _Pixel, given: tuple[Array, list[Float[Array, "N _"]]]
    ) -> tuple[_Pixel, Int[Array, "N C"]]:
        index, across = given
        horizontal, inputs = pixel.left, []
        for layer, before, from_above in zip(self.params.arrays["layers"], pixel.inputs, across, strict=True):
            window = jnp.concatenate([before, horizontal[:, None]], axis=1)
            kernel = layer["horizontal"][0].reshape(-1, layer["horizontal"].shape[-1])
            before_gate = gated.dense(kernel, window.reshape(self.num_images, -1)) + from_above
            inputs.append(window[:, 1:])
            horizontal = gated.horizontal_output(layer, horizontal, before_gate)
        features, levels = jax.nn.relu(horizontal), jnp.zeros((self.num_images, 0), jnp.int32)
        for channel, head in enumerate(self.params.arrays["heads"]):
            output = gated.head_outputs(head, features, scaled(levels, self.model.num_levels))
            draw_key = jax.random.fold_in(self.key, index * self.params.image_shape[-1] + channel)
            level = self.model.pixels.sample(draw_key, output, self.temperature)
            levels = jnp.concatenate([levels, level[:, None]], axis=-1)
        return _Pixel(scaled(levels, self.model.num_levels), inputs), levels
