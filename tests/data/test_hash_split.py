import warnings

import numpy as np
import pytest

from glowjax.checks import InputError
from glowjax.data import ImageSet, training_and_validation
from glowjax.data.split import part

pytestmark = pytest.mark.filterwarnings("ignore:Only .* held out")


@pytest.fixture(scope="module")
def many():
    """3,000 images, the last thousand of which repeat the first thousand."""
    images = np.random.default_rng(0).integers(0, 256, (2000, 4, 4, 1), dtype=np.uint8)
    return ImageSet("many", np.concatenate([images, images[:1000]]), np.arange(3000))


def both_ways(image_set):
    return [training_and_validation(image_set), (part(image_set, "train"), part(image_set, "test"))]


def test_every_image_is_on_one_side_and_duplicates_are_on_the_same(many):
    for left, right in both_ways(many):
        assert sorted([*left.labels, *right.labels]) == list(range(3000))
        assert not {image.tobytes() for image in left.images} & {image.tobytes() for image in right.images}


def test_the_held_out_share_is_about_the_fraction_and_grows_by_supersets(many):
    unique = many.select(np.arange(2000), "first")
    held_out = {f: set(training_and_validation(unique, f)[1].labels) for f in (0.05, 0.1, 0.5)}
    for fraction, labels in held_out.items():
        assert abs(len(labels) - 2000 * fraction) < 4 * np.sqrt(2000 * fraction * (1 - fraction))
    assert held_out[0.05] < held_out[0.1] < held_out[0.5]


def test_sides_do_not_depend_on_the_order_of_the_images(many):
    shuffled = many.select(np.random.default_rng(1).permutation(3000), "shuffled")
    for (_, one), (_, other) in zip(both_ways(many), both_ways(shuffled), strict=True):
        assert set(one.labels) == set(other.labels)


def test_sides_are_the_same_on_every_machine():
    images = np.arange(40, dtype=np.uint8).reshape(40, 1, 1, 1)
    numbers = ImageSet("numbers", images, np.arange(40))
    assert training_and_validation(numbers, 0.1)[1].labels.tolist() == [8, 12, 16, 22, 35]
    assert part(numbers, "test").labels.tolist() == [16, 32]


def test_a_hashed_training_part_can_be_split_again(many):
    training, validation = training_and_validation(part(many, "train"))
    assert min(training.num_images, validation.num_images) > 50


def test_names_and_sources_state_the_part(many):
    _, validation = training_and_validation(many)
    assert validation.name == "many-validation"
    assert "held out for validation from given by the caller" in validation.source
    assert part(many, "test").name == "many:test"
    assert part(many, "all").num_images == 3000


@pytest.mark.filterwarnings("default")
def test_a_validation_set_that_is_too_small_to_choose_with_is_warned_about(many):
    with pytest.warns(UserWarning, match=r"Only \d\d images of 'many' are held out .* Hold out 100 or more"):
        training_and_validation(many.select(np.arange(1000), "first"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        training_and_validation(many, 0.1)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
def test_a_fraction_outside_0_to_1_is_refused(many, fraction):
    with pytest.raises(InputError, match=r"validation fraction is .* between 0 and 1"):
        training_and_validation(many, fraction)


def test_a_part_that_is_unknown_or_without_images_is_refused(many):
    with pytest.raises(InputError, match="'many' has no official split, and so no 'extra'; expected"):
        part(many, "extra")
    with pytest.raises(InputError, match="None of the 1 images of 'many' is held out for validation"):
        training_and_validation(many.select(np.arange(1), "first"), 1e-9)
