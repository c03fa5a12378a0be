"""Checks of what users pass in: InputError, "did you mean" suggestions, counts, images and folders."""

import difflib
import numbers
import tempfile
from collections.abc import Iterable
from pathlib import Path
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


def writable_directory(directory: Path | str) -> Path:
    """The absolute path of `directory`, created if need be and shown to be writable.

    Raises InputError if it cannot be created or written.
    """
    path = Path(directory).expanduser().absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise InputError(f"Cannot write below {path} ({error.strerror}); name a directory that can be.") from error
    return path
