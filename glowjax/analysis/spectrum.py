"""The extreme eigenvalues of the Hessian of log p at a point, without the Hessian."""

import functools
from typing import NamedTuple

import jax
import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh

from glowjax.analysis.curvature import hvp
from glowjax.analysis.density import LogProb, check_point
from glowjax.checks import InputError
from glowjax.typing import Array

TOLERANCE = 100.0
"""Of the eigenvalues, in machine epsilons of the largest one: 1e-5 of it in float32."""


class Eigenpairs(NamedTuple):
    """Eigenvalues [K], ascending, in nats over the squared unit of x, and eigenvectors [K, *shape] of length 1."""

    values: np.ndarray
    vectors: np.ndarray


def extreme_eigenpairs(log_prob_fn: LogProb, x: Array, num_low: int, num_high: int, *, seed: int = 0) -> Eigenpairs:
    """The `num_low` lowest and the `num_high` highest eigenpairs at `x` [*shape], by Lanczos iterations (ARPACK).

    Eigenvalues are exact to `TOLERANCE`; within a cluster closer than that, eigenvectors
    are some basis of the cluster.

    The lowest, most negative, eigenvalues are the directions along which log p falls off fastest. Runs on the host and
    is not for `jax.jit`.

    Raises:
        InputError: where fewer than one pair, or D or more, is asked for, or as `check_point` does.
    """
    x = check_point(log_prob_fn, x)
    if num_low < 0 or num_high < 0 or not 0 < num_low + num_high <= x.size or max(num_low, num_high) == x.size:
        raise InputError(
            f"Asked for {num_low} + {num_high} eigenpairs of {x.size} values; expected {x.size} or fewer in all, and "
            "fewer than that from one end."
        )
    product = jax.jit(functools.partial(hvp, log_prob_fn, x))
    start = np.random.default_rng(seed).standard_normal(x.size).astype(x.dtype)

    def shifted(shift: float) -> LinearOperator:
        def matvec(v: np.ndarray) -> np.ndarray:
            v = np.asarray(v, x.dtype).ravel()
            return np.asarray(product(v.reshape(x.shape))).ravel() + x.dtype.type(shift) * v

        return LinearOperator((x.size, x.size), matvec=matvec, dtype=x.dtype)

    if not np.any(product(start.reshape(x.shape))):
        raise InputError("The Hessian at x is zero: every direction is an eigenvector, and none is extreme.")

    # ARPACK's tolerance is relative to each eigenvalue, which none near zero would ever meet; shifted by the spectrum's
    # own size, none is near zero, and the tolerance is relative to that size.
    (largest,) = eigsh(shifted(0), k=1, which="LM", v0=start, tol=1e-2, return_eigenvectors=False)
    size = 1.1 * float(abs(largest))
    tolerance = TOLERANCE * float(np.finfo(x.dtype).eps)
    ends = []
    for number, which, shift in ((num_low, "SA", -size), (num_high, "LA", size)):
        if number:
            values, vectors = eigsh(shifted(shift), k=number, which=which, v0=start, tol=tolerance)
            ends.append((values - shift, vectors.T))
    values, vectors = (np.concatenate(parts) for parts in zip(*ends, strict=True))
    order = np.argsort(values)
    return Eigenpairs(values[order], vectors[order].reshape(-1, *x.shape))
