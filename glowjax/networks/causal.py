"""Convolutions of channels-last batches [N, H, W, C] that end at the output's own pixel, for networks without a scan.

XLA:CPU convolves in this layout at nearly the speed of a matrix product, inside loops too, and without a copy of the
shifted inputs. Only its gradient with respect to the kernel is slow inside a loop, so there a CPU uses a product.
"""

from typing import TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Float

from glowjax.cores import platform
from glowjax.networks.convolution import Kernel, stacked_shifts
from glowjax.typing import Array

Features: TypeAlias = Float[Array, "N H W _"]
Padding: TypeAlias = tuple[tuple[int, int], tuple[int, int]]


def causal_convolution(x: Features, kernel: Kernel, *, centered: bool) -> Features:
    """The convolution of `x` [N, H, W, C] with `kernel` [rows, columns, C, F]; it sees no row below the output pixel.

    If `centered`, the kernel's middle column is aligned with the output pixel; otherwise its last one is.
    """
    rows, columns = kernel.shape[:2]
    left = columns // 2 if centered else columns - 1
    way = _with_product_gradient if platform() == "cpu" else _convolution
    return way(x, kernel, ((rows - 1, 0), (left, columns - 1 - left)))


def _convolution(x: Features, kernel: Kernel, padding: Padding) -> Features:
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


_with_product_gradient = jax.custom_vjp(_convolution, nondiff_argnums=(2,))


def _forward(x: Features, kernel: Kernel, padding: Padding) -> tuple[Features, tuple[Features, Kernel]]:
    return _convolution(x, kernel, padding), (x, kernel)


def _backward(padding: Padding, given: tuple[Features, Kernel], gradient: Features) -> tuple[Features, Kernel]:
    x, kernel = given
    turned = kernel[::-1, ::-1].swapaxes(2, 3)
    of_x = _with_product_gradient(gradient, turned, (padding[0][::-1], padding[1][::-1]))
    size, origin = (kernel.shape[0], kernel.shape[1]), (padding[0][0], padding[1][0])
    shifts = stacked_shifts(jnp.moveaxis(x, -1, 0), size, origin)
    of_kernel = shifts.reshape(shifts.shape[0], -1) @ gradient.reshape(-1, gradient.shape[-1])
    return of_x, of_kernel.reshape(kernel.shape)


_with_product_gradient.defvjp(_forward, _backward)
