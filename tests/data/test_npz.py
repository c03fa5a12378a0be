import re

import numpy as np
import pytest

from glowjax.checks import InputError
from glowjax.data import load

IMAGES = np.random.default_rng(0).integers(0, 256, (60, 4, 4, 1), dtype=np.uint8)


@pytest.fixture
def write(tmp_path):
    def write(file, **arrays):
        np.savez_compressed(tmp_path / file, **arrays)
        return tmp_path

    return write


def test_an_archive_comes_back_as_written(write):
    folder = write("mine_train.npz", image=IMAGES, label=np.arange(60), source_image=np.arange(60) // 2)
    found = load("mine", "train", folder)
    np.testing.assert_array_equal(found.images, IMAGES)
    np.testing.assert_array_equal(found.labels, np.arange(60))
    np.testing.assert_array_equal(found.groups, np.arange(60) // 2)
    assert found.name == "mine:train"
    assert found.source == f"60 images: {folder.name}/mine_train.npz"


def test_labels_groups_and_other_keys_are_optional(write):
    folder = write("mine_test.npz", image=IMAGES, official=np.ones(60, bool))
    found = load("mine", data_dir=folder)
    assert found.labels is None
    assert found.groups is None


def test_small_label_types_do_not_overflow(write):
    folder = write("mine_test.npz", image=IMAGES, label=np.full(60, 255, np.uint8))
    assert (load("mine", data_dir=folder).labels + 1).tolist() == [256] * 60


def test_an_archive_without_a_split_is_split_by_hash(write):
    folder = write("mine.npz", image=IMAGES, label=np.arange(60))
    train, test, whole = (load("mine", split, folder) for split in ("train", "test", "all"))
    assert sorted([*train.labels, *test.labels]) == whole.labels.tolist()
    assert test.name == "mine:test"


def test_archives_of_splits_win_over_one_of_the_whole(write):
    write("mine.npz", image=IMAGES)
    folder = write("mine_train.npz", image=IMAGES[:7])
    assert load("mine", "train", folder).num_images == 7
    with pytest.raises(InputError, match=r"'mine' has no split 'test' here, only 'train' \(in \.npz files\)"):
        load("mine", "test", folder)


def test_a_set_called_as_the_whole_of_another_is_not_read_in_its_place(write):
    write("cells.npz", image=IMAGES)
    folder = write("cells_all.npz", image=IMAGES[:7])
    assert load("cells", "all", folder).num_images == 60
    assert load("cells_all", "all", folder).num_images == 7


def test_an_archive_can_be_named_by_its_path(write):
    folder = write("mine.npz", image=IMAGES)
    assert load(str(folder / "mine.npz"), "all").num_images == 60


def assert_refused(folder, told):
    with pytest.raises(InputError, match=told) as caught:
        load("mine", data_dir=folder)
    assert str(folder / "mine_test.npz") in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04" + bytes(50)])
def test_a_file_that_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "mine_test.npz").write_bytes(content)
    assert_refused(tmp_path, "cannot be read as a NumPy archive")


def test_a_truncated_archive_is_refused(write):
    folder = write("mine_test.npz", image=IMAGES)
    whole = (folder / "mine_test.npz").read_bytes()
    (folder / "mine_test.npz").write_bytes(whole[: len(whole) // 2])
    assert_refused(folder, "seems damaged")


def test_flipped_bytes_are_noticed(write):
    folder = write("mine_test.npz", image=IMAGES)
    content = bytearray((folder / "mine_test.npz").read_bytes())
    content[300:310] = bytes(10)
    (folder / "mine_test.npz").write_bytes(content)
    assert_refused(folder, "seems damaged")


def test_an_unknown_compression_is_refused(write):
    folder = write("mine_test.npz", image=IMAGES)
    content = bytearray((folder / "mine_test.npz").read_bytes())
    content[content.index(b"PK\x01\x02") + 10] = 99  # the method, in the archive's directory
    (folder / "mine_test.npz").write_bytes(content)
    assert_refused(folder, "compression method is not supported")


def test_a_lone_array_under_the_name_of_an_archive_is_refused(tmp_path):
    with (tmp_path / "mine_test.npz").open("wb") as file:
        np.save(file, IMAGES)
    assert_refused(tmp_path, "cannot be read as a NumPy archive")


def test_python_objects_are_never_unpickled(write):
    assert_refused(write("mine_test.npz", image=np.array([{}], dtype=object)), "Python objects")


def test_a_missing_key_is_refused(write):
    assert_refused(
        write("mine_test.npz", images=IMAGES, label=np.arange(60)), r"has the keys \['images', 'label'\] and no 'image'"
    )


@pytest.mark.parametrize(
    ("images", "told"),
    [
        (IMAGES.astype(np.float32) / 255, "are float32 of shape"),
        (np.full((2, 3, 3, 1), np.nan), "with NaN or infinity among them"),
        (IMAGES[..., 0], r"shape \[60, 4, 4\] .* expected uint8 .*\[N, H, W, C\]"),
        (IMAGES[:0], re.escape("shape [0, 4, 4, 1]")),
        (np.uint8(3), re.escape("shape []")),
    ],
)
def test_images_of_another_kind_are_refused(write, images, told):
    assert_refused(write("mine_test.npz", image=images), told)


@pytest.mark.parametrize("key", ["label", "source_image"])
def test_labels_that_do_not_fit_are_refused(write, key):
    told = f"The {'labels' if key == 'label' else 'groups'} of the image set 'mine:test' are .* expected one integer"
    assert_refused(write("mine_test.npz", image=IMAGES, **{key: np.arange(3)}), told)
    assert_refused(write("mine_test.npz", image=IMAGES, **{key: np.full(60, np.nan)}), told)


def test_official_sets_load_whole(official):
    assert load("mnist", "train", official).num_images == 60_000
    digits = load("svhn", "test", official)
    assert digits.shape == (32, 32, 3)
    assert len(set(digits.groups.tolist())) == 256


def test_duplicates_of_notmnist_land_on_the_same_side(official):
    if not (official / "notmnist_small.npz").is_file():
        pytest.skip("no notmnist_small.npz among the official archives")
    train, test = (load("notmnist_small", split, official) for split in ("train", "test"))
    assert train.num_images + test.num_images == 18_724
    assert 0.09 < test.num_images / 18_724 < 0.11
    assert not {image.tobytes() for image in train.images} & {image.tobytes() for image in test.images}
