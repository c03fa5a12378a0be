"""Estimates: a value with its standard error and its 95 % interval, for means, differences and proportions."""

import dataclasses
import math
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from scipy import special

from glowjax.checks import InputError
from glowjax.stats.groups import group_codes

CONFIDENCE = 0.95
"""The coverage of every interval."""

NORMAL_QUANTILE = float(special.ndtri((1 + CONFIDENCE) / 2))


class Result(flax.struct.PyTreeNode):
    """Base class of results. They are JAX pytrees, print one row per field, and become plain numbers by `as_dict`."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**{"repr": False, **options})

    def as_dict(self) -> dict[str, Any]:
        """The fields as floats, lists and nested dictionaries; numbers that are not finite become None, as for JSON."""
        return {field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)}

    def __repr__(self) -> str:
        rows = _rows(self)
        width = max(len(name) for name, _ in rows)
        return "\n".join([type(self).__name__, *(f"  {name:{width}}  {text}" for name, text in rows)])


class Estimate(Result):
    """A value with its uncertainty, in the unit of the value. The fields are scalars, or arrays of one shape.

    >>> from glowjax import stats
    >>> lengths = stats.mean([3.0, 4.0, 5.0, 6.0])
    >>> lengths
    +4.50 ± 0.65
    >>> f"{lengths:.1f}", f"{lengths:.1f[]}"
    ('4.5 ± 0.6', '4.5 [2.4, 6.6]')

    Attributes:
        value: the estimate.
        sem: its standard error.
        count: the effective number of independent units (images, or groups of them) behind it.
        low: the lower end of the 95 % interval, if it does not follow from `sem` and `count`, as for a bootstrap;
            else None.
        high: the upper end of the interval, set if `low` is.
    """

    value: Any
    sem: Any
    count: Any
    low: Any = None
    high: Any = None

    @property
    def interval(self) -> tuple[Any, Any]:
        """The ends of the 95 % interval: `low` and `high` if set, else by Student's t with `count` - 1."""
        if self.low is not None:
            return self.low, self.high
        reach = special.stdtrit(np.asarray(self.count, np.float64) - 1, (1 + CONFIDENCE) / 2) * np.asarray(self.sem)
        return self.value - reach, self.value + reach

    def as_dict(self) -> dict[str, Any]:
        """{"value", "sem", "low", "high"} as floats, or lists for arrays; numbers that are not finite become None."""
        low, high = self.interval
        return {name: _plain(x) for name, x in (("value", self.value), ("sem", self.sem), ("low", low), ("high", high))}

    def __format__(self, spec: str) -> str:
        """Applies a number format: "+,.0f" gives "+528 ± 130"; a trailing "[]" gives the interval instead of the error.

        Without a format, the error has two significant digits, and the value as many decimals as the error.
        """
        if isinstance(self.value, jax.core.Tracer):
            return f"Estimate({self.value})"
        if np.ndim(self.value):
            return f"{np.asarray(self.value)} ± {np.asarray(self.sem)}"
        if spec.endswith("[]"):
            low, high = (float(end) for end in self.interval)
            spec = spec[:-2]
            return f"{float(self.value):{spec}} [{low:{spec}}, {high:{spec}}]"
        value, sem = float(self.value), float(self.sem)
        if spec:
            return f"{value:{spec}} ± {sem:{spec.replace('+', '')}}"
        if not (math.isfinite(sem) and 1e-6 < sem < 1e15):
            return f"{value:+,.6g} ± {sem:.2g}"
        exponent = math.floor(math.log10(sem))
        decimals = max(0, 1 - exponent)
        return f"{value:+,.{decimals}f} ± {round(sem, 1 - exponent):,.{decimals}f}"

    def __repr__(self) -> str:
        return format(self, "")


def mean(values: Any, groups: Any = None) -> Estimate:
    """The mean of `values` [N] and its standard error, over values or over groups of them.

    With groups, the standard error is cluster-robust: deviations are first summed within each group, so that images
    which vary together count as one. `groups` [N] label the units that were drawn independently, such as the photo
    from which each image was cut. NumPy arrays and lists are averaged in float64; JAX arrays stay JAX arrays, traced or
    not.
    """
    values = vector(values, "values")
    codes = group_codes(groups, len(values))
    average = values.mean()
    sem = standard_error(values - average, codes)
    return Estimate(average, sem, int(codes.max()) + 1)


def standard_error(deviations: Any, codes: np.ndarray) -> Any:
    """The cluster-robust standard error [...] of a mean, from deviations [N, ...] and the group of each."""
    count, sums = int(codes.max()) + 1, deviations
    if count < len(deviations) and isinstance(deviations, jax.Array):
        sums = jax.ops.segment_sum(deviations, codes, num_segments=count)
    elif count < len(deviations):
        sums = np.zeros((count, *deviations.shape[1:]))
        np.add.at(sums, codes, deviations)
    return (count / (count - 1) * (sums**2).sum(axis=0)) ** 0.5 / len(deviations)


def difference(a: Estimate, b: Estimate) -> Estimate:
    """`a` - `b` for independent estimates; its effective count is that of Welch and Satterthwaite."""
    sem = (a.sem**2 + b.sem**2) ** 0.5
    spread = a.sem**4 / (a.count - 1) + b.sem**4 / (b.count - 1)
    where = jnp.where if isinstance(sem, jax.Array) else np.where
    count = where(spread > 0, 1 + sem**4 / where(spread > 0, spread, 1), a.count + b.count - 1)
    return Estimate(a.value - b.value, sem, count)


def gap(in_dist: Any, out_dist: Any, *, groups_in: Any = None, groups_out: Any = None) -> Any:
    """The mean of `out_dist` [M] minus the mean of `in_dist` [N], as an Estimate, for independent sets.

    Groups are as in `mean`. Given two tuples or Results of such arrays, it returns a tuple or Result of Estimates.
    """
    return jax.tree.map(lambda p, q: difference(mean(q, groups_out), mean(p, groups_in)), in_dist, out_dist)


def share(flags: Any, groups: Any = None) -> Estimate:
    """The share of True among `flags` [N], with Wilson's interval at the effective number of independent images.

    The effective number is at most N. With groups, it is the size of a simple random sample that would have the
    uncertainty of the cluster-robust interval (Korn and Graubard 1998), or the number of groups if all flags agree.
    """
    flags = np.asarray(flags)
    if flags.dtype != bool:
        raise InputError(f"flags are {flags.dtype}; expected booleans [N], such as `scores > threshold`.")
    estimate = mean(flags.astype(np.float64), groups)
    value, count = float(estimate.value), float(len(flags))
    if groups is not None:
        reach = max(float(estimate.interval[1]) - value, np.finfo(float).eps)
        agree = value in (0, 1)
        count = estimate.count if agree else min(count, value * (1 - value) * (NORMAL_QUANTILE / reach) ** 2)
    z2 = NORMAL_QUANTILE**2
    middle = (value + z2 / (2 * count)) / (1 + z2 / count)
    reach = np.sqrt(z2 * value * (1 - value) / count + (z2 / (2 * count)) ** 2) / (1 + z2 / count)
    return Estimate(value, float(estimate.sem), count, float(middle - reach), float(middle + reach))


def vector(values: Any, name: str) -> Any:
    """`values` [N], as they are if a JAX array, else as a float64 NumPy array; values that are known must be finite."""
    if not isinstance(values, jax.Array):
        values = np.asarray(values, np.float64)
    if values.ndim != 1:
        raise InputError(
            f"{name} has shape {list(values.shape)}; expected [N], one number per image: flatten or reduce it."
        )
    if not values.size:
        raise InputError(f"{name} is empty; expected one number per image: check that the image set was read.")
    if isinstance(values, jax.core.Tracer):
        return values
    bad = np.flatnonzero(~np.isfinite(np.asarray(values)))
    if bad.size:
        raise InputError(
            f"{name} holds {bad.size} non-finite of {values.size} numbers, the first ({values[bad[0]]}) at index "
            f"{bad[0]}; expected finite ones: look at that image, or leave it out and say so."
        )
    return values


def _plain(value: Any) -> Any:
    if isinstance(value, Result):
        return value.as_dict()
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if value is None or isinstance(value, str):
        return value
    array = np.asarray(value)
    if array.ndim:
        return [_plain(item) for item in array]
    return float(array) if np.isfinite(array) else None


def _rows(result: Result, prefix: str = "") -> list[tuple[str, str]]:
    rows = []
    for field in dataclasses.fields(result):
        value, name = getattr(result, field.name), f"{prefix}{field.name}"
        if isinstance(value, Result) and not isinstance(value, Estimate):
            rows += _rows(value, f"{name}.")
        elif getattr(value, "ndim", 0):
            rows.append((name, f"{value.dtype}{list(value.shape)}"))
        else:
            rows.append((name, str(value)))
    return rows
