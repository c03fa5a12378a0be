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


def test_a_set_called_as_the_whole_of_another_is_not_read_in_its_place(write):
    write("cells.npz", image=IMAGES)
    folder = write("cells_all.npz", image=IMAGES[:7])
    assert load("cells", "all", folder).num_images == 60
    assert load("cells_all", "all", folder).num_images == 7


def assert_refused(folder, message):
    with pytest.raises(InputError, match=message) as caught:
        load("mine", data_dir=folder)
    assert str(folder / "mine_test.npz") in str(caught.value)


def flipped(whole):
    return whole[:300] + bytes(10) + whole[310:]


def of_an_unknown_method(whole):
    place = whole.index(b"PK\x01\x02") + 10  # the compression method, in the archive's directory
    return whole[:place] + bytes([99]) + whole[place + 1 :]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda whole: b"", "cannot be read as a NumPy archive"),
        (lambda whole: b"not a zip", "cannot be read as a NumPy archive"),
        (lambda whole: b"PK\x03\x04" + bytes(50), "cannot be read as a NumPy archive"),
        (lambda whole: whole[: len(whole) // 2], "seems damaged"),
        (flipped, "seems damaged"),
        (of_an_unknown_method, "compression method is not supported"),
    ],
)
def test_a_damaged_archive_is_refused(write, damage, message):
    folder = write("mine_test.npz", image=IMAGES)
    whole = (folder / "mine_test.npz").read_bytes()
    (folder / "mine_test.npz").write_bytes(damage(whole))
    assert_refused(folder, message)


def test_a_single_array_under_the_name_of_an_archive_is_refused(tmp_path):
    with (tmp_path / "mine_test.npz").open("wb") as file:
        np.save(file, IMAGES)
    assert_refused(tmp_path, "cannot be read as a NumPy archive")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"image": np.array([{}], dtype=object)}, "Python objects"),
        ({"images": IMAGES, "label": np.arange(60)}, r"has the keys \['images', 'label'\] and no 'image'"),
        ({"image": IMAGES.astype(np.float32) / 255}, "are float32 of shape"),
        ({"image": np.full((2, 3, 3, 1), np.nan)}, "with NaN or infinity among them"),
        ({"image": IMAGES[..., 0]}, r"shape \[60, 4, 4\] .* expected uint8 .*\[N, H, W, C\]"),
        ({"image": IMAGES[:0]}, r"shape \[0, 4, 4, 1\]"),
        ({"image": np.uint8(3)}, r"shape \[\]"),
        ({"image": IMAGES, "label": np.arange(3)}, "The labels of .* expected one integer"),
        ({"image": IMAGES, "label": np.full(60, np.nan)}, "The labels of .* expected one integer"),
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


def test_duplicates_of_notmnist_land_on_the_same_side(official):
    if not (official / "notmnist_small.npz").is_file():
        pytest.skip("no notmnist_small.npz among the official archives")
    train, test = (load("notmnist_small", split, official) for split in ("train", "test"))
    assert train.num_images + test.num_images == 18_724
    assert 0.09 < test.num_images / 18_724 < 0.11
    assert not {image.tobytes() for image in train.images} & {image.tobytes() for image in test.images}
