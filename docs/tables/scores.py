"""The table of all scores."""

from docs.tables.kept import Rows
from glowjax import ood


def scores() -> Rows:
    """One row per score: its group, formula, paper, and the statistics that it needs."""
    yield ["score", "group", "formula", "source", "statistics"]
    groups = dict.fromkeys(one.group for one in ood.SCORES.values())
    for group in groups:
        for one in ood.SCORES.values():
            if one.group == group:
                formula = one.formula.replace("|", "\\|")
                yield [f"`{one.name}`", group, f"`{formula}`", one.paper, ", ".join(one.score.needs)]
