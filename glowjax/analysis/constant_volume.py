"""The covariance term of the gap of a constant-volume flow, 1/2 Tr(H (S_q - S_p)), in closed forms of growing truth.

log |det| is constant, so H = -J'J - sum_i z_i grad^2 z_i with J = dz/dx, and where the second part vanishes (linear
flows; couplings whose conditioners are linear in pieces, as convolutions with ReLU, almost everywhere)

    1/2 Tr(H (S_q - S_p)) = -1/2 [E_q |J (x - mu_q)|^2 - E_p |J (x - mu_p)|^2].

`jacobian_gap` computes that with the flow's own J. `linear_gap` leaves the couplings out, so that J is the chain of
scalings, squeezes, ActNorms and 1x1 convolutions, W, the same at every x. `published_gap` is the paper's closed form
(Nalisnick et al. 2019, section 5): with u_kcj the weight from channel c to channel j of the k-th 1x1 convolution, it
puts (prod_k sum_j u_kcj)^2 in the place of the squared length of W e_c, and leaves out all covariances: between
channels, and between the pixels that squeezes make channels of. It is not the exact weight: with orthogonal 1x1
weights, as Glow starts with, the exact weights are equal for all channels and the published ones are not.
`linear_gap(covariance="diagonal")` has the exact weights and no covariances: between it and the published form lies the
error of the weights, between it and `linear_gap` that of the covariances. The paper states its form for 1x1
convolutions; to carry it through scalings, ActNorms, squeezes and splits is ours.

All are in nats, with standard errors over images; means are taken as equal, as in the paper.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from glowjax import stats
from glowjax.analysis.chunking import map_chunks
from glowjax.analysis.curvature import basis_vector
from glowjax.analysis.density import check_forward_mode, check_pair
from glowjax.analysis.taylor import Center, Covariance, check_covariance, resolve_center
from glowjax.checks import InputError
from glowjax.layers import AdditiveCoupling, AffineCoupling, Conv1x1, FullConv1x1, SplitPrior
from glowjax.layers.base import per_image
from glowjax.linalg import tensordot
from glowjax.models import Flow, FlowParams
from glowjax.stats import Estimate, difference
from glowjax.typing import Array, LogDet, Params

VOLUME_RTOL = 1e-5
"""How far the volumes of a flow of constant volume may differ by rounding, relative to their size."""

MAX_CHECKED = 100
"""Images of each set on which that is looked at."""


def published_gap(
    flow: Flow,
    params: FlowParams,
    in_dist: Array,
    out_dist: Array,
    *,
    groups_in: Any = None,
    groups_out: Any = None,
    chunk_size: int | None = None,
) -> Estimate:
    """The paper's closed form: -1/2 sum over pixels of (prod_k sum_j u_kcj)^2 (var_q - var_p).

    Scalings and ActNorms multiply the weight of their channel; a squeeze makes of each channel four; the channels that
    leave at a split have met only the layers before it.

    Args:
        flow: of constant volume: additive couplings, plain splits.
        params: its learned arrays.
        in_dist: [N, H, W, C] floating-point images from p, in grey levels.
        out_dist: [M, H, W, C] likewise from q.
        groups_in: [N] labels of what was drawn independently.
        groups_out: [M] likewise.
        chunk_size: images at a time; None for as many as fit `chunking.MEMORY_BUDGET`.

    Raises:
        InputError: where the flow's volume is not constant, or the images do not suit it.
    """
    scales = _replace_layers(
        flow.layer, {AdditiveCoupling: _identity, Conv1x1: _SumsOverOutputs, FullConv1x1: _SumsOverOutputs}
    )
    return _linear_gap(Flow(scales), flow, params, in_dist, out_dist, "full", groups_in, groups_out, chunk_size)


def linear_gap(
    flow: Flow,
    params: FlowParams,
    in_dist: Array,
    out_dist: Array,
    *,
    covariance: Covariance = "full",
    groups_in: Any = None,
    groups_out: Any = None,
    chunk_size: int | None = None,
) -> Estimate:
    """-1/2 Tr(W (S_q - S_p) W') for the flow without its couplings.

    Exact for a flow whose couplings add nothing. With the "diagonal" of S_q - S_p the sum over pixels and channels of
    -1/2 |W e_i|^2 (var_q - var_p): what the published form would be with exact weights. Arguments and errors as for
    `published_gap` and `second_order_gap`.
    """
    linear = _replace_layers(flow.layer, {AdditiveCoupling: _identity})
    return _linear_gap(Flow(linear), flow, params, in_dist, out_dist, covariance, groups_in, groups_out, chunk_size)


def jacobian_gap(
    flow: Flow,
    params: FlowParams,
    in_dist: Array,
    out_dist: Array,
    center: Center = "in_dist",
    *,
    covariance: Covariance = "full",
    groups_in: Any = None,
    groups_out: Any = None,
    chunk_size: int | None = None,
) -> Estimate:
    """-1/2 Tr(J (S_q - S_p) J') with the flow's Jacobian at `center`: one Jacobian-vector product an image.

    No second derivative is taken. Equals the covariance term of `second_order_gap` with the same center and
    `covariance` where the conditioners are linear in pieces ("conv" with ReLU). Smooth activations, and the gates of
    "highway" whatever the activation, add - sum_i z_i grad^2 z_i to the Hessian, which is missing here.
    Arguments and errors as for `published_gap` and `second_order_gap`. The diagonal costs a product a dimension.
    """
    check_covariance(covariance)
    in_dist, out_dist = _checked(flow, params, in_dist, out_dist)
    x0 = resolve_center(center, in_dist, out_dist)
    weights = None if covariance == "full" else _column_costs(flow, params, x0, chunk_size)

    def costs(points: Array) -> Array:
        """[N] what each of the points [N, *shape] has of -1/2 Tr(J S J'), S around their mean."""
        deviations = points - points.mean(axis=0)
        if weights is None:
            return _half_squares(flow, params, x0, deviations, chunk_size)
        return tensordot(deviations**2, weights, x0.ndim)

    return difference(stats.mean(costs(out_dist), groups_out), stats.mean(costs(in_dist), groups_in))


def _linear_gap(
    linear: Flow,
    flow: Flow,
    params: FlowParams,
    in_dist: Array,
    out_dist: Array,
    covariance: Covariance,
    groups_in: Any,
    groups_out: Any,
    chunk_size: int | None,
) -> Estimate:
    """`jacobian_gap` of a `linear` flow with the params of `flow`; where its Jacobian is taken does not matter."""
    in_dist, out_dist = _checked(flow, params, in_dist, out_dist)
    center = jnp.zeros(in_dist.shape[1:], in_dist.dtype)
    return jacobian_gap(
        linear,
        params,
        in_dist,
        out_dist,
        center,
        covariance=covariance,
        groups_in=groups_in,
        groups_out=groups_out,
        chunk_size=chunk_size,
    )


def _checked(flow: Flow, params: FlowParams, in_dist: Array, out_dist: Array) -> tuple[Array, Array]:
    _replace_layers(flow.layer, {AffineCoupling: _refuse, SplitPrior: _refuse})
    log_prob = functools.partial(flow.log_prob, params)
    in_dist, out_dist = check_pair(log_prob, in_dist, out_dist)
    check_forward_mode(log_prob, in_dist[0])
    log_dets = jnp.concatenate([flow.terms(params, images[:MAX_CHECKED]).log_det for images in (in_dist, out_dist)])
    if not isinstance(log_dets, jax.core.Tracer) and jnp.ptp(log_dets) > VOLUME_RTOL * jnp.abs(log_dets).max():
        raise _not_constant(f"log |det dz/dx| is {log_dets.min():.6g} to {log_dets.max():.6g} nats on these images")
    return in_dist, out_dist


@functools.partial(jax.jit, static_argnums=(0, 4))
def _half_squares(flow: Flow, params: FlowParams, x0: Array, directions: Array, chunk_size: int | None) -> Array:
    """-1/2 |J v|^2 of each direction [N, *shape] at `x0` [*shape]: [N]."""
    return map_chunks(_half_square_at(flow, params, x0), directions, chunk_size)


@functools.partial(jax.jit, static_argnums=(0, 3))
def _column_costs(flow: Flow, params: FlowParams, x0: Array, chunk_size: int | None) -> Array:
    """-1/2 |J e|^2 of each unit vector e at `x0`: [*shape]."""
    half_square = _half_square_at(flow, params, x0)
    return map_chunks(lambda n: half_square(basis_vector(n, x0)), jnp.arange(x0.size), chunk_size).reshape(x0.shape)


def _half_square_at(flow: Flow, params: FlowParams, x0: Array) -> Callable[[Array], Array]:
    """V -> -1/2 |J v|^2 at `x0`: the flow is linearised once."""
    _, push = jax.linearize(lambda x: ravel_pytree(flow.encode(params, x))[0], x0)
    return lambda v: -0.5 * jnp.sum(push(v) ** 2)


def _replace_layers(layer: Any, replacements: dict[type, Callable[[Any], Any]]) -> Any:
    """`layer` with every layer of a type among `replacements`, at any depth, replaced; learned arrays still fit."""
    if type(layer) in replacements:
        return replacements[type(layer)](layer)
    if isinstance(layer, tuple):
        return tuple(_replace_layers(part, replacements) for part in layer)
    if not dataclasses.is_dataclass(layer) or isinstance(layer, type | nn.Module):
        return layer
    parts = {
        field.name: _replace_layers(getattr(layer, field.name), replacements) for field in dataclasses.fields(layer)
    }
    return dataclasses.replace(layer, **parts)


def _refuse(layer: Any) -> Any:
    raise _not_constant(f"This flow has a {type(layer).__name__}, whose volume depends on the image")


def _not_constant(what: str) -> InputError:
    return InputError(
        f"{what}; the closed forms are for flows of constant volume, as cv_glow: use second_order_gap for this one."
    )


class _NoShift(nn.Module):
    """A conditioner that gives zeros, whatever its params."""

    def __call__(self, x: Array, num_outputs: int) -> Array:
        return jnp.zeros((*x.shape[:-1], num_outputs), x.dtype)


def _identity(layer: AdditiveCoupling) -> AdditiveCoupling:
    del layer
    return AdditiveCoupling(_NoShift())


@dataclasses.dataclass(frozen=True)
class _SumsOverOutputs:
    """Scales channel c by sum_j u_cj, what the published form makes of a 1x1 convolution; no bijection of interest."""

    layer: Conv1x1 | FullConv1x1

    def forward(self, params: Params, x: Array) -> tuple[Array, LogDet]:
        return x * self.layer.weight(params).sum(axis=0), per_image(0.0, x)
