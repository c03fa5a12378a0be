"""The user's own data folder: given by the caller, or named in the environment."""

import os
from pathlib import Path

from glowjax.checks import InputError


def data_folder(data_dir: Path | str | None) -> Path | None:
    """The user's data folder, or None where none is set.

    Raises:
        InputError: it does not exist.
    """
    given, origin = data_dir, "data_dir"
    if given is None:
        given, origin = (
            os.environ.get("GLOWJAX_DATA_DIR") or None,
            "the environment variable GLOWJAX_DATA_DIR",
        )
    if given is None:
        return None
    directory = Path(given).expanduser()
    if not directory.is_dir():
        raise InputError(f"The data folder {directory} from {origin} does not exist; expected a folder.")
    return directory
