"""The places where data sets are searched, in order: what the user brings wins over what comes with glowjax."""

import os
from pathlib import Path
from typing import TypeAlias

from glowjax.checks import InputError, expanded
from glowjax.data import npy, npz
from glowjax.data.bundled import Bundle
from glowjax.data.folder import ImageFolders
from glowjax.data.foreign import one_line, reading
from glowjax.data.named_files import NamedFiles
from glowjax.data.tfds import Prepared

Source: TypeAlias = NamedFiles | ImageFolders | Prepared | Bundle
"""`names` gives the sets that a user may have meant, and `find` the splits of a set that can be read from here."""


def sources(data_dir: Path | str | None) -> list[Source]:
    """The sources in the order of the search, with the user's data folder among them."""
    folder = data_folder(data_dir)
    own: list[Source] = [npz.archives(folder), npy.arrays(folder), ImageFolders(folder)] if folder else []
    return [*own, Prepared(folder), Bundle()]


def data_folder(data_dir: Path | str | None) -> Path | None:
    """The user's data folder: `data_dir`, by default the environment's GLOWJAX_DATA_DIR; None if neither is set."""
    origin = "data_dir"
    if data_dir is None:
        data_dir, origin = os.environ.get("GLOWJAX_DATA_DIR"), "the environment variable GLOWJAX_DATA_DIR"
        if not data_dir:
            return None
    what = f"The data folder {one_line(data_dir)} from {origin}"
    with reading(f"{what} cannot be read", "expected a folder that you may read"):
        directory = expanded(data_dir)
        if not directory.is_dir():
            raise InputError(f"{what} does not exist; expected a folder.")
        os.scandir(directory).close()
    return directory
