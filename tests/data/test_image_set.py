import numpy as np
import pytest

from glowjax.checks import InputError
from glowjax.data import ImageSet

IMAGES = np.zeros((4, 3, 3, 1), np.uint8)


def test_a_smaller_subset_begins_a_larger_one(small):
    np.testing.assert_array_equal(small.take(5, seed=3).images, small.take(20, seed=3).images[:5])


def test_a_subset_is_fixed_by_its_seed(small):
    np.testing.assert_array_equal(small.take(9, seed=1).labels, small.take(9, seed=1).labels)
    assert (small.take(9, seed=1).labels != small.take(9, seed=2).labels).any()


def test_a_subset_repeats_no_image(small):
    assert len(set(small.take(29, seed=0).labels.tolist())) == 29


def test_labels_and_groups_follow_their_images(small):
    subset = small.take(10, seed=0)
    np.testing.assert_array_equal(subset.images, small.images[subset.labels])
    np.testing.assert_array_equal(subset.groups, small.groups[subset.labels])


def test_a_subset_tells_its_size_seed_and_origin(small):
    assert small.take(10, seed=4).source == "10 images drawn with seed 4 from 30 images: made for a test"


@pytest.mark.parametrize("num_images", [30, 1000])
def test_taking_all_or_more_gives_the_whole_set_in_an_order_that_is_not_the_files(small, num_images):
    taken = small.take(num_images, seed=0)
    assert sorted(taken.labels) == sorted(small.labels)
    assert (taken.labels != small.labels).any()
    assert taken.source == "30 images in an order drawn with seed 0 from 30 images: made for a test"


def test_no_number_leaves_a_set_as_it_is(small):
    assert small.take(None) is small


@pytest.mark.parametrize("num_images", [0, -1])
def test_taking_none_is_refused(small, num_images):
    with pytest.raises(InputError, match=f"Cannot take {num_images} images of 'small:test'"):
        small.take(num_images, seed=0)


@pytest.mark.parametrize(
    ("images", "told"),
    [
        (np.zeros((2, 3, 3, 1), np.float32), r"float32 of shape \[2, 3, 3, 1\]; expected uint8"),
        (np.full((2, 3, 3, 1), np.nan), "float64 .* with NaN among them; expected uint8"),
        (np.zeros((2, 3, 3), np.uint8), r"uint8 of shape \[2, 3, 3\]; expected uint8 \[N, H, W, C\]"),
        (np.zeros((0, 3, 3, 1), np.uint8), r"uint8 of shape \[0, 3, 3, 1\]; .* no axis empty"),
    ],
)
def test_images_of_another_kind_are_refused(images, told):
    with pytest.raises(InputError, match=f"The images of the image set 'mine' are {told}"):
        ImageSet("mine", images)


@pytest.mark.parametrize("field", ["labels", "groups"])
@pytest.mark.parametrize("values", [np.zeros(3, int), np.zeros(4), np.zeros((4, 1), int)])
def test_labels_and_groups_are_one_integer_an_image(field, values):
    with pytest.raises(InputError, match=f"The {field} of the image set 'mine' .* expected one integer"):
        ImageSet("mine", IMAGES, **{field: values})


def test_shape_is_that_of_one_image(small):
    assert (small.num_images, small.shape) == (30, (6, 5, 3))
