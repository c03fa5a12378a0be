"""Estimates: a value with its standard error and its 95 % interval."""

import dataclasses
import math
from typing import Any

import flax.struct
import jax
import numpy as np
from scipy import special

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
