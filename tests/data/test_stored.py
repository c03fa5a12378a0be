"""Sets that stay on disk behave as those in memory, and never have all of their images in memory."""

import numpy as np
import pytest

from glowjax.checks import InputError
from glowjax.data import ImageSet, StoredImages, generate, training_and_validation
from glowjax.data.stored import chunks, digest, is_equal
from glowjax.data.verify import check

KEYS = [3, -1, slice(2, 7), slice(None, None, -2), [4, 4, 0], np.arange(30) % 3 == 0, np.array([[1, 2], [3, 4]]), ...]


class Counting:
    """An array as a storage; it knows the largest number of bytes that were read at once."""

    def __init__(self, images):
        self.images, self.shape, self.most = images, images.shape, 0

    def read(self, indices):
        found = self.images[indices]
        self.most = max(self.most, found.nbytes)
        return found


@pytest.fixture
def counting(small):
    return Counting(small.images)


@pytest.fixture
def large(small, counting, monkeypatch):
    """`small` as if it were larger than memory: it stays where it is, and is read in parts of at most five images."""
    monkeypatch.setattr("glowjax.data.image_set.MAX_IN_MEMORY", 9 * small.images[0].nbytes)
    monkeypatch.setattr("glowjax.data.stored.CHUNK_BYTES", 5 * small.images[0].nbytes)
    return ImageSet(small.name, StoredImages(counting), small.labels, small.groups, small.source)


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_stored_images_are_indexed_as_an_array_is(small, counting, key):
    stored, order = StoredImages(counting), np.arange(30)[::-1]
    np.testing.assert_array_equal(stored[key], small.images[key])
    np.testing.assert_array_equal(stored.select(order)[key], small.images[order][key])


def test_stored_images_look_like_an_array(small, counting):
    stored = StoredImages(counting)
    for attribute in ("shape", "dtype", "ndim", "size", "nbytes"):
        assert getattr(stored, attribute) == getattr(small.images, attribute)
    np.testing.assert_array_equal(np.asarray(stored), small.images)
    np.testing.assert_array_equal(list(stored), small.images)
    assert np.asarray(stored, np.float32).dtype == np.float32
    with pytest.raises(IndexError):
        stored[30]


def test_a_small_set_comes_into_memory_and_a_large_one_does_not(small, counting, large):
    assert isinstance(large.images, StoredImages)
    assert type(large.take(9).images) is np.ndarray
    assert isinstance(large.take(10).images, StoredImages)
    assert type(ImageSet("few", StoredImages(Counting(small.images[:9]))).images) is np.ndarray
    assert counting.most <= 5 * small.images[0].nbytes


@pytest.mark.parametrize("num_images", [None, 4, 20, 50])
def test_subsets_are_those_of_the_set_in_memory(small, large, num_images):
    expected, found = small.take(num_images, seed=2), large.take(num_images, seed=2)
    assert is_equal(expected.images, found.images)
    np.testing.assert_array_equal(expected.labels, found.labels)
    np.testing.assert_array_equal(expected.groups, found.groups)
    assert expected.source == found.source


@pytest.mark.filterwarnings("ignore:Only .* held out")
def test_splits_facts_and_changed_images_are_those_of_the_set_in_memory(small, large, counting):
    for expected, found in zip(training_and_validation(small, 0.3), training_and_validation(large, 0.3), strict=True):
        assert is_equal(expected.images, found.images)
        np.testing.assert_array_equal(expected.labels, found.labels)
    assert digest(large.images) == digest(small.images)
    expected, found = check(small, "train"), check(large, "train")
    assert found.fingerprint == expected.fingerprint
    np.testing.assert_array_equal([*found.mean[:2], *found.std[:2]], [*expected.mean[:2], *expected.std[:2]])
    assert is_equal(generate("rotated-30", large).images, generate("rotated-30", small).images)
    assert counting.most <= 5 * small.images[0].nbytes


def test_all_parts_together_are_the_set(small, large):
    for images in (small.images, large.images):
        parts = list(chunks(images))
        assert [len(part) for part in parts] == [5] * 6
        np.testing.assert_array_equal(np.concatenate(parts), small.images)


def test_sets_are_compared_by_their_images(small, large):
    other = small.images.copy()
    other[-1, -1, -1, -1] += 1
    assert is_equal(large.images, small.images)
    assert not is_equal(large.images, other)
    assert not is_equal(large.images, small.images[:-1])
    assert not is_equal(large.images, np.swapaxes(small.images, 1, 2))


@pytest.mark.usefixtures("unchecked")
def test_storages_of_other_things_are_refused():
    for shape in ((3, 4, 4), (0, 4, 4, 1)):
        with pytest.raises(InputError, match=r"The storage has the shape .*; expected \[N, H, W, C\]"):
            StoredImages(Counting(np.zeros(shape, np.uint8)))
    with pytest.raises(InputError, match="The storage returned float64 images; expected uint8"):
        StoredImages(Counting(np.zeros((3, 4, 4, 1))))[0]
