"""What every function of this package asks of a density and of the points at which it looks at it."""

from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Jaxpr, jaxprs_in_params

from glowjax.checks import InputError
from glowjax.typing import Array

LogProb: TypeAlias = Callable[[Array], Array]
"""x [*shape] -> [], the log density of ONE point in nats; traceable by JAX. A flow's is
`functools.partial(model.log_prob, params)`.

As under `jax.jit`, what a function does is compiled once per function object: it must be pure. One that reads what
changes later (a module's state, a variable that is bound anew) has to be a new object each time, or results are of the
old state."""


def check_point(log_prob_fn: LogProb, x: Array, name: str = "x") -> Array:
    """`x` as an array, once it is known to be one finite point at which `log_prob_fn` gives one number.

    Values are checked where they are known: under `jax.jit` only types and shapes are.

    Raises:
        InputError: where `x` is not floating-point or not finite, or `log_prob_fn(x)` is not a real scalar.
    """
    try:
        hash(log_prob_fn)
    except TypeError as error:
        raise InputError(
            f"log_prob_fn is a {type(log_prob_fn).__name__} that cannot be hashed, as the methods of some modules; "
            "pass `lambda x: log_prob_fn(x)` and keep it: results are compiled once per function object."
        ) from error
    x = jnp.asarray(x)
    if not x.size:
        raise InputError(f"{name} has shape {list(x.shape)}: no values to differentiate with respect to.")
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise InputError(
            f"{name} is {x.dtype}, but derivatives need floating-point values in the units that the density sees: "
            "dequantise 8-bit images, or call .astype(float)."
        )
    check_finite(name, x)
    value = jax.eval_shape(log_prob_fn, x)
    if not hasattr(value, "shape") or value.shape != () or not jnp.issubdtype(value.dtype, jnp.floating):
        what = f"shape {list(value.shape)}, {value.dtype}" if hasattr(value, "shape") else f"a {type(value).__name__}"
        raise InputError(
            f"log_prob_fn gives {what} for {name} of shape {list(x.shape)}; it must give one real number for one "
            "point: pass a point without batch axes, and a function that returns the log density alone."
        )
    return x


def check_forward_mode(log_prob_fn: LogProb, x: Array) -> None:
    """Raises InputError where `log_prob_fn` cannot be differentiated in forward mode at `x`."""
    tangents = jax.make_jaxpr(lambda x: jax.jvp(log_prob_fn, (x,), (x,)))(x)
    if _contains(tangents.jaxpr, "custom_lin"):
        raise InputError(
            "log_prob_fn contains a jax.custom_vjp, which refuses the forward-mode differentiation that this function "
            "goes by. A Glow with memory='invert' does: build it with memory='store', the same params serve. For other "
            "densities, hessian_diagonal, hvp and quadratic_forms differentiate in reverse mode first, and accept it."
        )


def _contains(jaxpr: Jaxpr, name: str) -> bool:
    """Whether a primitive called `name` is in `jaxpr`, at any depth."""
    return any(
        eqn.primitive.name == name or any(_contains(inner, name) for inner in jaxprs_in_params(eqn.params))
        for eqn in jaxpr.eqns
    )


def check_points(log_prob_fn: LogProb, points: Array, name: str, least: int = 2) -> Array:
    """`points` [N, *shape] as an array, once known to be at least so many points as `check_point` wants them.

    Raises:
        InputError: where there are fewer points (by default two, for a standard error over them), or as `check_point`
            does.
    """
    points = jnp.asarray(points)
    if points.ndim == 0 or points.shape[0] < least:
        wanted = "one point or more" if least == 1 else "two points or more, since a standard error is over points"
        raise InputError(f"{name} has shape {list(points.shape)}; expected [N, ...] with {wanted}.")
    check_finite(name, points)
    check_point(log_prob_fn, jnp.zeros_like(points[0]) if _is_traced(points) else points[0], f"a point of {name}")
    return points


def check_pair(log_prob_fn: LogProb, in_dist: Array, out_dist: Array) -> tuple[Array, Array]:
    """Both sets as arrays, once `check_points` holds for each and their points are alike.

    Raises:
        InputError: where the points differ in shape or dtype, or as `check_points` does.
    """
    in_dist, out_dist = jnp.asarray(in_dist), jnp.asarray(out_dist)
    if in_dist.shape[1:] != out_dist.shape[1:] or in_dist.dtype != out_dist.dtype:
        raise InputError(
            f"The points of in_dist are {in_dist.dtype} of shape {list(in_dist.shape[1:])} and those of out_dist "
            f"{out_dist.dtype} of shape {list(out_dist.shape[1:])}; a density is over one space: bring both to it."
        )
    return check_points(log_prob_fn, in_dist, "in_dist"), check_points(log_prob_fn, out_dist, "out_dist")


def check_like(
    name: str, value: Array, x: Array, leading: tuple[int, ...] = (), trailing: tuple[int, ...] = ()
) -> Array:
    """`value` in the dtype of `x`, once known to be finite and of shape [*leading, *x.shape, *trailing]; -1 is any.

    Raises:
        InputError: for another shape, or values that are not finite.
    """
    value = jnp.asarray(value, x.dtype)
    wanted = (*leading, *x.shape, *trailing)
    if value.ndim != len(wanted) or any(w not in (-1, s) for w, s in zip(wanted, value.shape, strict=True)):
        raise InputError(
            f"{name} has shape {list(value.shape)}, but x has shape {list(x.shape)}; expected "
            f"{['any' if w == -1 else w for w in wanted]}."
        )
    check_finite(name, value)
    return value


def check_finite(name: str, values: Array) -> None:
    """Raises InputError where a known value is NaN or infinite, naming the first such place."""
    if _is_traced(values):
        return
    known = np.asarray(values)  # NumPy, since under a jit even operations on known JAX arrays are traced
    bad = np.argwhere(~np.isfinite(known))
    if len(bad):
        index = tuple(int(i) for i in bad[0])
        raise InputError(
            f"{name} is {known[index]} at index {list(index)} ({len(bad)} of {known.size} values are not finite): "
            "leave that point out and say so, or find out where the density breaks down."
        )


def _is_traced(x: Array) -> bool:
    return isinstance(x, jax.core.Tracer)
