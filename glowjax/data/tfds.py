"""Source 3: data prepared by TensorFlow Datasets as array_record, read without TensorFlow.

Searched in `{data_dir}` and in TFDS's own folder ($TFDS_DATA_DIR, else ~/tensorflow_datasets). Nothing is
downloaded unless `prepare` is called; TFDS is imported only where prepared data is found.
"""

import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np

from glowjax.data.image_set import ImageSet
from glowjax.errors import InputError, unknown

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
"""Our names for TFDS's sets of small images; any other prepared set goes by the name that TFDS gives it."""


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
    return tuple(info.splits) if "array_record" in formats else ()


def read(name: str, split: str, data_dir: Path | None) -> ImageSet:
    """The split of `name` from the prepared data that `splits` has found.

    Raises:
        InputError: the data is damaged, has no feature `image`, or has images of several shapes.
    """
    directory = _directory(name, data_dir)
    assert directory is not None  # `splits` found it there
    builder = _builder(directory)
    if "image" not in builder.info.features:
        raise InputError(
            f"The TensorFlow data set in {directory} has the features {sorted(builder.info.features)} and no "
            "'image'; expected a set of images; choose another set."
        )
    try:
        examples = list(builder.as_data_source(split))
    except (RuntimeError, OSError, ValueError) as error:
        raise _damaged(directory, error) from error
    images = [example["image"] for example in examples]
    shapes = sorted({image.shape for image in images})
    if len(shapes) > 1:
        raise InputError(
            f"The TensorFlow data set in {directory} has images of several shapes, such as {shapes[0]} and "
            f"{shapes[1]}; expected one shape; glowjax never resizes images, so choose another set."
        )
    labels = [example["label"] for example in examples if np.ndim(example.get("label", ())) == 0]
    return ImageSet(
        name=f"{name}:{split}",
        images=np.array(images),
        labels=np.array(labels, np.int64) if len(labels) == len(images) else None,
        source=f"{len(images):,} images: TensorFlow Datasets, {directory}",
    )


def prepare(name: str, data_dir: Path | str | None = None) -> None:
    """Download the set and write it as array_record, so that `load` finds it; done already is left alone.

    Args:
        name: one of `TFDS_NAMES`.
        data_dir: where to; TFDS's own folder by default.

    Raises:
        InputError: an unknown name, no TensorFlow to prepare with, or a copy in another format in the way.
    """
    if name not in TFDS_NAMES:
        raise unknown("data set of TensorFlow Datasets", name, TFDS_NAMES)
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
            '`pip install "glowjax[tfds]"`, or bring the images in a folder of your own (data_dir).'
        )
    import tensorflow_datasets

    tensorflow_datasets.builder(TFDS_NAMES[name], data_dir=str(root), file_format="array_record").download_and_prepare()


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
