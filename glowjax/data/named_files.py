"""Files `{name}_{split}.npz` or `.npy` in a folder, and `{name}.npz` or `.npy` for sets without splits."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from glowjax.data.image_set import ImageSet
from glowjax.data.split import Readers, part_readers

SPLITS = ("train", "validation", "test", "extra")
"""The names of splits in file names: `mnist_train.npz` is a split of `mnist`, but `mnist_odd.npz` is its own set."""

KEYS = ("image", "label", "source_image")
"""The keys of the images, labels and groups of an `ImageSet` in files. Images of one `source_image` form a group."""


@dataclass(frozen=True)
class NamedFiles:
    """A source: the files with one ending in a folder.

    Attributes:
        folder: the folder.
        ending: ".npz" or ".npy".
        read: reads the image set in a file and names it; the arguments are the file and the name.
    """

    folder: Path
    ending: str
    read: Callable[[Path, str], ImageSet]

    @property
    def place(self) -> str:
        """The place of the sets, for messages."""
        return f"in {self.ending} files"

    def names(self) -> set[str]:
        """The names of the sets that have a file."""
        return {split_of(stem)[0] for stem in self._files()}

    def find(self, name: str) -> Readers:
        """The splits of `name`. A file of the whole set is used only if there are no files of single splits."""
        files = self._files()
        official: Readers = {
            split: functools.partial(self.read, file, f"{name}:{split}")
            for split in SPLITS
            if (file := files.get(f"{name}_{split}"))
        }
        if official or name not in files or split_of(name)[1]:
            return official
        return part_readers(functools.partial(self.read, files[name], name))

    def _files(self) -> dict[str, Path]:
        """The files by name without the ending, which may be in upper or lower case."""
        return {
            file.stem: file
            for file in sorted(self.folder.iterdir())  # of a.NPZ and a.npz, the second is kept
            if file.suffix.lower() == self.ending and not file.name.startswith(".") and not _is_beside(file)
            if file.is_file()
        }


def split_of(stem: str) -> tuple[str, str | None]:
    """The set and the split in the name of a file without its ending. The split is None if the name has none."""
    name, _, word = stem.rpartition("_")
    return (name, word) if name and word in SPLITS else (stem, None)


def _is_beside(file: Path) -> bool:
    """Whether the file holds the labels or groups of another file."""
    return Path(file.stem).suffix.removeprefix(".") in KEYS[1:]
