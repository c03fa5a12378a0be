"""Input checks for densities and points, made once at the door: the functions behind it trust what they get."""

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from glowjax.analysis.subject import Subject, first_line, subject_of
from glowjax.checks import InputError, native_array, on_automatic_axes

LogProb: TypeAlias = Callable[[Any], Any]
"""x [*shape] -> [], the log density of ONE point in nats; traceable by JAX. A flow's is
`functools.partial(model.log_prob, params)`.

It must be pure, as under `jax.jit`: results are compiled once per function object, and kept for the last
`subject.MAX_SUBJECTS` of them. If it reads mutable state, create a new function after each change."""

Points: TypeAlias = Any
"""A floating-point JAX or NumPy array, a CPU tensor, or nested lists of numbers."""

Point: TypeAlias = Float[Array, "..."]
"""A point [*shape], after its check."""

PointSet: TypeAlias = Float[Array, "N ..."]
"""N points [N, *shape], after their check."""

Groups: TypeAlias = Any
"""[N] labels of what was drawn independently; None if every point was."""


def as_points(values: Points, name: str) -> Array:
    """`values` as a JAX array in native byte order, see `on_automatic_axes` for meshes."""
    if not isinstance(values, jax.Array):
        if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(values)):
            return jnp.asarray(values)
        try:
            array = native_array(values, name)
        except (TypeError, RuntimeError) as error:
            raise InputError(f"{name} cannot be read as an array ({first_line(error)}); pass a NumPy array.") from error
        if array.dtype == object:
            raise InputError(f"{name} is a {type(values).__name__} that holds no numbers; pass an array of floats.")
        return jnp.asarray(array)
    return on_automatic_axes(values)


def check_point(log_prob_fn: LogProb, x: Points, name: str = "x") -> tuple[Subject, Array]:
    """The density's subject and the point `x` as an array.

    Refused in an InputError: points that are not floating-point or not finite, functions that JAX cannot trace, and
    values that are not one real number. Under `jax.jit` only types and shapes are known, and checked.
    """
    x = as_points(x, name)
    if not x.size:
        raise InputError(f"{name} has shape {list(x.shape)}: no values to differentiate with respect to.")
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise InputError(
            f"{name} is {x.dtype}, but derivatives need floating-point values in the units that the density sees: "
            "dequantize 8-bit images, or call .astype(float)."
        )
    check_finite(x, name)
    return _traced_at(log_prob_fn, jax.ShapeDtypeStruct(x.shape, x.dtype), name), x


def _traced_at(log_prob_fn: LogProb, point: jax.ShapeDtypeStruct, name: str) -> Subject:
    subject = subject_of(log_prob_fn)
    where = f"{name} of shape {list(point.shape)}"
    try:
        closed, value = jax.make_jaxpr(subject, return_shape=True)(point)
    except InputError:
        raise
    except (jax.errors.JAXTypeError, jax.errors.JAXIndexError) as error:
        raise InputError(
            f"log_prob_fn cannot be traced by JAX ({first_line(error)}); write it with jax.numpy and jax.scipy in "
            "place of NumPy, SciPy and float(), and with jnp.where or jax.lax.cond in place of if."
        ) from error
    except Exception as error:
        raise InputError(f"log_prob_fn fails for {where} and {point.dtype} ({first_line(error)}).") from error
    if not hasattr(value, "shape") or value.shape != () or not jnp.issubdtype(value.dtype, jnp.floating):
        what = f"shape {list(value.shape)}, {value.dtype}" if hasattr(value, "shape") else f"a {type(value).__name__}"
        raise InputError(
            f"log_prob_fn gives {what} for {where}; it must give one real number for one point: pass a point without "
            "batch axes, and a function that returns the log density alone."
        )
    subject.point = point
    subject.is_known = not any(isinstance(const, jax.core.Tracer) for const in closed.consts)
    if not subject.is_known:
        subject.forget()
    return subject


def check_points(log_prob_fn: LogProb, points: Points, name: str, at_least: int = 2) -> tuple[Subject, Array]:
    """The density's subject and the points [N, *shape] as an array; two or more, for a standard error over them."""
    points = _check_set(as_points(points, name), name, at_least)
    subject, _ = check_point(log_prob_fn, jnp.zeros_like(points, shape=points.shape[1:]), f"a point of {name}")
    return subject, points


def _check_set(points: Array, name: str, at_least: int) -> Array:
    if points.ndim == 0 or points.shape[0] < at_least:
        wanted = "one point or more" if at_least == 1 else "two points or more, since a standard error is over points"
        raise InputError(f"{name} has shape {list(points.shape)}; expected [N, ...] with {wanted}.")
    return check_finite(points, name)


def check_pair(log_prob_fn: LogProb, in_dist: Points, out_dist: Points) -> tuple[Subject, Array, Array]:
    """The density's subject and both sets as arrays; their points must be of one shape and dtype."""
    in_dist, out_dist = as_points(in_dist, "in_dist"), as_points(out_dist, "out_dist")
    if in_dist.shape[1:] != out_dist.shape[1:] or in_dist.dtype != out_dist.dtype:
        raise InputError(
            f"The points of in_dist are {in_dist.dtype} of shape {list(in_dist.shape[1:])} and those of out_dist "
            f"{out_dist.dtype} of shape {list(out_dist.shape[1:])}; a density is over one space: bring both to it."
        )
    subject, in_dist = check_points(log_prob_fn, in_dist, "in_dist")
    return subject, in_dist, _check_set(out_dist, "out_dist", at_least=2)


def check_like(
    value: Points, x: Array, name: str, leading: tuple[int, ...] = (), trailing: tuple[int, ...] = ()
) -> Float[Array, "..."]:
    """`value` in the dtype of `x`; refused unless finite and of shape [*leading, *x.shape, *trailing], -1 for any."""
    value = as_points(value, name).astype(x.dtype)
    wanted = (*leading, *x.shape, *trailing)
    if value.ndim != len(wanted) or any(w not in (-1, s) for w, s in zip(wanted, value.shape, strict=True)):
        raise InputError(
            f"{name} has shape {list(value.shape)}, but x has shape {list(x.shape)}; expected "
            f"{['any' if w == -1 else w for w in wanted]}."
        )
    return check_finite(value, name)


def check_finite(values: Any, name: str) -> Any:
    """`values`; raises InputError if a known one is NaN or infinite, naming the first such place."""
    if isinstance(values, jax.core.Tracer):
        return values
    known = np.asarray(values)  # NumPy, because under a jit even operations on known JAX arrays are traced
    if known.dtype.kind not in "fc":
        known = known.astype(np.float32)  # bfloat16
    bad = np.argwhere(~np.isfinite(known))
    if len(bad):
        index = tuple(int(i) for i in bad[0])
        raise InputError(
            f"{name} is {known[index]} at index {list(index)} ({len(bad)} of {known.size} values are not finite): "
            "leave that point out and say so, or find out where the density breaks down."
        )
    return values
