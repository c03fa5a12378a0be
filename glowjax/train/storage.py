"""Arrays by name in a folder, written and read by orbax. No other file uses orbax."""

import contextlib
import errno
import logging
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orbax.checkpoint as ocp

_LITERAL = re.compile(r"[A-Za-z0-9_./=+,@: -]{1,1000}")
"""Paths that orbax takes as they are. It takes others as patterns, such as `lr=[0.1]`, or changes them."""

_ALONE = ocp.options.MultiprocessingOptions(primary_host=0, active_processes={0})
"""The first of several processes writes and reads alone; orbax waits for no other."""

_ORBAX_SOURCE = os.path.join("orbax", "checkpoint")

_ABOUT_CONTENT = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENODATA}
"""Errors that say something about the files. Others say that they cannot be read just now."""


def write_arrays(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays to a new folder. Raises errors of many classes if the disk refuses."""
    with _literal(folder.parent) as parent, _checkpointer() as checkpointer:
        checkpointer.save(parent / folder.name, args=ocp.args.StandardSave(dict(arrays)))


def read_arrays(folder: Path) -> dict[str, np.ndarray]:
    """The arrays in a folder. Raises errors of many classes if it is damaged, or cannot be read."""
    with _literal(folder.parent) as parent, _checkpointer() as checkpointer:
        return checkpointer.restore(parent / folder.name, args=ocp.args.StandardRestore())


def check_path(directory: Path) -> None:
    """Raises OSError if arrays could not be written below this path, whatever the state of the disk."""
    try:
        os.fspath(directory).encode()
    except UnicodeEncodeError as error:
        raise OSError(errno.EILSEQ, "the path is not UTF-8") from error
    with _literal(directory):
        pass


def reason(error: BaseException) -> str:
    """An error in a few words: those of the operating system, or its class and first line."""
    number = _number(error)
    return os.strerror(number) if number else f"{type(error).__name__}: {error}".splitlines()[0][:200]


def refusal(folder: Path, error: BaseException) -> str | None:
    """Why a healthy folder might not be readable just now, such as "Permission denied"; None if it is damaged.

    Args:
        folder: a folder that could not be read.
        error: raised by reading it. If it does not come from the operating system, each file is read once.
    """
    if isinstance(error, MemoryError):
        return "not enough memory"
    number = _number(error) or _number_of_reading(folder)
    return os.strerror(number) if number and number not in _ABOUT_CONTENT else None


def _number_of_reading(folder: Path) -> int | None:
    """The number of the first error of reading all files of a folder, or None."""

    def fail(error: OSError) -> None:
        raise error

    try:
        for parent, _, names in os.walk(folder, onerror=fail):
            for path in (Path(parent, name) for name in names):
                if path.is_file():
                    path.read_bytes()
    except OSError as error:
        return error.errno
    return None


def _number(error: BaseException) -> int | None:
    """The operating system's number of an error; orbax mentions it in the text of its own errors."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    found = re.search(r"os_error_code='(\d+)'", str(error))
    return int(found[1]) if found else None


@contextlib.contextmanager
def _literal(folder: Path) -> Iterator[Path]:
    """A path to a folder that orbax takes as it is: the folder's own, or a link to it with a plain name."""
    if _LITERAL.fullmatch(os.fspath(folder)):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="glowjax-") as temporary:
        if not _LITERAL.fullmatch(temporary):
            raise OSError(errno.EINVAL, f"set TMPDIR to a folder with a plain name, not {temporary}")
        link = Path(temporary) / "link"
        link.symlink_to(folder, target_is_directory=True)
        yield link


@contextlib.contextmanager
def _checkpointer() -> Iterator[ocp.Checkpointer]:
    handler = ocp.StandardCheckpointHandler(multiprocessing_options=_ALONE)
    with _silent_orbax(), ocp.Checkpointer(handler, multiprocessing_options=_ALONE) as checkpointer:
        yield checkpointer


@contextlib.contextmanager
def _silent_orbax() -> Iterator[None]:
    """Hides what orbax logs and what its threads print: whatever matters is raised as well."""

    def is_shown(record: logging.LogRecord) -> bool:
        return _ORBAX_SOURCE not in record.pathname

    def show(unraisable: Any) -> None:
        if str(unraisable.exc_value) != "Event loop is closed":  # threads that still wrote after the first error
            previous(unraisable)

    logger, previous = logging.getLogger("absl"), sys.unraisablehook
    logger.addFilter(is_shown)
    sys.unraisablehook = show
    try:
        yield
    except BaseException:
        time.sleep(0.2)  # until those threads have ended
        raise
    finally:
        sys.unraisablehook = previous
        logger.removeFilter(is_shown)
