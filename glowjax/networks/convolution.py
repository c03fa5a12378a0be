"""Stride-1 'same' convolutions, of batches [C, N, H, W] and of lone images [H, W, C], as each platform likes them.

XLA:CPU has no fast convolution inside a loop, and a flow's steps are a scan. There a 3x3 convolution is a matrix
product: on the side with the fewer channels the nine shifts are stacked (before the product) or summed (after it),
which is cheap where that side is thin, as it is at both ends of a conditioner. In a batch the features come first:
the shifts stack along the major axis and no product, forward or backward, needs a transposed copy. A lone image is
what derivatives with respect to the input are taken of, under a vmap over directions or images: its features stay last,
so that the mapped axis, which JAX puts first, merges with the pixels without a copy.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

import jax
import jax.numpy as jnp

from glowjax.typing import Array

Method = Literal["product", "xla"]


Origin = tuple[int, int]
"""Row and column of the kernel's entry that meets the output's own pixel."""


def convolve(x: Array, kernel: Array, origin: Origin | None = None) -> Array:
    """The convolution with `kernel` [rows, columns, C_in, C_out] of [C_in, N, H, W] or of a lone image [H, W, C_in].

    By default the kernel's middle lies on the output's pixel; with the origin at its last row, or its last column,
    the convolution sees no row below, or no column to the right: it is causal.
    """
    middle = (kernel.shape[0] // 2, kernel.shape[1] // 2)
    return CONVOLUTIONS[method()](x, kernel, middle if origin is None else origin)


def feature_axis(x: Array) -> int:
    """Which axis of `x`, a batch [C, N, H, W] or a lone image [H, W, C], holds the features."""
    return 0 if x.ndim == 4 else -1


def pixel_axes(x: Array) -> tuple[int, ...]:
    """The axes of `x`, a batch [C, N, H, W] or a lone image [H, W, C], other than that of the features."""
    return (1, 2, 3) if x.ndim == 4 else (0, 1)


def method() -> Method:
    """How convolutions are computed: as matrix products on a CPU, by XLA's own convolution elsewhere."""
    return _forced.get() or ("product" if jax.default_backend() == "cpu" else "xla")


_forced: ContextVar[Method | None] = ContextVar("forced", default=None)


@contextmanager
def forced(chosen: Method) -> Iterator[None]:
    """A block in which what is traced convolves as chosen, to compare the methods; what is compiled stays as it is."""
    token = _forced.set(chosen)
    jax.clear_caches()
    try:
        yield
    finally:
        _forced.reset(token)
        jax.clear_caches()


def _offsets(kernel: Array, origin: Origin) -> list[tuple[int, int]]:
    rows, columns = kernel.shape[:2]
    return [(i - origin[0], j - origin[1]) for i in range(rows) for j in range(columns)]


def _shifted(x: Array, rows: int, columns: int) -> Array:
    """y[h, w] = x[h + rows, w + columns], zero outside; a single operation, and so is its transpose."""
    padding = [(0, 0, 0)] * x.ndim
    first = 0 if feature_axis(x) == -1 else x.ndim - 2
    padding[first : first + 2] = [(-rows, rows, 0), (-columns, columns, 0)]
    return jax.lax.pad(x, jnp.zeros((), x.dtype), padding)


def _times(x: Array, matrix: Array) -> Array:
    """`matrix` [C, F] applied to the features of `x`, a batch [C, N, H, W] or a lone image [H, W, C].

    A batch is flattened first: XLA:CPU computes the gradients of a product of two matrices faster.
    """
    if feature_axis(x) == -1:
        return x @ matrix
    return (matrix.T @ x.reshape(x.shape[0], -1)).reshape(matrix.shape[1], *x.shape[1:])


def _product(x: Array, kernel: Array, origin: Origin) -> Array:
    channels, features = kernel.shape[2:]
    offsets, axis = _offsets(kernel, origin), feature_axis(x)
    if channels <= features:
        stacked = jnp.concatenate([_shifted(x, *offset) for offset in offsets], axis=axis)
        return _times(stacked, kernel.reshape(len(offsets) * channels, features))
    # The products are cut before they are shifted, so that going back nothing wide is padded.
    products = _times(x, kernel.transpose(2, 0, 1, 3).reshape(channels, len(offsets) * features))
    parts = jnp.split(products, len(offsets), axis=axis)
    return functools.reduce(jnp.add, [_shifted(part, *offset) for part, offset in zip(parts, offsets, strict=True)])


def _xla(x: Array, kernel: Array, origin: Origin) -> Array:
    padding = [(before, size - 1 - before) for before, size in zip(origin, kernel.shape[:2], strict=True)]
    if x.ndim == 3:
        return jax.lax.conv_general_dilated(
            x[None], kernel, window_strides=(1, 1), padding=padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
        )[0]
    return jax.lax.conv_general_dilated(
        x, kernel, window_strides=(1, 1), padding=padding, dimension_numbers=("CNHW", "HWIO", "CNHW")
    )


CONVOLUTIONS: dict[Method, Callable[[Array, Array, Origin], Array]] = {"product": _product, "xla": _xla}
