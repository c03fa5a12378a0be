"""Write and read named arrays in a folder with orbax. No other module uses orbax."""

import contextlib
import errno
import gc
import logging
import os
import re
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

_LITERAL = re.compile(r"[A-Za-z0-9_./=+,@: -]{1,1000}")
"""Paths that orbax uses unchanged. It changes others, or takes them as patterns, such as `lr=[0.1]`."""

_ORBAX_SOURCE = os.path.join("orbax", "checkpoint")

SECONDS_TO_END = 0.2
"""The time that orbax's threads have to end after an error."""

_ABOUT_CONTENT = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENODATA}
"""Errors that mean damage. Any other error means that the files cannot be read just now."""


class OrbaxError(Exception):
    """Orbax could not read or write a folder, for a reason that does not come from the operating system."""


def write_arrays(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays to a new folder. Raises OSError or OrbaxError if that fails."""
    _run(folder, lambda checkpointer, path: checkpointer.save(path, args=ocp.args.PyTreeSave(dict(arrays))))


def read_arrays(folder: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """The arrays in a folder, which have these names. Raises OSError or OrbaxError if that fails.

    Without the names, orbax would ask tensorstore for them, whose answer (`Spec.to_json` of 0.1.86) leaks memory.
    """
    as_saved = {name: ocp.RestoreArgs(restore_type=np.ndarray) for name in names}
    args = ocp.args.PyTreeRestore(restore_args=as_saved)
    return _run(folder, lambda checkpointer, path: checkpointer.restore(path, args=args))


def check_path(directory: Path) -> None:
    """Raises OSError if arrays can never be written below this path, even to a healthy disk."""
    try:
        os.fspath(directory).encode()
    except UnicodeEncodeError as error:
        raise OSError(errno.EILSEQ, "the path is not UTF-8") from error
    with _literal(directory):
        pass


def reason(error: BaseException) -> str:
    """An error in a few words: the text of the operating system, or the class and first line of the error."""
    number = _number(error)
    return os.strerror(number) if number else _first_line(error)


def refusal(folder: Path, error: BaseException) -> str | None:
    """The reason why a folder cannot be read just now, such as "Permission denied"; None if the folder is damaged.

    Args:
        folder: a folder that could not be read.
        error: the error of reading it. If it does not come from the operating system, each file is read to find one.
    """
    if isinstance(error, MemoryError):
        return "not enough memory"
    number = _number(error) or _number_of_reading(folder)
    return os.strerror(number) if number and number not in _ABOUT_CONTENT else None


def _first_line(error: BaseException) -> str:
    text = str(error) if isinstance(error, OrbaxError) else f"{type(error).__name__}: {error}"
    return text.splitlines()[0][:200]


def _number_of_reading(folder: Path) -> int | None:
    """Reads all files in a folder. Returns the number of the first error, or None."""

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
    """The operating system's number of an error, or None. Orbax mentions it in the text of its own errors."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    found = re.search(r"os_error_code='(\d+)'", str(error))
    return int(found[1]) if found else None


@contextlib.contextmanager
def _literal(folder: Path) -> Iterator[Path]:
    """A path to a folder that orbax uses unchanged: the path itself, or a link with a plain name."""
    if _LITERAL.fullmatch(os.fspath(folder)):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="glowjax-") as temporary:
        if not _LITERAL.fullmatch(temporary):
            raise OSError(errno.EINVAL, f"set TMPDIR to a folder with a plain name, not {temporary}")
        link = Path(temporary) / "link"
        link.symlink_to(folder, target_is_directory=True)
        yield link


def _run(folder: Path, work: Callable[[ocp.Checkpointer, Path], Any]) -> Any:
    """Lets orbax work on a folder. Its errors and their threads end here, so that nothing is printed later."""
    own = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(primary_host=own, active_processes={own})  # orbax waits for no other
    handler = ocp.PyTreeCheckpointHandler(multiprocessing_options=alone)
    with _literal(folder.parent) as parent, _silence():
        try:
            with ocp.Checkpointer(handler, multiprocessing_options=alone) as checkpointer:
                return work(checkpointer, parent / folder.name)
        except MemoryError:
            raise
        except Exception as error:  # orbax raises errors of many classes
            number = _number(error)
            failure = OSError(number, os.strerror(number)) if number else OrbaxError(_first_line(error))
        time.sleep(SECONDS_TO_END)
        gc.collect()
    raise failure


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Hides what orbax logs and what its threads and tasks print. Everything that matters is also raised."""

    def is_shown(record: logging.LogRecord) -> bool:
        return record.name == "absl" and _ORBAX_SOURCE not in record.pathname

    loggers = [logging.getLogger(name) for name in ("absl", "asyncio")]
    for logger in loggers:
        logger.addFilter(is_shown)
    _pass_over_closed_loops()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
            yield
    finally:
        for logger in loggers:
            logger.removeFilter(is_shown)


def _pass_over_closed_loops() -> None:
    """Hides from now on that an event loop is closed.

    After an error of orbax, native threads that still read or write find its loop closed, at any later moment. They
    cannot be joined, so the hook stays.
    """
    previous = sys.unraisablehook
    if hasattr(previous, "passes_over_closed_loops"):
        return

    def show(unraisable: Any) -> None:
        if str(unraisable.exc_value) != "Event loop is closed":
            previous(unraisable)

    show.passes_over_closed_loops = True  # type: ignore[attr-defined]
    sys.unraisablehook = show
