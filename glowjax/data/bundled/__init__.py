"""Source 5: small fixed sets that come with glowjax, so that it runs without downloads.

`README.md` beside the files states where each comes from and its licence.
"""

import functools
from dataclasses import dataclass, replace
from importlib import resources

from glowjax.data import npz
from glowjax.data.image_set import ImageSet
from glowjax.data.split import Readers

CONTENTS = {
    "fashion_mnist": {
        "train": "the first 10,000 of the 60,000 official training images of Fashion-MNIST",
        "test": "the first 2,000 of the 10,000 official test images of Fashion-MNIST",
    },
    "mnist": {"train": "5,000 of the 60,000 official training images of MNIST, 500 per digit"},
}
"""The bundled splits by name, each with its origin."""


@dataclass(frozen=True)
class Bundle:
    """The bundled sets as a source."""

    place: str = "bundled with glowjax"

    def names(self) -> set[str]:
        """The bundled sets."""
        return set(CONTENTS)

    def find(self, name: str) -> Readers:
        """The bundled splits of `name`."""
        return {split: functools.partial(_read, name, split) for split in CONTENTS.get(name, ())}


def _read(name: str, split: str) -> ImageSet:
    # An installed wheel may be a zip file: `as_file` unpacks files that have no path.
    with resources.as_file(resources.files(__name__) / f"{name}_{split}.npz") as file:
        found = npz.read_archive(file, f"{name}:{split}")
    return replace(found, source=f"{found.num_images:,} images: {CONTENTS[name][split]}, {Bundle.place}")
