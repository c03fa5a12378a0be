import numpy as np
import pytest

from glowjax.checks import InputError
from glowjax.data import generate, load, parse_spec, resolve


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("mnist", ("mnist", "test")),
        ("mnist:train", ("mnist", "train")),
        ("./pictures:train", ("./pictures", "train")),
        ("C:/pictures", ("C:/pictures", "test")),
        ("C:/pictures:all", ("C:/pictures", "all")),
    ],
)
def test_a_spec_is_a_name_and_a_split(spec, expected):
    assert parse_spec(spec) == expected


@pytest.mark.parametrize("spec", ["", ":", "mnist:", ":train"])
def test_an_incomplete_spec_is_refused(spec):
    with pytest.raises(InputError, match=f"The data set '{spec}' is incomplete; expected 'name' or 'name:split'"):
        parse_spec(spec)


def test_a_spec_loads_what_it_names():
    np.testing.assert_array_equal(resolve("mnist:train").images, load("mnist", "train").images)


def test_a_number_of_images_takes_a_fixed_subset():
    subset = resolve("mnist:train", num_images=50, seed=3)
    np.testing.assert_array_equal(subset.images, load("mnist", "train").take(50, seed=3).images)


@pytest.mark.parametrize("spec", ["noise", "constant", "contrast-0.3"])
def test_generated_sets_take_their_shape_from_the_reference(small, spec):
    found = resolve(spec, like=small, num_images=6, seed=2)
    np.testing.assert_array_equal(found.images, generate(spec, small, 6, seed=2).images)


def test_a_generated_set_needs_a_reference():
    with pytest.raises(InputError, match="'noise' needs a reference set for its shape; expected an ImageSet"):
        resolve("noise")


def test_another_shape_is_refused_rather_than_resized(small):
    told = (
        r"The images of 'mnist:train' have the shape \[28, 28, 1\] and those of 'small:test' \[6, 5, 3\] .*; expected "
        "one shape. glowjax never resizes images"
    )
    with pytest.raises(InputError, match=told):
        resolve("mnist:train", like=small)
