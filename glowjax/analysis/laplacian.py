"""The exact Laplacian by one forward pass: first derivatives along many directions, second derivatives already summed.

Forward mode carries, for every intermediate value y(x), its derivatives t_r along the directions r = 1..R. The second
derivatives are needed only summed over the directions, s = sum_r w_r d^2 y / dr^2, and pass through a function g as

    s  ->  g'(y) s + sum_r w_r g''(y)[t_r, t_r],

so they can be summed at every step and cost as much as one more direction (the "forward Laplacian" of Li et al. 2023,
"collapsed" Taylor mode in Dangel et al. 2025). JAX has no such transformation. Here it is an interpreter of the
function's jaxpr with a single rule, nested forward mode, for every primitive; calls and scans are entered.

An example: y = sin(x_1)^2 at x = (a, b), with R = 2 directions (1, 0) and (0, 1) and weights 1.

    primitive      value        tangents              summed second derivatives
    x              (a, b)       ((1, 0), (0, 1))      (0, 0)
    u = x[0]       a            (1, 0)                0
    v = sin(u)     sin a        (cos a, 0)            cos(a) 0 - sin(a) (1^2 + 0^2)               = -sin a
    y = v * v      sin^2 a      (2 sin a cos a, 0)    2 sin(a) (-sin a) + 2 (cos^2(a) + 0^2)      = 2 cos 2a
"""

import math
import operator
from collections.abc import Callable, Sequence
from itertools import compress
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal
from jaxtyping import Array, Float, Integer

from glowjax.analysis.chunking import Count, check_chunk_size, chunk_size_for
from glowjax.analysis.density import LogProb, Point, Points, check_finite, check_like, check_point
from glowjax.cores import num_workers, side_by_side
from glowjax.linalg import at_least_float32

DIRECTIONS_PER_CORE = 128
"""The smallest number of directions for which a further core of a CPU pays."""


def laplacian(
    log_prob_fn: LogProb, x: Points, *, weights: Points | None = None, chunk_size: Count | None = None
) -> Float[Array, ""]:
    """sum_i weights_i d^2 log p / dx_i^2 at `x` [*shape], exactly, in nats.

    The fastest exact way on a CPU for flows whose conditioners are matrix products; it needs no reverse mode. On a CPU
    the cores share the directions, except under JAX's transformations. `weights` are [*shape], of any sign; ones by
    default.

    >>> import jax.numpy as jnp
    >>> from glowjax import analysis as an
    >>> float(an.laplacian(lambda x: x[0] * x[1] ** 2, jnp.array([1.0, 2.0])))
    2.0
    """
    log_prob, x = check_point(log_prob_fn, x)
    weights = jnp.ones_like(x) if weights is None else check_like(weights, x, "weights")
    size = check_chunk_size(chunk_size)
    is_traced = not log_prob.is_known or any(isinstance(array, jax.core.Tracer) for array in (x, weights))
    num_shares = 1 if is_traced else max(1, min(num_workers(), x.size // DIRECTIONS_PER_CORE))

    def share(directions: np.ndarray) -> Array:
        return log_prob.run(_laplacian, x, weights, jnp.asarray(directions), chunk_size=size)

    shares = np.array_split(np.arange(x.size), num_shares)
    if num_shares == 1:
        total = share(shares[0])
    else:
        total = jnp.stack(side_by_side(lambda part: np.asarray(share(part)), shares)).sum()
    return check_finite(total, "The Laplacian of log_prob_fn")


def _laplacian(
    log_prob: Callable, x: Point, weights: Point, directions: Integer[Array, " R"], *, chunk_size: int | None
) -> Float[Array, ""]:
    """The weighted sum of the second derivatives along the values of `x` whose indices are given."""
    closed = jax.make_jaxpr(log_prob)(x)
    count = len(directions)
    size = _fitting_size(log_prob, x, count) if chunk_size is None else min(chunk_size, count)
    num_chunks = math.ceil(count / size)
    size = math.ceil(count / num_chunks)
    padded = jnp.pad(directions, (0, num_chunks * size - count), constant_values=x.size)  # zero vectors of weight zero

    def of_chunk(indices: Array) -> Array:
        tangents = jax.nn.one_hot(indices, x.size, dtype=x.dtype).reshape(size, *x.shape)
        signed = jnp.take(weights.ravel(), indices, mode="fill", fill_value=0)
        (jet,) = _interpret(closed.jaxpr, closed.consts, [Jet(x, tangents, jnp.zeros_like(x))], signed)
        return jet.second if isinstance(jet, Jet) else jnp.zeros_like(jet)  # a constant function

    return jax.lax.map(of_chunk, padded.reshape(num_chunks, size)).sum()


def _fitting_size(log_prob: Callable, x: Array, count: int) -> int:
    _, tangent = jax.linearize(log_prob, x)
    copies = 2 * math.ceil(x.size / count)  # for the tangents and the second order, in each core's share
    return chunk_size_for(tangent, x, count, copies)


class Jet(NamedTuple):
    """A value that depends on x: `value` [...], `tangents` [R, ...] and the summed second order `second` [...]."""

    value: Array
    tangents: Array
    second: Array


Value: TypeAlias = Any
"""A Jet, or a plain array that does not depend on x."""


def _interpret(jaxpr: Jaxpr, consts: Sequence[Value], args: Sequence[Value], weights: Array) -> list[Value]:
    """The outputs of `jaxpr` on `args`; those that depend on a jet are jets."""
    environment = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*consts, *args), strict=True))

    def read(atom: Any) -> Value:
        return atom.val if isinstance(atom, Literal) else environment[atom]

    for eqn in jaxpr.eqns:
        inputs = [read(atom) for atom in eqn.invars]
        if any(isinstance(value, Jet) for value in inputs):
            outputs = RULES.get(eqn.primitive.name, _nested_forward)(eqn, inputs, weights)
        else:
            outputs = _apply(eqn, *inputs)
        environment |= zip(eqn.outvars, outputs, strict=True)
    return [read(atom) for atom in jaxpr.outvars]


def _apply(eqn: JaxprEqn, *inputs: Any) -> list[Any]:
    """The outputs of the equation on plain arrays."""
    outputs = eqn.primitive.bind(*inputs, **eqn.primitive.get_bind_params(eqn.params))
    return list(outputs) if eqn.primitive.multiple_results else [outputs]


def _nested_forward(eqn: JaxprEqn, inputs: list[Value], weights: Array) -> list[Value]:
    """The rule for every primitive: two nested forward modes along each direction, the second order summed.

    For y = x * x the value is x^2, `first` is 2 x t_r, the derivative of it along t_r is 2 t_r^2, and the second order
    of the output is 2 x s + sum_r w_r 2 t_r^2.
    """
    smooth = [_has_derivatives(variable) for variable in eqn.outvars]

    def fun(*values: Any) -> tuple[list[Any], list[Any]]:
        """The outputs that have derivatives, and the others (comparisons, indices)."""
        remaining = iter(values)
        outputs = _apply(eqn, *(next(remaining) if isinstance(value, Jet) else value for value in inputs))
        return list(compress(outputs, smooth)), list(compress(outputs, map(operator.not_, smooth)))

    jets = [value for value in inputs if isinstance(value, Jet)]
    values, tangents, seconds = (tuple(parts) for parts in zip(*jets, strict=True))
    outputs, second, plain = jax.jvp(fun, values, seconds, has_aux=True)

    def first_order(values: tuple[Any, ...], along: tuple[Any, ...]) -> list[Any]:
        return jax.jvp(fun, values, along, has_aux=True)[1]

    first = jax.vmap(first_order, in_axes=(None, 0))(values, tangents)
    if _depends_on_values(first_order, values, seconds):

        def second_order(along: tuple[Any, ...]) -> list[Any]:
            return jax.jvp(lambda *values: first_order(values, along), values, along)[1]

        curvature = jax.vmap(second_order)(tangents)
        second = [s + _weighted_sum(weights, c) for s, c in zip(second, curvature, strict=True)]
    found, others = map(Jet, outputs, first, second), iter(plain)
    return [next(found) if has_derivatives else next(others) for has_derivatives in smooth]


def _weighted_sum(weights: Array, terms: Any) -> Array:
    """sum_r weights[r] terms[r] in the dtype of the terms, which a density may compute in less precision than x.

    A product and a sum, which the compiler fuses with the computation of the terms.
    """
    precise = at_least_float32(terms.dtype)
    signed = weights.astype(precise).reshape(-1, *[1] * (terms.ndim - 1))
    return jnp.sum(signed * terms.astype(precise), axis=0).astype(terms.dtype)


def _depends_on_values(first_order: Callable, values: tuple[Any, ...], along: tuple[Any, ...]) -> bool:
    """Whether a derivative varies smoothly with the point at which it is taken; not for linear functions or ReLU."""
    closed = jax.make_jaxpr(first_order)(values, along)
    return any(_reached(closed.jaxpr, [True] * len(values) + [False] * len(along)))


def _reached(jaxpr: Jaxpr, inputs: Sequence[bool]) -> list[bool]:
    """For each output of `jaxpr`, whether a marked input reaches it through real or complex values."""
    reached = {v for v, marked in zip(jaxpr.invars, inputs, strict=True) if marked}
    for eqn in jaxpr.eqns:
        if any(not isinstance(v, Literal) and v in reached for v in eqn.invars):
            reached |= {v for v in eqn.outvars if _has_derivatives(v)}
    return [not isinstance(v, Literal) and v in reached for v in jaxpr.outvars]


def _has_derivatives(variable: Any) -> bool:
    return jnp.issubdtype(variable.aval.dtype, jnp.inexact)


def _enter(eqn: JaxprEqn, inputs: list[Value], weights: Array) -> list[Value]:
    """A call; its jaxpr is interpreted in place."""
    inner = eqn.params["call_jaxpr" if eqn.primitive.name == "closed_call" else "jaxpr"]
    jaxpr, consts = (inner.jaxpr, inner.consts) if isinstance(inner, ClosedJaxpr) else (inner, ())
    return _interpret(jaxpr, consts, inputs, weights)


def _scan(eqn: JaxprEqn, inputs: list[Value], weights: Array) -> list[Value]:
    """A scan; carried values that are real or complex become jets."""
    params, body = eqn.params, eqn.params["jaxpr"]
    if "ft_in" in params:  # JAX from 0.12 on
        num_consts, num_carry, _ = map(len, params["ft_in"].unpack())
    else:
        num_consts, num_carry = params["num_consts"], params["num_carry"]
    first_x = num_consts + num_carry
    consts, carry, xs = inputs[:num_consts], inputs[num_consts:first_x], inputs[first_x:]
    num_directions = len(weights)

    def lift(value: Value) -> Value:
        if isinstance(value, Jet) or not jnp.issubdtype(jnp.result_type(value), jnp.inexact):
            return value
        value = jnp.asarray(value)
        return Jet(value, jnp.zeros((num_directions, *value.shape), value.dtype), jnp.zeros_like(value))

    def step(carry: list[Value], xs: list[Value]) -> tuple[list[Value], list[Value]]:
        outputs = _interpret(body.jaxpr, body.consts, [*consts, *carry, *xs], weights)
        return [lift(o) for o in outputs[:num_carry]], outputs[num_carry:]

    carry, ys = jax.lax.scan(
        step,
        [lift(value) for value in carry],
        [_swap(x) for x in xs],
        length=params["length"],
        reverse=params["reverse"],
        unroll=params["unroll"],
    )
    return [*carry, *[_swap(y) for y in ys]]


def _swap(value: Value) -> Value:
    """A jet with the axes of the scan and of the directions exchanged."""
    return value._replace(tangents=jnp.swapaxes(value.tangents, 0, 1)) if isinstance(value, Jet) else value


RULES: dict[str, Callable[[JaxprEqn, list[Value], Array], list[Value]]] = {
    "scan": _scan,
    **dict.fromkeys(("jit", "closed_call", "remat2", "checkpoint"), _enter),  # a jaxpr has remat2 for jax.checkpoint
}
