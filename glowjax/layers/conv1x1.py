"""Invertible 1x1 convolutions: the learned generalization of a channel permutation (Glow, section 3.2)."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import lu
from jaxtyping import Float

from glowjax.layers.base import log_det_dtype, per_image
from glowjax.linalg import matmul, unit_lower_inverse, upper_inverse
from glowjax.typing import Array, Continuous, Key, LogDet, Params

Matrix = Float[Array, "C C"]
GivenMatrix = Float[jax.Array | np.ndarray, "C C"]
"""A matrix of params, which may be NumPy arrays."""


def refine_inverse(weight: Matrix, inverse: Matrix) -> Matrix:
    """`inverse` after one Newton step towards the inverse of `weight`, as rounded to its dtype.

    In a deep flow the rounding errors of 1x1 convolutions add up and are amplified: this precision decides whether
    images far from the data can be reconstructed.
    """
    return inverse + matmul(inverse, jnp.eye(len(weight), dtype=weight.dtype) - matmul(weight, inverse))


def nearest_permutation(matrix: GivenMatrix) -> Matrix:
    """The signed permutation with the largest entry of each row of `matrix` as 1 or -1, and 0 elsewhere.

    P is not learned, but it is in the params, so averages over steps blur it and weight decay shrinks it. Neither
    changes which entries are the largest, or their signs.
    """
    largest = jax.nn.one_hot(jnp.argmax(jnp.abs(matrix), axis=-1), matrix.shape[-1], dtype=matrix.dtype)
    return jnp.sign(matrix) * largest


@dataclasses.dataclass(frozen=True)
class Conv1x1:
    """y = W x for the channels of each pixel, with W = P L (U + diag(exp(log_diagonal))).

    L is unit lower and U strictly upper triangular, so log |det W| = sum(log_diagonal) is free, and inverting W needs
    only two triangular inverses. P, a permutation with signs, comes from the random rotation at initialization and
    stays fixed (Glow, equation 10, with the signs of the diagonal moved into P).
    """

    def init(self, key: Key, x: Continuous) -> Params:
        """The triangular factors of a random rotation of the C channels of `x` [..., H, W, C]."""
        permutation, lower, upper = lu(jax.random.orthogonal(key, x.shape[-1], dtype=log_det_dtype(x)))
        diagonal = jnp.diag(upper)
        signs = jnp.sign(diagonal)
        return {
            "signed_permutation": permutation * signs[None, :],
            "lower": jnp.tril(lower * signs[None, :] * signs[:, None], -1),
            "upper": jnp.triu(upper * signs[:, None], 1),
            "log_diagonal": jnp.log(jnp.abs(diagonal)),
        }

    def weight(self, params: Params) -> Matrix:
        """The matrix W [C, C]: row c_out, column c_in."""
        permutation, lower, upper = self._factors(params)
        return matmul(matmul(permutation, lower), upper)

    def forward(self, params: Params, x: Continuous) -> tuple[Continuous, LogDet]:
        """Mixed channels and H W sum(log_diagonal)."""
        return matmul(x, self.weight(params).T), self._log_det(params, x)

    def inverse(self, params: Params, y: Continuous) -> tuple[Continuous, LogDet]:
        """The channels before mixing, and -H W sum(log_diagonal)."""
        permutation, lower, upper = self._factors(params)
        inverse = matmul(matmul(upper_inverse(upper), unit_lower_inverse(lower)), permutation.T)
        return matmul(y, refine_inverse(self.weight(params), inverse).T), -self._log_det(params, y)

    def _factors(self, params: Params) -> tuple[Matrix, Matrix, Matrix]:
        identity = jnp.eye(params["lower"].shape[-1], dtype=params["lower"].dtype)
        permutation = nearest_permutation(jax.lax.stop_gradient(params["signed_permutation"]))
        lower = jnp.tril(params["lower"], -1) + identity
        upper = jnp.triu(params["upper"], 1) + jnp.exp(params["log_diagonal"])[None, :] * identity
        return permutation, lower, upper

    def _log_det(self, params: Params, x: Array) -> LogDet:
        height, width = x.shape[-3:-1]
        return per_image(height * width * jnp.sum(params["log_diagonal"], dtype=log_det_dtype(x)), x)


@dataclasses.dataclass(frozen=True)
class FullConv1x1:
    """y = W x for the channels of each pixel, with a plain matrix W and log |det W| by decomposition.

    It costs O(C^3) per step and can drift towards a singular matrix, which `Conv1x1` cannot. It is here for comparison.
    """

    def init(self, key: Key, x: Continuous) -> Params:
        """A random rotation of the C channels of `x` [..., H, W, C]."""
        return {"weight": jax.random.orthogonal(key, x.shape[-1], dtype=log_det_dtype(x))}

    def weight(self, params: Params) -> GivenMatrix:
        """The matrix W [C, C]: row c_out, column c_in."""
        return params["weight"]

    def forward(self, params: Params, x: Continuous) -> tuple[Continuous, LogDet]:
        """Mixed channels and H W log |det W|."""
        return matmul(x, params["weight"].T), self._log_det(params, x)

    def inverse(self, params: Params, y: Continuous) -> tuple[Continuous, LogDet]:
        """The channels before mixing, and -H W log |det W|."""
        inverse_weight = refine_inverse(params["weight"], jnp.linalg.inv(params["weight"]))
        return matmul(y, inverse_weight.T), -self._log_det(params, y)

    def _log_det(self, params: Params, x: Array) -> LogDet:
        height, width = x.shape[-3:-1]
        return per_image(height * width * jnp.linalg.slogdet(params["weight"])[1], x)
