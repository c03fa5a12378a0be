"""Source 1: NumPy archives `{name}_{split}.npz`, or `{name}.npz` for a set without splits.

Their keys are `image` (uint8 [N, H, W, C]) and optionally `label` and `source_image` ([N] integers). Images of one
`source_image` form a group.
"""

import functools
import tempfile
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from glowjax.checks import InputError
from glowjax.data.image_set import ImageSet
from glowjax.data.split import Readers, part_readers

KEYS = ("image", "label", "source_image")
"""The keys of an archive: of the images, labels and groups of an `ImageSet`."""

SPLITS = ("train", "validation", "test", "extra")
"""The words that make `{name}_{word}.npz` a split of a set rather than a set of its own."""


@dataclass(frozen=True)
class Archives:
    """The archives in a folder as a source."""

    folder: Path
    place: str = "in .npz files"

    def names(self) -> set[str]:
        """The sets for which there is an archive."""
        stems = [file.stem for file in self.folder.glob("*.npz")]
        endings = tuple(f"_{split}" for split in SPLITS)
        return {stem.rpartition("_")[0] if stem.endswith(endings) else stem for stem in stems}

    def find(self, name: str) -> Readers:
        """The splits of `name`; archives of single splits come before an archive of the whole."""
        official: Readers = {
            split: functools.partial(read_archive, file, f"{name}:{split}")
            for split in SPLITS
            if (file := self.folder / f"{name}_{split}.npz").is_file()
        }
        whole = self.folder / f"{name}.npz"
        if official or not whole.is_file():
            return official
        return part_readers(functools.partial(read_archive, whole, name))


def read_archive(file: Path, name: str) -> ImageSet:
    """All images of an archive."""
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            keys = archive.files
            arrays = {key: archive[key] for key in keys if key in KEYS}
    # Not a zip file, truncated, flipped bits, encrypted, Python objects inside, or a single .npy under this name.
    except (OSError, EOFError, ValueError, TypeError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"{file} cannot be read as a NumPy archive ({type(error).__name__}: {error}); it seems damaged or holds "
            "Python objects; copy it again, or write it with np.savez_compressed(file, image=...)."
        ) from error
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


def write_archive(file: Path, image_set: ImageSet) -> Path:
    """Write `image_set` for `read_archive` and return `file`. An interruption leaves no partial archive behind."""
    arrays = zip(KEYS, (image_set.images, image_set.labels, image_set.groups), strict=True)
    known = {key: values for key, values in arrays if values is not None}
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        temporary = Path(folder) / file.name
        np.savez_compressed(temporary, **known)  # type: ignore[arg-type]
        return temporary.replace(file)
