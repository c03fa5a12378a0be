"""The tables of what a run survives, and of what grows."""

from docs.tables.kept import Rows, kept

KINDS = {
    "signals": "signals",
    "damage": "damaged checkpoints",
    "readers": "checkpoints out of reach",
    "places": "places",
    "disks": "disks",
    "state": "other files",
    "two_writers": "two processes",
    "environment": "environment",
    "hostile": "hostile files",
    "prepared": "hostile archives",
    "downloads": "downloads",
    "pages": "pages",
    "divergence": "divergence",
    "several": "several processes",
}
"""The kinds of faults in words."""


def faults() -> Rows:
    """One row per kind of fault: how often it was tried, survived and lost."""
    yield ["kind", "fault", "must hold", "tried", "survived", "lost", "row"]
    for row in kept("faults")["rows"]:
        counts = [f"{row[name]:,}" for name in ("tried", "survived", "lost")]
        yield [KINDS[row["kind"]], row["title"].replace("|", "\\|"), row["holds"], *counts, f"`{row['row']}`"]


def growth() -> Rows:
    """One row per thing that was repeated: the memory that each adds."""
    yield ["repeated", "times", "KiB each", "95 % interval", "open files", "memory maps"]
    found = kept("growth")
    for row in (row for part in found["config"]["parts"] for row in found[part]):
        interval = f"{row['low']:.2f} to {row['high']:.2f}"
        yield [row["repeated"], f"{row['count']:,}", f"{row['kib_each']:.2f}", interval, row["files"], row["maps"]]


def machine() -> Rows:
    """The date, the versions and the kind of machine on which the faults were tried."""
    found = kept("faults")
    names = ("date", "python", "jax", "orbax-checkpoint", "numpy", "system", "cores", "root")
    yield [*names, "minutes"]
    yield [
        *(str(found["machine"][name]).replace("True", "yes").replace("False", "no") for name in names),
        f"{found['minutes']:.0f}",
    ]
