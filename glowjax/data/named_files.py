"""Files `{name}_{split}.npz` or `.npy` in a folder, and `{name}.npz` or `.npy` for sets without splits."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from glowjax.data.image_set import ImageSet
from glowjax.data.split import Readers, part_readers

SPLITS = ("train", "validation", "test", "extra")
"""The words that make `{name}_{word}.npz` a split of a set rather than a set of its own."""

KEYS = ("image", "label", "source_image")
"""The names in files of the images, labels and groups of an `ImageSet`. Images of one `source_image` form a group."""


@dataclass(frozen=True)
class NamedFiles:
    """The files with one ending in a folder as a source.

    Attributes:
        folder: the folder.
        ending: ".npz" or ".npy".
        read: reads the image set in a file, and gives it a name.
    """

    folder: Path
    ending: str
    read: Callable[[Path, str], ImageSet]

    @property
    def place(self) -> str:
        """Where the sets are, in words."""
        return f"in {self.ending} files"

    def names(self) -> set[str]:
        """The sets for which there is a file."""
        return {split_of(stem)[0] for stem in self._files()}

    def find(self, name: str) -> Readers:
        """The splits of `name`; files of single splits come before a file of the whole."""
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
        """The files by their names without the ending, which is in small letters or in capitals."""
        return {
            file.stem: file
            for file in sorted(self.folder.iterdir())  # of a.NPZ and a.npz, the second is kept
            if file.suffix.lower() == self.ending and not file.name.startswith(".") and not _is_beside(file)
            if file.is_file()
        }


def split_of(stem: str) -> tuple[str, str | None]:
    """The name of the set and the split in the name of a file without its ending, or that name and None."""
    name, _, word = stem.rpartition("_")
    return (name, word) if name and word in SPLITS else (stem, None)


def _is_beside(file: Path) -> bool:
    """Whether the file holds the labels or groups of another one."""
    return Path(file.stem).suffix.removeprefix(".") in KEYS[1:]
