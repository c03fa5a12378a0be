"""A lock on the folder of a run, so that two processes never write to it at the same time."""

import contextlib
import errno
import json
import os
import socket
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from glowjax.checks import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

NAME = ".lock"
"""The locked file in the run's folder. It names the process, and is not deleted when the lock is released."""


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Holds the lock of a run's folder. The operating system releases it if the process dies.

    Raises InputError, which names the other process, if that has the lock. Warns if the file system has no locks.
    """
    try:
        file = (directory / NAME).open("a+b", buffering=0)  # nothing is left to write when it is closed
    except OSError as error:
        raise InputError(f"{directory / NAME} cannot be written ({error.strerror}); name another directory.") from error
    with file:
        try:
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                file.seek(0)
                raise InputError(
                    f"{directory} is in use by {_holder(file.read())}; wait until it has ended, stop it, or give "
                    "another directory."
                ) from error
            warnings.warn(
                f"{directory} cannot be locked ({error.strerror}); make sure that no other process trains into it.",
                stacklevel=3,
            )
        with contextlib.suppress(OSError):  # a full disk does not keep a run from going on
            file.truncate(0)
            started = datetime.now(UTC).isoformat(timespec="seconds")
            holder = {"pid": os.getpid(), "host": socket.gethostname(), "started": started}
            file.write(json.dumps(holder).encode() + b"\n")
        yield


def _holder(text: bytes) -> str:
    """The process that wrote `text` into the lock's file, in words."""
    try:
        holder = json.loads(text)
        return f"process {holder['pid']} on {holder['host']} since {holder['started']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
