"""How well every score separates every OOD set from the test images, beside the likelihood and the null models."""

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from experiments.ood.collected import Collected
from experiments.ood.sets import Sets
from glowjax import ood
from glowjax.checks import InputError
from glowjax.data import ImageSet
from glowjax.ood import DetectionDifference, DetectionMetrics, Entry
from glowjax.stats import Estimate

NULL = "null models"
"""The group of scores without any model of images."""

LIKELIHOOD = "likelihood"
"""The score that others are compared with."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A score on one OOD set.

    Attributes:
        scores: the scores of the test images and of the OOD images.
        metrics: how well they separate the two.
        minus_likelihood: the metrics minus those of the likelihood on the same images; None for the likelihood itself
            and for scores of batches.
        minus_null: the AUROC minus that of the best null model on the same images; None for null models and for scores
            of batches.
    """

    scores: tuple[np.ndarray, np.ndarray]
    metrics: DetectionMetrics
    minus_likelihood: DetectionDifference | None = None
    minus_null: Estimate | None = None

    @property
    def auroc(self) -> float:
        """The AUROC."""
        return float(self.metrics.auroc.value)

    @property
    def beats_null(self) -> bool:
        """Whether the interval of the difference from the best null model lies above zero."""
        return self.minus_null is not None and bool(self.minus_null.interval[0] > 0)


@dataclasses.dataclass(frozen=True)
class Row:
    """A score on all OOD sets.

    Attributes:
        entry: the score.
        seconds: seconds per image of the statistics that it needs.
        num_images: the largest number of images per set.
        is_fitted: whether it learned something from the reference.
        outcomes: {set: its outcome}, without the sets on which it failed.
        failures: {set: why it failed there}.
    """

    entry: Entry
    seconds: float
    num_images: int
    is_fitted: bool
    outcomes: Mapping[str, Outcome]
    failures: Mapping[str, str]

    @property
    def is_null(self) -> bool:
        """Whether it is a null model."""
        return self.entry.group == NULL

    @property
    def is_of_batches(self) -> bool:
        """Whether several images share a score."""
        return self.entry.score.per_batch > 1

    @property
    def constant_on(self) -> list[str]:
        """The sets whose images all have the same score."""
        return [name for name, one in self.outcomes.items() if np.ptp(one.scores[1]) == 0]


def rows_of(collected: Collected, names: Sequence[str], sets: Sets) -> tuple[list[Row], dict[str, str]]:
    """A row per score, and {score: why it has none}."""
    rows, lacking = [], {}
    for name in names:
        entry = ood.SCORES[name]
        if not collected.num_images_of(entry):
            lacking[name] = f"It takes {collected.seconds_of(entry):.2g} seconds per image; give it more --minutes."
            continue
        try:
            rows.append(_row(collected, entry, sets))
        except InputError as error:
            lacking[name] = str(error)
    base = [row for row in rows if row.entry.name == LIKELIHOOD]
    null = [row for row in rows if row.is_null and not row.is_of_batches]
    return [_compared(row, base, null, sets) for row in rows], lacking


def _row(collected: Collected, entry: Entry, sets: Sets) -> Row:
    """A score, fitted to the reference, on each set."""
    outcomes, failures = {}, {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ood.ConstantScoreWarning)  # the foot of the table says it
        fitted = entry.score.fit(collected.of(sets.reference.name, entry).as_reference())
        own = fitted(collected.of(sets.test.name, entry))
        for other in sets.others:
            try:
                scores = (own, fitted(collected.of(other.name, entry)))
                groups = {} if entry.score.per_batch > 1 else _groups(scores, sets.test, other)
                outcomes[other.name] = Outcome(scores, ood.detection_metrics(*scores, **groups))
            except InputError as error:
                failures[other.name] = str(error)
    num_images = collected.num_images_of(entry)
    is_fitted = bool(jax.tree.leaves(fitted.state))
    return Row(entry, collected.seconds_of(entry), num_images, is_fitted, outcomes, failures)


def _groups(scores: tuple[np.ndarray, np.ndarray], test: ImageSet, other: ImageSet) -> dict[str, Any]:
    """The groups of the images behind scores of single images."""
    groups = (
        None if one.groups is None else one.groups[: len(own)] for one, own in zip((test, other), scores, strict=True)
    )
    return dict(zip(("groups_in", "groups_out"), groups, strict=True))


def _compared(row: Row, base: Sequence[Row], null: Sequence[Row], sets: Sets) -> Row:
    """The row with its differences from the likelihood, and from the null model with the highest AUROC of each set."""
    if row.is_of_batches:
        return row
    found = {}
    for other in sets.others:
        name = other.name
        if name not in row.outcomes:
            continue
        outcome = row.outcomes[name]
        minus_likelihood = minus_null = None
        if row not in base and (of_base := [one.outcomes[name] for one in base if name in one.outcomes]):
            minus_likelihood = _difference(outcome, of_base[0], sets.test, other)
        if not row.is_null and (of_null := [one.outcomes[name] for one in null if name in one.outcomes]):
            best = max(of_null, key=lambda one: one.auroc)
            minus_null = _difference(outcome, best, sets.test, other).auroc
        found[name] = dataclasses.replace(outcome, minus_likelihood=minus_likelihood, minus_null=minus_null)
    return dataclasses.replace(row, outcomes=found)


def _difference(one: Outcome, base: Outcome, test: ImageSet, other: ImageSet) -> DetectionDifference:
    """The metrics of a score minus those of another one, on the images that both have."""
    num_in, num_out = (min(map(len, pair)) for pair in zip(one.scores, base.scores, strict=True))
    a, b = ((of.scores[0][:num_in], of.scores[1][:num_out]) for of in (one, base))
    return ood.compare(*a, *b, **_groups(a, test, other))
