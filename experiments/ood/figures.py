"""The figures of detection: a heat map, and curves and histograms of the best score, the worst and the likelihood."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from experiments.ood.outcomes import LIKELIHOOD, Row
from experiments.ood.sets import Sets
from experiments.ood.tables import best
from experiments.report.page import Figure, slug
from experiments.report.trained import title
from glowjax import plots
from glowjax.data import ImageSet

GRID = np.linspace(0, 1, 201)
"""False positive rates at which curves are drawn."""


def heat_map(rows: Sequence[Row], sets: Sets) -> Figure:
    """The AUROC of all scores on all sets."""
    groups: dict[str, list[plots.HeatRow]] = {}
    for row in rows:
        found = [row.outcomes.get(one.name) for one in sets.others]
        aurocs = [np.nan if one is None else one.auroc for one in found]
        marked = [one is not None and one.beats_null for one in found]
        framed = [best(rows, one.name) is row for one in sets.others]
        groups.setdefault(row.entry.group, []).append(plots.HeatRow(row.entry.name, aurocs, marked, framed))
    by_set = {
        one.name: {row.entry.name: row.outcomes[one.name].auroc for row in rows if one.name in row.outcomes}
        for one in sets.others
    }
    return Figure(
        "heat-map",
        plots.score_heat_map(groups, [title(one.name) for one in sets.others], len(sets.asked)),
        by_set,
        "AUROC of each score on each set: blue is better than chance, red is worse. Bold numbers are above the best "
        "null model by more than their interval; a frame marks the best score of single images. Right of the line are "
        "sets that should be easy.",
        "Heat map of AUROCs by score and OOD set",
    )


def roles(rows: Sequence[Row], name: str) -> dict[str, Row]:
    """The best score on a set, the likelihood, and the worst score, without null models and scores of batches."""
    own = [row for row in rows if name in row.outcomes and not row.is_null and not row.is_of_batches]
    if not own:
        return {}
    likelihood = next((row for row in own if row.entry.name == LIKELIHOOD), None)
    found = {
        "best": best(own, name),
        LIKELIHOOD: likelihood,
        "worst": min(own, key=lambda row: row.outcomes[name].auroc),
    }
    shown: dict[str, Row] = {}
    for role in (LIKELIHOOD, "best", "worst"):
        if (row := found[role]) is not None and row not in shown.values():
            shown[role] = row
    return {role: shown[role] for role in found if role in shown}


def curves(rows: Sequence[Row], sets: Sets) -> Figure:
    """ROC curves."""
    by_set = {}
    for one in sets.shown:
        by_role = {}
        for role, row in roles(rows, one.name).items():
            outcome = row.outcomes[one.name]
            label = row.entry.name if role == LIKELIHOOD else f"{role}: {row.entry.name}"
            by_role[role] = (f"{label} ({outcome.auroc:.3f})", GRID, true_positive_rates(*outcome.scores))
        by_set[title(one.name)] = by_role
    return Figure(
        "roc-curves",
        plots.roc_curves(by_set),
        by_set,
        "ROC curves of the best score, the likelihood and the worst score of each set, with AUROCs in brackets. Above "
        "the diagonal a score is better than chance. Null models and scores of batches are left out.",
        "ROC curves by OOD set",
    )


def true_positive_rates(in_scores: np.ndarray, out_scores: np.ndarray) -> Float[np.ndarray, " _"]:
    """The share of OOD images at or above the threshold that flags each share of `GRID` of the in-distribution images.

    Between two thresholds the curve is straight, as for a tie that is broken at random.
    """
    thresholds = np.unique(np.concatenate([in_scores, out_scores]))[::-1]
    false, true = (
        np.concatenate([[0.0], 1 - np.searchsorted(np.sort(scores), thresholds) / len(scores)])
        for scores in (in_scores, out_scores)
    )
    ends = np.append(np.flatnonzero(np.diff(false)), len(false) - 1)  # the highest point of each vertical step
    return np.interp(GRID, false[ends], true[ends])


def histograms(rows: Sequence[Row], one: ImageSet, test: ImageSet) -> Figure:
    """Histograms of scores on one set."""
    scores = {
        f"{row.entry.name}: AUROC {row.outcomes[one.name].auroc:.3f}": dict(
            zip((title(test.name), title(one.name)), row.outcomes[one.name].scores, strict=True)
        )
        for row in roles(rows, one.name).values()
    }
    return Figure(
        f"scores-{slug(one.name)}",
        plots.score_histograms(scores),
        scores,
        f"Scores of {title(test.name)} and {title(one.name)} images, by the best score, the likelihood and the worst "
        "score. Further right is more OOD.",
        f"Histograms of scores of {title(one.name)}",
    )
