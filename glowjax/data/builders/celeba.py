"""CelebA at 32x32: the middle 148x148 pixels of the aligned photographs, reduced to 32x32.

The crop is that of Real NVP ("an approximately central crop of 148x148") and of most likelihood models since. The
reduction is Pillow's antialiased bilinear filter. Likelihoods depend on such choices; we do not know the paper's.

The photographs come from the official files in the data folder, or from TensorFlow Datasets if these are not there.
"""

import io
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from glowjax.checks import InputError
from glowjax.data import npz, tfds
from glowjax.data.foreign import one_line, reading
from glowjax.data.image_file import read_image
from glowjax.data.image_set import ImageSet

SPLITS = ("train", "validation", "test")
"""The splits in the order of their numbers 0, 1 and 2 in the official list."""

PARTITION = "list_eval_partition.txt"
PHOTOGRAPHS = "img_align_celeba"

_HEIGHT, _WIDTH, _CROP, _SIDE = 218, 178, 148, 32
_ENTRY = re.compile(r"(?P<name>\w[\w.-]*) +(?P<split>[012])")  # a line of the list; no name leads out of the folder
_LONGEST_LIST = _LARGEST = 2**24  # bytes: the official list has 3 MB, and no photograph has 100 kB


def build(data_dir: Path) -> None:
    """Write the three splits as `celeba32_SPLIT.npz`, except for those already there."""
    missing = {split: file for split in SPLITS if not (file := data_dir / f"celeba32_{split}.npz").is_file()}
    if not missing:
        return
    photographs = _official(data_dir) if (data_dir / PARTITION).is_file() else _prepared(data_dir)
    for split, file in missing.items():
        images = np.stack([crop_and_reduce(photograph) for photograph in photographs[split]])
        npz.write_archive(file, ImageSet(f"celeba32:{split}", images))


def crop_and_reduce(photograph: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "32 32 3"]:
    """The 32x32 image of an aligned photograph, which has 218x178 pixels."""
    if photograph.shape != (_HEIGHT, _WIDTH, 3):
        raise InputError(
            f"A photograph of CelebA has the shape {list(photograph.shape)}; expected [{_HEIGHT}, {_WIDTH}, 3]; use "
            f"the aligned and cropped images ({PHOTOGRAPHS})."
        )
    top, left = (_HEIGHT - _CROP) // 2, (_WIDTH - _CROP) // 2
    middle = Image.fromarray(photograph[top : top + _CROP, left : left + _CROP])
    return np.asarray(middle.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR))


def _prepared(data_dir: Path) -> dict[str, Iterable[UInt8[np.ndarray, "H W 3"]]]:
    """The photographs of each split from TensorFlow Datasets."""
    try:
        tfds.prepare("celeb_a", data_dir)
    except InputError as error:
        raise InputError(
            f"{error} Or put the official files {PARTITION} and {PHOTOGRAPHS}.zip into {data_dir} and prepare again."
        ) from error
    return {split: tfds.Prepared(data_dir).images("celeb_a", split) for split in SPLITS}


def _official(data_dir: Path) -> dict[str, Iterable[UInt8[np.ndarray, "H W C"]]]:
    """The photographs of each split from the official files, in the order of the official list."""
    names, folder = _names(data_dir / PARTITION), _folder(data_dir)
    return {split: (_read(folder / name) for name in names[split]) for split in SPLITS}


def _names(file: Path) -> dict[str, list[str]]:
    """The names of the photographs of each split, in the order of the official list."""
    with reading(f"{file} cannot be read", "fetch it again"), file.open("rb") as stream:
        content = stream.read(_LONGEST_LIST)
    names: dict[str, list[str]] = {split: [] for split in SPLITS}
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        entry = _ENTRY.fullmatch(line.strip())
        if entry is not None:
            names[SPLITS[int(entry["split"])]].append(entry["name"])
        elif line.strip():
            raise InputError(
                f"Line {number} of {file} is '{one_line(line)}'; expected the name of a photograph and 0, 1 or 2, "
                "such as '000001.jpg 0'; fetch the official list again."
            )
    if empty := [split for split in SPLITS if not names[split]]:
        raise InputError(
            f"{file} names no photographs of the splits {empty}; expected some for each of {list(SPLITS)}; fetch the "
            "official list again."
        )
    return names


def _folder(data_dir: Path) -> Path | zipfile.Path:
    """The official folder of photographs, on disk or in the official zip file."""
    folder = data_dir / PHOTOGRAPHS
    if folder.is_dir():
        return folder
    archive = data_dir / f"{PHOTOGRAPHS}.zip"
    if not archive.is_file():
        raise InputError(
            f"{data_dir} has {PARTITION} but neither {PHOTOGRAPHS}/ nor {archive.name}; put one of them, with the "
            "official photographs, into this folder."
        )
    with reading(f"{archive} cannot be read as a zip file", "fetch it again"):
        return zipfile.Path(archive) / PHOTOGRAPHS


def _read(file: Path | zipfile.Path) -> UInt8[np.ndarray, "H W C"]:
    """A photograph on disk or in a zip file."""
    with reading(f"{file} cannot be read as a photograph of CelebA", "fetch it again"):
        if not file.is_file():
            raise FileNotFoundError("there is no such file")
        with file.open("rb") as stream:
            return read_image(io.BytesIO(stream.read(_LARGEST)), file)
