"""Source 3: folders of the user's own image files.

They are `{name}/{split}/*.png`, or `{name}/*.png` for a set without splits. JPEG and other usual formats work too.
Files are read in the order of their names. Grey files give one channel, color files three.
"""

import functools
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glowjax.checks import InputError
from glowjax.data.image_file import ENDINGS, FORMATS, OTHER_ENDINGS, read_image
from glowjax.data.image_set import ImageSet
from glowjax.data.named_files import SPLITS
from glowjax.data.split import Readers, part_readers

HELPERS = (".", "@", "#", "$", "__MACOSX")
"""Folders whose names begin like this are skipped: programs make them beside images, for thumbnails and so on."""


@dataclass(frozen=True)
class ImageFolders:
    """A source: the folders of images in a folder."""

    folder: Path
    place: str = "in folders of image files"

    def names(self) -> set[str]:
        """The folders that hold image files."""
        return {child.name for child in _folders(self.folder) if _readers(child)}

    def find(self, name: str) -> Readers:
        """The splits of `name`."""
        return _readers(self.folder / name)


def read_folder(root: Path, split: str | None) -> ImageSet:
    """The split of the images in the folder `root`, by default "test".

    A folder with the name of a split, such as "train", is read whole by default. The folder around it is its set.
    """
    readers = _readers(root)
    if root.name in SPLITS and "all" in readers:
        if split not in (None, root.name, "all"):
            return read_folder(root.parent, split)
        return _read_files(root, f"{root.parent.name}:{root.name}")
    split = split or "test"
    if split not in readers:
        raise InputError(
            f"The folder {root} has no images for the split '{split}' (its splits: {list(readers)}); put image "
            f"files ({', '.join(FORMATS)}) into {root / split} or into {root} itself."
        )
    return readers[split]()


def _readers(root: Path) -> Readers:
    """The splits in the folder `root`. If it has sub-folders of images, these are the splits.

    A folder without permission to read, such as `lost+found` at the root of a disk, has no splits.
    """
    try:
        official: Readers = {
            child.name: functools.partial(_read_files, child, f"{root.name}:{child.name}", root)
            for child in _folders(root)
            if _files(child, ENDINGS)
        }
        if official or not _files(root, ENDINGS):
            return official
    except OSError:
        return {}
    return part_readers(functools.partial(_read_files, root, root.name))


def _folders(directory: Path) -> list[Path]:
    """The sub-folders in the order of their names, except for those of `HELPERS`."""
    return sorted(child for child in directory.iterdir() if child.is_dir() and not child.name.startswith(HELPERS))


def _files(directory: Path, endings: frozenset[str]) -> list[Path]:
    """The files in a folder with one of the endings, in the order of their names."""
    return sorted(
        file for file in directory.iterdir() if file.suffix.lower() in endings and not file.name.startswith(".")
    )


def _read_files(directory: Path, name: str, root: Path | None = None) -> ImageSet:
    """All image files of a folder, which must have one shape. If it is a split, `root` is the folder of the set."""
    files = _files(directory, ENDINGS)
    if passed_over := list(_passed_over(directory, root)):
        warnings.warn(
            f"{len(passed_over):,} image files are skipped, such as {passed_over[0]}: '{name}' consists of the "
            f"{', '.join(FORMATS)} files in {directory}. Convert or move the others if they belong to it.",
            stacklevel=3,
        )
    images = [read_image(file, file) for file in files]
    for file, image in zip(files, images, strict=True):
        if image.shape != images[0].shape:
            raise InputError(
                f"{files[0]} has the shape {list(images[0].shape)} and {file} {list(image.shape)} (height, width, "
                "channels); expected one shape for the whole folder; glowjax never resizes images, so resize them "
                "first."
            )
    return ImageSet(name, np.stack(images), source=f"{len(images):,} images: the image files in {directory}")


def _passed_over(directory: Path, root: Path | None) -> Iterator[Path]:
    """The image files of other formats in `directory`, and all image files beside the splits in `root`."""
    yield from _files(directory, OTHER_ENDINGS)
    if root is not None:
        yield from _files(root, ENDINGS | OTHER_ENDINGS)
