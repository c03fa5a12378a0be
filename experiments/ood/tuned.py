"""The two thresholds of Kamkari et al. (2024) chosen with OOD labels, beside the same with a random score."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from experiments.ood.outcomes import LIKELIHOOD, Outcome, Row
from experiments.ood.sets import Sets
from experiments.report.page import Cell, Number, Section, Table
from experiments.report.trained import title
from glowjax import ood

DIMENSION, RANDOM = "dimension", "null-random"

TEXT = (
    "Kamkari et al. (2024) flag an image if its likelihood or its intrinsic dimension is below a threshold. They "
    "choose both thresholds with the labels of OOD images, for each false positive rate, and report the area under the "
    "hull of the results. That area cannot be below 0.5, whatever the scores are, and it has no interval here. The "
    "second row takes a random score in place of the dimension. The row 'two-thresholds' of the tables above is the "
    "same rule without OOD labels."
)

Areas: TypeAlias = dict[str, dict[str, float]]
"""{pair of scores: {set: area under the hull}}."""


def hulls(rows: Sequence[Row]) -> Areas:
    """The areas of the likelihood with the dimension, and with a random score; {} if the dimension is not there."""
    by_name = {row.entry.name: row.outcomes for row in rows}
    names = [name for name in (DIMENSION, RANDOM) if name in by_name]
    if not {LIKELIHOOD, DIMENSION} <= by_name.keys():
        return {}
    return {
        f"{LIKELIHOOD}, {name} (tuned with OOD labels)": _areas(by_name[LIKELIHOOD], by_name[name], by_name[DIMENSION])
        for name in names
    }


def _areas(
    first: Mapping[str, Outcome], second: Mapping[str, Outcome], like: Mapping[str, Outcome]
) -> dict[str, float]:
    """{set: area} on the images that `like` has scores of."""
    areas = {}
    for name in [name for name in like if name in first and name in second]:
        (in_a, out_a), (in_b, out_b) = first[name].scores, second[name].scores
        num_in, num_out = map(len, like[name].scores)
        areas[name] = ood.two_threshold_hull(in_a[:num_in], in_b[:num_in], out_a[:num_out], out_b[:num_out])
    return areas


def section(areas: Areas, sets: Sets) -> Section:
    """The areas in a table."""
    rows: list[list[Cell]] = [
        [name, *(Number(of_set[one.name], ".3f") if one.name in of_set else "-" for one in sets.others)]
        for name, of_set in areas.items()
    ]
    table = Table("Area under the hull", ["scores", *(title(one.name) for one in sets.others)], rows)
    return Section("Tuned with OOD labels", TEXT, [table])
