"""Source 1: a folder of NumPy archives, `{name}_{split}.npz`, or `{name}.npz` for a set without splits.

Keys: `image` (uint8 [N, H, W, C]), and where known `label` and `source_image` ([N] integers; images of one
`source_image` form a group).
"""

import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np

from glowjax.checks import InputError, check_images, native_array
from glowjax.data.image_set import ImageSet, one_integer_per_image
from glowjax.data.split import PARTS, part

PLACE = "in .npz files"

SPLITS = ("train", "validation", "test", "extra")
"""The words that make `{name}_{word}.npz` one split of a set, rather than a set of its own."""


def names(data_dir: Path | None) -> set[str]:
    """The sets for which `data_dir` has an archive."""
    stems = [file.stem for file in data_dir.glob("*.npz")] if data_dir else []
    endings = tuple(f"_{split}" for split in SPLITS)
    return {stem.rpartition("_")[0] if stem.endswith(endings) else stem for stem in stems}


def splits(name: str, data_dir: Path | None) -> tuple[str, ...]:
    """The splits of `name` in `data_dir`; archives of single splits come before an archive of the whole."""
    if data_dir is None:
        return ()
    official = tuple(split for split in SPLITS if (data_dir / f"{name}_{split}.npz").is_file())
    return official or (PARTS if (data_dir / f"{name}.npz").is_file() else ())


def read(name: str, split: str, data_dir: Path | None) -> ImageSet:
    """The split of `name` from an archive that `splits` has found.

    Raises:
        InputError: the file is damaged, or its arrays are not what they should be.
    """
    assert data_dir is not None  # `splits` found it there
    file = data_dir / f"{name}_{split}.npz"
    if split in SPLITS and file.is_file():
        return read_archive(file, f"{name}:{split}")
    return part(read_archive(data_dir / f"{name}.npz", name), split)


def read_archive(file: Path, name: str) -> ImageSet:
    """Every image of one archive.

    Raises:
        InputError: the file is damaged, lacks the key `image`, or holds arrays of another type or shape.
    """
    arrays, keys = _arrays(file)
    if "image" not in arrays:
        raise InputError(
            f"{file} has the keys {sorted(keys)} and no 'image'; expected 'image', uint8 [N, H, W, C], and "
            "optionally 'label' and 'source_image'; write it again with np.savez_compressed(file, image=...)."
        )
    images = native_array(arrays.pop("image"), f"The images in {file}")
    check_images(images, f"The images in {file}", batch=True)
    integers = {
        key: one_integer_per_image(values, len(images), f"The values of '{key}' in {file}").astype(np.int64)
        for key, values in arrays.items()
    }
    labels, groups = integers.get("label"), integers.get("source_image")
    return ImageSet(name, images, labels, groups, f"{len(images):,} images: {file.parent.name}/{file.name}")


def write_archive(file: Path, image_set: ImageSet) -> Path:
    """Write `image_set` for `read_archive` and return `file`; an interruption leaves no half of an archive behind."""
    arrays = {"image": image_set.images, "label": image_set.labels, "source_image": image_set.groups}
    known = {key: values for key, values in arrays.items() if values is not None}
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        part = Path(folder) / file.name
        np.savez_compressed(part, **known)  # type: ignore[arg-type]
        return part.replace(file)


def _arrays(file: Path) -> tuple[dict[str, np.ndarray], list[str]]:
    """The arrays that matter to us in an archive, and the keys of all."""
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            known = {key: archive[key] for key in archive.files if key in ("image", "label", "source_image")}
            return known, archive.files
    # Not a zip, cut short, bits flipped, encrypted, Python objects inside, or a lone .npy under this name.
    except (OSError, EOFError, ValueError, TypeError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"{file} cannot be read as a NumPy archive ({type(error).__name__}: {error}); it seems damaged "
            "or holds Python objects; copy it again, or write it with np.savez_compressed(file, image=...)."
        ) from error
