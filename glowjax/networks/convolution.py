"""Stride-1 "same" convolutions of batches [C, N, H, W] and of single images [H, W, C], implemented per platform.

XLA:CPU has no fast convolution inside a loop, and a flow's steps are a scan. There a 3x3 convolution is a matrix
product: on the side with fewer channels the nine shifts are stacked (before the product) or summed (after it), which is
cheap because one side is narrow at both ends of a conditioner. In a batch the features come first: the shifts stack
along the major axis and no product, forward or backward, needs a transposed copy. Derivatives with
respect to the input are taken of a single image, under a vmap over directions or images: its features stay last, so
that the mapped axis, which JAX puts first, merges with the pixels without a copy.
"""

import functools
from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Float

from glowjax.checks import unknown
from glowjax.cores import platform
from glowjax.typing import Array

Method: TypeAlias = Literal["auto", "product", "xla"]
"""A convolution is computed by matrix products, by XLA, or by products on a CPU and by XLA elsewhere (auto)."""

Origin: TypeAlias = tuple[int, int]
"""The row and column of the kernel entry that is aligned with the output pixel."""

Kernel: TypeAlias = Float[Array, "rows columns C F"]
Activations: TypeAlias = Float[Array, "_ N H W"] | Float[Array, "H W _"]


class Layout(NamedTuple):
    """The meaning of the axes of activations.

    Attributes:
        features: the axis of the features.
        rows: the axis of the image's rows; its columns are the next one.
        pixels: all axes except for the features.
        per_feature: a shape by which one number per feature broadcasts against the activations.
        names: the axes as XLA's convolution names them.
    """

    features: int
    rows: int
    pixels: tuple[int, ...]
    per_feature: tuple[int, ...]
    names: str


BATCH = Layout(features=0, rows=2, pixels=(1, 2, 3), per_feature=(-1, 1, 1, 1), names="CNHW")
IMAGE = Layout(features=2, rows=0, pixels=(0, 1), per_feature=(1, 1, -1), names="NHWC")


def layout(x: Activations) -> Layout:
    """The layout of a batch [C, N, H, W] or of a single image [H, W, C]."""
    return BATCH if x.ndim == 4 else IMAGE


def convolve(x: Activations, kernel: Kernel, origin: Origin | None = None, method: Method = "auto") -> Activations:
    """The convolution of a batch [C, N, H, W] or a single image [H, W, C] with `kernel` [rows, columns, C, F].

    By default the kernel's middle is aligned with the output pixel. With `origin` at the kernel's last row or column,
    the convolution is causal: it sees no row below, or no column to the right.
    """
    middle = (kernel.shape[0] // 2, kernel.shape[1] // 2)
    if method == "auto":
        method = "product" if platform() == "cpu" else "xla"
    return CONVOLUTIONS[method](x, kernel, middle if origin is None else origin)


def check_method(method: str) -> None:
    """Raises InputError for an unknown method."""
    if method not in ("auto", *CONVOLUTIONS):
        raise unknown("convolution method", method, ("auto", *CONVOLUTIONS))


def _shifted(x: Activations, rows: int, columns: int) -> Activations:
    """y[h, w] = x[h + rows, w + columns], zero outside; a single operation, and so is its transpose."""
    padding, first = [(0, 0, 0)] * x.ndim, layout(x).rows
    padding[first : first + 2] = [(-rows, rows, 0), (-columns, columns, 0)]
    return jax.lax.pad(x, jnp.zeros((), x.dtype), padding)


def _times(x: Activations, matrix: Float[Array, "C F"]) -> Activations:
    """`matrix` [C, F] applied to the features of `x`.

    A batch is flattened first: XLA:CPU computes the gradients of a product of two matrices faster.
    """
    if layout(x) is IMAGE:
        return x @ matrix
    return (matrix.T @ x.reshape(x.shape[0], -1)).reshape(matrix.shape[1], *x.shape[1:])


def _product(x: Activations, kernel: Kernel, origin: Origin) -> Activations:
    """Shifts along columns and along rows are separate: of nine shifts, the six along rows copy whole blocks."""
    rows, columns, channels, features = kernel.shape
    if channels <= features:
        return _times(stacked_shifts(x, (rows, columns), origin), kernel.reshape(rows * columns * channels, features))
    over_rows, over_columns = _offsets((rows, columns), origin)
    products = _times(x, kernel.transpose(2, 0, 1, 3).reshape(channels, rows * columns * features))
    return _summed(_summed(products, over_rows), over_columns)


def stacked_shifts(x: Activations, size: tuple[int, int], origin: Origin) -> Activations:
    """What a kernel of `size` sees at each pixel: the shifts of `x` by row and column, stacked along the features."""
    over_rows, over_columns = _offsets(size, origin)
    return _stacked(_stacked(x, over_columns), over_rows)


def _offsets(size: tuple[int, int], origin: Origin) -> tuple[list[Origin], list[Origin]]:
    return [(row - origin[0], 0) for row in range(size[0])], [(0, column - origin[1]) for column in range(size[1])]


def _stacked(x: Activations, offsets: list[Origin]) -> Activations:
    """The shifts of `x`, one after another along the features."""
    return jnp.concatenate([_shifted(x, *offset) for offset in offsets], axis=layout(x).features)


def _summed(x: Activations, offsets: list[Origin]) -> Activations:
    """The sum of equal parts of the features of `x`, each shifted. The backward pass pads these narrow parts only."""
    parts = jnp.split(x, len(offsets), axis=layout(x).features)
    return functools.reduce(jnp.add, [_shifted(part, *offset) for part, offset in zip(parts, offsets, strict=True)])


def _xla(x: Activations, kernel: Kernel, origin: Origin) -> Activations:
    padding = [(before, size - 1 - before) for before, size in zip(origin, kernel.shape[:2], strict=True)]
    batch, names = x if layout(x) is BATCH else x[None], layout(x).names
    y = jax.lax.conv_general_dilated(batch, kernel, (1, 1), padding, dimension_numbers=(names, "HWIO", names))
    return y if layout(x) is BATCH else y[0]


CONVOLUTIONS: dict[str, Callable[[Activations, Kernel, Origin], Activations]] = {"product": _product, "xla": _xla}
"""The implementation of each method except for "auto"."""
