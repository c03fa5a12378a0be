"""A mean over points or probes, with its standard error."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from glowjax.checks import InputError
from glowjax.typing import Array


class Estimate(NamedTuple):
    """A mean and its standard error, in the same unit; arrays of one shape, usually scalars."""

    mean: Array
    sem: Array

    def __str__(self) -> str:
        if jnp.ndim(self.mean) or isinstance(self.mean, jax.core.Tracer):
            return f"{self.mean} +- {self.sem}"
        return f"{float(self.mean):+,.4g} +- {float(self.sem):.2g}"

    def __repr__(self) -> str:
        return f"Estimate({self})"


def from_values(values: Array, groups: Any = None) -> Estimate:
    """The mean of `values` [N] and its standard error, over values or over groups of them.

    With `groups` [N], labels of what was drawn independently (the photo from which an image was cut), deviations are
    summed within a group first: the cluster-robust standard error. Raises InputError for fewer than two values or
    groups.
    """
    if len(values) < 2:
        raise InputError(f"A standard error needs two values or more, but got {len(values)}.")
    mean = jnp.mean(values)
    deviations = values - mean
    if groups is not None:
        codes = group_codes(groups, len(values))
        deviations = jax.ops.segment_sum(deviations, codes, num_segments=int(codes.max()) + 1)
    count = len(deviations)
    return Estimate(mean, jnp.sqrt(count / (count - 1) * jnp.sum(deviations**2)) / len(values))


def difference(a: Estimate, b: Estimate) -> Estimate:
    """`a` - `b` for independent estimates."""
    return Estimate(a.mean - b.mean, jnp.hypot(a.sem, b.sem))


def group_codes(groups: Any, count: int) -> np.ndarray:
    """Each point's group as an index from 0; every point is its own group where `groups` is None.

    Raises:
        InputError: where there is not one label a point, or fewer than two groups.
    """
    labels = np.arange(count) if groups is None else np.asarray(groups)
    codes = np.unique(labels, return_inverse=True)[1] if labels.shape == (count,) else np.zeros(0, int)
    if not codes.size or codes.max() == 0:
        raise InputError(
            f"groups has shape {list(labels.shape)} for {count} points; expected one label a point, and two groups or "
            "more."
        )
    return codes
