"""The numbers of docs/numbers, and how a table prints them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

NUMBERS = Path(__file__).parents[1] / "numbers"
MINUS = "\N{MINUS SIGN}"

Rows: TypeAlias = Iterable[list[str]]
Estimate: TypeAlias = dict[str, float]


def kept(*place: str) -> Any:
    """The numbers of a command, such as `kept("nvp-fashion-hours", "curvature")`."""
    path = Path(*place).with_suffix(".json")
    if (NUMBERS / path).is_file():
        return json.loads((NUMBERS / path).read_text())
    return json.loads((NUMBERS / "transcribed" / path).read_text())["numbers"]


def value(found: Estimate) -> float:
    """The value of an estimate; the oldest numbers call it a mean."""
    return found["mean"] if "mean" in found else found["value"]


def interval(found: Estimate) -> str:
    """An estimate with its 95 % interval."""
    return f"{value(found):.3f} [{found['low']:.3f}, {found['high']:.3f}]"


def signed(found: Estimate, digits: int = 0, sign: int = 1) -> str:
    """A signed estimate with its standard error."""
    return f"{sign * value(found):+,.{digits}f} ± {found['sem']:,.{digits}f}".replace("-", MINUS)
