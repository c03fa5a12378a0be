import io
from pathlib import Path

import numpy as np
import pytest

from glowjax.checks import InputError
from glowjax.data import known_names, load, resolve

IMAGES = np.random.default_rng(0).integers(0, 256, (60, 4, 4, 1), dtype=np.uint8)


@pytest.fixture
def write(tmp_path):
    def write(file, **arrays):
        np.savez_compressed(tmp_path / file, **arrays)
        return tmp_path

    return write


def test_an_archive_comes_back_as_written(write):
    labels = np.full(60, 255, np.uint8)  # of a type in which 255 + 1 would overflow
    folder = write("mine_train.npz", image=IMAGES, label=labels, source_image=np.arange(60) // 2)
    found = load("mine", "train", folder)
    np.testing.assert_array_equal(found.images, IMAGES)
    assert (found.labels + 1).tolist() == [256] * 60
    np.testing.assert_array_equal(found.groups, np.arange(60) // 2)
    assert found.name == "mine:train"
    assert found.source == f"60 images: {folder.name}/mine_train.npz"


def test_labels_groups_and_other_keys_are_optional(write):
    found = load("mine", data_dir=write("mine_test.npz", image=IMAGES, official=np.ones(60, bool)))
    assert found.labels is None
    assert found.groups is None


def test_an_archive_without_a_split_is_split_by_hash_and_can_be_named_by_its_path(write):
    folder = write("mine.npz", image=IMAGES, label=np.arange(60))
    train, test, whole = (load("mine", split, folder) for split in ("train", "test", "all"))
    assert sorted([*train.labels, *test.labels]) == whole.labels.tolist()
    assert test.name == "mine:test"
    np.testing.assert_array_equal(load(str(folder / "mine.npz"), "test").images, test.images)


def test_archives_of_splits_win_over_one_of_the_whole(write):
    write("mine.npz", image=IMAGES)
    folder = write("mine_train.npz", image=IMAGES[:7])
    assert load("mine", "train", folder).num_images == 7
    with pytest.raises(InputError, match=r"'mine' has no split 'test' here, only 'train' \(in \.npz files\)"):
        load("mine", "test", folder)


def test_an_archive_may_have_its_ending_in_capitals_and_hidden_ones_are_no_sets(write):
    write("cells.npz", image=IMAGES)
    write("._cells.npz", image=IMAGES)
    folder = write("mine_train.npz", image=IMAGES[:7])
    for name in ("cells", "mine_train"):
        (folder / f"{name}.npz").rename(folder / f"{name}.NPZ")
    assert load("cells", "all", folder).num_images == load(str(folder / "cells.NPZ"), "all").num_images == 60
    assert load("mine", "train", folder).num_images == 7
    assert known_names(folder) - known_names() == {"cells", "mine"}


def test_the_path_of_a_split_gives_that_split_whole_and_leads_to_the_others(write):
    folder = write("mine_train.npz", image=IMAGES)
    path = str(folder / "mine_train.npz")
    for found in (load(path), load(Path(path)), resolve(path), load(path, "train"), load(path, "all")):
        assert (found.name, found.num_images) == ("mine:train", 60)
    with pytest.raises(
        InputError, match=r"mine_train\.npz is the split 'train' .* there is no mine_test\.npz beside it"
    ):
        load(path, "test")
    write("mine_test.npz", image=IMAGES[:7])
    assert resolve(f"{path}:test").num_images == 7


def test_a_split_is_not_split_again_under_the_name_of_its_file(write):
    folder = write("mine_train.npz", image=IMAGES)
    with pytest.raises(InputError, match=r"'mine_train' is a split of 'mine'; ask for 'mine:train'"):
        load("mine_train", "train", folder)


def test_a_set_called_as_the_whole_of_another_is_not_read_in_its_place(write):
    write("cells.npz", image=IMAGES)
    folder = write("cells_all.npz", image=IMAGES[:7])
    assert load("cells", "all", folder).num_images == 60
    assert load("cells_all", "all", folder).num_images == 7


def assert_refused(folder, message):
    with pytest.raises(InputError, match=message) as caught:
        load("mine", data_dir=folder)
    assert str(folder / "mine_test.npz") in str(caught.value)


def with_an_unknown_compression(whole):
    place = whole.index(b"PK\x01\x02") + 10  # the compression method, in the archive's directory
    return whole[:place] + bytes([99]) + whole[place + 1 :]


def a_single_array(whole):
    np.save(file := io.BytesIO(), IMAGES)
    return file.getvalue()


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: b"not a zip",
        lambda whole: b"PK\x03\x04" + bytes(50),
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:300] + bytes(10) + whole[310:],
        with_an_unknown_compression,
        a_single_array,
    ],
)
def test_a_damaged_archive_is_refused(write, damage):
    folder = write("mine_test.npz", image=IMAGES)
    whole = (folder / "mine_test.npz").read_bytes()
    (folder / "mine_test.npz").write_bytes(damage(whole))
    assert_refused(folder, "cannot be read as a NumPy archive .* seems damaged")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"image": np.array([{}], dtype=object)}, "Python objects"),
        ({"images": IMAGES, "label": np.arange(60)}, r"has the keys \['images', 'label'\] and no 'image'"),
        ({"image": IMAGES.astype(np.float32) / 255}, "are float32 of shape"),
        ({"image": np.uint8(3)}, r"shape \[\]"),
        ({"image": IMAGES, "label": np.arange(3)}, "The labels of .* expected one integer"),
        ({"image": IMAGES, "source_image": np.arange(3)}, "The groups of .* expected one integer"),
    ],
)
def test_an_archive_of_other_arrays_is_refused(write, arrays, message):
    assert_refused(write("mine_test.npz", **arrays), message)


def test_official_sets_load_whole(official):
    assert load("mnist", "train", official).num_images == 60_000
    digits = load("svhn", "test", official)
    assert digits.shape == (32, 32, 3)
    assert len(set(digits.groups.tolist())) == 256
