"""Errors of files that other programs wrote, each as one sentence."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from glowjax.checks import InputError, printable

MOST_CHARACTERS = 200
"""The maximum length of a quoted message. Some libraries repeat the content of a damaged file in theirs."""

REFUSALS = {errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE}
"""Errors of the operating system that say nothing about what a file holds."""


@contextmanager
def reading(what: str, advice: str) -> Iterator[None]:
    """Turns every error in the block into an InputError that begins with `what` and ends with `advice`.

    A damaged file can make its reader fail in any way. An InputError passes through unchanged. If the
    operating system refuses, the file may be whole, and nothing is said about replacing it.
    """
    try:
        yield
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(f"{what}: it does not fit into memory ({one_line(error)}).") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno in REFUSALS:
            raise InputError(f"{what} ({error.strerror}); check its rights and its disk, and try again.") from error
        raise InputError(f"{what} ({type(error).__name__}: {one_line(error)}); {advice}.") from error


def check_regular(file: Path) -> None:
    """Raises InputError unless `file` is a regular file or a link to one. Reading a pipe or a device may never end."""
    if not file.is_file():
        raise InputError(
            f"{one_line(file)} is a folder, a pipe, a device or a broken link; expected a regular file; remove it."
        )


def one_line(text: object) -> str:
    """`text` on one line, cut to `MOST_CHARACTERS`, and without control characters."""
    shown = printable(" ".join(str(text).split()))
    return shown if len(shown) <= MOST_CHARACTERS else f"{shown[:MOST_CHARACTERS]}..."
