import numpy as np
import pytest

from glowjax.checks import InputError
from glowjax.data import ImageSet, generate, generated
from glowjax.data.generated import is_generated

NAMES = ["noise", "constant", "contrast-0.5", "contrast-0.5-to-black", "rotated-30"]


@pytest.mark.parametrize("name", NAMES)
def test_a_generated_set_has_the_shape_asked_for(small, name):
    assert generate(name, small, 10, seed=0).images.shape == (10, 6, 5, 3)
    assert generate(name, small).num_images == 30


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_alone_chooses_the_images(small, name):
    images = [generate(name, small, 10, seed).images for seed in (1, 1, 2)]
    np.testing.assert_array_equal(images[0], images[1])
    assert (images[0] != images[2]).any()


@pytest.mark.parametrize("name", ["contrast-0.5", "contrast-0.3-to-grey", "rotated-30"])
def test_batches_change_nothing(small, name, monkeypatch):
    whole = generate(name, small).images
    monkeypatch.setattr(generated, "CHUNK", 7)
    np.testing.assert_array_equal(generate(name, small).images, whole)


def test_noise_is_uniform_on_all_levels(small):
    levels = generate("noise", small, 2000, seed=0).images
    counts = np.bincount(levels.ravel(), minlength=256)
    expected = levels.size / 256
    assert abs(((counts - expected) ** 2 / expected).sum() - 255) < 4 * np.sqrt(2 * 255)  # chi-squared


def test_constant_images_have_one_level_a_channel(small):
    images = generate("constant", small, 3000, seed=0).images
    np.testing.assert_array_equal(images, np.broadcast_to(images[:, :1, :1], images.shape))
    levels = images[:, 0, 0]
    assert len(np.unique(levels)) == 256
    assert abs(np.corrcoef(levels.T)[0, 1]) < 4 / np.sqrt(3000)


def test_contrast_shrinks_the_spread_and_keeps_the_mean(small):
    shrunk = generate("contrast-0.5", small)
    for before, after in zip(small.images, shrunk.images, strict=True):
        np.testing.assert_allclose(after.mean((0, 1)), before.mean((0, 1)), atol=0.5)
        np.testing.assert_allclose(after.std((0, 1)), 0.5 * before.std((0, 1)), atol=0.6)


@pytest.mark.parametrize(("level", "halves"), [("black", [0, 5, 128]), ("grey", [64, 69, 191])])
def test_contrast_shrinks_towards_a_level(level, halves):
    images = np.zeros((1, 1, 3, 1), np.uint8)
    images[0, 0, :, 0] = [0, 10, 255]
    shrunk = generate(f"contrast-0.5-to-{level}", ImageSet("x", images))
    assert shrunk.images.ravel().tolist() == halves
    assert shrunk.source.endswith(f"shrunk by 0.5 towards {level}")


def test_an_unknown_level_suggests_the_nearest(small):
    with pytest.raises(InputError, match="'blck'; did you mean 'black'"):
        generate("contrast-0.5-to-blck", small)


def test_contrast_keeps_labels_and_groups(small):
    shrunk = generate("contrast-0.2", small, 7, seed=5)
    reference = small.take(7, seed=5)
    np.testing.assert_array_equal(shrunk.labels, reference.labels)
    np.testing.assert_array_equal(shrunk.groups, reference.groups)


@pytest.mark.parametrize("name", ["contrast-1", "rotated-0"])
@pytest.mark.parametrize("count", [None, 30, 99])
def test_all_images_changed_are_in_the_order_of_the_reference(small, name, count):
    np.testing.assert_array_equal(generate(name, small, count, seed=3).images, small.images)


def test_a_collected_set_may_be_called_like_a_generated_one():
    assert is_generated("rotated-90")
    assert not is_generated("rotated-mnist:test")
    assert not is_generated("contrast-mri:train")


def test_a_generated_set_says_so_and_names_the_set_whose_images_it_changed(small):
    derived = {name: generate(name, small).derived_from for name in ("noise", "contrast-0.5", "rotated-30")}
    assert derived == {"noise": None, "contrast-0.5": "small:test", "rotated-30": "small:test"}
    assert not small.generated
    subset = generate("rotated-30", small).take(5)
    assert (subset.generated, subset.derived_from) == (True, None)  # no longer image by image


def test_full_contrast_changes_nothing(small):
    np.testing.assert_array_equal(generate("contrast-1", small).images, small.images)


def test_no_contrast_is_flat_at_the_rounded_mean():
    images = np.zeros((1, 1, 3, 1), np.uint8)
    images[0, 0, :, 0] = [0, 10, 255]  # mean 88.33
    assert generate("contrast-0", ImageSet("x", images)).images.ravel().tolist() == [88, 88, 88]


def test_the_source_tells_how_it_was_made(small):
    assert generate("noise", small, 3, seed=9).source == "3 images: uniform noise, generated with seed 9"
    assert generate("contrast-0.5", small).source.endswith("shrunk by 0.5 towards each image's mean")


@pytest.mark.parametrize("factor", ["half", "1.5", "-0.1", "nan", ""])
def test_a_factor_outside_0_to_1_is_refused(small, factor):
    with pytest.raises(InputError, match=f"contrast factor '{factor}' in 'contrast-{factor}' is not a number"):
        generate(f"contrast-{factor}", small)


def test_an_unknown_name_suggests_the_nearest(small):
    with pytest.raises(InputError, match="Unknown generated set 'nois'; did you mean 'noise'"):
        generate("nois", small)


def test_generating_none_is_refused(small):
    with pytest.raises(InputError, match="Cannot generate 0 images of 'noise'"):
        generate("noise", small, 0)


def test_a_quarter_turn_is_exact_and_counter_clockwise(square):
    for quarters, name in enumerate(["rotated-0", "rotated-90", "rotated-180", "rotated-270"]):
        turned = generate(name, square)
        np.testing.assert_array_equal(turned.images, np.rot90(square.images, quarters, axes=(1, 2)))
        np.testing.assert_array_equal(turned.labels, square.labels)
    assert "rotated by 270 degrees" in turned.source


def test_a_small_turn_and_its_undoing_give_the_image_back_roughly(square):
    ramp = ImageSet("ramp", np.tile(np.arange(0, 240, 15, dtype=np.uint8), (1, 16, 1))[..., None])
    once = generate("rotated-20", ramp)
    back = generate("rotated--20", once).images.astype(int)
    assert np.abs(back - ramp.images)[0, 5:11, 5:11].max() <= 4
    assert np.abs(once.images.astype(int) - ramp.images).max() > 10


@pytest.mark.parametrize("angle", ["left", "nan", ""])
def test_an_angle_that_is_no_number_is_refused(small, angle):
    with pytest.raises(InputError, match=f"The angle '{angle}' .* is not a number of degrees"):
        generate(f"rotated-{angle}", small)


@pytest.fixture
def square():
    images = np.random.default_rng(0).integers(0, 256, (4, 6, 6, 2), dtype=np.uint8)
    return ImageSet("square", images, labels=np.arange(4))
