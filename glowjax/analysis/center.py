"""Centers of expansions: the named ones, which move with the means of the sets, a point, or an Expansion."""

from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from glowjax.analysis.density import LogProb, Point, PointSet, check_like, check_point
from glowjax.analysis.expansion import Expansion, check_expansion
from glowjax.analysis.subject import Subject
from glowjax.checks import InputError, unknown

CENTERS = {"midpoint": (0.5, 0.5), "in_dist": (1.0, 0.0)}
"""The named centers: the midpoint of the two means, where the quadratic terms of the means cancel, and the mean of
in_dist. The numbers are the weights of the means of in_dist and of out_dist."""

Center: TypeAlias = Any
"""One of `CENTERS`, a point, or an Expansion."""


class Resolved(NamedTuple):
    """A center at which a density can be differentiated.

    Attributes:
        point: [*shape], in the dtype of the points.
        weights: the weights of the means of in_dist and of out_dist in the center; 0 if the center was given.
        expansion: what is known of the density there, if the caller gave it.
    """

    point: Point
    weights: tuple[float, float] = (0.0, 0.0)
    expansion: Expansion | None = None


def resolve(center: Center, in_dist: Array, out_dist: Array) -> Resolved:
    """The center of two sets."""
    if isinstance(center, str):
        if center not in CENTERS:
            raise unknown("center", center, CENTERS)
        weights = CENTERS[center]
        means = (mean_of(points) for points in (in_dist, out_dist))
        point = sum(weight * mean for weight, mean in zip(weights, means, strict=True))
        return Resolved(jnp.asarray(point, in_dist.dtype), weights)
    if center is None:
        raise InputError("center is None; expected 'midpoint', 'in_dist', a point or an Expansion.")
    return given(center, in_dist[0])


def given(center: Center, x: Array) -> Resolved:
    """The center if it is a point, or an Expansion, in the space of `x`."""
    if center is None or isinstance(center, str):
        raise InputError(f"center is {center!r}; expected a point or an Expansion.")
    if isinstance(center, Expansion):
        expansion = check_expansion(center, x)
        return Resolved(expansion.center, expansion=expansion)
    return Resolved(check_like(center, x, "center"))


def check_center(log_prob_fn: LogProb, center: Center, name: str) -> tuple[Subject, Resolved]:
    """The density as a Subject, and the resolved center, a point or an Expansion, which sets the space."""
    if not isinstance(center, Expansion):
        log_prob, x = check_point(log_prob_fn, center, name)
        return log_prob, Resolved(x)
    expansion = check_expansion(center)
    log_prob, _ = check_point(log_prob_fn, expansion.center, f"{name}.center")
    return log_prob, Resolved(expansion.center, expansion=expansion)


def mean_of(points: PointSet) -> Any:
    """The mean [*shape]: in float64 on the host if the points are known."""
    if isinstance(points, jax.core.Tracer):
        return points.mean(axis=0)
    return np.asarray(points).mean(axis=0, dtype=np.float64)
