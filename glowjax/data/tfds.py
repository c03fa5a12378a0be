"""Source 3: data prepared by TensorFlow Datasets as array_record, read without TensorFlow.

Searched in `{data_dir}` and in TFDS's own folder ($TFDS_DATA_DIR, else ~/tensorflow_datasets). Nothing is
downloaded unless `prepare` is called; TFDS is imported only where prepared data is found.
"""

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from glowjax.checks import InputError
from glowjax.data.image_set import ImageSet

PLACE = "in TensorFlow Datasets"

TFDS_NAMES = {
    "cifar10": "cifar10",
    "cifar100": "cifar100",
    "fashion_mnist": "fashion_mnist",
    "imagenet32": "downsampled_imagenet/32x32",
    "kmnist": "kmnist",
    "mnist": "mnist",
    "svhn": "svhn_cropped",
}
"""Our names for TFDS's sets of small images; any other prepared set without configurations goes by TFDS's name."""

_TEST_SPLITS = {"imagenet32": "validation"}
"""What stands for "test" in sets whose test images were never published."""


def names(data_dir: Path | None) -> set[str]:
    """The sets that `prepare` knows, prepared or not."""
    del data_dir
    return set(TFDS_NAMES)


def default_dir() -> Path:
    """TFDS's own folder."""
    return Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def splits(name: str, data_dir: Path | None) -> tuple[str, ...]:
    """The splits of `name` that are prepared in a format we can read; none for a tfrecord copy.

    Raises:
        InputError: the prepared data's description is damaged.
    """
    directory = _directory(name, data_dir)
    if directory is None:
        return ()
    info = _builder(directory).info
    formats = {file_format.value for file_format in info.available_file_formats()}
    if "array_record" not in formats:
        return ()
    return tuple("test" if split == _TEST_SPLITS.get(name) else split for split in info.splits)


def read(name: str, split: str, data_dir: Path | None) -> ImageSet:
    """The split of `name` from the prepared data that `splits` has found.

    Raises:
        InputError: the data is damaged, has no feature `image`, or has images of several shapes.
    """
    images, labels = [], []
    for example in stream(name, split, data_dir):
        images.append(example["image"])
        if np.ndim(example.get("label", ())) == 0:
            labels.append(example["label"])
        if images[-1].shape != images[0].shape:
            raise InputError(
                f"The TensorFlow data set '{name}' has images of several shapes, such as {images[0].shape} and "
                f"{images[-1].shape}; expected one shape; glowjax never resizes images, so choose another set."
            )
    return ImageSet(
        name=f"{name}:{split}",
        images=np.array(images),
        labels=np.array(labels, np.int64) if len(labels) == len(images) else None,
        source=f"{len(images):,} images: TensorFlow Datasets, {_directory(name, data_dir)}",
    )


def stream(name: str, split: str, data_dir: Path | None) -> Iterator[dict[str, Any]]:
    """The examples of a prepared split one at a time, always in one order, for sets that do not fit in memory whole.

    Raises:
        InputError: the data is damaged, or has no feature `image`.
    """
    directory = _directory(name, data_dir)
    assert directory is not None  # `splits` found it there
    builder = _builder(directory)
    if "image" not in builder.info.features:
        raise InputError(
            f"The TensorFlow data set in {directory} has the features {sorted(builder.info.features)} and no "
            "'image'; expected a set of images; choose another set."
        )
    theirs = _TEST_SPLITS.get(name, split) if split == "test" else split
    try:
        yield from builder.as_data_source(theirs)
    except (RuntimeError, OSError, ValueError) as error:
        raise _damaged(directory, error) from error


def prepare(name: str, data_dir: Path | str | None = None) -> None:
    """Download the set and write it as array_record, so that `load` finds it; done already is left alone.

    Args:
        name: one of `TFDS_NAMES`, or the name that TFDS gives a set.
        data_dir: where to; TFDS's own folder by default.

    Raises:
        InputError: no TensorFlow to prepare with, a download that fails, or a copy in another format in the way.
    """
    root = Path(data_dir) if data_dir is not None else default_dir()
    if splits(name, root):
        return
    existing = _directory(name, root)
    if existing is not None and existing.is_relative_to(root):
        raise InputError(
            f"{existing} has '{name}' in a format that needs TensorFlow to read; expected array_record; "
            "move it away, or prepare into another folder with data_dir."
        )
    if importlib.util.find_spec("tensorflow") is None:
        raise InputError(
            f"Preparing '{name}' with TensorFlow Datasets needs TensorFlow, which is not installed; run "
            '`pip install ".[tfds]"` in a checkout of glowjax, or bring the images in a folder of your own (data_dir).'
        )
    import tensorflow_datasets
    from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError

    builder = tensorflow_datasets.builder(TFDS_NAMES.get(name, name), data_dir=str(root), file_format="array_record")
    try:
        builder.download_and_prepare()
    except (OSError, tensorflow_datasets.download.DownloadError, NonMatchingChecksumError) as error:
        sources = ", ".join(builder.url_infos)
        raise InputError(
            f"TensorFlow Datasets cannot prepare '{name}' ({type(error).__name__}: {error}); expected the files "
            f"{sources}; fetch them by other means into {root / 'downloads' / 'manual'} and prepare again."
        ) from error


def _directory(name: str, data_dir: Path | None) -> Path | None:
    """The newest prepared version of `name`, searched in `data_dir` and then in TFDS's own folder."""
    for root in (data_dir, default_dir()):
        if root is not None:
            found = [file.parent for file in (root / TFDS_NAMES.get(name, name)).glob("*.*.*/features.json")]
            if found:
                return max(found, key=_version)
    return None


def _version(directory: Path) -> list[int]:
    return [int(number) if number.isdigit() else -1 for number in directory.name.split(".")]


def _builder(directory: Path) -> Any:
    """TFDS's reader of prepared data."""
    import tensorflow_datasets

    try:
        return tensorflow_datasets.builder_from_directory(directory)
    except (OSError, ValueError, KeyError) as error:
        raise _damaged(directory, error) from error


def _damaged(directory: Path, error: Exception) -> InputError:
    return InputError(
        f"The TensorFlow data set in {directory} cannot be read ({type(error).__name__}: {error}); it seems "
        "damaged; delete that folder and prepare it again."
    )
