"""Jets: values with their first derivatives along many directions and their second derivatives, already summed.

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

A call that `glowjax.networks.local` marks, such as the network of a coupling, is entered with its probes in place of
the R directions, see `glowjax.analysis.local_maps`. Their number does not grow with the image. The derivatives along
the directions follow from those along the probes.
"""

import operator
from collections.abc import Callable, Sequence
from itertools import compress
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal
from jaxtyping import Array

from glowjax.analysis import local_maps
from glowjax.linalg import at_least_float32
from glowjax.networks import local


class Jet(NamedTuple):
    """A value that depends on x: `value` [...], `tangents` [R, ...] and the summed second order `second` [...]."""

    value: Array
    tangents: Array
    second: Array


Value: TypeAlias = Any
"""A Jet, or a plain array that does not depend on x."""

Bilinear: TypeAlias = Callable[[tuple[Array, ...], tuple[Array, ...]], list[Array]]
"""The second derivative of an operation along two directions, each with an array per input."""


class Directions(NamedTuple):
    """The directions of the tangents, by their `weights` [R]."""

    weights: Array

    @property
    def num(self) -> int:
        """Their number R."""
        return len(self.weights)

    def summed(self, second_order: Bilinear, tangents: tuple[Array, ...]) -> list[Array]:
        """sum_r weights[r] second_order(t_r, t_r)."""
        terms = jax.vmap(lambda along: second_order(along, along))(tangents)
        return [_weighted_sum(self.weights, term) for term in terms]


class Probes(NamedTuple):
    """The probes p = 1..P of a local map of this `reach`, whose input has the `tangents` t_r and the `weights` w_r.

    At a pixel, the derivative of any intermediate value along t_r is sum_p t_r[p] b_p, with the derivatives b_p along
    the probes and t_r[p] the tangent of the value for which p stands in the pixel's window. So an operation g on each
    pixel alone has sum_r w_r g''[t_r, t_r] = sum_pq products[p, q] g''[b_p, b_q], with products[p, q] =
    sum_r w_r t_r[p] t_r[q].
    """

    tangents: Array
    weights: Array
    reach: int

    @property
    def num(self) -> int:
        """Their number P."""
        return local_maps.num_probes(self.tangents.shape[1:], self.reach)

    def summed(self, second_order: Bilinear, tangents: tuple[Array, ...]) -> list[Array]:
        """sum_pq products[p, q] second_order(b_p, b_q)."""
        products = local_maps.products_in_windows(self.tangents, self.weights, self.reach)
        mixed = tuple(local_maps.mix(products, along) for along in tangents)
        return [_weighted_sum(jnp.ones(self.num), term) for term in jax.vmap(second_order)(tangents, mixed)]


def interpret(
    jaxpr: Jaxpr, consts: Sequence[Value], args: Sequence[Value], directions: Directions | Probes
) -> list[Value]:
    """The outputs of `jaxpr` on `args`; those that depend on a jet are jets."""
    environment = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*consts, *args), strict=True))

    def read(atom: Any) -> Value:
        return atom.val if isinstance(atom, Literal) else environment[atom]

    for eqn in jaxpr.eqns:
        inputs = [read(atom) for atom in eqn.invars]
        if any(isinstance(value, Jet) for value in inputs):
            outputs = RULES.get(eqn.primitive.name, _nested_forward)(eqn, inputs, directions)
        else:
            outputs = _apply(eqn, *inputs)
        environment |= zip(eqn.outvars, outputs, strict=True)
    return [read(atom) for atom in jaxpr.outvars]


def _apply(eqn: JaxprEqn, *inputs: Any) -> list[Any]:
    """The outputs of the equation on plain arrays."""
    outputs = eqn.primitive.bind(*inputs, **eqn.primitive.get_bind_params(eqn.params))
    return list(outputs) if eqn.primitive.multiple_results else [outputs]


def _nested_forward(eqn: JaxprEqn, inputs: list[Value], directions: Directions | Probes) -> list[Value]:
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

        def second_order(along: tuple[Any, ...], other: tuple[Any, ...]) -> list[Any]:
            return jax.jvp(lambda *values: first_order(values, along), values, other)[1]

        curvature = directions.summed(second_order, tangents)
        second = [s + c for s, c in zip(second, curvature, strict=True)]
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


def _call(eqn: JaxprEqn, inputs: list[Value], directions: Directions | Probes) -> list[Value]:
    """A call, by its jaxpr; that of a local map with its probes, if they are fewer than the directions."""
    reach = local.reach_of(eqn.params.get("name", ""))
    (value, tangents, second), *others = (value for value in inputs if isinstance(value, Jet))
    if reach is None or others or isinstance(directions, Probes) or not _maps_an_image(eqn, value):
        return _interpret_call(eqn, inputs, directions)
    along = Probes(tangents, directions.weights, reach)
    if along.num >= directions.num:
        return _interpret_call(eqn, inputs, directions)
    probes = jnp.asarray(local_maps.probes(value.shape, reach), value.dtype)
    probed = [Jet(value, probes, second) if isinstance(one, Jet) else one for one in inputs]
    outputs = _interpret_call(eqn, probed, along)
    return [output._replace(tangents=local_maps.along(tangents, output.tangents, reach)) for output in outputs]


def _maps_an_image(eqn: JaxprEqn, value: Array) -> bool:
    """Whether input and outputs are single images of one size: under a vmap or a gradient, a marked call is neither."""
    arrays: list[Any] = [value, *(variable.aval for variable in eqn.outvars)]
    return all(array.ndim == 3 and array.shape[:2] == value.shape[:2] for array in arrays)


def _interpret_call(eqn: JaxprEqn, inputs: list[Value], directions: Directions | Probes) -> list[Value]:
    """The call's outputs, from its own jaxpr."""
    inner = eqn.params["call_jaxpr" if eqn.primitive.name == "closed_call" else "jaxpr"]
    jaxpr, consts = (inner.jaxpr, inner.consts) if isinstance(inner, ClosedJaxpr) else (inner, ())
    return interpret(jaxpr, consts, inputs, directions)


def _scan(eqn: JaxprEqn, inputs: list[Value], directions: Directions | Probes) -> list[Value]:
    """A scan; carried values that are real or complex become jets."""
    params, body = eqn.params, eqn.params["jaxpr"]
    if "ft_in" in params:  # JAX from 0.12 on
        num_consts, num_carry, _ = map(len, params["ft_in"].unpack())
    else:
        num_consts, num_carry = params["num_consts"], params["num_carry"]
    first_x = num_consts + num_carry
    consts, carry, xs = inputs[:num_consts], inputs[num_consts:first_x], inputs[first_x:]
    num_directions = directions.num

    def lift(value: Value) -> Value:
        if isinstance(value, Jet) or not jnp.issubdtype(jnp.result_type(value), jnp.inexact):
            return value
        value = jnp.asarray(value)
        return Jet(value, jnp.zeros((num_directions, *value.shape), value.dtype), jnp.zeros_like(value))

    def step(carry: list[Value], xs: list[Value]) -> tuple[list[Value], list[Value]]:
        outputs = interpret(body.jaxpr, body.consts, [*consts, *carry, *xs], directions)
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


RULES: dict[str, Callable[[JaxprEqn, list[Value], Directions | Probes], list[Value]]] = {
    "scan": _scan,
    **dict.fromkeys(("jit", "closed_call", "remat2", "checkpoint"), _call),  # a jaxpr has remat2 for jax.checkpoint
}
