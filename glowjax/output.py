"""Folders to write into, found fit before the work that fills them begins."""

import tempfile
from pathlib import Path

from glowjax.errors import InputError


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
