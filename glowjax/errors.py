"""One exception for everything a caller can put right, and the sentence that names the nearest known word."""

import difflib
import numbers
from collections.abc import Iterable
from typing import Any


class InputError(ValueError):
    """Bad input, told in one sentence: what came, what was expected, what to do.

    The experiments print the sentence and exit with status 2; in the library it is an ordinary ValueError.
    """


def unknown(kind: str, name: str, known: Iterable[str]) -> InputError:
    """An InputError for a name that is not among the known ones; it suggests the nearest."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.0)
    hint = f"; did you mean '{near[0]}'?" if near else "."
    return InputError(f"Unknown {kind} '{name}'{hint} Known: {', '.join(names)}.")


def is_count(value: Any) -> bool:
    """Whether `value` is a positive whole number, of Python or NumPy."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool) and int(value) >= 1


def check_count(name: str, value: Any) -> None:
    """Raises InputError unless `value` is a positive whole number, of Python or NumPy."""
    if not is_count(value):
        raise InputError(f"{name} must be a positive whole number, but is {value!r}.")
