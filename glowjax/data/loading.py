"""From the name of a data set and a split to its images, wherever they lie."""

import os
from pathlib import Path
from typing import Protocol

from glowjax.checks import InputError, unknown
from glowjax.data import bundled, folder, generated, npz, tfds
from glowjax.data.data_dir import data_folder
from glowjax.data.image_set import ImageSet
from glowjax.data.preparing import PREPARABLE
from glowjax.data.split import part


class Source(Protocol):
    """A place to look for data sets. Each is a module."""

    PLACE: str
    """Completes "found ..."."""

    def names(self, data_dir: Path | None) -> set[str]:
        """The sets that a user may have meant."""

    def splits(self, name: str, data_dir: Path | None) -> tuple[str, ...]:
        """The splits of `name` that are there to read; none where the set is not."""

    def read(self, name: str, split: str, data_dir: Path | None) -> ImageSet:
        """One of those splits."""


SOURCES: tuple[Source, ...] = (npz, folder, tfds, bundled)
"""In the order of the search: what the user brought wins over what comes with glowjax."""


def load(name: str, split: str = "test", data_dir: Path | str | None = None) -> ImageSet:
    """The images of a data set's split, from the first source that has it; `ImageSet.source` says which.

    Args:
        name: a set's name, or the path of a folder of images or of a .npz archive (with a "/" in it).
        split: "train", "test" or another that the set has; "all" for the whole of a set without splits,
            which else is split 90 to 10 by a hash of each image.
        data_dir: a folder of archives or images; the environment variable GLOWJAX_DATA_DIR by default.

    Raises:
        InputError: the name is unknown, its data is nowhere to be found, or a file is damaged.
    """
    directory = data_folder(data_dir)
    if _is_path(name):
        return _load_path(Path(os.path.abspath(Path(name).expanduser())), split)
    for source in SOURCES:
        if split in source.splits(name, directory):
            return source.read(name, split, directory)
    raise _not_found(name, split, directory)


def known_names(data_dir: Path | str | None = None) -> set[str]:
    """The sets that are here, or that `prepare` can bring here."""
    directory = data_folder(data_dir)
    return set(PREPARABLE).union(*(source.names(directory) for source in SOURCES))


def splits(name: str, data_dir: Path | str | None = None) -> dict[str, str]:
    """The splits of `name` that `load` would find, each with the place, such as "in .npz files"."""
    directory = data_folder(data_dir)
    return {split: source.PLACE for source in reversed(SOURCES) for split in source.splits(name, directory)}


def _is_path(name: str) -> bool:
    """Whether `name` is written as a path; "mnist" stays a name even where a folder is called so."""
    return "/" in name or os.sep in name or name.startswith((".", "~")) or name.endswith(".npz")


def _load_path(path: Path, split: str) -> ImageSet:
    """The split of a folder of images or of a .npz archive."""
    if path.is_file() and path.suffix == ".npz":
        return part(npz.read_archive(path, path.stem), split)
    if path.is_dir():
        return folder.read_folder(path, split)
    raise InputError(f"There is nothing to load at {path}; expected a folder of image files or a .npz archive.")


def _not_found(name: str, split: str, data_dir: Path | None) -> InputError:
    """What to tell where no source has the split."""
    if generated.is_generated(name):
        return InputError(
            f"'{name}' is generated in the shape of a reference set and has no splits; use glowjax.data.resolve with "
            "`like`."
        )
    found = [f"'{present}' ({place})" for present, place in splits(name, data_dir).items()]
    known = known_names(data_dir)
    if found:
        problem = f"The data set '{name}' has no split '{split}' here, only {', '.join(found)}."
    elif name in known:
        problem = f"The data set '{name}' is not on this machine."
    else:
        problem = str(unknown("data set", name, known.union(generated.NAMES)))
    return InputError(f"{problem} {_remedy(name, split, data_dir)}")


def _remedy(name: str, split: str, data_dir: Path | None) -> str:
    """Where was looked, and the ways to get a set."""
    looked = f"{data_dir}" if data_dir else "no data folder (neither data_dir nor GLOWJAX_DATA_DIR is set)"
    fetch = ""
    if name in PREPARABLE and not tfds.splits(name, data_dir):
        fetch = f", or run glowjax.data.prepare('{name}') to fetch it"
    return (
        f"Looked in {looked}, in TensorFlow Datasets' {tfds.default_dir()} and among the bundled sets; put "
        f"{name}_{split}.npz (key 'image', uint8 [N, H, W, C]) or image files {name}/{split}/*.png into a "
        f"folder and name it in data_dir or GLOWJAX_DATA_DIR{fetch}."
    )
