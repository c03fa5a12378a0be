"""The extreme eigenvalues of the Hessian of log p at a point."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

from glowjax.analysis.center import Center, check_center
from glowjax.analysis.chunking import Count
from glowjax.analysis.curvature import hessian_of, product
from glowjax.analysis.density import LogProb
from glowjax.checks import InputError

DENSE_SIZE = 1024
"""Up to this number of values, the Hessian is formed and all its eigenvalues are computed."""

TOLERANCE = 100.0
"""The relative tolerance of Lanczos iterations, in machine epsilons: 1e-5 of the largest eigenvalue in float32."""


class Eigenpairs(NamedTuple):
    """Eigenvalues in ascending order, in nats over the squared unit of x, with eigenvectors of length 1.

    Attributes:
        values: the eigenvalues.
        vectors: orthogonal eigenvectors, [K, *shape].
        residuals: |H v - value v|; an eigenvalue of H lies within this distance of the value.
    """

    values: Float[np.ndarray, " K"]
    vectors: Float[np.ndarray, "K ..."]
    residuals: Float[np.ndarray, " K"]


def extreme_eigenpairs(log_prob_fn: LogProb, x: Center, num_low: Count, num_high: Count) -> Eigenpairs:
    """The `num_low` lowest and the `num_high` highest eigenpairs at `x`, each as often as its multiplicity.

    `x` is a point [*shape] or an Expansion, whose Hessian then serves at any size. Up to `DENSE_SIZE` values, all
    eigenvalues of the Hessian are computed, and the ends are exact up to rounding: a few machine epsilons of the
    largest eigenvalue, in any unit of x. For more values, Lanczos iterations (ARPACK) look for one end at a time. They
    search again in the complement of what they found until it holds nothing more extreme, so that double eigenvalues
    are found. Each pair's residual is at most 1e-4 of the largest eigenvalue in float32, or an error is raised.
    Eigenvectors of equal eigenvalues are some basis of their space.

    The lowest, most negative, eigenvalues belong to the directions along which log p falls off fastest. At a mean of
    images, look at the range over resampled means before you quote one: between equally good means of 10,000 images
    the lowest eigenvalue of a Glow lay between -223 and -39 (`python -m experiments spectrum`). Runs on the host, and
    not under `jax.jit`.

    >>> import jax.numpy as jnp
    >>> from glowjax import analysis as an
    >>> an.extreme_eigenpairs(lambda x: -2 * x[0] ** 2 - x[1] ** 2 - x[2] ** 2, jnp.zeros(3), 1, 2).values.tolist()
    [-4.0, -2.0, -2.0]
    """
    log_prob, (x, _, expansion) = check_center(log_prob_fn, x, "x")
    counts_are_whole = all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in (num_low, num_high))
    if not counts_are_whole or min(num_low, num_high) < 0 or not 0 < num_low + num_high <= x.size:
        raise InputError(
            f"Asked for {num_low!r} + {num_high!r} eigenpairs of {x.size} values; expected whole numbers, from 1 to "
            f"{x.size} in all."
        )
    if isinstance(x, jax.core.Tracer):
        raise InputError("extreme_eigenpairs runs on the host; call it outside of jax.jit and other transformations.")
    if expansion is not None or x.size <= DENSE_SIZE:
        matrix = hessian_of(log_prob, x, None) if expansion is None else expansion.hessian
        rows = np.asarray(matrix, np.float64).reshape(x.size, x.size)
        values, vectors = np.linalg.eigh((rows + rows.T) / 2)
        chosen = np.r_[:num_low, x.size - num_high : x.size]
        values, vectors, products = values[chosen], vectors[:, chosen], rows @ vectors[:, chosen]
    else:
        values, vectors, products = _by_lanczos(lambda v: log_prob.run(product, x, v), x, num_low, num_high)
    if not np.any(products) and not np.any(values):
        raise InputError("The Hessian at x is zero: every direction is an eigenvector, and none is extreme.")
    residuals = np.linalg.norm(products - values * vectors, axis=0)
    return Eigenpairs(values, vectors.T.reshape(-1, *x.shape), residuals)


def _by_lanczos(
    hessian_product: Callable[[Array], Array], x: Array, num_low: int, num_high: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values [K], vectors [D, K] and their products with the Hessian [D, K], computed in float64 on the host."""
    rng = np.random.default_rng(0)

    def times(v: np.ndarray) -> np.ndarray:
        return np.asarray(hessian_product(jnp.asarray(v.reshape(x.shape), x.dtype)), np.float64).ravel()

    # ARPACK compares with absolute numbers, so the operator is brought to unit size and its ends away from zero.
    size = np.linalg.norm(times(rng.standard_normal(x.size))) / np.sqrt(x.size)
    if not size > 0:
        return np.zeros(1), np.zeros((x.size, 1)), np.zeros((x.size, 1))
    (largest,) = _eigsh(lambda v: times(v) / size, x.size, 1, "LM", 1e-2, rng)[0]
    size *= 1.1 * abs(largest)
    tolerance = min(TOLERANCE * float(jnp.finfo(x.dtype).eps), 0.05)

    def shifted(sign: float, v: np.ndarray) -> np.ndarray:
        return sign * times(v) / size + v

    ends = [(functools.partial(shifted, sign), number) for sign, number in ((-1.0, num_low), (1.0, num_high)) if number]
    vectors = np.concatenate([_end(end, x.size, number, tolerance, rng) for end, number in ends], axis=1)
    products = np.stack([times(v) for v in vectors.T], axis=1)
    values = np.sum(vectors * products, axis=0)
    worst = np.linalg.norm(products - values * vectors, axis=0).max()
    if worst > 10 * tolerance * size:
        raise InputError(
            f"The eigenpairs are not resolved: |H v - value v| is up to {worst:.2g}, with eigenvalues up to "
            f"{size:.2g}; ask for fewer pairs, or pass x in float64 under jax.enable_x64."
        )
    order = np.argsort(values)
    return values[order], vectors[:, order], products[:, order]


def _end(
    matvec: Callable[[np.ndarray], np.ndarray], dim: int, number: int, tolerance: float, rng: np.random.Generator
) -> np.ndarray:
    """[D, number] eigenvectors of the highest eigenvalues of a positive operator, each with its multiplicity.

    A single start vector shows one direction of each eigenspace. What it misses is looked for in the complement.
    """
    values, vectors = _eigsh(matvec, dim, number, "LA", tolerance, rng)
    while vectors.shape[1] < dim:

        def complement(v: np.ndarray, basis: np.ndarray = vectors) -> np.ndarray:
            outside = v - basis @ (basis.T @ v)
            image = matvec(outside)
            return image - basis @ (basis.T @ image)

        missed, direction = _eigsh(complement, dim, 1, "LA", tolerance, rng)
        lowest_kept = np.sort(values)[-number]
        if missed[0] <= lowest_kept + tolerance * values.max():
            break
        values = np.append(values, missed)
        vectors, _ = np.linalg.qr(np.concatenate([vectors, direction], axis=1))
    return vectors[:, np.argsort(values)[-number:]]


def _eigsh(
    matvec: Callable[[np.ndarray], np.ndarray], dim: int, k: int, which: str, tol: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    operator = LinearOperator((dim, dim), matvec=lambda v: matvec(np.ravel(v)), dtype=np.float64)
    try:
        return eigsh(operator, k=k, which=which, v0=rng.standard_normal(dim), tol=tol)
    except ArpackError as error:
        raise InputError(f"The eigenpairs were not found ({error}); ask for fewer pairs.") from error
