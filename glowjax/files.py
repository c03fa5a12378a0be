"""Write files of runs, models and reports in one step. Damaged files are renamed, never deleted."""

import contextlib
import itertools
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from glowjax.checks import InputError

PART = ".part"
"""The suffix of files and folders that are being written. If a process was killed, its left-overs may be deleted."""


@contextlib.contextmanager
def in_one_step(path: Path) -> Iterator[Path]:
    """Yields a temporary path for writing. After the block, the file there replaces `path`.

    If the process is killed, the power fails or the disk is full, either the old file or the new one is at `path`. The
    temporary path differs each time, so two writers do not disturb each other.
    """
    part = path.with_name(f".{path.name[:50]}.{secrets.token_hex(4)}{PART}")
    try:
        yield part
        sync(part)
        part.replace(path)
        sync(path.parent)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes a text file in one step."""
    with in_one_step(path) as part:
        part.write_text(text, encoding="utf-8")


def sync(path: Path) -> None:
    """Waits until a file, or the list of files in a folder, is on disk and not only in a buffer."""
    if path.is_dir() and not hasattr(os, "O_DIRECTORY"):
        return  # Windows does not open folders
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def set_aside(path: Path, suffix: str = "damaged") -> Path:
    """Renames a file or folder to `<name>.damaged`, or to `<name>.damaged-2` and so on; returns the new path."""
    suffixes = itertools.chain([suffix], (f"{suffix}-{number}" for number in itertools.count(2)))
    paths = (path.with_name(f"{path.name}.{one}") for one in suffixes)
    free = next(one for one in paths if not os.path.lexists(one))
    path.rename(free)
    return free


def as_json(description: Mapping[str, Any]) -> dict[str, Any]:
    """`description` after a round trip through JSON, so tuples are lists. Raises InputError if JSON cannot hold it."""
    try:
        return dict(json.loads(json.dumps(description, allow_nan=False)))
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"The description cannot be written as JSON ({error}); "
            "use strings, finite numbers, booleans, lists and dictionaries."
        ) from error
