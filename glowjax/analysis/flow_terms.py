"""The three parts of a flow's Hessian: what bends log p(x) = log p(z) + log |det dz/dx|."""

import functools
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from glowjax.analysis.curvature import HESSIAN_LIMIT, hessian
from glowjax.analysis.density import check_finite, check_forward_mode, check_point
from glowjax.linalg import vdot
from glowjax.typing import Array, Latents, Params


class EncodingFlow(Protocol):
    """What is asked of a flow: its latents, under a standard normal, and its log-determinant. It is hashable."""

    def encode(self, params: Params, x: Array) -> Latents:
        """The latents of `x`."""
        ...

    def terms(self, params: Params, x: Array) -> Any:
        """A tuple with the field `log_det`."""
        ...


class CurvatureTerms(NamedTuple):
    """The parts of the Hessian of log p at x, each [*shape, *shape]; they sum to it.

    With J = dz/dx and a standard normal base:

    Attributes:
        prior_gauss_newton: -J'J, always negative semi-definite.
        prior_residual: -sum_i z_i grad^2 z_i. Zero for a linear flow, and almost everywhere for additive couplings
            whose conditioners are linear in pieces ("conv" with ReLU); not zero with a smooth activation, or with the
            gates of "highway".
        volume: grad^2 log |det J|. Zero for additive couplings.
    """

    prior_gauss_newton: Array
    prior_residual: Array
    volume: Array


def curvature_terms(
    flow: EncodingFlow, params: Params, x: Array, *, chunk_size: int | None = None, limit: int = HESSIAN_LIMIT
) -> CurvatureTerms:
    """The Hessian of `flow.log_prob(params, .)` at one image `x` [*shape], split into its three parts.

    Each part is computed on its own, none as the rest of the others.

    Raises:
        InputError: where one part would take more than `limit` bytes, for a flow with memory="invert" (the same params
            serve one that stores), or as `check_point` does.
    """
    x = check_point(functools.partial(_log_det, flow, params), x)
    check_forward_mode(functools.partial(_log_det, flow, params), x)
    parts = _parts(flow, params, x, chunk_size, limit)
    for name, part in zip(CurvatureTerms._fields, parts, strict=True):
        check_finite(f"The part {name} of the Hessian", part)
    return parts


def _log_det(flow: EncodingFlow, params: Params, x: Array) -> Array:
    return flow.terms(params, x).log_det


@functools.partial(jax.jit, static_argnums=(0, 3, 4))
def _parts(flow: EncodingFlow, params: Params, x: Array, chunk_size: int | None, limit: int) -> CurvatureTerms:
    def latents(y: Array) -> Array:
        return ravel_pytree(flow.encode(params, y))[0]

    z = latents(x)

    def linearised_prior(y: Array) -> Array:
        """Its Hessian at x is -J'J: the prior of the flow's tangent at x, taken where its latents are z + J (y - x)."""
        return -0.5 * jnp.sum(jax.jvp(latents, (x,), (y - x,))[1] ** 2)

    def prior_along_z(y: Array) -> Array:
        """Its Hessian is -sum_i z_i grad^2 z_i, with z held at x."""
        return -vdot(z, latents(y))

    fields = (linearised_prior, prior_along_z, functools.partial(_log_det, flow, params))
    return CurvatureTerms(*(hessian(field, x, chunk_size=chunk_size, limit=limit) for field in fields))
