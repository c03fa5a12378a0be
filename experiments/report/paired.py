"""Several models on the same images: the differences of each from one of them, with paired errors.

The choice of images moves the numbers of all models together. The error of a difference is therefore computed from the
differences by image, and is often several times smaller than the two intervals of a table suggest.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from experiments.report.page import Cell, Number, Table
from experiments.report.scoring import Evaluation, gap
from experiments.report.trained import title
from glowjax import ood
from glowjax.stats import Estimate

Differences: TypeAlias = dict[str, dict[str, Estimate]]
"""{set: {measure: difference}}."""

MEASURES = {
    "bits_per_dim": ("bits/dim", "+.3f"),
    "gap_nats": ("gap [nats]", "+,.0f"),
    "auroc": ("AUROC", "+.3f"),
    "fpr_at_95_tpr": ("FPR at 95 % TPR", "+.3f"),
}
"""{measure: (its column, the format of its numbers)}."""


def differences(one: Evaluation, baseline: Evaluation) -> Differences:
    """The numbers of `one` minus those of `baseline` on the same images; the test set has bits/dim alone."""
    found: Differences = {}
    for name, scored in one.sets.items():
        other = baseline.sets[name]
        found[name] = {"bits_per_dim": scored.mean(scored.bits_per_dim - other.bits_per_dim)}
        if name in one.others:
            change, test_change = (
                a.log_likelihood - b.log_likelihood for a, b in ((scored, other), (one.test, baseline.test))
            )
            compared = ood.compare(
                one.test.bits_per_dim,
                scored.bits_per_dim,
                baseline.test.bits_per_dim,
                other.bits_per_dim,
                groups_in=one.test.images.groups,
                groups_out=scored.images.groups,
            )
            found[name] |= {
                "gap_nats": gap(scored.images, change, one.test.images, test_change),
                "auroc": compared.auroc,
                "fpr_at_95_tpr": compared.fpr_at_95_tpr,
            }
    return found


def all_differences(models: Mapping[str, Evaluation], baseline: str) -> dict[str, Differences]:
    """The differences of every other model from the one called `baseline`."""
    return {name: differences(one, models[baseline]) for name, one in models.items() if name != baseline}


def table(found: Mapping[str, Differences], baseline: str) -> list[Table]:
    """A row per model and set, in a list; an empty list if there is no other model."""
    if not found:
        return []
    columns = [column for column, _ in MEASURES.values()]
    rows: list[list[Cell]] = [
        [f"{model}, {title(name)}", *(Number(row[m], spec) if m in row else "" for m, (_, spec) in MEASURES.items())]
        for model, sets in found.items()
        for name, row in sets.items()
    ]
    caption = (
        f"Differences from {baseline} on the same images, ± standard error, paired by image. The gap is the mean log P "
        "of a set minus that of the test set; the score of AUROC and FPR is bits/dim"
    )
    return [Table(caption, ["model and set", *columns], rows)]


def with_differences(
    numbers: Mapping[str, Mapping[str, Any]], found: Mapping[str, Differences], baseline: str
) -> dict[str, Any]:
    """The numbers {model: {set: numbers}} with the differences of each set as "minus <baseline>"."""
    return {
        model: {
            name: {**row, f"minus {baseline}": found[model][name]} if model in found else row
            for name, row in sets.items()
        }
        for model, sets in numbers.items()
    }
