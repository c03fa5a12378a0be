"""The components of a covariance by their curvature: which of them make up Tr(H S), and a factor that is cut by it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from glowjax.analysis.center import Center, check_center
from glowjax.analysis.chunking import Count, check_chunk_size
from glowjax.analysis.curvature import products_at
from glowjax.analysis.density import LogProb, Points, check_finite, check_like
from glowjax.checks import InputError


class CurvatureComponents(NamedTuple):
    """A covariance S = L L' in components that H does not couple, by the size of their curvature.

    Attributes:
        values: [R], each component's part c' H c of Tr(H S), in nats, the largest |value| first: the eigenvalues of
            L' H L. Half of their sum is what the spread around x0 changes in E[log p], to second order.
        factor: [*shape, R], the components c as columns. Their sum of c c' is S, and c' H c is 0 between two of them.
            The first r columns are the factor of rank r that keeps the most curvature.
        shares: [R], the share of Tr(H S) that the first 1, 2, ... components hold. Values of both signs can bring it
            above 1 or below 0.
        variance_shares: [R], the share of Tr(S), the variance, that they hold.
    """

    values: Float[np.ndarray, " R"]
    factor: Float[np.ndarray, "... R"]
    shares: Float[np.ndarray, " R"]
    variance_shares: Float[np.ndarray, " R"]


def curvature_components(
    log_prob_fn: LogProb, center: Center, factor: Points, *, chunk_size: Count | None = None
) -> CurvatureComponents:
    """The components of the covariance L L' by their curvature at `center`, a point [*shape] or an Expansion.

    It takes one Hessian-vector product per column of L, and none with an Expansion. Use the factor of the whole
    covariance, `moments(images, rank=D).covariance_factor`: one that was cut by variance has lost most of the
    curvature. Runs on the host, in float64 apart from the products, and not under `jax.jit`.

    >>> import jax.numpy as jnp
    >>> from glowjax import analysis as an
    >>> log_prob = lambda x: -50 * x[0] ** 2 - 0.05 * x[1] ** 2  # steep along the direction of little variance
    >>> found = an.curvature_components(log_prob, jnp.zeros(2), jnp.diag(jnp.array([0.5, 2.0])))
    >>> found.values.round(2).tolist(), found.shares.round(3).tolist(), found.variance_shares.round(3).tolist()
    ([-25.0, -0.4], [0.984, 1.0], [0.059, 1.0])

    Args:
        center: where H is taken.
        factor: [*shape, R], the columns of L.
    """
    log_prob, at = check_center(log_prob_fn, center, "center")
    columns = check_like(factor, at.point, "factor", trailing=(-1,))
    size = check_chunk_size(chunk_size)
    if any(isinstance(array, jax.core.Tracer) for array in (at.point, columns)) or not log_prob.is_known:
        raise InputError("curvature_components runs on the host; call it outside of jax.jit and other transformations.")
    if not columns.shape[-1]:
        raise InputError(f"factor has no columns; moments(images, rank={at.point.size}).covariance_factor has all.")
    wide = np.asarray(columns, np.float64).reshape(at.point.size, -1)
    if at.expansion is None:
        found = log_prob.run_divided(products_at, at.point, jnp.moveaxis(columns, -1, 0), chunk_size=size)
        check_finite(found, "The Hessian-vector product with the n-th column of factor")
        products = np.asarray(found, np.float64).reshape(len(found), -1).T
    else:
        products = np.asarray(at.expansion.hessian, np.float64).reshape(at.point.size, -1) @ wide
    forms = wide.T @ products
    values, rotation = np.linalg.eigh((forms + forms.T) / 2)
    order = np.argsort(-np.abs(values), kind="stable")
    values, components = values[order], wide @ rotation[:, order]
    if not values.sum() or not wide.any():
        raise InputError("Tr(H S) is zero, so that no component holds a share of it; check the center and the factor.")
    variances = np.sum(components**2, axis=0)
    return CurvatureComponents(
        values,
        components.reshape(*at.point.shape, -1),
        np.cumsum(values) / values.sum(),
        np.cumsum(variances) / variances.sum(),
    )
