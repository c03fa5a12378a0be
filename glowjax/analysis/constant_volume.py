"""The covariance term of the gap of a constant-volume flow, 1/2 Tr(H (S_q - S_p)), in three closed forms.

log |det| is constant, so H = -J'J - sum_i z_i grad^2 z_i with J = dz/dx. If the second part vanishes (linear flows, and
almost everywhere couplings whose conditioners are piecewise linear, such as convolutions with ReLU), then

    1/2 Tr(H (S_q - S_p)) = -1/2 [E_q |J (x - mu_q)|^2 - E_p |J (x - mu_p)|^2].

- `jacobian_gap` assumes only that. J is the flow's own Jacobian at a center.
- `linear_gap` also leaves out the couplings. J is then W, the chain of scalings, squeezes, ActNorms and 1x1
  convolutions, which is the same at every x.
- `published_gap` is the paper's closed form (Nalisnick et al. 2019, section 5). With u_kcj the weight from channel c to
  channel j of the k-th 1x1 convolution, it puts (prod_k sum_j u_kcj)^2 in place of the squared length of W e_c, and
  leaves out all covariances: between channels, and between the pixels that squeezes turn into channels. It is not the
  exact weight: with orthogonal 1x1 weights, as Glow starts with, the exact weights are equal for all channels and the
  published ones are not. The paper states its form for 1x1 convolutions; to carry it through scalings, ActNorms,
  squeezes and splits is our extension.

`linear_gap(covariance="diagonal")` has the exact weights and no covariances. Its distance to the published form is the
error of the weights, and its distance to `linear_gap` that of the covariances.

All are in nats, with standard errors over images; means are taken as equal, as in the paper.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from glowjax import stats
from glowjax.analysis.chunking import Count, check_chunk_size, map_chunks
from glowjax.analysis.curvature import basis_vector
from glowjax.analysis.density import Groups, Points, check_pair
from glowjax.analysis.second_order import Center, CovarianceKind, check_covariance, resolve_center
from glowjax.analysis.subject import Subject, subject_of
from glowjax.checks import InputError
from glowjax.layers import AdditiveCoupling, AffineCoupling, Conv1x1, FullConv1x1, SplitPrior
from glowjax.layers.base import per_image
from glowjax.linalg import tensordot
from glowjax.models import Flow
from glowjax.stats import Estimate
from glowjax.typing import LogDet, Params

VOLUME_RTOL = 1e-5
"""The largest relative difference by rounding between the volumes of a flow of constant volume."""

MAX_CHECKED = 100
"""The number of images per set whose volumes are compared."""


def published_gap(
    flow: Flow,
    params: Params,
    in_dist: Points,
    out_dist: Points,
    *,
    groups_in: Groups = None,
    groups_out: Groups = None,
    chunk_size: Count | None = None,
) -> Estimate:
    """The paper's closed form: -1/2 sum over pixels of (prod_k sum_j u_kcj)^2 (var_q - var_p).

    Scalings and ActNorms multiply the weight of their channel, a squeeze turns each channel into four, and the channels
    that leave at a split have passed only the layers before it.

    Args:
        flow: a flow of constant volume, with additive couplings and plain splits.
        params: its learned arrays.
        in_dist: [N, H, W, C] floating-point images from p, in grey levels.
        out_dist: [M, H, W, C] likewise from q.
        groups_in: [N] labels of what was drawn independently.
        groups_out: [M] likewise.
        chunk_size: images at a time; None for as many as fit `chunking.MEMORY_BUDGET`.
    """
    in_dist, out_dist = _check(flow, params, in_dist, out_dist)
    summed = _replace_layers(flow, {AdditiveCoupling: _identity, Conv1x1: _ColumnSums, FullConv1x1: _ColumnSums})
    p, q = _costs(summed, params, in_dist, out_dist, "in_dist", "full", chunk_size)
    return stats.gap(p, q, groups_in=groups_in, groups_out=groups_out)


def linear_gap(
    flow: Flow,
    params: Params,
    in_dist: Points,
    out_dist: Points,
    *,
    covariance: CovarianceKind = "full",
    groups_in: Groups = None,
    groups_out: Groups = None,
    chunk_size: Count | None = None,
) -> Estimate:
    """-1/2 Tr(W (S_q - S_p) W') for the flow without its couplings; exact if they add nothing.

    With the "diagonal" of S_q - S_p it is the sum over pixels and channels of -1/2 |W e_i|^2 (var_q - var_p), the
    published form with exact weights. The other arguments are those of `published_gap`.
    """
    in_dist, out_dist = _check(flow, params, in_dist, out_dist)
    linear = _replace_layers(flow, {AdditiveCoupling: _identity})
    p, q = _costs(linear, params, in_dist, out_dist, "in_dist", covariance, chunk_size)
    return stats.gap(p, q, groups_in=groups_in, groups_out=groups_out)


def jacobian_gap(
    flow: Flow,
    params: Params,
    in_dist: Points,
    out_dist: Points,
    *,
    center: Center = "midpoint",
    covariance: CovarianceKind = "full",
    groups_in: Groups = None,
    groups_out: Groups = None,
    chunk_size: Count | None = None,
) -> Estimate:
    """-1/2 Tr(J (S_q - S_p) J') with the flow's Jacobian at `center`: one Jacobian-vector product per image.

    No second derivative is taken. It equals the covariance term of `second_order_gap` with the same center and
    covariance if the conditioners are piecewise linear ("conv" with ReLU). Smooth activations, and the gates of
    "highway" with any activation, add - sum_i z_i grad^2 z_i to the Hessian, which is missing here. The "diagonal"
    takes a product per dimension. The other arguments are those of `published_gap`.
    """
    in_dist, out_dist = _check(flow, params, in_dist, out_dist)
    p, q = _costs(flow, params, in_dist, out_dist, center, covariance, chunk_size)
    return stats.gap(p, q, groups_in=groups_in, groups_out=groups_out)


def _check(flow: Flow, params: Params, in_dist: Points, out_dist: Points) -> tuple[Array, Array]:
    """Both sets as arrays, for a flow whose layers have constant volume and whose volumes agree on the images."""
    _replace_layers(flow, {AffineCoupling: _refuse, SplitPrior: _refuse})
    log_prob, in_dist, out_dist = check_pair(lambda x: flow.log_prob(params, x), in_dist, out_dist)
    log_prob.forget()  # a new function at each call
    log_dets = jnp.concatenate([flow.terms(params, images[:MAX_CHECKED]).log_det for images in (in_dist, out_dist)])
    if not isinstance(log_dets, jax.core.Tracer) and jnp.ptp(log_dets) > VOLUME_RTOL * jnp.abs(log_dets).max():
        raise _not_constant(f"log |det dz/dx| is {log_dets.min():.6g} to {log_dets.max():.6g} nats on these images")
    return in_dist, out_dist


def _costs(
    flow: Flow,
    params: Params,
    in_dist: Float[Array, "N ..."],
    out_dist: Float[Array, "M ..."],
    center: Center,
    covariance: CovarianceKind,
    chunk_size: int | None,
) -> tuple[Float[Array, " N"], Float[Array, " M"]]:
    """For each point of both sets its part of -1/2 Tr(J S J'), with S around its own set's mean."""
    check_covariance(covariance)
    x0, subject, size = resolve_center(center, in_dist, out_dist), subject_of(flow), check_chunk_size(chunk_size)
    deviations = [points - points.mean(axis=0, keepdims=True) for points in (in_dist, out_dist)]
    if covariance == "diagonal":
        weights = subject.run(_column_costs, params, x0, chunk_size=size)
        p, q = (tensordot(one**2, weights, x0.ndim) for one in deviations)
    else:
        p, q = (subject.run(_half_squares, params, x0, one, chunk_size=size) for one in deviations)
    return p, q


def _half_squares(
    flow: Subject, params: Params, x0: Array, directions: Float[Array, "N ..."], *, chunk_size: int | None
) -> Float[Array, " N"]:
    """-1/2 |J v|^2 of each direction at `x0` [*shape]."""
    return map_chunks(_half_square_at(flow, params, x0), directions, chunk_size)


def _column_costs(flow: Subject, params: Params, x0: Array, *, chunk_size: int | None) -> Float[Array, "..."]:
    """-1/2 |J e|^2 of each unit vector e at `x0`: [*shape]."""
    half_square = _half_square_at(flow, params, x0)
    return map_chunks(lambda n: half_square(basis_vector(n, x0)), jnp.arange(x0.size), chunk_size).reshape(x0.shape)


def _half_square_at(flow: Subject, params: Params, x0: Array) -> Callable[[Array], Array]:
    """The function v -> -1/2 |J v|^2 at `x0`; the flow is linearized once."""
    _, push = jax.linearize(lambda x: ravel_pytree(flow.own.encode(params, x))[0], x0)
    return lambda v: -0.5 * jnp.sum(push(v) ** 2)


def _replace_layers(part: Any, replacements: dict[type, Callable[[Any], Any]]) -> Any:
    """A flow or layer with every layer of a type among `replacements` replaced; the learned arrays still fit."""
    if type(part) in replacements:
        return replacements[type(part)](part)
    if isinstance(part, tuple):
        return tuple(_replace_layers(inner, replacements) for inner in part)
    if not dataclasses.is_dataclass(part) or isinstance(part, type | nn.Module):
        return part
    fields = {
        field.name: _replace_layers(getattr(part, field.name), replacements) for field in dataclasses.fields(part)
    }
    return dataclasses.replace(part, **fields)


def _refuse(layer: Any) -> Any:
    raise _not_constant(f"This flow has a {type(layer).__name__}, whose volume depends on the image")


def _not_constant(problem: str) -> InputError:
    return InputError(
        f"{problem}; the closed forms are for flows of constant volume, such as cv_glow: use second_order_gap for this "
        "one."
    )


class _NoShift(nn.Module):
    """A conditioner that gives zeros, whatever its params."""

    def __call__(self, x: Array, num_outputs: int) -> Array:
        return jnp.zeros((*x.shape[:-1], num_outputs), x.dtype)


def _identity(layer: AdditiveCoupling) -> AdditiveCoupling:
    del layer
    return AdditiveCoupling(_NoShift())


@dataclasses.dataclass(frozen=True)
class _ColumnSums:
    """Scales channel c by sum_j u_cj, as the published form does; not a bijection, used only to evaluate that form."""

    layer: Conv1x1 | FullConv1x1

    def forward(self, params: Params, x: Array) -> tuple[Array, LogDet]:
        return x * self.layer.weight(params).sum(axis=0), per_image(0.0, x)
