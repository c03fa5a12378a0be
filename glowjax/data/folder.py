"""Source 2: folders of the user's own image files.

They are `{name}/{split}/*.png`, or `{name}/*.png` for a set without splits; JPEG and other usual formats work too.
Files are read in the order of their names. Grey files give one channel, color files three.
"""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageFile

from glowjax.checks import InputError
from glowjax.data.image_set import ImageSet
from glowjax.data.split import Readers, part_readers

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm"})

_EXACT = {"1": "L", "L": "L", "P": "RGB", "RGB": "RGB"}
"""Pillow's modes that become 8-bit grey or color without loss, except for 16-bit color, which Pillow truncates."""


@dataclass(frozen=True)
class ImageFolders:
    """The folders of images in a folder as a source."""

    folder: Path
    place: str = "in folders of image files"

    def names(self) -> set[str]:
        """The folders that hold image files."""
        return {child.name for child in self.folder.iterdir() if child.is_dir() and _readers(child)}

    def find(self, name: str) -> Readers:
        """The splits of `name`."""
        return _readers(self.folder / name)


def read_folder(root: Path, split: str) -> ImageSet:
    """The split of the images in the folder `root`."""
    readers = _readers(root)
    if split not in readers:
        raise InputError(
            f"The folder {root} has no images for the split '{split}', its splits are {list(readers)}; expected files "
            f"that end in {', '.join(sorted(ENDINGS))} in {root / split} or in {root} itself."
        )
    return readers[split]()


def _readers(root: Path) -> Readers:
    """The splits in the folder `root`; sub-folders of images come before images of the folder's own.

    A folder that may not be read, such as `lost+found` at the root of a disk, has none.
    """
    try:
        official: Readers = {
            child.name: functools.partial(_read_files, child, f"{root.name}:{child.name}")
            for child in sorted(root.iterdir())
            if child.is_dir() and _files(child)
        }
        if official or not _files(root):
            return official
    except (PermissionError, FileNotFoundError, NotADirectoryError):
        return {}
    return part_readers(functools.partial(_read_files, root, root.name))


def _files(directory: Path) -> list[Path]:
    """The image files of a folder in the order of their names."""
    return sorted(
        file for file in directory.iterdir() if file.suffix.lower() in ENDINGS and not file.name.startswith(".")
    )


def _read_files(directory: Path, name: str) -> ImageSet:
    """All image files of a folder, which must have one shape."""
    files = _files(directory)
    images = [_read_file(file) for file in files]
    for file, image in zip(files, images, strict=True):
        if image.shape != images[0].shape:
            raise InputError(
                f"{files[0]} has the shape {list(images[0].shape)} and {file} {list(image.shape)} (height, width, "
                "channels); expected one shape for a whole folder. glowjax never resizes images: resize them "
                "beforehand."
            )
    return ImageSet(name, np.stack(images), source=f"{len(images):,} images: the image files in {directory}")


def _read_file(file: Path) -> UInt8[np.ndarray, "H W C"]:
    try:
        with Image.open(file) as image:
            mode = f"{image.mode} with 16 bits" if _is_deep(image) else image.mode
            if mode in _EXACT and "transparency" not in image.info:
                pixels = np.asarray(image.convert(_EXACT[mode]))
                return pixels[..., None] if pixels.ndim == 2 else pixels
    # Pillow reports a broken PNG as a SyntaxError.
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(
            f"{file} cannot be read as an image ({error}); expected a complete image file; remove or replace it."
        ) from error
    raise InputError(
        f"{file} has the Pillow mode {mode}; expected 8-bit grey (L) or RGB without transparency; convert it."
    )


def _is_deep(image: ImageFile.ImageFile) -> bool:
    """Whether an unread color file has more than 8 bits per channel, which Pillow would truncate to 8.

    Pillow says so in its decoder's arguments alone: in the raw mode of a PNG or TIFF, in the largest value of a PPM.
    """
    args = image.tile[0][3] if image.tile else ()
    return "'RGB;16" in repr(args) or (image.format == "PPM" and isinstance(args, tuple) and args[-1] > 255)
