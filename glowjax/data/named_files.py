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
        stems = [file.stem for file in self.folder.glob(f"*{self.ending}") if not file.stem.endswith(KEYS[1:])]
        endings = tuple(f"_{split}" for split in SPLITS)
        return {stem.rpartition("_")[0] if stem.endswith(endings) else stem for stem in stems}

    def find(self, name: str) -> Readers:
        """The splits of `name`; files of single splits come before a file of the whole."""
        official: Readers = {
            split: functools.partial(self.read, file, f"{name}:{split}")
            for split in SPLITS
            if (file := self.folder / f"{name}_{split}{self.ending}").is_file()
        }
        whole = self.folder / f"{name}{self.ending}"
        if official or not whole.is_file():
            return official
        return part_readers(functools.partial(self.read, whole, name))
