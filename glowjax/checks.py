"""Checks of what users pass in: InputError, "did you mean" suggestions, counts, images and folders."""

import difflib
import numbers
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
import numpy as np


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


def native_array(values: Any, name: str) -> np.ndarray:
    """`values` as a NumPy array in this machine's byte order; a list of arrays of one shape is stacked.

    Raises InputError for masked values, and for lists of different shapes.
    """
    if np.ma.is_masked(values):
        raise InputError(f"{name} have masked entries; fill them with .filled(...) or leave those entries out.")
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InputError(f"{name} cannot be made into one array ({error}); pass arrays of one shape.") from error
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def check_images(images: np.ndarray | jax.Array, name: str = "The images", batch: bool = False) -> None:
    """Raises InputError unless `images` is uint8 [..., H, W, C], or [N, H, W, C] if `batch`, and not empty."""
    right_rank = images.ndim == 4 if batch else images.ndim >= 3
    if images.dtype == np.uint8 and right_rank and images.size > 0:
        return
    raise InputError(
        f"{name} are {images.dtype} of shape {list(images.shape)}{_range(images)}; expected uint8 grey levels 0 to 255 "
        f"of shape [{'N' if batch else '...'}, H, W, C] with no empty axis; round to levels and cast with "
        ".astype(np.uint8), channels last, with an axis of length 1 for grey images."
    )


def _range(images: np.ndarray | jax.Array) -> str:
    """The range of concrete numbers, for a message; empty under a transformation and for anything else."""
    if isinstance(images, jax.core.Tracer) or images.size == 0 or not np.issubdtype(images.dtype, np.number):
        return ""
    if not np.isfinite(np.asarray(images, np.float64)).all():
        return " with NaN or infinity among them"
    return f" between {np.min(images):g} and {np.max(images):g}"


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
