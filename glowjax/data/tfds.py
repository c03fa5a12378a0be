"""Source 4: data prepared by TensorFlow Datasets (TFDS) as array_record, read without TensorFlow.

It is searched in the user's data folder and in TFDS's own folder ($TFDS_DATA_DIR, else ~/tensorflow_datasets). Nothing
is downloaded unless `prepare` is called, and TFDS is imported only if prepared data is found.
"""

import functools
import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glowjax.checks import InputError
from glowjax.data.image_set import ImageSet
from glowjax.data.split import Readers

TFDS_NAMES = {
    "cifar10": "cifar10",
    "cifar100": "cifar100",
    "fashion_mnist": "fashion_mnist",
    "imagenet32": "downsampled_imagenet/32x32",
    "kmnist": "kmnist",
    "mnist": "mnist",
    "svhn": "svhn_cropped",
}
"""Our names for TFDS's sets of small images. Any other prepared set without configurations has TFDS's name."""

_TEST_SPLITS = {"imagenet32": "validation"}
"""The split used as "test" if the official test set is unpublished."""


@dataclass(frozen=True)
class Prepared:
    """The prepared sets as a source: those in `folder`, if there is one, and those in TFDS's own folder."""

    folder: Path | None
    place: str = "in TensorFlow Datasets"

    def names(self) -> set[str]:
        """The sets that `prepare` knows, prepared or not."""
        return set(TFDS_NAMES)

    def find(self, name: str) -> Readers:
        """The splits of `name` that are prepared as array_record."""
        directory = self._directory(name)
        if directory is None:
            return {}
        builder = _builder(directory)
        if "array_record" not in {file_format.value for file_format in builder.info.available_file_formats()}:
            return {}
        ours = {split: "test" if split == _TEST_SPLITS.get(name) else split for split in builder.info.splits}
        return {ours[split]: functools.partial(_read, builder, split, f"{name}:{ours[split]}") for split in ours}

    def stream(self, name: str, split: str) -> Iterator[dict[str, Any]]:
        """The examples of a prepared split, one at a time and always in one order; for sets that exceed memory."""
        directory = self._directory(name)
        if directory is None:
            raise InputError(f"'{name}' is not prepared; run glowjax.data.prepare('{name}').")
        return _examples(_builder(directory), split)

    def _directory(self, name: str) -> Path | None:
        """The newest prepared version of `name`."""
        for root in filter(None, (self.folder, default_dir())):
            folder = root / TFDS_NAMES.get(name, name)
            if any(folder.glob("*.*.*/features.json")):
                return folder / str(_library().core.utils.version.list_all_versions(folder)[-1])
        return None


def default_dir() -> Path:
    """TFDS's own folder."""
    return Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def prepare(name: str, data_dir: Path | None = None) -> None:
    """Download the set and write it as array_record, so that `load` finds it. It leaves a prepared set alone.

    The name is one of `TFDS_NAMES`, or that of TFDS. The default folder is TFDS's own.
    """
    root = data_dir or default_dir()
    if Prepared(root).find(name):
        return
    existing = Prepared(root)._directory(name)
    if existing is not None and existing.is_relative_to(root):
        raise InputError(
            f"{existing} has '{name}' in a format that needs TensorFlow to read; expected array_record; move it away, "
            "or prepare into another folder with data_dir."
        )
    if importlib.util.find_spec("tensorflow") is None:
        raise InputError(
            f"Preparing '{name}' with TensorFlow Datasets needs TensorFlow, which is not installed; run "
            '`pip install ".[tfds]"` in a checkout of glowjax, or bring the images in a folder of your own (data_dir).'
        )
    _download(name, root)


def _download(name: str, root: Path) -> None:
    tensorflow_datasets = _library()
    from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError

    builder = tensorflow_datasets.builder(TFDS_NAMES.get(name, name), data_dir=str(root), file_format="array_record")
    try:
        builder.download_and_prepare()
    except (OSError, tensorflow_datasets.download.DownloadError, NonMatchingChecksumError) as error:
        raise InputError(
            f"TensorFlow Datasets cannot prepare '{name}' ({type(error).__name__}: {error}); expected the files "
            f"{', '.join(builder.url_infos)}; fetch them by other means into {root / 'downloads' / 'manual'} and "
            "prepare again."
        ) from error


def _read(builder: Any, split: str, name: str) -> ImageSet:
    """A prepared split, whose images must have one shape."""
    images, labels = [], []
    for example in _examples(builder, split):
        images.append(example["image"])
        if np.ndim(example.get("label", ())) == 0:
            labels.append(example["label"])
        if images[-1].shape != images[0].shape:
            raise InputError(
                f"The TensorFlow data set '{name}' has images of several shapes, such as {images[0].shape} and "
                f"{images[-1].shape}; expected one shape. glowjax never resizes images: choose another set."
            )
    return ImageSet(
        name=name,
        images=np.array(images),
        labels=np.array(labels, np.int64) if len(labels) == len(images) else None,
        source=f"{len(images):,} images: TensorFlow Datasets, {builder.data_dir}",
    )


def _examples(builder: Any, split: str) -> Iterator[dict[str, Any]]:
    if "image" not in builder.info.features:
        raise InputError(
            f"The TensorFlow data set in {builder.data_dir} has the features {sorted(builder.info.features)} and no "
            "'image'; expected a set of images; choose another set."
        )
    try:
        yield from builder.as_data_source(split)
    except (RuntimeError, OSError, ValueError) as error:
        raise _damaged(builder.data_dir, error) from error


def _builder(directory: Path) -> Any:
    """TFDS's reader of prepared data."""
    try:
        return _library().builder_from_directory(directory)
    except (OSError, ValueError, KeyError) as error:
        raise _damaged(directory, error) from error


def _library() -> Any:
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise InputError(
            "TensorFlow Datasets, which prepared data is read with, is not installed; run "
            '`pip install ".[data]"` in a checkout of glowjax.'
        ) from error
    return tensorflow_datasets


def _damaged(directory: Path | str, error: Exception) -> InputError:
    return InputError(
        f"The TensorFlow data set in {directory} cannot be read ({type(error).__name__}: {error}); it seems damaged; "
        "delete that folder and prepare it again."
    )
