import jax.numpy as jnp
import numpy as np
import pytest

from glowjax.checks import InputError
from glowjax.data import ImageSet

IMAGES = np.zeros((4, 3, 3, 1), np.uint8)


def test_a_set_knows_its_size_and_prints_in_one_line(small):
    assert (small.num_images, small.shape) == (30, (6, 5, 3))
    assert repr(small) == "ImageSet('small:test', 30 of 6x5x3)"
    assert repr(ImageSet("many", np.zeros((5000, 2, 2, 1), np.uint8))) == "ImageSet('many', 5,000 of 2x2x1)"


def test_a_subset_is_fixed_by_its_seed_and_begins_a_larger_one(small):
    np.testing.assert_array_equal(small.take(5, seed=3).images, small.take(20, seed=3).images[:5])
    assert (small.take(9, seed=1).labels != small.take(9, seed=2).labels).any()


def test_a_subset_repeats_no_image_and_labels_and_groups_follow(small):
    subset = small.take(29, seed=0)
    assert len(set(subset.labels.tolist())) == 29
    np.testing.assert_array_equal(subset.images, small.images[subset.labels])
    np.testing.assert_array_equal(subset.groups, small.groups[subset.labels])
    assert subset.source == "29 images drawn with seed 0 from 30 images: made for a test"


@pytest.mark.parametrize("num_images", [30, 1000])
def test_taking_all_or_more_gives_the_whole_set_in_an_order_that_is_not_the_files(small, num_images):
    subset = small.take(num_images, seed=0)
    assert sorted(subset.labels) == sorted(small.labels)
    assert (subset.labels != small.labels).any()
    assert subset.source == "30 images in an order drawn with seed 0 from 30 images: made for a test"


@pytest.mark.usefixtures("unchecked")
def test_no_number_leaves_a_set_as_it_is_and_none_is_refused(small):
    assert small.take(None) is small
    for num_images in (0, -1, 2.5):
        with pytest.raises(InputError, match=f"num_images must be a positive whole number, but is {num_images}"):
            small.take(num_images, seed=0)


@pytest.mark.parametrize("convert", [list, np.ma.masked_array, jnp.asarray])
def test_lists_and_arrays_of_other_libraries_become_numpy_arrays(convert):
    found = ImageSet("mine", convert(IMAGES + 7), labels=[3, 1, 2, 0], groups=np.arange(4, dtype=">i4"))
    assert type(found.images) is np.ndarray
    np.testing.assert_array_equal(found.images, IMAGES + 7)
    assert (found.labels + 0).tolist() == [3, 1, 2, 0]
    assert found.groups.dtype == np.int64
    assert found.groups.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 3, 3, 1), np.float32), r"are float32 of shape \[2, 3, 3, 1\] between 0 and 0; expected uint8"),
        (np.full((2, 3, 3, 1), np.nan), r"are float64 .* with NaN or infinity among them; expected uint8"),
        (np.zeros((2, 3, 3), np.uint8), r"are uint8 of shape \[2, 3, 3\] .* expected uint8 .* \[N, H, W, C\]"),
        (np.zeros((0, 3, 3, 1), np.uint8), r"are uint8 of shape \[0, 3, 3, 1\]; .* no empty axis"),
        (np.ma.masked_equal(IMAGES, 0), "have masked entries"),
        ([IMAGES[0], IMAGES[0, :2]], "cannot be made into one array"),
    ],
)
def test_images_of_another_kind_are_refused(images, message):
    with pytest.raises(InputError, match=f"The images of the image set 'mine' {message}"):
        ImageSet("mine", images)


@pytest.mark.parametrize("field", ["labels", "groups"])
@pytest.mark.parametrize("values", [np.zeros(3, int), np.zeros(4), np.zeros((4, 1), int)])
def test_labels_and_groups_are_one_integer_per_image(field, values):
    with pytest.raises(InputError, match=f"The {field} of the image set 'mine' .* expected one integer"):
        ImageSet("mine", IMAGES, **{field: values})
