import jax.numpy as jnp
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
        (np.zeros((2, 3, 3, 1), np.float32), r"float32 of shape \[2, 3, 3, 1\] between 0 and 0; expected uint8"),
        (np.full((2, 3, 3, 1), np.nan), r"float64 .* with NaN or infinity among them; expected uint8"),
        (
            np.zeros((2, 3, 3), np.uint8),
            r"uint8 of shape \[2, 3, 3\] .* expected uint8 .* \[N, H, W, C\]",
        ),
        (np.zeros((0, 3, 3, 1), np.uint8), r"uint8 of shape \[0, 3, 3, 1\]; .* no empty axis"),
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


@pytest.mark.parametrize("convert", [list, np.ma.masked_array, jnp.asarray])
def test_lists_and_arrays_of_other_libraries_become_numpy_arrays(convert):
    images = convert(IMAGES + 7)
    found = ImageSet("mine", images, labels=[3, 1, 2, 0], groups=np.arange(4, dtype=">i4"))
    assert type(found.images) is np.ndarray
    np.testing.assert_array_equal(found.images, IMAGES + 7)
    assert found.labels.tolist() == [3, 1, 2, 0]
    assert found.groups.dtype.isnative


def test_masked_images_and_lists_of_several_shapes_are_refused():
    with pytest.raises(InputError, match="The images of the image set 'mine' have masked entries"):
        ImageSet("mine", np.ma.masked_equal(IMAGES, 0))
    with pytest.raises(InputError, match="cannot be made into one array"):
        ImageSet("mine", [IMAGES[0], IMAGES[0, :2]])


def test_a_set_knows_its_size_and_prints_in_one_line(small):
    assert (small.num_images, small.shape) == (30, (6, 5, 3))
    assert repr(small) == "ImageSet('small:test', 30 of 6x5x3)"
