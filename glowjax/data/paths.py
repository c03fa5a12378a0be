"""Load a data set by the path of its folder or file."""

import os
from pathlib import Path

from glowjax.checks import InputError, expanded
from glowjax.data import folder, npy, npz, tfds
from glowjax.data.foreign import one_line, reading
from glowjax.data.image_set import ImageSet
from glowjax.data.named_files import NamedFiles, split_of
from glowjax.data.split import part

_FILES = {".npz": npz.read_archive, ".npy": npy.read_images}


def is_path(name: str) -> bool:
    """Whether `name` is written as a path. "mnist" is a name, even if a folder is called so."""
    return "/" in name or os.sep in name or name.startswith((".", "~")) or name.lower().endswith(tuple(_FILES))


def load_path(name: str, split: str | None) -> ImageSet:
    """The split of the set at a path. The default is "test"; for the path of a single split it is that split."""
    expected = "expected a folder of image files or a .npz or .npy file"
    with reading(f"The path {one_line(name)} cannot be read", expected):
        path = Path(os.path.abspath(expanded(name)))
        is_file, is_folder = path.is_file(), path.is_dir()
        prepared = tfds.newest_version(path)
    if is_file and path.suffix.lower() in _FILES:
        return _load_file(path, split)
    if prepared:
        return _load_prepared(prepared, split or "test")
    if is_folder:
        return folder.read_folder(path, split)
    raise InputError(f"There is nothing to load at {path}; {expected}.")


def _load_file(path: Path, split: str | None) -> ImageSet:
    """The split of the set in a file. If the file has the name of a split, the other splits are in files beside it."""
    read = _FILES[path.suffix.lower()]
    name, own = split_of(path.stem)
    if own is None:
        return part(read(path, path.stem), split or "test")
    if split in (None, own, "all"):
        return read(path, f"{name}:{own}")
    beside = NamedFiles(path.parent, path.suffix.lower(), read).find(name)
    if split not in beside:
        raise InputError(
            f"{path} is the split '{own}' by its name, and there is no {name}_{split}{path.suffix} beside it; put that "
            "file there, or give this one a name without a split."
        )
    return beside[split]()


def _load_prepared(directory: Path, split: str) -> ImageSet:
    """A split of a set that TensorFlow Datasets has prepared in a folder."""
    readers = tfds.readers(directory)
    if split not in readers:
        raise InputError(f"{directory} has no split '{split}' as array_record; expected one of {list(readers)}.")
    return readers[split]()
