import io
import tarfile

import numpy as np
import pytest
import tfds_on_disk

from glowjax.checks import InputError
from glowjax.data import load, prepare
from glowjax.data.builders import notmnist as builder
from glowjax.data.verify import OFFICIAL, check

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 28, 28, 1), dtype=np.uint8)
FILES = {"B/x.png": 0, "A/y.png": 1, "A/x.png": 2, "J/z.png": 3}  # name: which of IMAGES


def write_archive(file, images, unreadable=("A/broken.png", "F/broken.png")):
    """An archive like the author's, with the images by the names of their files."""
    with tarfile.open(file, "w:gz", compresslevel=1) as archive:
        contents = {name: tfds_on_disk.png(image).getvalue() for name, image in images.items()}
        for name, content in {**contents, **dict.fromkeys(unreadable, b""), "readme.txt": b"fonts"}.items():
            member = tarfile.TarInfo(f"notMNIST_small/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file


@pytest.fixture
def archive(tmp_path):
    return write_archive(tmp_path / "notMNIST_small.tar.gz", {name: IMAGES[i] for name, i in FILES.items()})


def test_an_archive_is_read_in_the_order_of_letters_and_fonts(archive):
    found, num_unreadable = builder.read_archive(archive)
    np.testing.assert_array_equal(found.images, IMAGES[[2, 1, 0, 3]])
    assert found.labels.tolist() == [0, 0, 1, 9]
    assert found.groups.tolist() == [0, 1, 0, 2]  # by font: x, y, x, z
    assert num_unreadable == 2


def test_other_images_than_the_published_ones_are_refused(archive):
    message = "holds 4 images and 2 unreadable files that differ from the published ones; expected the 18,724 images"
    with pytest.raises(InputError, match=message):
        prepare("notmnist_small", archive.parent)
    assert not (archive.parent / "notmnist_small.npz").exists()


def test_the_published_images_are_written_with_letters_and_fonts(notmnist, tmp_path):
    names = [f"{builder.LETTERS[label]}/{i:05}.png" for i, label in enumerate(notmnist.labels)]
    write_archive(tmp_path / "notMNIST_small.tar.gz", dict(zip(names, notmnist.images, strict=True)))
    prepare("notmnist_small", tmp_path)
    found = load("notmnist_small", "all", tmp_path)
    np.testing.assert_array_equal(found.images, notmnist.images[np.argsort(names)])
    np.testing.assert_array_equal(np.bincount(found.labels), np.bincount(notmnist.labels))
    assert check(found, "all", OFFICIAL["notmnist_small"]).faults == ()


def test_an_archive_is_downloaded_where_none_lies_in_the_folder(archive, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr(builder, "URL", archive.as_uri())
    with pytest.raises(InputError, match="holds 4 images"):
        prepare("notmnist_small", tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere/notMNIST_small.tar.gz").read_bytes() == archive.read_bytes()


def test_a_download_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(builder, "URL", (tmp_path / "absent/notMNIST_small.tar.gz").as_uri())
    with pytest.raises(InputError, match=r"cannot be downloaded .*; bring notMNIST_small.tar.gz into"):
        prepare("notmnist_small", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("keep", [0, 100, 0.5])
def test_a_damaged_archive_is_refused(archive, keep):
    content = archive.read_bytes()
    archive.write_bytes(content[: int(keep * len(content)) if keep < 1 else keep])
    with pytest.raises(InputError, match=r"cannot be read as an archive .*seems damaged; remove it and prepare again"):
        prepare("notmnist_small", archive.parent)


def test_an_archive_of_something_else_is_refused(tmp_path):
    write_archive(tmp_path / "notMNIST_small.tar.gz", {"K/x.png": IMAGES[0]})
    with pytest.raises(InputError, match="has no images of one shape in folders A to J"):
        prepare("notmnist_small", tmp_path)
