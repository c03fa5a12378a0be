"""The three parts of a flow's Hessian, from log p(x) = log p(z) + log |det dz/dx|."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from glowjax.analysis.chunking import Count, check_chunk_size
from glowjax.analysis.curvature import HESSIAN_LIMIT, check_size, hessian_rows
from glowjax.analysis.density import Points, check_finite, check_point
from glowjax.analysis.subject import Subject, subject_of
from glowjax.linalg import vdot
from glowjax.typing import Params


class CurvatureTerms(NamedTuple):
    """The parts of the Hessian of log p at x, each [*shape, *shape]; they sum to it.

    With J = dz/dx and a standard normal base:

    Attributes:
        prior_gauss_newton: -J'J, always negative semi-definite.
        prior_residual: -sum_i z_i grad^2 z_i. Zero for a linear flow, and almost everywhere for additive couplings
            whose conditioners are piecewise linear ("conv" with ReLU); not zero with a smooth activation, or with the
            gates of "highway".
        volume: grad^2 log |det J|. Zero for additive couplings.
    """

    prior_gauss_newton: Float[Array, "..."]
    prior_residual: Float[Array, "..."]
    volume: Float[Array, "..."]


def curvature_terms(
    flow: Any, params: Params, x: Points, *, chunk_size: Count | None = None, limit: int = HESSIAN_LIMIT
) -> CurvatureTerms:
    """The Hessian of a flow's log p at one image `x` [*shape], split into its three parts.

    The flow has `encode(params, x)`, the latents under a standard normal as a pytree, and `terms(params, x).log_det`.
    Each part is computed on its own, none as the difference of the others. A part of more than `limit` bytes is refused
    in an InputError, and so is a flow with memory="invert": the same params fit one with memory="store".
    """
    volume, x = check_point(functools.partial(_log_det, flow, params), x)
    volume.forget()  # a new function at each call
    check_size(x, limit)
    subject = subject_of(flow)
    subject.point = None  # its functions take params too
    parts = subject.run(_parts, params, x, chunk_size=check_chunk_size(chunk_size))
    for name, part in zip(CurvatureTerms._fields, parts, strict=True):
        check_finite(part, f"The part {name} of the Hessian")
    return parts


def _log_det(flow: Any, params: Params, x: Array) -> Array:
    return flow.terms(params, x).log_det


def _parts(flow: Subject, params: Params, x: Float[Array, "..."], *, chunk_size: int | None) -> CurvatureTerms:
    def latents(y: Array) -> Array:
        return ravel_pytree(flow.own.encode(params, y))[0]

    z = latents(x)

    def linearized_prior(y: Array) -> Array:
        """Its Hessian at x is -J'J: the prior of the flow's tangent at x, with latents z + J (y - x)."""
        return -0.5 * jnp.sum(jax.jvp(latents, (x,), (y - x,))[1] ** 2)

    def prior_along_z(y: Array) -> Array:
        """Its Hessian is -sum_i z_i grad^2 z_i, with z held at x."""
        return -vdot(z, latents(y))

    fields = (linearized_prior, prior_along_z, functools.partial(_log_det, flow.own, params))
    rows = (hessian_rows(field, x, jnp.arange(x.size), chunk_size=chunk_size) for field in fields)
    return CurvatureTerms(*(part.reshape(*x.shape, *x.shape) for part in rows))
