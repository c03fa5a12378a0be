"""Times PixelCNN's sampling and the naive loop, which evaluates the whole image for each value and keeps one output."""

import functools
import math
import statistics

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.timing import Row, seconds
from glowjax.models import ModelParams, PixelCNN
from glowjax.models.pixels import scaled
from glowjax.typing import Array, Images, Key


@functools.partial(jax.jit, static_argnums=(0, 3))
def naive_sample(model: PixelCNN, params: ModelParams, key: Key, num_images: int) -> Images:
    """uint8 images [num_images, H, W, C], the same as from `model.sample` except for rounding in the network.

    One compiled loop: a compiled step for each value, called from Python, took as long.
    """
    _, width, num_channels = params.image_shape

    def one_pixel(index: Array, images: Array) -> Array:
        row, column = index // width, index % width
        for channel in range(num_channels):  # the compiler drops the unused outputs of the other channels' heads
            outputs = model.outputs(params, scaled(images, model.pixels.num_levels))[channel][:, row, column]
            levels = model.pixels.sample(jax.random.fold_in(key, index * num_channels + channel), outputs)
            images = images.at[:, row, column, channel].set(levels.astype(jnp.uint8))
        return images

    num_pixels = math.prod(params.image_shape[:2])
    return jax.lax.fori_loop(0, num_pixels, one_pixel, jnp.zeros((num_images, *params.image_shape), jnp.uint8))


def time_sampling(model: PixelCNN, params: ModelParams, num_images: int, repeats: int) -> list[Row]:
    """`model.sample` `repeats` times and the naive loop once, whole, both compiled before; the same key for both.

    `equal_pixels` is the fraction of the naive loop's pixels that `model.sample` gives too. The two round
    the network's sums differently, so a draw can differ, though rarely, and with it all later draws of its image.
    """
    key = jax.random.key(4)
    samples = np.asarray(model.sample(params, key, num_images))
    ours = [seconds(lambda: model.sample(params, key, num_images)) for _ in range(repeats)]
    loop = naive_sample.lower(model, params, key, num_images).compile()
    drawn: list[Images] = []
    naive = seconds(lambda: drawn.append(jax.block_until_ready(loop(params, key))))
    equal = float(np.mean(np.all(samples == np.asarray(drawn[0]), axis=-1)))
    wall, cpu = (statistics.median(times) for times in zip(*ours, strict=True))
    row: Row = {"way": "glowjax", "num_images": num_images, "wall_s": wall, "cpu_s": cpu}
    row |= {"ratio_wall": 1.0, "ratio_cpu": 1.0, "equal_pixels": 1.0}
    other: Row = {"way": "whole image per value", "num_images": num_images, "wall_s": naive[0], "cpu_s": naive[1]}
    return [row, other | {"ratio_wall": naive[0] / wall, "ratio_cpu": naive[1] / cpu, "equal_pixels": equal}]
