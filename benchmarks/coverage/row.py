"""A row: a function that returns intervals, simulated; its cases, and how often their intervals contained the truth."""

import dataclasses
import importlib
import time
import warnings
import zlib
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import jax
import numpy as np

from benchmarks.timing import Row as Found
from glowjax import stats

KINDS = ("means", "robust", "gaps", "location", "detection", "draws")
"""The modules that define rows, in the order of the tables."""

ENOUGH = 0.92
"""A case whose intervals contain the truth less often is marked."""


@dataclasses.dataclass(frozen=True)
class Case:
    """What was simulated: many data sets of one kind, and the estimates from them.

    Attributes:
        field: the field of the result.
        data: the distribution and what else was set, in words.
        num: the images of each set, or the probes or draws.
        found: the estimates [R] of R data sets.
        truth: what they estimate.
        groups: the groups into which the images fall; None if each was drawn on its own.
        told: the share of the data sets with which the function warned.
    """

    field: str
    data: str
    num: int
    found: stats.Estimate
    truth: float
    groups: int | None = None
    told: float = 0.0


@dataclasses.dataclass(frozen=True)
class Lab:
    """How much a row simulates.

    Attributes:
        seed: the seed of the data sets.
        repeats: the factor by which the number of data sets differs from the default.
    """

    seed: int
    repeats: float = 1.0

    def times(self, default: int) -> int:
        """The number of data sets."""
        return max(2, round(default * self.repeats))

    def key(self, *what: object) -> jax.Array:
        """The key of the data sets of this description."""
        return jax.random.fold_in(jax.random.key(self.seed), zlib.crc32(repr(what).encode()))

    def rng(self, *what: object) -> np.random.Generator:
        """A random generator for the data sets of this description."""
        return np.random.default_rng([self.seed, zlib.crc32(repr(what).encode())])


Simulate: TypeAlias = Callable[[Lab], Iterator[Case]]


@dataclasses.dataclass(frozen=True)
class Row:
    """A function of the library with the simulation of its intervals.

    Attributes:
        name: its name for `--only`.
        function: the function, in the table.
        kind: the module that defines it, which is its table.
        cases: simulates it.
    """

    name: str
    function: str
    kind: str
    cases: Simulate


_ROWS: dict[str, Row] = {}


def row(function: str) -> Callable[[Simulate], Simulate]:
    """Makes a generator of cases a row; the name of the row is that of the generator."""

    def define(cases: Simulate) -> Simulate:
        name = cases.__name__.replace("_", "-")
        _ROWS[name] = Row(name, function, cases.__module__.rpartition(".")[2], cases)
        return cases

    return define


def rows() -> dict[str, Row]:
    """All rows by name, in the order of the tables."""
    for kind in KINDS:
        importlib.import_module(f"benchmarks.coverage.{kind}")
    return {name: one for kind in KINDS for name, one in _ROWS.items() if one.kind == kind}


def one_by_one(estimate: Callable[[int], Any], times: int) -> tuple[Any, float]:
    """What `estimate(n)` gives for n = 0 ... times - 1, as one result with arrays [times], and how often it warned."""
    found, told = [], 0
    for n in range(times):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found.append(estimate(n))
        told += bool(caught)
    return jax.tree.map(lambda *parts: np.array(parts, np.float64), *found), told / times


def measured(function: str, case: Case) -> Found:
    """The coverage of a case with its own interval, the misses on either side, and the reported error over the true.

    `ratio` is the root mean square of the standard errors over the standard deviation of the values.
    """
    low, high = (np.asarray(end, np.float64) for end in case.found.interval)
    value, sem = (np.broadcast_to(np.asarray(x, np.float64), low.shape) for x in (case.found.value, case.found.sem))
    below, above = high < case.truth, low > case.truth
    covered = stats.share(~(below | above | np.isnan(low)))
    least, most = covered.interval
    return {
        "function": function,
        "field": case.field,
        "data": case.data,
        "num": case.num,
        "groups": case.groups,
        "times": len(low),
        "coverage": covered.value,
        "low": float(least),
        "high": float(most),
        "below": float(below.mean()),
        "above": float(above.mean()),
        "ratio": _ratio(value, sem),
        "told": case.told,
    }


def _ratio(value: np.ndarray, sem: np.ndarray) -> float | None:
    if not np.isfinite([value, sem]).all() or value.std() == 0:
        return None
    return float(np.sqrt(np.mean(sem**2)) / value.std())


def simulate(name: str, seed: int, repeats: float) -> dict[str, Any]:
    """The cases of a row, in double precision, with the seconds that they took."""
    began, one = time.monotonic(), rows()[name]
    with jax.enable_x64(True):
        cases = [measured(one.function, case) for case in one.cases(Lab(seed, repeats))]
    seconds = round(time.monotonic() - began)
    return {"kind": one.kind, "seed": seed, "repeats": repeats, "seconds": seconds, "cases": cases}
