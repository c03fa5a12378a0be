"""Rewrites the tables of the pages from the numbers in docs/numbers: `python -m docs.tables`.

A comment above a table names what stands in it, such as `<!-- table: likelihoods nvp-fashion-hours -->`: a function of
this folder and its arguments. For runs whose own numbers were not kept, `docs/numbers/transcribed` has those of the
tables, with the command of each run.
"""

import re
from collections.abc import Callable
from pathlib import Path

from docs.tables import coverage, curvature, detection, faults, likelihoods, scores
from docs.tables.kept import Rows

DOCS = Path(__file__).parents[1]
TABLE = re.compile(r"(<!-- table: (.+?) -->\n\n)(?:\|.*\n)*")
TEXT = {
    "candidate",
    "time",
    "training",
    "fault",
    "must hold",
    "row",
    "open files",
    "memory maps",
    "field",
    "data",
    "lowest at",
    "has seen",
    "corruption",
    "why",
    "group",
    "formula",
    "source",
    "statistics",
}
"""Columns that are aligned to the left."""


def rewritten(page: str) -> str:
    """The page with each table below such a comment replaced by a new one."""
    return TABLE.sub(lambda found: found[1] + table(*found[2].split()), page)


def table(name: str, *arguments: str) -> str:
    """One table in Markdown; the first row of a function's rows is the header."""
    header, *rows = KINDS[name](*arguments)
    rule = ["---" if not place or cell in TEXT else "---:" for place, cell in enumerate(header)]
    if header[0] == "steps":
        rule[0] = "---:"
    return "".join(f"| {' | '.join(row)} |\n".replace("|  |", "| |", not row[0]) for row in [header, rule, *rows])


KINDS: dict[str, Callable[..., Rows]] = {
    name.replace("_", "-"): function
    for module in (likelihoods, curvature, coverage, detection, faults, scores)
    for name, function in vars(module).items()
    if getattr(function, "__module__", None) == module.__name__ and function.__annotations__.get("return") == Rows
}
"""The tables' functions by their names in the page."""


if __name__ == "__main__":
    for path in DOCS.glob("*.md"):
        path.write_text(rewritten(path.read_text()))
