import io
import tarfile

import numpy as np
import pytest
import tfds_on_disk
from data import hostile

from glowjax.checks import InputError
from glowjax.data import load, prepare
from glowjax.data.builders import notmnist as builder
from glowjax.data.verify import OFFICIAL, check

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 28, 28, 1), dtype=np.uint8)
FILES = {"B/x.png": 0, "A/y.png": 1, "A/x.png": 2, "J/z.png": 3}  # name: which of IMAGES


UNREADABLE = {"A/broken.png": b"", "F/broken.png": b""}


def write_archive(file, images, contents=UNREADABLE, more=()):
    """An archive like the author's, with images and other contents by the names of their files."""
    with tarfile.open(file, "w:gz", compresslevel=1) as archive:
        encoded = {name: tfds_on_disk.png(image).getvalue() for name, image in images.items()}
        for name, content in {**encoded, **contents, "readme.txt": b"fonts"}.items():
            member = tarfile.TarInfo(f"notMNIST_small/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in more:
            archive.addfile(member)
    return file


@pytest.fixture
def size_of(monkeypatch):
    """Makes the size of an archive the published one."""
    return lambda file: monkeypatch.setattr(builder, "NUM_BYTES", file.stat().st_size)


@pytest.fixture
def archive(tmp_path):
    return write_archive(tmp_path / "notMNIST_small.tar.gz", {name: IMAGES[i] for name, i in FILES.items()})


def test_an_archive_is_read_in_the_order_of_letters_and_fonts(archive):
    found, num_unreadable = builder.read_archive(archive)
    np.testing.assert_array_equal(found.images, IMAGES[[2, 1, 0, 3]])
    assert found.labels.tolist() == [0, 0, 1, 9]
    assert found.groups.tolist() == [0, 1, 0, 2]  # by font: x, y, x, z
    assert num_unreadable == 2


def test_other_images_than_the_published_ones_are_refused(archive, size_of):
    size_of(archive)
    message = "has 4 images and 2 unreadable files, which are not the published ones; expected the 18,724 images"
    with pytest.raises(InputError, match=message):
        prepare("notmnist_small", archive.parent)
    assert not (archive.parent / "notmnist_small.npz").exists()


def test_the_published_images_are_written_with_letters_and_fonts(notmnist, size_of, tmp_path):
    names = [f"{builder.LETTERS[label]}/{i:05}.png" for i, label in enumerate(notmnist.labels)]
    size_of(write_archive(tmp_path / "notMNIST_small.tar.gz", dict(zip(names, notmnist.images, strict=True))))
    prepare("notmnist_small", tmp_path)
    found = load("notmnist_small", "all", tmp_path)
    np.testing.assert_array_equal(found.images, notmnist.images[np.argsort(names)])
    np.testing.assert_array_equal(np.bincount(found.labels), np.bincount(notmnist.labels))
    assert check(found, "all", OFFICIAL["notmnist_small"]).faults == ()


@pytest.mark.parametrize("keep", [0, 100, 0.5])
def test_a_damaged_archive_is_refused(archive, keep):
    content = archive.read_bytes()
    archive.write_bytes(content[: int(keep * len(content)) if keep < 1 else keep])
    with pytest.raises(InputError, match=r"cannot be read as an archive .*seems damaged; remove it and prepare again"):
        builder.read_archive(archive)


def test_an_archive_of_another_size_is_not_even_opened(archive):
    with pytest.raises(InputError, match=r"bytes; expected the 18,724 images .* remove it and prepare again"):
        prepare("notmnist_small", archive.parent)


SPECIAL = {
    "link to nothing": tarfile.SYMTYPE,
    "hard link to nothing": tarfile.LNKTYPE,
    "pipe": tarfile.FIFOTYPE,
    "device": tarfile.CHRTYPE,
    "folder": tarfile.DIRTYPE,
}


@pytest.mark.parametrize("kind", SPECIAL.values(), ids=SPECIAL)
@pytest.mark.parametrize("target", ["nowhere.png", "b.png", "/etc/passwd"])
def test_special_members_are_left_out(tmp_path, kind, target):
    member = tarfile.TarInfo("notMNIST_small/A/b.png")
    member.type, member.linkname = kind, target
    file = write_archive(tmp_path / "a.tar.gz", {"A/x.png": IMAGES[0]}, more=[member])
    assert builder.read_archive(file)[0].num_images == 1


@pytest.mark.parametrize("what", ["EPS", "larger than Pillow allows", "empty"])
def test_files_that_are_no_image_are_counted_and_run_nothing(tmp_path, what):
    hostile.IMAGES[what][0](tmp_path / "x.png")
    content = (tmp_path / "x.png").read_bytes()
    file = write_archive(tmp_path / "a.tar.gz", {"A/x.png": IMAGES[0]}, {"../../A/y.png": content})
    assert builder.read_archive(file)[1] == 1
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.tar.gz", "x.png"]


def test_a_member_that_is_too_large_for_an_image_is_refused(tmp_path):
    file = write_archive(tmp_path / "a.tar.gz", {}, {"A/x.png": bytes(2**17)})
    with pytest.raises(InputError, match=r"In .*A/x\.png has 131,072 bytes; expected"):
        builder.read_archive(file)


def test_an_archive_of_something_else_is_refused(tmp_path):
    file = write_archive(tmp_path / "notMNIST_small.tar.gz", {"K/x.png": IMAGES[0]})
    with pytest.raises(InputError, match="has no images of one shape in folders A to J"):
        builder.read_archive(file)
