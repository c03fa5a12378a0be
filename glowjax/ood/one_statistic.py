"""Scores of one number per image, and of several by the largest of their ranks."""

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from glowjax.checks import InputError
from glowjax.ood.scores import Score, whose
from glowjax.ood.statistics import Reference, Statistics

COLUMN = re.compile(r"(?P<name>[^\[\]]+)(\[(?P<index>-?\d+|sum)\])?")
"""The form of the name of a column: "log_prob", "scales.log_pz[-1]" or "scales.log_pz[sum]"."""

RESOLUTION = 1e-6
"""The smallest spread of a statistic, as a share of its largest value: a few float32 roundings."""


def column(stats: Statistics, name: str) -> Float[np.ndarray, " N"]:
    """One number per image, in float64.

    Args:
        stats: the statistics.
        name: "log_prob" for a statistic [N]; "scales.log_pz[0]", "scales.log_pz[-1]" or "scales.log_pz[sum]" for the
            first, the last or the sum of k numbers per image.
    """
    found = COLUMN.fullmatch(name)
    if found is None:
        raise InputError(f"'{name}' is no column of statistics; write it as 'name', 'name[0]' or 'name[sum]'.")
    values, index = np.asarray(stats[found["name"]], np.float64), found["index"]
    if index is None and values.ndim == 1:
        return values
    if index is None or values.ndim != 2:
        form = "'name'" if values.ndim == 1 else f"'{found['name']}[0]' or '{found['name']}[sum]'"
        raise InputError(f"'{name}' has the shape {list(values.shape)}, so write it as {form}.")
    if index == "sum":
        return values.sum(axis=1)
    if not -values.shape[1] <= int(index) < values.shape[1]:
        raise InputError(f"There is no '{name}': '{found['name']}' has {values.shape[1]} numbers per image.")
    return values[:, int(index)]


def columns(stats: Statistics, names: Sequence[str]) -> Float[np.ndarray, "N K"]:
    """`column` of each of the names."""
    return np.stack([column(stats, name) for name in names], axis=1)


def center_and_scale(values: Float[np.ndarray, "N K"]) -> tuple[Float[np.ndarray, " K"], Float[np.ndarray, " K"]]:
    """The mean and the standard deviation of each column, which is at least `RESOLUTION`; 1 for a column of zeros."""
    scale = np.maximum(values.std(axis=0), RESOLUTION * np.abs(values).max(axis=0))
    return values.mean(axis=0), np.where(scale > 0, scale, 1.0)


def families_of(names: Sequence[str]) -> tuple[str, ...]:
    """The families to which columns belong, each once."""
    pairs = [whose(name) for name in names]
    families = [(other, re.split(r"[.\[]", name, maxsplit=1)[0]) for other, name in pairs]
    return tuple(dict.fromkeys(f"{other}.{family}" if other else family for other, family in families))


def rank(reference: Float[np.ndarray, " n"], values: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """The share of the sorted `reference` below each value, strictly between 0 and 1: (number + 1/2) / (n + 1).

    Equal values count half.
    """
    below = (np.searchsorted(reference, values, "left") + np.searchsorted(reference, values, "right")) / 2
    return (below + 0.5) / (len(reference) + 1)


@dataclasses.dataclass(frozen=True)
class OfOneStatistic(Score):
    """Base class of scores of one statistic T.

    Attributes:
        statistic: the name of its column, see `column`.
    """

    statistic: str

    @property
    def needs(self) -> tuple[str, ...]:  # noqa: D102
        return families_of([self.statistic])


@dataclasses.dataclass(frozen=True)
class OfSeveralStatistics(Score):
    """Base class of scores of several statistics.

    Attributes:
        statistics: the names of their columns, see `column`.
    """

    statistics: tuple[str, ...]

    @property
    def needs(self) -> tuple[str, ...]:  # noqa: D102
        return families_of(self.statistics)


@dataclasses.dataclass(frozen=True)
class OneSided(OfOneStatistic):
    """sign * T(x): a statistic itself, if one of its tails means out-of-distribution.

    Attributes:
        sign: 1 if images with a large T are out-of-distribution, -1 if those with a small T are.
    """

    sign: int = 1

    def evaluate(self, state: Any, stats: Statistics) -> Float[np.ndarray, " N"]:  # noqa: D102
        return self.sign * column(stats, self.statistic)


@dataclasses.dataclass(frozen=True)
class TwoSided(OfOneStatistic):
    """|T(x) - mean of T over the reference|."""

    def learn(self, reference: Reference) -> Any:  # noqa: D102
        return {"mean": column(reference, self.statistic).mean()}

    def evaluate(self, state: Any, stats: Statistics) -> Float[np.ndarray, " N"]:  # noqa: D102
        return np.abs(column(stats, self.statistic) - state["mean"])


@dataclasses.dataclass(frozen=True)
class TwoSidedRank(OfOneStatistic):
    """|rank of T(x) in the reference - 1/2|, with ranks between 0 and 1, see `rank`.

    All images outside the range of the reference have the same score.
    """

    def learn(self, reference: Reference) -> Any:  # noqa: D102
        return {"sorted": np.sort(column(reference, self.statistic))}

    def evaluate(self, state: Any, stats: Statistics) -> Float[np.ndarray, " N"]:  # noqa: D102
        return np.abs(rank(state["sorted"], column(stats, self.statistic)) - 0.5)


@dataclasses.dataclass(frozen=True)
class MaxRank(OfSeveralStatistics):
    """The largest, over statistics, of the ranks of T(x) in the reference, see `rank`. Large values of T mean OOD.

    All images above the range of the reference in one statistic have the same score.
    """

    def learn(self, reference: Reference) -> Any:  # noqa: D102
        return {"sorted": np.sort(columns(reference, self.statistics), axis=0)}

    def evaluate(self, state: Any, stats: Statistics) -> Float[np.ndarray, " N"]:  # noqa: D102
        pairs = zip(state["sorted"].T, columns(stats, self.statistics).T, strict=True)
        return np.max([rank(reference, values) for reference, values in pairs], axis=0)
