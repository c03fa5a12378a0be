"""The extreme eigenvalues of the Hessian of log p at a point, without the Hessian."""

import functools
from typing import NamedTuple

import jax
import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh

from glowjax.analysis.curvature import hvp
from glowjax.analysis.density import LogProb, check_point
from glowjax.errors import InputError
from glowjax.typing import Array


class Eigenpairs(NamedTuple):
    """Eigenvalues [K], ascending, in nats over the squared unit of x, and eigenvectors [K, *shape] of length 1."""

    values: np.ndarray
    vectors: np.ndarray


def extreme_eigenpairs(log_prob_fn: LogProb, x: Array, num_low: int, num_high: int, *, seed: int = 0) -> Eigenpairs:
    """The `num_low` lowest and the `num_high` highest eigenpairs at `x` [*shape], by Lanczos iterations (ARPACK).

    The lowest, most negative, eigenvalues are the directions along which log p falls off fastest. Runs on the host and
    is not for `jax.jit`.

    Raises:
        InputError: where fewer than one pair, or D or more, is asked for, or as `check_point` does.
    """
    x = check_point(log_prob_fn, x)
    if num_low < 0 or num_high < 0 or not 0 < max(num_low, num_high) < x.size:
        raise InputError(f"Asked for {num_low} + {num_high} eigenpairs of {x.size} values; expected 1 to {x.size - 1}.")
    product = jax.jit(functools.partial(hvp, log_prob_fn, x))

    def matvec(v: np.ndarray) -> np.ndarray:
        return np.asarray(product(v.reshape(x.shape).astype(x.dtype))).ravel()

    operator = LinearOperator((x.size, x.size), matvec=matvec, dtype=x.dtype)
    start = np.random.default_rng(seed).standard_normal(x.size).astype(x.dtype)
    ends = [
        eigsh(operator, k=number, which=which, v0=start)
        for number, which in ((num_low, "SA"), (num_high, "LA"))
        if number
    ]
    values = np.concatenate([values for values, _ in ends])
    vectors = np.concatenate([vectors.T for _, vectors in ends])
    order = np.argsort(values)
    return Eigenpairs(values[order], vectors[order].reshape(-1, *x.shape))
