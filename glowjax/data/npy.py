"""Source 2: NumPy files `{name}_{split}.npy`, or `{name}.npy` for a set without splits; they may be larger than memory.

A file has the images, uint8 [N, H, W, C]. Beside it, `{name}_{split}.label.npy` and `{name}_{split}.source_image.npy`
may have [N] integers, with the same meaning as in an archive.
"""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int
from numpy.lib import format as npy_format

from glowjax.checks import InputError
from glowjax.data.foreign import reading
from glowjax.data.image_set import ImageSet
from glowjax.data.named_files import KEYS, NamedFiles
from glowjax.data.stored import StoredImages

_READ_HEADER = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}


def arrays(folder: Path) -> NamedFiles:
    """The NumPy files in a folder as a source."""
    return NamedFiles(folder, ".npy", read_images)


@dataclass(frozen=True)
class ArrayFile:
    """An array in a NumPy file, in C order and without Python objects.

    Attributes:
        file: the file.
        shape: the array's shape.
        dtype: its dtype.
        offset: the position of its first byte in the file.
        modified: the time of the last change of the file, in nanoseconds.
    """

    file: Path
    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int
    modified: int

    def read(self, indices: Int[np.ndarray, " M"]) -> np.ndarray:
        """The items at `indices` along the first axis.

        They are read one by one. With a memory map, the pages that were read would count as memory of the process.
        """
        items = np.empty((len(indices), *self.shape[1:]), self.dtype)
        num_bytes = items.itemsize * math.prod(self.shape[1:])
        try:
            with self.file.open("rb", buffering=0) as stream:
                is_same = os.fstat(stream.fileno()).st_mtime_ns == self.modified
                for item, index in zip(items, indices.tolist(), strict=True):
                    stream.seek(self.offset + index * num_bytes)
                    is_same = is_same and stream.readinto(item) == num_bytes
        except OSError as error:
            raise InputError(
                f"{self.file} can no longer be read ({error.strerror}); expected the file to stay while its images are "
                "used; bring it back and start again."
            ) from error
        if not is_same:
            raise InputError(f"{self.file} was changed while its images were in use; start again.")
        return items

    def read_all(self) -> np.ndarray:
        """The whole array."""
        return np.fromfile(self.file, self.dtype, math.prod(self.shape), offset=self.offset).reshape(self.shape)


def read_images(file: Path, name: str) -> ImageSet:
    """The images of a NumPy file, with the labels and groups beside it."""
    images = open_array(file)
    if images.dtype != np.uint8 or len(images.shape) != 4 or 0 in images.shape:
        raise InputError(
            f"{file} has {images.dtype} of shape {list(images.shape)}; expected uint8 images [N, H, W, C] without an "
            "empty axis; write it again with np.save(file, images)."
        )
    beside = (file.with_suffix(f".{key}.npy") for key in KEYS[1:])
    labels, groups = (open_array(one).read_all() if one.is_file() else None for one in beside)
    source = f"{images.shape[0]:,} images: {file.parent.name}/{file.name}"
    try:
        return ImageSet(name, StoredImages(images), labels, groups, source)
    except InputError as error:
        raise InputError(f"{file}: {error}") from error


def open_array(file: Path) -> ArrayFile:
    """The array in a NumPy file. Only the header is read."""
    what, advice = f"{file} cannot be read as a NumPy file", "it seems damaged; copy it again, or write it with np.save"
    with reading(what, advice), file.open("rb") as stream:
        shape, is_fortran, dtype = read_header(stream)
        offset, status = stream.tell(), os.fstat(stream.fileno())
    if dtype.kind not in "biuf" or is_fortran:
        content = f"the dtype {dtype}" + ", in Fortran order" * is_fortran
        raise InputError(
            f"{file} holds an array of {content}; expected numbers in C order; write it again with "
            "np.save(file, np.ascontiguousarray(array))."
        )
    num_bytes = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or status.st_size < offset + num_bytes:
        raise InputError(
            f"{file} has {status.st_size - offset:,} bytes for an array of shape {list(shape)}; expected "
            f"{num_bytes:,}; the file is incomplete; copy or write it again."
        )
    return ArrayFile(file, shape, dtype, offset, status.st_mtime_ns)


def read_header(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
    """The shape of an array in NumPy's format, whether it is in Fortran order, and its dtype."""
    return _READ_HEADER[npy_format.read_magic(stream)](stream)
