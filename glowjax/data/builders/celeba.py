"""CelebA at 32x32: the middle 148x148 pixels of the aligned photographs, reduced to 32x32.

The crop is that of Real NVP ("an approximately central crop of 148x148") and of most likelihood models since. The
reduction is Pillow's antialiased bilinear filter. Likelihoods depend on such choices; we do not know the paper's.

The photographs come from the official files in the data folder, or from TensorFlow Datasets if these are not there.
"""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from glowjax.checks import InputError
from glowjax.data import npz, tfds
from glowjax.data.image_set import ImageSet

SPLITS = ("train", "validation", "test")
"""The splits in the order of their numbers 0, 1 and 2 in the official list."""

PARTITION = "list_eval_partition.txt"
PHOTOGRAPHS = "img_align_celeba"

_HEIGHT, _WIDTH, _CROP, _SIDE = 218, 178, 148, 32


def build(data_dir: Path) -> None:
    """Write the three splits as `celeba32_SPLIT.npz`, except for those already there."""
    missing = {split: file for split in SPLITS if not (file := data_dir / f"celeba32_{split}.npz").is_file()}
    official = (data_dir / PARTITION).is_file()
    if missing and not official:
        try:
            tfds.prepare("celeb_a", data_dir)
        except InputError as error:
            raise InputError(
                f"{error} Or put {PARTITION} and {PHOTOGRAPHS}.zip, the official files, into {data_dir} and prepare "
                "again."
            ) from error
    for split, file in missing.items():
        if official:
            photographs = _official(data_dir, split)
        else:
            photographs = (example["image"] for example in tfds.Prepared(data_dir).stream("celeb_a", split))
        images = np.stack([crop_and_reduce(photograph) for photograph in photographs])
        npz.write_archive(file, ImageSet(f"celeba32:{split}", images))


def crop_and_reduce(photograph: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "32 32 3"]:
    """The image at 32x32 of an aligned photograph, which has 218x178 pixels."""
    if photograph.shape != (_HEIGHT, _WIDTH, 3):
        raise InputError(
            f"A photograph of CelebA has the shape {list(photograph.shape)}; expected [{_HEIGHT}, {_WIDTH}, 3], the "
            f"aligned and cropped images ({PHOTOGRAPHS})."
        )
    top, left = (_HEIGHT - _CROP) // 2, (_WIDTH - _CROP) // 2
    middle = Image.fromarray(photograph[top : top + _CROP, left : left + _CROP])
    return np.asarray(middle.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR))


def _official(data_dir: Path, split: str) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    """The photographs of a split from the official folder or zip file, in the order of the official list."""
    folder: Any = data_dir / PHOTOGRAPHS
    if not folder.is_dir():
        archive = data_dir / f"{PHOTOGRAPHS}.zip"
        if not archive.is_file():
            raise InputError(
                f"{data_dir} has {PARTITION} but neither {PHOTOGRAPHS}/ nor {archive.name}; put one of them there, "
                "the official photographs."
            )
        try:
            folder = zipfile.Path(archive) / PHOTOGRAPHS
        except (OSError, zipfile.BadZipFile) as error:
            raise InputError(f"{archive} cannot be read as a zip file ({error}); fetch it again.") from error
    for line in filter(str.strip, (data_dir / PARTITION).read_text().splitlines()):
        name, number = line.split()
        if int(number) == SPLITS.index(split):
            yield _read(folder / name)


def _read(file: Any) -> UInt8[np.ndarray, "H W 3"]:
    """A photograph on disk or within a zip file."""
    try:
        with Image.open(io.BytesIO(file.read_bytes())) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, KeyError, ValueError, SyntaxError, zipfile.BadZipFile) as error:
        raise InputError(f"{file} cannot be read as a photograph of CelebA ({error}); fetch it again.") from error
