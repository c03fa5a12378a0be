"""The tables of how often intervals contain the truth."""

from typing import Any

from benchmarks.coverage.row import ENOUGH
from docs.tables.kept import Rows, kept


def coverage(kind: str) -> Rows:
    """One row per case of a kind of functions; a coverage below 0.92 is bold."""
    yield ["function", "field", "data", "N", "groups", "coverage", "too low", "too high", "error", "warned"]
    for case in _cases(kind):
        percent = [f"{100 * case[name]:.1f} %" for name in ("below", "above")]
        error = "" if case["ratio"] is None else f"{case['ratio']:.2f}"
        warned = f"{100 * case['told']:.0f} %" if case["told"] else ""
        groups = "" if case["groups"] is None else str(case["groups"])
        yield [*_name(case), case["data"], f"{case['num']:,}", groups, _interval(case), *percent, error, warned]


def coverage_summary() -> Rows:
    """One row per field of a function: its cases, those below 0.92, and the lowest."""
    yield ["function", "field", "cases", "below 0.92", "lowest", "lowest at"]
    fields: dict[tuple[str, str], list[Any]] = {}
    for case in _cases():
        fields.setdefault(_name(case), []).append(case)
    for name, cases in fields.items():
        worst = min(cases, key=lambda case: case["coverage"])
        groups = "" if worst["groups"] is None else f" in {worst['groups']} groups"
        few = sum(case["coverage"] < ENOUGH for case in cases)
        yield [*name, str(len(cases)), str(few), _interval(worst), f"{worst['data']}, N = {worst['num']:,}{groups}"]


def coverage_runs() -> Rows:
    """One row per row of the benchmark: how many data sets each of its cases has."""
    yield ["row", "function", "data sets per case", "seed", "seconds"]
    for name, row in kept("coverage")["rows"].items():
        times = sorted({case["times"] for case in row["cases"]})
        function = row["cases"][0]["function"]
        yield [
            f"`{name}`",
            f"`{function}`",
            " or ".join(f"{n:,}" for n in times),
            str(row["seed"]),
            str(row["seconds"]),
        ]


def _cases(kind: str | None = None) -> list[Any]:
    rows = kept("coverage")["rows"].values()
    return [case for row in rows if kind in (None, row["kind"]) for case in row["cases"]]


def _name(case: Any) -> tuple[str, str]:
    return f"`{case['function']}`", f"`{case['field']}`" if case["field"] else ""


def _interval(case: Any) -> str:
    value = f"{case['coverage']:.3f}"
    marked = f"**{value}**" if case["coverage"] < ENOUGH else value
    return f"{marked} [{case['low']:.3f}, {case['high']:.3f}]"
