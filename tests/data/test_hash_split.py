import warnings

import numpy as np
import pytest

from glowjax.checks import InputError
from glowjax.data import ImageSet, training_and_validation
from glowjax.data.split import part

GOLDEN_VALIDATION = [8, 12, 16, 22, 35]
GOLDEN_TEST = [16, 32]


@pytest.fixture
def many():
    """3,000 images, the last thousand of which repeat the first thousand."""
    images = np.random.default_rng(0).integers(0, 256, (2000, 4, 4, 1), dtype=np.uint8)
    return ImageSet("many", np.concatenate([images, images[:1000]]), np.arange(3000))


def both_ways(image_set):
    return [training_and_validation(image_set), (part(image_set, "train"), part(image_set, "test"))]


def test_every_image_is_on_exactly_one_side(many):
    for left, right in both_ways(many):
        assert sorted([*left.labels, *right.labels]) == list(range(3000))


def test_duplicates_land_on_the_same_side(many):
    for left, right in both_ways(many):
        assert not {image.tobytes() for image in left.images} & {image.tobytes() for image in right.images}


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.5])
def test_the_held_out_share_is_about_the_fraction(many, fraction):
    unique = ImageSet("unique", many.images[:2000])
    _, validation = training_and_validation(unique, fraction)
    assert abs(validation.num_images - 2000 * fraction) < 4 * np.sqrt(2000 * fraction * (1 - fraction))


def test_sides_do_not_depend_on_the_order_of_the_images(many):
    shuffled = many.select(np.random.default_rng(1).permutation(3000), "shuffled")
    for (_, one), (_, other) in zip(both_ways(many), both_ways(shuffled), strict=True):
        assert set(one.labels) == set(other.labels)


def test_sides_are_the_same_on_every_machine():
    images = np.arange(40, dtype=np.uint8).reshape(40, 1, 1, 1)
    numbers = ImageSet("numbers", images, np.arange(40))
    assert training_and_validation(numbers, 0.1)[1].labels.tolist() == GOLDEN_VALIDATION
    assert part(numbers, "test").labels.tolist() == GOLDEN_TEST


def test_a_hashed_training_part_can_be_split_again(many):
    training, validation = training_and_validation(part(many, "train"))
    assert min(training.num_images, validation.num_images) > 50


def test_a_larger_fraction_holds_out_a_superset(many):
    small, large = (set(training_and_validation(many, f)[1].labels) for f in (0.05, 0.2))
    assert small < large


def test_a_validation_set_that_is_too_small_to_choose_with_is_warned_about(many):
    few = many.select(np.arange(1000), "first")
    with pytest.warns(UserWarning, match=r"Only \d\d images of 'many' are held out .* Hold out 100 or more"):
        training_and_validation(few)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        training_and_validation(many, 0.1)


def test_all_is_the_whole_set(many):
    assert part(many, "all").num_images == 3000


def test_names_and_sources_tell_the_part(many):
    _, validation = training_and_validation(many)
    assert validation.name == "many-validation"
    assert "held out for validation from given by the caller" in validation.source
    assert part(many, "test").name == "many:test"


def test_an_unknown_part_is_refused(many):
    with pytest.raises(InputError, match="'many' has no official split, and so no 'extra'; expected"):
        part(many, "extra")


@pytest.mark.parametrize("fraction", [0, 1, -0.1, float("nan")])
def test_a_fraction_outside_0_to_1_is_refused(many, fraction):
    with pytest.raises(InputError, match=r"validation fraction is .* between 0 and 1"):
        training_and_validation(many, fraction)


def test_a_side_without_images_is_refused():
    one = ImageSet("one", np.zeros((1, 2, 2, 1), np.uint8))
    with pytest.raises(InputError, match="None of the 1 images of 'one' is held out for validation"):
        training_and_validation(one, 1e-9)
