"""`prepare` fetches or makes data sets; the sets that we make ourselves have a module each."""

import importlib
from pathlib import Path

from glowjax.checks import InputError, unknown, writable_directory
from glowjax.data import npz, tfds
from glowjax.data.sources import data_folder

BUILDERS = {"celeba32": "celeba", "letters": "letters", "notmnist_small": "notmnist"}
"""The sets with a builder of our own, and the modules whose `build` writes them as archives into a data folder."""

PREPARABLE = frozenset(BUILDERS) | frozenset(tfds.TFDS_NAMES)


def prepare(name: str, data_dir: Path | str | None = None) -> None:
    """Fetch or make the set `name`, so that `load` finds it. A set that is already there is left alone.

    It is written to `data_dir`. The default is GLOWJAX_DATA_DIR for the sets of `BUILDERS` and the folder of TensorFlow
    Datasets for the others.
    """
    if name not in PREPARABLE:
        raise unknown("data set to prepare", name, PREPARABLE)
    if name in tfds.TFDS_NAMES:
        tfds.prepare(name, None if data_dir is None else writable_directory(data_dir))
        return
    folder = data_folder(None) if data_dir is None else writable_directory(data_dir)
    if folder is None:
        raise InputError(f"'{name}' needs a folder to be written to; name one in data_dir or GLOWJAX_DATA_DIR.")
    # celeba32 is three archives, and may lack one of them
    if name == "celeba32" or not npz.archives(folder).find(name):
        try:
            builder = importlib.import_module(f"{__name__}.{BUILDERS[name]}")
        except ModuleNotFoundError as error:
            raise InputError(
                f"Making '{name}' needs {error.name}, which is not installed; run `pip install {error.name}`."
            ) from error
        builder.build(writable_directory(folder))
