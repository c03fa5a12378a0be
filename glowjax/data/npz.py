"""Source 1: NumPy archives `{name}_{split}.npz`, or `{name}.npz` for a set without splits.

Their keys are `image` (uint8 [N, H, W, C]) and optionally `label` and `source_image` ([N] integers). Images of one
`source_image` form a group.
"""

import math
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.lib import format as npy_format

from glowjax.checks import InputError
from glowjax.data.foreign import reading
from glowjax.data.image_set import ImageSet
from glowjax.data.named_files import KEYS, NamedFiles
from glowjax.data.npy import read_header

_SUSPICIOUS_BYTES, _SUSPICIOUS_RATIO = 2**30, 200
"""An array above both this size and this compression ratio is refused: it is a decompression bomb, not images."""


def archives(folder: Path) -> NamedFiles:
    """The archives in a folder as a source."""
    return NamedFiles(folder, ".npz", read_archive)


def read_archive(file: Path, name: str) -> ImageSet:
    """All images of an archive."""
    advice = (
        "it seems damaged or holds Python objects; copy it again, or write it with np.savez_compressed(file, image=...)"
    )
    with reading(f"{file} cannot be read as a NumPy archive", advice), zipfile.ZipFile(file) as archive:
        keys = [member.removesuffix(".npy") for member in archive.namelist() if member.endswith(".npy")]
        arrays = {key: _read_member(archive, f"{key}.npy") for key in KEYS if key in keys}
    if "image" not in arrays:
        raise InputError(
            f"{file} has the keys {sorted(keys)} and no 'image'; expected 'image', uint8 [N, H, W, C], and optionally "
            "'label' and 'source_image'; write it again with np.savez_compressed(file, image=...)."
        )
    try:
        found = ImageSet(name, arrays["image"], arrays.get("label"), arrays.get("source_image"))
    except InputError as error:
        raise InputError(f"{file}: {error}") from error
    return replace(found, source=f"{found.num_images:,} images: {file.parent.name}/{file.name}")


def _read_member(archive: zipfile.ZipFile, member: str) -> np.ndarray:
    """An array in an archive. Raises ValueError, before memory is allocated, if its header and its size disagree."""
    entry = archive.getinfo(member)
    if entry.file_size > max(_SUSPICIOUS_BYTES, _SUSPICIOUS_RATIO * entry.compress_size):
        raise ValueError(f"{member} would expand from {entry.compress_size:,} bytes to {entry.file_size:,}")
    with archive.open(entry) as stream:
        shape, _, dtype = read_header(stream)
        declared, present = math.prod(shape) * dtype.itemsize, entry.file_size - stream.tell()
    if declared != present and not dtype.hasobject:
        raise ValueError(f"{member} has {present:,} bytes for an array of {declared:,}")
    with archive.open(entry) as stream:
        return npy_format.read_array(stream, allow_pickle=False)


def write_archive(file: Path, image_set: ImageSet) -> Path:
    """Write `image_set` so that `read_archive` reads it; return `file`. An interruption leaves no partial archive."""
    arrays = zip(KEYS, (image_set.images, image_set.labels, image_set.groups), strict=True)
    known = {key: values for key, values in arrays if values is not None}
    what, advice = f"{file} cannot be written", "free some space or name another folder"
    with reading(what, advice), tempfile.TemporaryDirectory(dir=file.parent) as folder:
        temporary = Path(folder) / file.name
        np.savez_compressed(temporary, **known)  # type: ignore[arg-type]
        return temporary.replace(file)
