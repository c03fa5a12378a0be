"""Source 4: data prepared by TensorFlow Datasets (TFDS) as array_record, read without TensorFlow.

The user's data folder and TFDS's own folder ($TFDS_DATA_DIR, else ~/tensorflow_datasets) are searched. Nothing is
downloaded unless `prepare` is called, and TFDS is imported only if prepared data is found.
"""

import functools
import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path

from glowjax.checks import InputError, expanded
from glowjax.data import tfds_reader
from glowjax.data.split import Readers
from glowjax.data.stored import StoredImages

TFDS_NAMES = {
    "cifar10": "cifar10",
    "cifar100": "cifar100",
    "fashion_mnist": "fashion_mnist",
    "imagenet32": "downsampled_imagenet/32x32",
    "kmnist": "kmnist",
    "mnist": "mnist",
    "svhn": "svhn_cropped",
}
"""TFDS's sets of small images by our names. Any other prepared set without configurations has the name that TFDS uses.

A set with a configuration is named by the path of its folder, such as "./tensorflow_datasets/lsun/bedroom".
"""

_TEST_SPLITS = {"imagenet32": "validation"}
"""The split used as "test" if the official test set is unpublished."""

_VERSION = re.compile(r"\d+\.\d+\.\d+")


@dataclass(frozen=True)
class Prepared:
    """A source: the prepared sets in `folder`, unless that is None, and in TFDS's own folder."""

    folder: Path | None
    place: str = "in TensorFlow Datasets"

    def names(self) -> set[str]:
        """The sets with a name of ours, prepared or not."""
        return set(TFDS_NAMES)

    def find(self, name: str) -> Readers:
        """The splits of `name` that are prepared as array_record."""
        directory = self._directory(name)
        return {} if directory is None else readers(directory, name)

    def images(self, name: str, split: str) -> StoredImages:
        """The images of a prepared split, always in the same order."""
        directory = self._directory(name)
        if directory is None:
            raise InputError(f"'{name}' is not prepared; run glowjax.data.prepare('{name}').")
        return StoredImages(tfds_reader.records(tfds_reader.open_prepared(directory), split, f"{name}:{split}"))

    def _directory(self, name: str) -> Path | None:
        """The newest prepared version of `name`."""
        roots = filter(None, (self.folder, default_dir()))
        return next(filter(None, (newest_version(root / TFDS_NAMES.get(name, name)) for root in roots)), None)


def newest_version(folder: Path) -> Path | None:
    """The newest prepared version in the folder of a set, or the folder itself if it is a version; None if none is."""
    if (folder / "features.json").is_file():
        return folder
    numbers = {
        tuple(map(int, file.parent.name.split("."))): file.parent
        for file in folder.glob("*.*.*/features.json")
        if _VERSION.fullmatch(file.parent.name)
    }
    return numbers[max(numbers)] if numbers else None


def readers(directory: Path, name: str | None = None) -> Readers:
    """The splits of the prepared set in a folder. `name` is the name of the set; by default the one that TFDS uses."""
    builder = tfds_reader.open_prepared(directory)
    if "array_record" not in {file_format.value for file_format in builder.info.available_file_formats()}:
        return {}
    title = name or "-".join(builder.info.full_name.split("/")[:-1])  # with its configuration, without its version
    ours = {split: "test" if split == _TEST_SPLITS.get(title) else split for split in builder.info.splits}
    return {
        ours[split]: functools.partial(tfds_reader.read_split, builder, split, f"{title}:{ours[split]}")
        for split in ours
    }


def default_dir() -> Path:
    """TFDS's own folder."""
    return expanded(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets")


def prepare(name: str, data_dir: Path | None = None) -> None:
    """Download a set and write it as array_record, so that `load` finds it. Nothing is done for a prepared set.

    The name is one of `TFDS_NAMES`, or the one that TFDS uses. The default folder is TFDS's own.
    """
    root = data_dir or default_dir()
    if Prepared(root).find(name):
        return
    existing = Prepared(root)._directory(name)
    if existing is not None and existing.is_relative_to(root):
        raise InputError(
            f"{existing} has '{name}' in a format that only TensorFlow reads; expected array_record; move it away, or "
            "prepare into another folder with data_dir."
        )
    if importlib.util.find_spec("tensorflow") is None:
        raise InputError(
            f"Preparing '{name}' with TensorFlow Datasets needs TensorFlow, which is not installed; run "
            '`pip install ".[tfds]"` in a checkout of glowjax, or put the images into your own folder (data_dir).'
        )
    _download(name, root)


def _download(name: str, root: Path) -> None:
    tensorflow_datasets = tfds_reader.library()
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
