"""One exception for everything a caller can put right, and the sentence that names the nearest known word."""

import difflib
from collections.abc import Iterable


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
