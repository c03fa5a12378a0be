"""Source 2: a folder of image files of the user's own.

`{data_dir}/{name}/{split}/*.png`, or `{data_dir}/{name}/*.png` for a set without splits; JPEG and the other
usual formats too. Files are read in the order of their names; grey files give one channel, colour three.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageFile

from glowjax.checks import InputError
from glowjax.data.image_set import ImageSet
from glowjax.data.split import PARTS, part

PLACE = "in folders of image files"

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm"})

_EXACT = {"1": "L", "L": "L", "P": "RGB", "RGB": "RGB"}
"""Pillow's modes that become 8-bit grey or colour without any loss, but for colour files of 16 bits, which it cuts."""


def names(data_dir: Path | None) -> set[str]:
    """The sub-folders of `data_dir` that hold image files."""
    if data_dir is None:
        return set()
    return {child.name for child in data_dir.iterdir() if child.is_dir() and splits_of(child)}


def splits(name: str, data_dir: Path | None) -> tuple[str, ...]:
    """The splits of `name` below `data_dir`."""
    return splits_of(data_dir / name) if data_dir else ()


def read(name: str, split: str, data_dir: Path | None) -> ImageSet:
    """The split of `name` from a folder that `splits` has found.

    Raises:
        InputError: a file is damaged, of another shape than the first, or neither grey nor RGB.
    """
    assert data_dir is not None  # `splits` found it there
    return read_folder(data_dir / name, split)


def splits_of(root: Path) -> tuple[str, ...]:
    """The splits in the folder `root`; sub-folders of images come before images of the folder's own.

    A folder that may not be read, such as `lost+found` at the root of a disk, has none.
    """
    try:
        official = tuple(sorted(child.name for child in root.iterdir() if child.is_dir() and _files(child)))
        return official or (PARTS if _files(root) else ())
    except (PermissionError, FileNotFoundError, NotADirectoryError):
        return ()


def read_folder(root: Path, split: str) -> ImageSet:
    """The split of the images in the folder `root`.

    Raises:
        InputError: there are no images for that split, or a file is not as `read` expects.
    """
    found = splits_of(root)
    if split not in found:
        raise InputError(
            f"The folder {root} has no images for the split '{split}', its splits are {list(found)}; "
            f"expected files that end in {', '.join(sorted(ENDINGS))} in {root / split} or in {root} itself."
        )
    if found == PARTS:
        return part(_read_files(root, root.name), split)
    return _read_files(root / split, f"{root.name}:{split}")


def _files(directory: Path) -> list[Path]:
    """The image files of a folder in the order of their names."""
    return sorted(
        file for file in directory.iterdir() if file.suffix.lower() in ENDINGS and not file.name.startswith(".")
    )


def _read_files(directory: Path, name: str) -> ImageSet:
    """Every image file of a folder, which must share one shape."""
    files = _files(directory)
    images = [_read_file(file) for file in files]
    for file, image in zip(files, images, strict=True):
        if image.shape != images[0].shape:
            raise InputError(
                f"{files[0]} is {_text(images[0])} and {file} is {_text(image)} (height x width x channels); "
                "expected one shape for a whole folder; glowjax never resizes images, so do that beforehand."
            )
    return ImageSet(name, np.stack(images), source=f"{len(images):,} images: the image files in {directory}")


def _read_file(file: Path) -> np.ndarray:
    """[H, W, C] uint8, one image file."""
    try:
        with Image.open(file) as image:
            mode = f"{image.mode} with 16 bits" if _is_deep(image) else image.mode
            if mode in _EXACT and "transparency" not in image.info:
                pixels = np.asarray(image.convert(_EXACT[mode]))
                return pixels[..., None] if pixels.ndim == 2 else pixels
    # Pillow reports a broken PNG as a SyntaxError.
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(
            f"{file} cannot be read as an image ({error}); expected a whole image file; remove or replace it."
        ) from error
    raise InputError(
        f"{file} has the Pillow mode {mode}; expected 8-bit grey (L) or RGB without transparency; convert it."
    )


def _is_deep(image: ImageFile.ImageFile) -> bool:
    """Whether a colour file that was not read yet has more than 8 bits a channel, which Pillow would cut to 8.

    Pillow decodes PNG and TIFF by a raw mode, and PPM by its largest value, where that is not 255.
    """
    args = image.tile[0][3] if image.tile else ()
    return "'RGB;16" in repr(args) or (image.format == "PPM" and isinstance(args, tuple) and args[-1] > 255)


def _text(image: np.ndarray) -> str:
    return "x".join(map(str, image.shape))
