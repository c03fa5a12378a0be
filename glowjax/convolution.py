"""Stride-1 'same' convolutions of feature-major activations [C, N, H, W], in the form that each platform likes.

XLA:CPU has no fast convolution inside a loop, and a flow's steps are a scan. There a 3x3 convolution is a matrix
product: on the side with the fewer channels the nine shifts are stacked (before the product) or summed (after it),
which is cheap where that side is thin, as it is at both ends of a conditioner. With the features first, the shifts
stack along the major axis and no product, forward or backward, needs a transposed copy.
"""

import functools
from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp

from glowjax.typing import Array

Method = Literal["product", "xla"]


def convolve(x: Array, kernel: Array) -> Array:
    """The convolution of `x` [C_in, N, H, W] with `kernel` [k, k, C_in, C_out], k odd: [C_out, N, H, W]."""
    return CONVOLUTIONS[method()](x, kernel)


@functools.cache
def method() -> Method:
    """How convolutions are computed: as matrix products on a CPU, by XLA's own convolution elsewhere."""
    return "product" if jax.default_backend() == "cpu" else "xla"


def _shifted(padded: Array, size: int, height: int, width: int) -> list[Array]:
    return [padded[..., i : i + height, j : j + width] for i in range(size) for j in range(size)]


def _pad(x: Array, size: int) -> Array:
    margin = size // 2
    return jnp.pad(x, [(0, 0)] * (x.ndim - 2) + [(margin, margin)] * 2)


def _matrix_product(matrix: Array, x: Array) -> Array:
    """`matrix` [F, C] times `x` [C, N, H, W]. Written on flattened x, whose gradients XLA:CPU computes faster."""
    return (matrix @ x.reshape(x.shape[0], -1)).reshape(-1, *x.shape[1:])


def _stack_then_product(x: Array, kernel: Array) -> Array:
    size, _, channels, features = kernel.shape
    stacked = jnp.concatenate(_shifted(_pad(x, size), size, *x.shape[-2:]), axis=0)
    return _matrix_product(kernel.reshape(size * size * channels, features).T, stacked)


def _product_then_sum(x: Array, kernel: Array) -> Array:
    size, _, channels, features = kernel.shape
    rows = kernel.transpose(0, 1, 3, 2).reshape(size * size * features, channels)
    products = _matrix_product(rows, x).reshape(size, size, features, *x.shape[1:])
    padded = _pad(products, size)
    height, width = x.shape[-2:]
    parts = [padded[i, j, ..., i : i + height, j : j + width] for i in range(size) for j in range(size)]
    return functools.reduce(jnp.add, parts)


def _product(x: Array, kernel: Array) -> Array:
    size, _, channels, features = kernel.shape
    if size == 1:
        return _matrix_product(kernel[0, 0].T, x)
    return _stack_then_product(x, kernel) if channels <= features else _product_then_sum(x, kernel)


def _xla(x: Array, kernel: Array) -> Array:
    return jax.lax.conv_general_dilated(
        x, kernel, window_strides=(1, 1), padding="SAME", dimension_numbers=("CNHW", "HWIO", "CNHW")
    )


CONVOLUTIONS: dict[Method, Callable[[Array, Array], Array]] = {"product": _product, "xla": _xla}
