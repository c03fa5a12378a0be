"""notMNIST, made from its author's archive of image files. TensorFlow Datasets does not have this set.

This is the small, hand-cleaned set: letters A to J, 28x28, white on black, each glyph stretched to fill its image. No
checksum of the archive is published, only its size, which is checked before anything is read. Then the number of images
and their fingerprint are checked. The means and standard deviations of these images have been published, letter by
letter, since 2016.
"""

import io
import tarfile
from pathlib import Path, PurePosixPath

import numpy as np

from glowjax.checks import InputError
from glowjax.data import npz
from glowjax.data.builders.download import download
from glowjax.data.foreign import reading
from glowjax.data.image_file import open_image
from glowjax.data.image_set import ImageSet
from glowjax.data.verify import OFFICIAL, fingerprint

LETTERS = "ABCDEFGHIJ"
URL = "https://commondatastorage.googleapis.com/books1000/notMNIST_small.tar.gz"
NUM_BYTES = 8_458_043
"""The published size of the archive."""

NUM_UNREADABLE = 2
"""The number of damaged files in the archive, one for A and one for F. All users of the set skip them."""

_LARGEST = 2**16  # bytes of an image file: those of the set have hundreds of bytes
_MOST_MEMBERS = 20_000


def build(data_dir: Path) -> None:
    """Write `notmnist_small.npz` from `notMNIST_small.tar.gz`, which is downloaded if it is not there.

    Labels are 0 for A to 9 for J; the glyphs of one font form a group.
    """
    file = data_dir / PurePosixPath(URL).name
    if not file.is_file():
        download(URL, file, NUM_BYTES)
    if (num_bytes := file.stat().st_size) != NUM_BYTES:
        raise InputError(f"{file} has {num_bytes:,} bytes; {_expected()}")
    found, num_unreadable = read_archive(file)
    if fingerprint(found.images) != OFFICIAL["notmnist_small"].fingerprints["all"] or num_unreadable != NUM_UNREADABLE:
        raise InputError(
            f"{file} has {found.num_images:,} images and {num_unreadable} unreadable files, which are not the "
            f"published ones; {_expected()}"
        )
    npz.write_archive(data_dir / "notmnist_small.npz", found)


def read_archive(file: Path) -> tuple[ImageSet, int]:
    """The images of an archive `*/LETTER/FONT.png` by letter and font, and the number of unreadable files."""
    images, labels, fonts, num_unreadable = [], [], [], 0
    for path, content in _members(file):
        try:
            with open_image(io.BytesIO(content), path) as image:
                images.append(np.asarray(image.convert("L"))[..., None])
        except InputError:
            num_unreadable += 1
            continue
        labels.append(LETTERS.index(path.parent.name))
        fonts.append(path.name)
    if not images or len({image.shape for image in images}) > 1:
        raise InputError(f"{file} has no images of one shape in folders A to J; {_expected()}")
    groups = np.unique(fonts, return_inverse=True)[1]
    source = f"{len(images):,} images: {file}"
    return ImageSet("notmnist_small", np.stack(images), np.array(labels), groups, source), num_unreadable


def _members(file: Path) -> list[tuple[PurePosixPath, bytes]]:
    """The path and content of each image file in an archive, sorted. Links and other special members are skipped."""
    found = []
    advice = "it seems damaged; remove it and prepare again"
    with reading(f"{file} cannot be read as an archive", advice), tarfile.open(file, "r:gz") as archive:
        for number, member in enumerate(archive):
            if number > _MOST_MEMBERS:
                raise InputError(f"{file} has more than {_MOST_MEMBERS:,} members; {_expected()}")
            path = PurePosixPath(member.name)
            if not member.isreg() or path.suffix != ".png" or path.parent.name not in tuple(LETTERS):
                continue
            if member.size > _LARGEST:
                raise InputError(f"In {file}, {path} has {member.size:,} bytes; {_expected()}")
            found.append((path, archive.extractfile(member).read()))  # type: ignore[union-attr]
    return sorted(found)


def _expected() -> str:
    official = OFFICIAL["notmnist_small"]
    return (
        f"expected the {official.num_images['all']:,} images and {NUM_UNREADABLE} unreadable files of {URL} "
        f"({NUM_BYTES:,} bytes); remove it and prepare again, or use its images as a folder of your own."
    )
