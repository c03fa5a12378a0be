"""Images in NumPy files, and what may be wrong with such files."""

import numpy as np
import pytest

from glowjax.checks import InputError
from glowjax.data import ImageSet, StoredImages, known_names, load, npy, splits
from glowjax.data.npz import write_archive


def write(folder, name, image_set):
    np.save(folder / f"{name}.npy", image_set.images)
    np.save(folder / f"{name}.label.npy", image_set.labels)
    np.save(folder / f"{name}.source_image.npy", image_set.groups)


def is_same(a, b):
    arrays = [(one.images, one.labels, one.groups) for one in (a, b)]
    return a.name == b.name and all(map(np.array_equal, *arrays))


@pytest.mark.parametrize("name", ["mine_train", "mine"])  # with a split, and split by a hash
def test_files_hold_what_an_archive_holds(small, tmp_path, name):
    for folder in ("npy", "npz"):
        (tmp_path / folder).mkdir()
    write(tmp_path / "npy", name, small)
    write_archive(tmp_path / f"npz/{name}.npz", small)
    assert splits("mine", tmp_path / "npy").keys() == splits("mine", tmp_path / "npz").keys()
    assert is_same(load("mine", "train", tmp_path / "npy"), load("mine", "train", tmp_path / "npz"))
    assert load("mine", "train", tmp_path / "npy").source.endswith(f"30 images: npy/{name}.npy")
    assert known_names(tmp_path / "npy") - known_names() == {"mine"}


def test_a_path_names_a_file_of_a_set_without_splits(small, tmp_path, monkeypatch):
    write(tmp_path, "mine", small)
    monkeypatch.chdir(tmp_path)
    assert is_same(load("mine.npy", "all"), load("mine", "all", tmp_path))


def test_labels_and_groups_are_optional(small, tmp_path):
    np.save(tmp_path / "mine_test.npy", small.images)
    found = load("mine", "test", tmp_path)
    assert found.labels is found.groups is None


@pytest.fixture
def stored(small, tmp_path):
    """The images of a file, and the file."""
    file = tmp_path / "mine.npy"
    np.save(file, small.images)
    return StoredImages(npy.open_array(file)), file


def test_a_file_that_is_gone_or_changed_is_refused(stored):
    images, file = stored
    content = file.read_bytes()
    file.unlink()
    with pytest.raises(InputError, match=r"mine\.npy can no longer be read \(No such file or directory\); .*bring"):
        images[3]
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"mine\.npy was changed while its images were in use; start again\.$"):
        images[3]


def header(text):
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + b"\0" * 64


def saved(array):
    def make(file):
        np.save(file, array, allow_pickle=array.dtype == object)
        return file.read_bytes()

    return make


IMAGES = np.zeros((4, 3, 2, 1), np.uint8)
OVERFLOWING = "{'descr': '|u1', 'fortran_order': False, 'shape': (%d, 2, 2, 1)}"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda file: b"", "cannot be read as a NumPy file .*; it seems damaged; copy it again, or write it"),
        (lambda file: b"PK\x03\x04" + b"0" * 100, "cannot be read as a NumPy file"),
        (lambda file: header("(" * 9_000), "cannot be read as a NumPy file"),
        (lambda file: header("-" * 9_000 + "1"), "cannot be read as a NumPy file"),
        (lambda file: header("__import__('os').abort()"), "cannot be read as a NumPy file"),
        (lambda file: saved(IMAGES)(file)[:-1], r"has 23 bytes for an array of shape \[4, 3, 2, 1\]; expected 24"),
        (
            lambda file: header(OVERFLOWING % 2**70),
            "has 64 bytes .* expected 4,722,366,482,869,645,213,696",
        ),
        (lambda file: header(OVERFLOWING % -1), "has 64 bytes for an array"),
        (saved(np.array([{}])), "holds an array of the dtype object; expected numbers in C order"),
        (saved(np.asfortranarray(IMAGES[:, ::2])), "holds an array of the dtype uint8, in Fortran order"),
        (saved(IMAGES / 2), r"has float64 of shape \[4, 3, 2, 1\]; expected uint8 images"),
        (saved(IMAGES[..., 0]), r"has uint8 of shape \[4, 3, 2\]; expected uint8 images"),
        (saved(IMAGES[:0]), r"has uint8 of shape \[0, 3, 2, 1\]; expected .* without an empty axis"),
    ],
)
def test_files_without_images_are_refused_in_a_sentence(tmp_path, make, message):
    file = tmp_path / "mine.npy"
    file.write_bytes(make(file))
    with pytest.raises(InputError, match=rf"mine\.npy {message}") as caught:
        load(str(file), "all")
    assert len(str(caught.value)) < 600


def test_labels_of_another_number_are_refused(tmp_path):
    np.save(tmp_path / "mine_test.npy", IMAGES)
    np.save(tmp_path / "mine_test.label.npy", np.arange(3))
    with pytest.raises(InputError, match=r"mine_test\.npy: The labels .* of shape \[3\]; expected one integer"):
        load("mine", "test", tmp_path)


def test_an_image_set_refuses_nothing_that_its_file_has(small, stored):
    assert ImageSet("mine", stored[0], small.labels).num_images == 30
