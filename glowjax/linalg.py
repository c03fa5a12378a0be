"""Linear algebra at full float32 precision: matrix products and triangular inverses.

On its own, a GPU may round the factors of a float32 product to TF32 (11 significant bits), and a TPU to bfloat16 (8).
Networks tolerate this; inverses and sums over thousands of terms do not: the 1x1 convolutions of a flow, and the sums
of the analysis. On a CPU `matmul` is the ordinary product.

LAPACK's triangular solve is as exact as the inverses here, but inside a scan on a CPU its threads wait for the next
call on the cores that the flow needs.
"""

import functools
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Float

from glowjax.typing import Array

Matrix: TypeAlias = Float[Array, "C C"]
Blocks: TypeAlias = Float[Array, "num m m"]

matmul = functools.partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)
vdot = functools.partial(jnp.vdot, precision=jax.lax.Precision.HIGHEST)
tensordot = functools.partial(jnp.tensordot, precision=jax.lax.Precision.HIGHEST)


def at_least_float32(dtype: Any) -> Any:
    """`dtype`, or float32 in place of half precision, integers and booleans."""
    return dtype if jnp.issubdtype(dtype, jnp.inexact) and dtype.itemsize >= 4 else jnp.dtype(jnp.float32)


LEAF = 8
"""Diagonal blocks of up to this size, or of odd size, are inverted by doubling."""


def unit_lower_inverse(matrix: Matrix) -> Matrix:
    """The inverse of a lower triangular matrix [C, C] with ones on its diagonal.

    Diagonal blocks are inverted, then joined two by two: of [[A, 0], [B, D]] the lower left is -D^-1 B A^-1.
    """
    num_rows = size = len(matrix)
    while size > LEAF and size % 2 == 0:
        size //= 2
    inverse = _by_doubling(_blocks(matrix, size, below=0))
    while size < num_rows:
        first, second = inverse[0::2], inverse[1::2]
        corner = -matmul(matmul(second, _blocks(matrix, size, below=1)[0::2]), first)
        zeros = jnp.zeros_like(corner)
        upper, lower = (jnp.concatenate(pair, axis=-1) for pair in ((first, zeros), (corner, second)))
        inverse, size = jnp.concatenate([upper, lower], axis=-2), 2 * size
    return inverse[0]


def upper_inverse(matrix: Matrix) -> Matrix:
    """The inverse of an upper triangular matrix [C, C] = (I + S) D, with D its diagonal."""
    diagonal = jnp.diagonal(matrix)
    return unit_lower_inverse((matrix / diagonal[None, :]).T).T / diagonal[:, None]


def _blocks(matrix: Matrix, size: int, below: int) -> Blocks:
    """The blocks [num, size, size] of [C, C] on its diagonal, or that many block rows `below` the diagonal."""
    count = len(matrix) // size
    columns = jnp.arange(count - below)
    return matrix.reshape(count, size, count, size).transpose(0, 2, 1, 3)[columns + below, columns]


def _by_doubling(blocks: Blocks) -> Blocks:
    """The inverses of unit lower triangular blocks [num, m, m]: with N = I - L, (I + N)(I + N^2)(I + N^4)..., exact."""
    identity = jnp.broadcast_to(jnp.eye(blocks.shape[-1], dtype=blocks.dtype), blocks.shape)
    power = identity - blocks
    inverse, degree = identity + power, 2
    while degree < blocks.shape[-1]:
        power = matmul(power, power)
        inverse, degree = inverse + matmul(power, inverse), 2 * degree
    return inverse
