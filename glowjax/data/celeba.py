"""CelebA at 32x32: the aligned photographs, their middle 148x148 pixels, reduced to 32x32.

The crop is that of Real NVP ("an approximately central crop of 148x148") and of most likelihood models since. The
reduction is Pillow's bilinear one, which averages over all pixels that a new one covers. Likelihoods depend on such
choices, and we know of no statement of the paper's.

The photographs come from the official files where they lie in the data folder, else from TensorFlow Datasets.
"""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from glowjax.checks import InputError
from glowjax.data import npz, tfds
from glowjax.data.image_set import ImageSet

NAME = "celeba32"
SPLITS = ("train", "validation", "test")
"""In the order of the numbers 0, 1 and 2 in the official list."""

PARTITION = "list_eval_partition.txt"
PHOTOGRAPHS = "img_align_celeba"

_HEIGHT, _WIDTH, _CROP, _SIDE = 218, 178, 148, 32


def prepare(data_dir: Path) -> list[Path]:
    """Write the three splits as `celeba32_SPLIT.npz`; those already there are left alone.

    Raises:
        InputError: the photographs cannot be found, fetched or read.
    """
    todo = {split: data_dir / f"{NAME}_{split}.npz" for split in SPLITS}
    official = (data_dir / PARTITION).is_file()
    if not official and not all(file.is_file() for file in todo.values()):
        _prepare_with_tfds(data_dir)
    for split, file in todo.items():
        if not file.is_file():
            photographs = _official(data_dir, split) if official else _from_tfds(data_dir, split)
            images = np.stack([crop_and_reduce(photograph) for photograph in photographs])
            npz.write_archive(file, ImageSet(f"{NAME}:{split}", images))
    return list(todo.values())


def crop_and_reduce(photograph: np.ndarray) -> np.ndarray:
    """[32, 32, 3] uint8 from an aligned photograph, [218, 178, 3] uint8.

    Raises:
        InputError: another shape.
    """
    if photograph.shape != (_HEIGHT, _WIDTH, 3):
        raise InputError(
            f"A photograph of CelebA has the shape {list(photograph.shape)}; expected [{_HEIGHT}, {_WIDTH}, 3], the "
            f"aligned and cropped images ({PHOTOGRAPHS})."
        )
    top, left = (_HEIGHT - _CROP) // 2, (_WIDTH - _CROP) // 2
    middle = Image.fromarray(photograph[top : top + _CROP, left : left + _CROP])
    return np.asarray(middle.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR))


def _official(data_dir: Path, split: str) -> Iterator[np.ndarray]:
    """The photographs of a split from the official folder or zip file, in the order of the official list."""
    folder: Any = data_dir / PHOTOGRAPHS
    if not folder.is_dir():
        archive = data_dir / f"{PHOTOGRAPHS}.zip"
        if not archive.is_file():
            raise InputError(
                f"{data_dir} has {PARTITION} but neither {PHOTOGRAPHS}/ nor {archive.name}; expected one of them; put "
                "the official photographs there."
            )
        try:
            folder = zipfile.Path(archive) / PHOTOGRAPHS
        except (OSError, zipfile.BadZipFile) as error:
            raise InputError(f"{archive} cannot be read as a zip file ({error}); fetch it again.") from error
    for line in filter(str.strip, (data_dir / PARTITION).read_text().splitlines()):
        name, number = line.split()
        if int(number) == SPLITS.index(split):
            yield _read(folder / name)


def _read(file: Any) -> np.ndarray:
    """[H, W, 3] uint8, one photograph on disk or within a zip file."""
    try:
        with Image.open(io.BytesIO(file.read_bytes())) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, KeyError, ValueError, SyntaxError, zipfile.BadZipFile) as error:
        raise InputError(f"{file} cannot be read as a photograph of CelebA ({error}); fetch it again.") from error


def _prepare_with_tfds(data_dir: Path) -> None:
    """Let TensorFlow Datasets fetch the photographs; where it cannot, tell of the other way."""
    try:
        tfds.prepare("celeb_a", data_dir)
    except InputError as error:
        raise InputError(
            f"{error} Or put {PARTITION} and {PHOTOGRAPHS}.zip, the official files, into {data_dir} and prepare again."
        ) from error


def _from_tfds(data_dir: Path, split: str) -> Iterator[np.ndarray]:
    """The photographs of a split that TensorFlow Datasets has prepared."""
    return (example["image"] for example in tfds.stream("celeb_a", split, data_dir))
