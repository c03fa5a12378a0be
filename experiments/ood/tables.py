"""The tables of detection: AUROCs, differences from the likelihood, costs, what scores saw; and the same as JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.ood.outcomes import LIKELIHOOD, NULL, Outcome, Row
from experiments.report.page import Cell, Number, Table
from experiments.report.trained import title
from glowjax import ood
from glowjax.data import ImageSet

MARK = "*"
"""Marks a number that is better than the best null model by more than its interval."""

MARKS = (
    f"Bold: the best score of single images. {MARK}: the AUROC is above that of the best null model of "
    "that set, by more than the 95 % interval of the paired difference"
)


FIRST = ("likelihoods", "a second reference", "codecs", "ensembles", "latents", "density of states")
"""The first groups of the tables; the others follow in the order in which they occur, and the null models are last."""


def ordered(rows: Sequence[Row]) -> list[Row]:
    """The rows by group."""
    groups = dict.fromkeys([*FIRST, *(row.entry.group for row in rows if not row.is_null), NULL])
    return sorted(rows, key=lambda row: list(groups).index(row.entry.group))


def best(rows: Sequence[Row], name: str) -> Row | None:
    """The score of single images with the highest AUROC on a set."""
    able = [row for row in rows if name in row.outcomes and not row.is_of_batches]
    return max(able, key=lambda row: row.outcomes[name].auroc, default=None)


def main_table(rows: Sequence[Row], sets: Sequence[ImageSet]) -> Table:
    """Score x set: the AUROC, its difference from the likelihood's, and what the score costs and saw."""
    header = ["score"]
    for one in sets:
        header += [f"{title(one.name)}: AUROC", "minus likelihood"]
    body = []
    for row in rows:
        cells: list[Cell] = [row.entry.name]
        for one in sets:
            cells += [_auroc(row, one.name, rows), _minus_likelihood(row.outcomes.get(one.name))]
        body.append([*cells, f"{row.num_images:,}", Number(1000 * row.seconds, ".2g"), seen(row)])
    caption = (
        f"AUROC with its 95 % interval, and its difference from that of the likelihood, paired by image. {MARKS}. "
        "Images: the largest number per set. ms / image: the time of all statistics of the score, "
        "apart from its own arithmetic"
    )
    return Table(caption, [*header, "images", "ms / image", "has seen"], body)


def auroc_table(rows: Sequence[Row], sets: Sequence[ImageSet]) -> Table:
    """Score x set: the AUROCs alone."""
    body = [[row.entry.name, *(_auroc(row, one.name, rows) for one in sets)] for row in rows]
    return Table(f"AUROC with its 95 % interval. {MARKS}", ["score", *(title(one.name) for one in sets)], body)


def precision_table(rows: Sequence[Row], name: str) -> Table:
    """The other metrics of each score on one set."""
    body: list[list[Cell]] = []
    for row in rows:
        if name in row.outcomes:
            metrics = row.outcomes[name].metrics
            numbers = (metrics.aupr_out, metrics.aupr_in, metrics.fpr_at_95_tpr)
            body.append([row.entry.name, *(Number(one, ".3f[]") for one in numbers)])
    caption = (
        f"{title(name)}: balanced areas under precision and recall (chance: 0.5), and the share of test images flagged "
        "if 95 % of the OOD images are (chance: 0.95), with 95 % intervals"
    )
    return Table(caption, ["score", "AUPR, OOD positive", "AUPR, test images positive", "FPR at 95 % TPR"], body)


def formulas(rows: Sequence[Row]) -> Table:
    """What each score is."""
    body = [[row.entry.name, row.entry.group, row.entry.formula, row.entry.paper] for row in rows]
    return Table("Higher means more OOD", ["score", "group", "formula", "paper"], body)


def foot(rows: Sequence[Row], lacking: Mapping[str, str]) -> Table:
    """The scores that are not in the tables, or not everywhere, and why."""
    body: list[list[Cell]] = [[name, reason] for name, reason in lacking.items()]
    body += [[f"{row.entry.name}, {title(name)}", reason] for row in rows for name, reason in row.failures.items()]
    for row in rows:
        if constant := row.constant_on:
            body.append([row.entry.name, f"All images have one score: {', '.join(map(title, constant))}."])
    body = body or [["none", "Every score has a number on every set, and none is constant."]]
    return Table("Scores without a number, and scores that are constant", ["score", "why"], body)


def seen(row: Row) -> str:
    """What a score has seen, in a few words."""
    needs = row.entry.score.needs
    own = [need for need in needs if need.partition(".")[0] not in ood.OTHERS]
    without_model = all(ood.FAMILIES[need].needs == "images" for need in own) and not row.entry.others
    parts = ["images" if without_model else "model"]
    parts += [{"background": "background model", "members": "ensemble"}.get(other, other) for other in row.entry.others]
    parts += ["reference"] * row.is_fitted
    parts += [f"batches of {row.entry.score.per_batch}"] * row.is_of_batches
    return ", ".join(parts)


def numbers(rows: Sequence[Row], lacking: Mapping[str, str]) -> dict[str, Any]:
    """{score: everything about it}."""
    return {row.entry.name: _numbers(row) for row in rows} | {name: {"missing": why} for name, why in lacking.items()}


def _numbers(row: Row) -> dict[str, Any]:
    entry = row.entry
    return {
        "group": entry.group,
        "paper": entry.paper,
        "formula": entry.formula,
        "has_seen": seen(row),
        "images_per_score": entry.score.per_batch,
        "num_images": row.num_images,
        "seconds_per_image": row.seconds,
        "sets": {name: _of_set(outcome) for name, outcome in row.outcomes.items()},
        "failures": dict(row.failures),
    }


def _of_set(outcome: Outcome) -> dict[str, Any]:
    num_in, num_out = map(len, outcome.scores)
    return {
        "num_scores": [num_in, num_out],
        **outcome.metrics.as_dict(),
        "aupr_by_chance": 0.5,
        f"minus {LIKELIHOOD}": outcome.minus_likelihood,
        "auroc minus best null model": outcome.minus_null,
        "beats_null_models": outcome.beats_null,
    }


def _auroc(row: Row, name: str, rows: Sequence[Row]) -> Cell:
    if name not in row.outcomes:
        return "-"
    outcome = row.outcomes[name]
    mark = MARK if outcome.beats_null else ""
    return Number(outcome.metrics.auroc, ".3f[]", mark, is_best=best(rows, name) is row)


def _minus_likelihood(outcome: Outcome | None) -> Cell:
    if outcome is None or outcome.minus_likelihood is None:
        return ""
    return Number(outcome.minus_likelihood.auroc, "+.3f[]")
