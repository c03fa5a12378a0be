"""Source 4: small fixed sets that come with glowjax, so that it runs with nothing downloaded.

`README.md` beside the files tells where each came from and under which licence; `make.py` makes them again.
"""

from importlib import resources
from pathlib import Path

from glowjax.data import npz
from glowjax.data.image_set import ImageSet

PLACE = "bundled with glowjax"

CONTENTS = {
    "fashion_mnist": {
        "train": "the first 10,000 of the 60,000 official training images of Fashion-MNIST",
        "test": "the first 2,000 of the 10,000 official test images of Fashion-MNIST",
    },
    "mnist": {"train": "5,000 of the 60,000 official training images of MNIST, 500 a digit"},
}
"""What is bundled: name, split, where the images came from."""


def names(data_dir: Path | None) -> set[str]:
    """The bundled sets."""
    del data_dir
    return set(CONTENTS)


def splits(name: str, data_dir: Path | None) -> tuple[str, ...]:
    """The bundled splits of `name`."""
    del data_dir
    return tuple(CONTENTS.get(name, ()))


def read(name: str, split: str, data_dir: Path | None) -> ImageSet:
    """A bundled split that `splits` names."""
    del data_dir
    # An installed wheel may be a zip file: `as_file` unpacks what has no path.
    with resources.as_file(resources.files(__name__) / f"{name}_{split}.npz") as file:
        found = npz.read_archive(file, f"{name}:{split}")
    source = f"{found.num_images:,} images: {CONTENTS[name][split]}, {PLACE}"
    return ImageSet(found.name, found.images, found.labels, found.groups, source)
