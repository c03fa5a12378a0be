"""notMNIST, which TensorFlow Datasets lacks: its author's archive of image files as one .npz archive.

This is the small, hand-cleaned set: letters A to J, 28x28, white on black, each glyph stretched to fill its image. No
checksum of the archive is published. The content is checked instead: the number of images, and a fingerprint of the
images whose means and standard deviations have been printed, letter by letter, since 2016.
"""

import io
import tarfile
import tempfile
import urllib.error
import urllib.request
import zlib
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, UnidentifiedImageError

from glowjax.checks import InputError
from glowjax.data import npz
from glowjax.data.image_set import ImageSet
from glowjax.data.verify import OFFICIAL, fingerprint

LETTERS = "ABCDEFGHIJ"
URL = "http://yaroslavvb.com/upload/notMNIST/notMNIST_small.tar.gz"
NUM_UNREADABLE = 2
"""The archive has two files without an image, one for A and one for F, which all users of the set skip."""


def build(data_dir: Path) -> None:
    """Write the set as `notmnist_small.npz` from `notMNIST_small.tar.gz`, which is downloaded unless it is there.

    Labels are 0 for A to 9 for J; the glyphs of one font form a group.
    """
    file = data_dir / PurePosixPath(URL).name
    if not file.is_file():
        _download(file)
    found, num_unreadable = read_archive(file)
    official = OFFICIAL["notmnist_small"]
    if fingerprint(found.images) != official.fingerprints["all"] or num_unreadable != NUM_UNREADABLE:
        raise InputError(
            f"{file} holds {found.num_images:,} images and {num_unreadable} unreadable files that differ from the "
            f"published ones; expected the {official.num_images['all']:,} images and {NUM_UNREADABLE} unreadable "
            f"files of {URL}; remove it and prepare again, or use its images as a folder of your own."
        )
    npz.write_archive(data_dir / "notmnist_small.npz", found)


def read_archive(file: Path) -> tuple[ImageSet, int]:
    """The images of an archive `*/LETTER/FONT.png` by letter and font, and the number of unreadable files."""
    images, labels, fonts, num_unreadable = [], [], [], 0
    for path, content in _members(file):
        try:
            with Image.open(io.BytesIO(content)) as image:
                images.append(np.asarray(image.convert("L"))[..., None])
        except (UnidentifiedImageError, OSError, SyntaxError):
            num_unreadable += 1
            continue
        labels.append(LETTERS.index(path.parent.name))
        fonts.append(path.name)
    if not images or len({image.shape for image in images}) > 1:
        raise InputError(
            f"{file} has no images of one shape in folders A to J; expected the archive of {URL}; remove it and "
            "prepare again."
        )
    groups = np.unique(fonts, return_inverse=True)[1]
    source = f"{len(images):,} images: {file}"
    return ImageSet("notmnist_small", np.stack(images), np.array(labels), groups, source), num_unreadable


def _members(file: Path) -> list[tuple[PurePosixPath, bytes]]:
    """The path and content of each image file of an archive, sorted."""
    found = []
    try:
        with tarfile.open(file, "r:gz") as archive:
            for member in archive:
                path = PurePosixPath(member.name)
                stream = archive.extractfile(member)
                if stream is not None and path.suffix == ".png" and path.parent.name in tuple(LETTERS):
                    found.append((path, stream.read()))
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"{file} cannot be read as an archive ({error}); it seems damaged; remove it and prepare again."
        ) from error
    return sorted(found)


def _download(file: Path) -> None:
    """Fetch the archive. A download that breaks off leaves nothing behind."""
    try:
        with tempfile.TemporaryDirectory(dir=file.parent) as folder:
            temporary = Path(folder) / file.name
            urllib.request.urlretrieve(URL, temporary)
            temporary.replace(file)
    except (OSError, urllib.error.ContentTooShortError) as error:
        raise InputError(
            f"{URL} cannot be downloaded ({error}); bring {file.name} into {file.parent} by other means and prepare "
            "again."
        ) from error
