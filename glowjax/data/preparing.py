"""From the name of a set to its data on this machine: by TensorFlow Datasets, or by a builder of our own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from glowjax.checks import InputError, unknown, writable_directory
from glowjax.data import celeba, letters, notmnist, npz, tfds
from glowjax.data.data_dir import data_folder

BUILDERS: dict[str, Callable[[Path], Any]] = {
    celeba.NAME: celeba.prepare,
    letters.NAME: letters.prepare,
    notmnist.NAME: notmnist.prepare,
}
"""Each writes .npz archives into a data folder."""

PREPARABLE = frozenset(BUILDERS) | frozenset(tfds.TFDS_NAMES)


def prepare(name: str, data_dir: Path | str | None = None) -> None:
    """Fetch or make the set, so that `load` finds it; done already is left alone.

    Args:
        name: one of `PREPARABLE`.
        data_dir: the folder to write to. By default GLOWJAX_DATA_DIR for the sets of `BUILDERS`, TFDS's own folder
            for the others.

    Raises:
        InputError: an unknown name, no folder to write to, or a set that cannot be fetched or made.
    """
    if name not in PREPARABLE:
        raise unknown("data set to prepare", name, PREPARABLE)
    if name in tfds.TFDS_NAMES:
        tfds.prepare(name, None if data_dir is None else writable_directory(data_dir))
        return
    folder = data_folder(None) if data_dir is None else writable_directory(data_dir)
    if folder is None:
        raise InputError(f"'{name}' needs a folder to be written to; name one in data_dir or GLOWJAX_DATA_DIR.")
    if name == celeba.NAME or not npz.splits(name, folder):
        BUILDERS[name](writable_directory(folder))
