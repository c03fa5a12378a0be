"""The exact Laplacian by one forward pass: first derivatives along many directions, second derivatives already summed.

Forward mode carries, for every intermediate value y(x), its derivatives t_r along the directions r = 1..R. The second
derivatives are needed only summed over the directions, s = sum_r w_r d^2 y / dr^2, and move through a function g as

    s  ->  g'(y) s + sum_r w_r g''(y)[t_r, t_r],

so they can be summed at every step and cost as much as one direction more (the "forward Laplacian" of Li et al. 2023,
"collapsed" Taylor mode in Dangel et al. 2025). JAX has no such transformation; here it is an interpreter of the
function's jaxpr with a single rule, nested forward mode, for every primitive. Calls and scans are entered.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

from glowjax.analysis.chunking import checked, chunk_size_for
from glowjax.analysis.density import LogProb, check_finite, check_forward_mode, check_like, check_point
from glowjax.cores import num_side_by_side, side_by_side
from glowjax.typing import Array

DIRECTIONS_A_CORE = 128
"""Cores of a CPU share a Laplacian where each gets as many directions or more; below, one program is as fast."""


def laplacian(log_prob_fn: LogProb, x: Array, weights: Array | None = None, *, chunk_size: int | None = None) -> Array:
    """sum_i weights_i d^2 log p / dx_i^2 at `x` [*shape], exactly: a scalar, in nats. Equals `hessian_trace`.

    The fastest exact way on a CPU for flows whose conditioners are matrix products, and one that needs no reverse mode.
    On a CPU, outside of transformations, each core takes a part of the directions.

    Args:
        log_prob_fn: the log density of one point, in nats; compiled once per function object, see `LogProb`.
        x: the point.
        weights: [*shape], of any sign; ones by default.
        chunk_size: directions at a time (on each core); None for as many as fit `chunking.MEMORY_BUDGET`.

    Raises:
        InputError: where the weights are not shaped as `x`, or as `check_point` does.
    """
    x = check_point(log_prob_fn, x)
    check_forward_mode(log_prob_fn, x)
    weights = jnp.ones_like(x) if weights is None else check_like("weights", weights, x)
    total = jnp.stack(_shares(log_prob_fn, x, weights, chunk_size)).sum()
    check_finite("The Laplacian of log_prob_fn", total)
    return total


def _shares(log_prob_fn: LogProb, x: Array, weights: Array, chunk_size: int | None) -> Sequence[Array]:
    """The sums over each core's directions; one over all where the work is small or traced."""
    num_shares = 1
    if x.size >= 2 * DIRECTIONS_A_CORE and _are_known(log_prob_fn, x, weights):
        num_shares = min(num_side_by_side(), x.size // DIRECTIONS_A_CORE)
    count = math.ceil(x.size / num_shares)

    def share(first: int) -> Array:
        return _laplacian(log_prob_fn, x, weights, first, count, chunk_size)

    if num_shares == 1:
        return [share(0)]
    return side_by_side(lambda first: share(first).block_until_ready(), range(0, x.size, count))


@functools.partial(jax.jit, static_argnums=(0, 4, 5))
def _laplacian(log_prob_fn: LogProb, x: Array, weights: Array, first: int, count: int, chunk_size: int | None) -> Array:
    """The sum over the `count` directions from the `first` on, those beyond the last counting nothing."""
    closed = jax.make_jaxpr(log_prob_fn)(x)
    size = _chunk_size(log_prob_fn, x, count) if chunk_size is None else checked(chunk_size, count)
    num_chunks = math.ceil(count / size)
    size = math.ceil(count / num_chunks)

    def of_chunk(start: Array) -> Array:
        indices = start + jnp.arange(size)
        indices = jnp.where(indices < first + count, indices, x.size)  # the next share's
        directions = jax.nn.one_hot(indices, x.size, dtype=x.dtype).reshape(size, *x.shape)  # zero beyond the last
        signed = jnp.take(weights.ravel(), indices, mode="fill", fill_value=0)
        (jet,) = _interpret(closed.jaxpr, closed.consts, [Jet(x, directions, jnp.zeros_like(x))], signed)
        return jet.second if isinstance(jet, Jet) else jnp.zeros_like(jet)  # a constant function

    return jax.lax.map(of_chunk, first + size * jnp.arange(num_chunks)).sum()


def _are_known(log_prob_fn: LogProb, x: Array, weights: Array) -> bool:
    """Whether nothing is being traced, neither the arrays nor what the function closes over: threads cannot see it."""
    closed_over = jax.make_jaxpr(log_prob_fn)(x).consts
    return not any(isinstance(array, jax.core.Tracer) for array in (x, weights, *closed_over))


def _chunk_size(log_prob_fn: LogProb, x: Array, count: int) -> int:
    _, tangent = jax.linearize(log_prob_fn, x)
    copies = 2 * math.ceil(x.size / count)  # a value's tangents and what the second order makes of them, in each share
    return chunk_size_for(tangent, x, count, copies)


class Jet(NamedTuple):
    """A value that depends on x: `value` [...], `tangents` [R, ...] and the summed second order `second` [...]."""

    value: Array
    tangents: Array
    second: Array


Value: TypeAlias = Any
"""A Jet, or a plain array that does not depend on x."""


def _interpret(jaxpr: Jaxpr, consts: Sequence[Value], args: Sequence[Value], weights: Array) -> list[Value]:
    """The outputs of `jaxpr` on `args`, jets where they depend on one."""
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


def _apply(eqn: JaxprEqn, *inputs: Array) -> list[Array]:
    """The equation on plain arrays."""
    bound = eqn.primitive.get_bind_params(eqn.params)
    functions, params = bound if isinstance(bound, tuple) else ((), bound)  # JAX before 0.10 keeps functions apart
    outputs = eqn.primitive.bind(*functions, *inputs, **params)
    return list(outputs) if eqn.primitive.multiple_results else [outputs]


def _nested_forward(eqn: JaxprEqn, inputs: list[Value], weights: Array) -> list[Value]:
    """The rule for every primitive: two nested forward modes along each direction, the second order summed."""
    is_jet = [isinstance(value, Jet) for value in inputs]
    jets = [value for value in inputs if isinstance(value, Jet)]
    smooth = [_has_derivatives(variable) for variable in eqn.outvars]

    def fun(*values: Array) -> tuple[list[Array], list[Array]]:
        """Outputs that have derivatives, and the others (comparisons, indices)."""
        given = iter(values)
        outputs = _apply(eqn, *(next(given) if jet else value for jet, value in zip(is_jet, inputs, strict=True)))
        return [o for o, s in zip(outputs, smooth, strict=True) if s], [
            o for o, s in zip(outputs, smooth, strict=True) if not s
        ]

    values, tangents, seconds = (tuple(parts) for parts in zip(*jets, strict=True))
    outputs, second, plain = jax.jvp(fun, values, seconds, has_aux=True)

    def first_order(values: tuple[Array, ...], along: tuple[Array, ...]) -> list[Array]:
        return jax.jvp(fun, values, along, has_aux=True)[1]

    first = jax.vmap(first_order, in_axes=(None, 0))(values, tangents)
    if _depends_on_values(first_order, values, seconds):

        def second_order(along: tuple[Array, ...]) -> list[Array]:
            return jax.jvp(lambda *values: first_order(values, along), values, along)[1]

        curvature = jax.vmap(second_order)(tangents)
        second = [s + _weighted_sum(weights, c) for s, c in zip(second, curvature, strict=True)]
    jets_out, plain_out = iter(map(Jet, outputs, first, second)), iter(plain)
    return [next(jets_out) if s else next(plain_out) for s in smooth]


def _weighted_sum(weights: Array, terms: Array) -> Array:
    """sum_r weights[r] terms[r], as a product and a sum, which the compiler fuses with what makes the terms."""
    return jnp.sum(weights.reshape(-1, *[1] * (terms.ndim - 1)) * terms, axis=0)


def _depends_on_values(first_order: Callable, values: tuple[Array, ...], along: tuple[Array, ...]) -> bool:
    """Whether a derivative depends differentiably on where it is taken: not so for linear functions, or for ReLU."""
    closed = jax.make_jaxpr(first_order)(values, along)
    return any(_reached(closed.jaxpr, [True] * len(values) + [False] * len(along)))


def _reached(jaxpr: Jaxpr, inputs: Sequence[bool]) -> list[bool]:
    """Which outputs of `jaxpr` the marked inputs reach through real or complex values."""
    reached = {v for v, marked in zip(jaxpr.invars, inputs, strict=True) if marked}
    for eqn in jaxpr.eqns:
        if any(not isinstance(v, Literal) and v in reached for v in eqn.invars):
            reached |= {v for v in eqn.outvars if _has_derivatives(v)}
    return [not isinstance(v, Literal) and v in reached for v in jaxpr.outvars]


def _has_derivatives(variable: Any) -> bool:
    return jnp.issubdtype(variable.aval.dtype, jnp.inexact)


def _enter(name: str, eqn: JaxprEqn, inputs: list[Value], weights: Array) -> list[Value]:
    """A call: its jaxpr, the parameter `name`, is interpreted in place."""
    inner = eqn.params[name]
    jaxpr, consts = (inner.jaxpr, inner.consts) if isinstance(inner, ClosedJaxpr) else (inner, ())
    return _interpret(jaxpr, consts, inputs, weights)


def _scan(eqn: JaxprEqn, inputs: list[Value], weights: Array) -> list[Value]:
    """A scan whose carried values are jets where they are real or complex."""
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
    """A jet with the axis of a scan and that of the directions exchanged."""
    return value._replace(tangents=jnp.swapaxes(value.tangents, 0, 1)) if isinstance(value, Jet) else value


RULES: dict[str, Callable[[JaxprEqn, list[Value], Array], list[Value]]] = {
    "scan": _scan,
    "jit": functools.partial(_enter, "jaxpr"),
    "closed_call": functools.partial(_enter, "call_jaxpr"),
    "remat2": functools.partial(_enter, "jaxpr"),  # what jax.checkpoint is called in a jaxpr
    "checkpoint": functools.partial(_enter, "jaxpr"),
}
