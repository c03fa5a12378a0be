"""The sections of the page about detectors in front of a classifier."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.figures.detectors import (
    ACCEPTED,
    AND_WRONG,
    CONFIDENCE,
    MINUS_CLASSIFIER,
    OF_CLASSIFIER,
    Answers,
    Detectors,
)
from experiments.report.page import Cell, Figure, Number, Section, Table
from experiments.report.trained import title
from glowjax import ood, plots
from glowjax.data import ImageSet
from glowjax.ood import Entry
from glowjax.plots.selection import Detector
from glowjax.stats import Estimate

NUM_POINTS = 200
"""Number of points of a risk-coverage curve in the figure."""

RULES = (
    "A detector has a score, which is higher for images that are more out-of-distribution, and rejects images above a "
    "threshold. What a score learns, it learns from {reference}. The threshold is a quantile of its scores of "
    "validation images, which neither the classifier nor the score has seen. No OOD image is used. Scores of the "
    "classifier need no generative model, and those of images alone need no model at all."
)
RISK_TEXT = (
    "Half of the images are clean test images, half are of another set; every answer to an OOD image is wrong, and "
    "corrupted images keep their class. Images are accepted in the order of each detector's score. A detector that "
    "recognizes the other images accepts the clean ones first: its risk stays low until half of the images are "
    "accepted."
)


def shares(outcome: dict[str, Any], what: str, kept: float) -> dict[Detector, Estimate]:
    """{detector: one of the shares or differences of `shares_of`}."""
    return {detector: by_kept[kept][what] for detector, by_kept in outcome["detectors"].items()}


def classifier_alone(outcomes: Mapping[str, dict[str, Any]], confident: float) -> Section:
    """The classifier without a detector."""
    table = Table(
        f"Shares of images with 95 % intervals; confident means a probability of {confident:g} or more",
        ["set", "images", "right", "mean confidence", "confidently wrong"],
        [
            [
                title(name),
                f"{outcome['num_images']:,}",
                Number(outcome["accuracy"], ".3f[]"),
                Number(float(outcome["confidence"].value), ".3f"),
                Number(outcome["confidently_wrong"], ".3f[]"),
            ]
            for name, outcome in outcomes.items()
        ],
    )
    text = (
        "An OOD image has no class here: every answer to it is wrong. Rotated and corrupted test images keep their "
        "class."
    )
    return Section("The classifier alone", text, [table])


def definitions(detectors: Detectors, entries: Sequence[Entry], reference: ImageSet) -> Section:
    """What the scores are, and which there are not."""
    every = [*(ood.SCORES[name] for name in OF_CLASSIFIER), *entries]
    tables = [
        Table("Scores", ["score", "formula", "paper"], [[one.name, one.formula, one.paper] for one in every]),
    ]
    if detectors.lacking:
        rows = [[*detector, reason] for detector, reason in detectors.lacking.items()]
        tables.append(Table("Scores that a model cannot give", ["model", "score", "reason"], rows))
    text = RULES.format(reference=f"{reference.num_images:,} training images ({title(reference.name)})")
    return Section("The detectors", text, tables)


def detectors_that_keep(
    outcomes: Mapping[str, dict[str, Any]], kept: float, confident: float, by_kind: Sequence[Sequence[str]]
) -> Section:
    """A row per detector; a table for each kind of set, for each of two shares and their paired differences."""
    captions = {
        ACCEPTED: "Share of images accepted, with 95 % intervals",
        AND_WRONG: "Share of images accepted and then answered wrongly with a confidence of "
        f"{confident:g} or more, with 95 % intervals",
    }
    tables = []
    for what, caption in captions.items():
        paired = f"{caption}: minus that of the classifier's confidence, paired by image"
        for sets in filter(None, by_kind):
            header = ["detector", *map(title, sets)]
            for text, shown, spec in ((caption, what, ".3f[]"), (paired, MINUS_CLASSIFIER[what], "+.3f[]")):
                found = [shares(outcomes[name], shown, kept) for name in sets]
                detectors = [d for d in found[0] if d != CONFIDENCE or shown == what]
                rows: list[list[Cell]] = [[", ".join(d), *(Number(one[d], spec) for one in found)] for d in detectors]
                tables.append(Table(text, header, rows))
    return Section(f"Detectors that keep {kept:.0%} of validation images", tables=tables)


def rotated_images(outcomes: Mapping[float, dict[str, Any]], kept: float) -> Section:
    """Accuracy and acceptance by angle."""
    accuracy, confidence = ([one[what] for one in outcomes.values()] for what in ("accuracy", "confidence"))
    by_angle = [shares(one, ACCEPTED, kept) for one in outcomes.values()]
    accepted = {detector: [one[detector] for one in by_angle] for detector in by_angle[0]}
    by_name = {", ".join(detector): estimates for detector, estimates in accepted.items()}
    figure = Figure(
        "rotated",
        plots.acceptance_by_angle(list(outcomes), accuracy, confidence, accepted, kept),
        {"angles": list(outcomes), "accuracy": accuracy, "confidence": confidence, "accepted": by_name},
        "First: accuracy and confidence by angle; Louizos and Welling saw the former fall faster than the latter. Then "
        f"the share of rotated images that each detector accepts if it keeps {kept:.0%} of validation images.",
        "Accuracy and confidence by angle, and the share that each detector accepts",
    )
    return Section("Rotated images", figures=[figure])


def risk_coverage(clean: Answers, others: Mapping[str, Answers]) -> Section:
    """Curves of risk against coverage, and the areas under them."""
    grid = np.linspace(1 / NUM_POINTS, 1, NUM_POINTS)
    risk: dict[str, dict[Detector, np.ndarray]] = {}
    best: dict[str, np.ndarray] = {}
    by_set = {title(name): _halves(clean, one) for name, one in others.items()}
    for name, parts in by_set.items():
        wrong = np.concatenate([half[1] for half in parts[CONFIDENCE]])
        risk[name] = {
            detector: np.interp(grid, *ood.risk_coverage(np.concatenate([half[0] for half in halves]), wrong))
            for detector, halves in parts.items()
        }
        rejects_wrong_first = wrong + np.arange(len(wrong)) / (2 * len(wrong))
        best[name] = np.interp(grid, *ood.risk_coverage(rejects_wrong_first, wrong))
    figure = Figure(
        "risk-coverage",
        plots.risk_coverage(dict.fromkeys(risk, grid), risk, best),
        {
            name: {"coverage": grid, "best": best[name], **{", ".join(d): c for d, c in curves.items()}}
            for name, curves in risk.items()
        },
        "Lower is better; the curve of a detector that prefers OOD images starts high.",
        "Risk against coverage for each detector",
    )
    return Section("Risk and coverage", RISK_TEXT, _areas(by_set), [figure])


def _halves(clean: Answers, other: Answers) -> dict[Detector, list[ood.selective.Part]]:
    """{detector: the clean half and the other half}, of the same size."""
    halves = (clean, other)
    size = min(len(half.correct) for half in halves)
    groups = [None if half.images.groups is None else half.images.groups[:size] for half in halves]
    return {
        detector: [
            (half.scores[detector][:size], ~half.correct[:size], own) for half, own in zip(halves, groups, strict=True)
        ]
        for detector in clean.scores
    }


def _areas(by_set: Mapping[str, Mapping[Detector, list[ood.selective.Part]]]) -> list[Table]:
    """Areas under the curves, a row per detector and a column per set, and their differences from the classifier's."""
    detectors = list(next(iter(by_set.values())))
    header = ["detector", *(f"half {name}" for name in by_set)]
    areas: list[list[Cell]] = [
        [", ".join(one), *(Number(ood.area_under_risk(parts[one]), ".3f[]") for parts in by_set.values())]
        for one in detectors
    ]
    differences: list[list[Cell]] = [
        [
            ", ".join(one),
            *(
                Number(ood.compare_areas_under_risk(parts[one], parts[CONFIDENCE]), "+.3f[]")
                for parts in by_set.values()
            ),
        ]
        for one in detectors
        if one != CONFIDENCE
    ]
    caption = "Area under the risk-coverage curve, with 95 % intervals"
    paired = "The same areas minus that of the classifier's confidence, paired by image"
    return [Table(caption, header, areas), Table(paired, header, differences)]
