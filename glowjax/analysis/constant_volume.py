"""The covariance term of the gap of a constant-volume flow, 1/2 Tr(H (S_q - S_p)), in three closed forms.

log |det| is constant, so H = -J'J - sum_i z_i grad^2 z_i with J = dz/dx. If the second part vanishes (linear flows, and
almost everywhere couplings whose conditioners are piecewise linear, such as convolutions with ReLU), then

    1/2 Tr(H (S_q - S_p)) = -1/2 [E_q |J (x - mu_q)|^2 - E_p |J (x - mu_p)|^2].

- "jacobian" assumes only that. J is the flow's own Jacobian at a center.
- "linear" also leaves out the couplings. J is then W, the chain of scalings, squeezes, ActNorms and 1x1 convolutions,
  which is the same at every x.
- "published" is the paper's closed form (Nalisnick et al. 2019, section 5). With u_kcj the weight from channel c to
  channel j of the k-th 1x1 convolution, it puts (prod_k sum_j u_kcj)^2 in place of the squared length of W e_c, which
  is another number, and leaves out all covariances, between channels and between pixels. The paper states it for 1x1
  convolutions. Our extension carries it through the other layers: scalings and ActNorms multiply the weight of their
  channel, a squeeze turns each channel into four, and the channels that leave at a split have passed only the layers
  before it.

The form "linear" with the diagonal covariance has the exact weights and no covariances. Its distance to "published" is
the error of the weights, and its distance to "linear" with the full covariance that of the covariances.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from glowjax import stats
from glowjax.analysis.center import Center, resolve
from glowjax.analysis.chunking import Count, check_chunk_size, map_chunks
from glowjax.analysis.curvature import basis_vector
from glowjax.analysis.density import Groups, Points, check_pair
from glowjax.analysis.second_order import check_covariance
from glowjax.analysis.subject import Subject, subject_of
from glowjax.checks import InputError, unknown
from glowjax.layers import AdditiveCoupling, AffineCoupling, Conv1x1, FullConv1x1, SplitPrior
from glowjax.layers.base import per_image
from glowjax.linalg import tensordot
from glowjax.models import Flow
from glowjax.typing import Key, LogDet, Params

VOLUME_RTOL = 1e-5
"""The largest relative difference by rounding between the volumes of a flow of constant volume."""

MAX_CHECKED = 100
"""The number of images per set whose volumes are compared."""


def constant_volume_gap(
    flow: Flow,
    params: Params,
    in_dist: Points,
    out_dist: Points,
    *,
    form: str = "jacobian",
    center: Center = "midpoint",
    covariance: str = "full",
    groups_in: Groups = None,
    groups_out: Groups = None,
    chunk_size: Count | None = None,
) -> stats.Estimate:
    """-1/2 Tr(J (S_q - S_p) J') in nats, with its standard error over images; means are taken as equal.

    No second derivative is taken: the cost is one Jacobian-vector product per image, or per dimension for the diagonal.
    The form "jacobian" equals the covariance term of `second_order_gap` with the same center and covariance if the
    conditioners are piecewise linear ("conv" with ReLU). Smooth activations, and the gates of "highway" with any
    activation, add - sum_i z_i grad^2 z_i to the Hessian, which is missing here.

    Coverage of the 95 % interval (`python -m benchmarks.coverage`), form "linear" and N = 50 to 2,000: 0.93-0.96 for
    Gaussian images, in 5 to 256 groups too, and 0.96-0.97 for Student's t with 3 degrees of freedom.

    Args:
        flow: a flow of constant volume, with additive couplings and plain splits.
        params: its learned arrays.
        in_dist: [N, H, W, C] floating-point images in grey levels; out_dist likewise.
        form: "jacobian", "linear" or "published", as explained above.
        center: as for `second_order_gap`; it matters for the form "jacobian" alone. Standard errors hold it fixed.
        covariance: "full", or "diagonal" for variances alone, as the form "published" always has it.
    """
    if form not in FORMS:
        raise unknown("form", str(form), FORMS)
    check_covariance(covariance)
    in_dist, out_dist = _check(flow, params, in_dist, out_dist)
    x0, size = resolve(center, in_dist, out_dist).point, check_chunk_size(chunk_size)
    subject = subject_of(_replace_layers(flow, FORMS[form]) if FORMS[form] else flow)
    diagonal = None
    if covariance == "diagonal":
        lengths = subject.run_divided(_column_lengths, params, x0, jnp.arange(x0.size), chunk_size=size)
        diagonal = lengths.reshape(x0.shape)

    def costs(points: Array) -> Float[Array, " N"]:
        deviations = points - points.mean(axis=0, keepdims=True)
        if diagonal is not None:
            return -tensordot(deviations**2, diagonal, x0.ndim) / 2
        return -subject.run_divided(_lengths, params, x0, deviations, chunk_size=size) / 2

    return stats.gap(costs(in_dist), costs(out_dist), groups_in=groups_in, groups_out=groups_out)


def _check(flow: Flow, params: Params, in_dist: Points, out_dist: Points) -> tuple[Array, Array]:
    """Both sets as arrays, for a flow whose layers have constant volume and whose volumes agree on the images."""
    _replace_layers(flow, {AffineCoupling: _refuse, SplitPrior: _refuse})
    log_prob, in_dist, out_dist = check_pair(lambda x: flow.log_prob(params, x), in_dist, out_dist)
    log_prob.forget()  # a new function at each call
    log_dets = jnp.concatenate([flow.terms(params, images[:MAX_CHECKED]).log_det for images in (in_dist, out_dist)])
    if not isinstance(log_dets, jax.core.Tracer) and jnp.ptp(log_dets) > VOLUME_RTOL * jnp.abs(log_dets).max():
        raise _not_constant(f"log |det dz/dx| is {log_dets.min():.6g} to {log_dets.max():.6g} nats on these images")
    return in_dist, out_dist


def _lengths(
    flow: Subject, params: Params, x0: Array, directions: Array, *, chunk_size: int | None
) -> Float[Array, " N"]:
    """The squared length |J v|^2 for each v of `directions` [N, *shape]."""
    push = _jacobian_product(flow, params, x0)
    return map_chunks(lambda v: jnp.sum(push(v) ** 2), directions, chunk_size)


def _column_lengths(
    flow: Subject, params: Params, x0: Array, indices: Array, *, chunk_size: int | None
) -> Float[Array, " R"]:
    """The values of the diagonal of J'J with these indices."""
    push = _jacobian_product(flow, params, x0)
    return map_chunks(lambda n: jnp.sum(push(basis_vector(n, x0)) ** 2), indices, chunk_size)


def _jacobian_product(flow: Subject, params: Params, x0: Array) -> Callable[[Array], Array]:
    """The function v -> J v at `x0`."""
    return jax.linearize(lambda x: ravel_pytree(flow.own.encode(params, x))[0], x0)[1]


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


@dataclasses.dataclass(frozen=True)
class _ColumnSums:
    """Scales channel c by sum_j u_cj, as the published form does, which counts no volume."""

    layer: Conv1x1 | FullConv1x1

    def init(self, key: Key, x: Array) -> Params:
        return self.layer.init(key, x)

    def forward(self, params: Params, x: Array) -> tuple[Array, LogDet]:
        return x * self._sums(params, x), per_image(0.0, x)

    def inverse(self, params: Params, y: Array) -> Array:
        return y / self._sums(params, y)

    def _sums(self, params: Params, x: Array) -> Array:
        return jnp.broadcast_to(self.layer.weight(params).sum(axis=0), x.shape)


_UNCOUPLED: dict[type, Callable[[Any], Any]] = {AdditiveCoupling: lambda _: AdditiveCoupling(_NoShift())}

FORMS: dict[str, dict[type, Callable[[Any], Any]]] = {
    "jacobian": {},
    "linear": _UNCOUPLED,
    "published": {**_UNCOUPLED, Conv1x1: _ColumnSums, FullConv1x1: _ColumnSums},
}
"""The layers that each closed form replaces."""

jacobian_gap = functools.partial(constant_volume_gap, form="jacobian")
"""The form "jacobian" of `constant_volume_gap`."""

linear_gap = functools.partial(constant_volume_gap, form="linear")
"""The form "linear" of `constant_volume_gap`."""

published_gap = functools.partial(constant_volume_gap, form="published")
"""The form "published" of `constant_volume_gap`."""
