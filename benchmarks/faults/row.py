"""A row of the table: a kind of fault, and the function that tries it."""

import dataclasses
import importlib
import os
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

KINDS = (
    "signals",
    "damage",
    "readers",
    "places",
    "disks",
    "state",
    "two_writers",
    "environment",
    "hostile",
    "prepared",
    "downloads",
    "pages",
    "divergence",
    "several",
)
"""The modules that define rows, in the order of the table."""


@dataclasses.dataclass(frozen=True)
class Trial:
    """One fault that was tried.

    Attributes:
        name: what was done.
        lost: what did not hold; empty if all did.
        seconds: the time since the trial before it.
    """

    name: str
    lost: str = ""
    seconds: float = 0.0


@dataclasses.dataclass(frozen=True)
class Lab:
    """The place where a row works, and how much it does.

    Attributes:
        folder: an empty folder of its own.
        shared: the folder of the images, the compilation cache and the undisturbed run.
        repeats: 1 by default; the random trials of a row are as many times more.
        random: the source of its random moments and places.
    """

    folder: Path
    shared: Path
    repeats: int
    random: random.Random

    def path(self, name: str) -> Path:
        """A path in the row's folder at which nothing lies."""
        number = 0
        while os.path.lexists(path := self.folder / (f"{name}-{number}" if number else name)):
            number += 1
        return path


Try: TypeAlias = Callable[[Lab], Iterator[Trial]]


@dataclasses.dataclass(frozen=True)
class Row:
    """A kind of fault.

    Attributes:
        name: its name for `--only`.
        title: what is tried, in the table.
        holds: what must hold.
        kind: the module that defines it.
        trials: tries the faults, one after the other.
        minutes: a row that takes longer is ended, and has lost.
    """

    name: str
    title: str
    holds: str
    kind: str
    trials: Try
    minutes: float


_ROWS: dict[str, Row] = {}


def row(title: str, holds: str, minutes: float = 5) -> Callable[[Try], Try]:
    """Makes a function a row; the name of the row is that of the function."""

    def define(trials: Try) -> Try:
        name = trials.__name__.replace("_", "-")
        kind = trials.__module__.rpartition(".")[2]
        _ROWS[name] = Row(name, title, holds, kind, trials, minutes)
        return trials

    return define


def rows() -> dict[str, Row]:
    """All rows by name, in the order of the table."""
    for kind in KINDS:
        importlib.import_module(f"benchmarks.faults.{kind}")
    return {name: one for kind in KINDS for name, one in _ROWS.items() if one.kind == kind}


def trial(name: str, claims: Mapping[str, bool], seen: object = "") -> Trial:
    """A trial that survived if every claim holds; otherwise it tells the others, and what was seen."""
    broken = [claim for claim, holds in claims.items() if not holds]
    return Trial(name, f"not: {', '.join(broken)}; {seen}" if broken else "")
