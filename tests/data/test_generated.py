import numpy as np
import pytest

from glowjax.checks import InputError
from glowjax.data import ImageSet, generate, generated, stored

NAMES = ["noise", "constant", "contrast-0.5", "contrast-0.3-to-grey", "rotated-30"]


@pytest.mark.parametrize("name", NAMES)
def test_the_shape_is_that_asked_for_and_the_seed_alone_chooses_the_images(small, name):
    images = [generate(name, small, 10, seed).images for seed in (1, 1, 2)]
    assert images[0].shape == (10, 6, 5, 3)
    np.testing.assert_array_equal(images[0], images[1])
    assert (images[0] != images[2]).any()
    assert generate(name, small).num_images == 30


@pytest.mark.parametrize("name", NAMES[2:])
def test_chunks_change_nothing(small, name, monkeypatch):
    whole = generate(name, small).images
    monkeypatch.setattr(stored, "CHUNK_BYTES", 7 * small.images[0].nbytes)
    np.testing.assert_array_equal(generate(name, small).images, whole)


def test_noise_is_uniform_on_all_levels(small):
    levels = generate("noise", small, 2000, seed=0).images
    expected = levels.size / 256
    chi_squared = ((np.bincount(levels.ravel(), minlength=256) - expected) ** 2 / expected).sum()
    assert abs(chi_squared - 255) < 4 * np.sqrt(2 * 255)


def test_constant_images_have_one_level_per_channel(small):
    images = generate("constant", small, 3000, seed=0).images
    np.testing.assert_array_equal(images, np.broadcast_to(images[:, :1, :1], images.shape))
    levels = images[:, 0, 0]
    assert len(np.unique(levels)) == 256
    assert abs(np.corrcoef(levels.T)[0, 1]) < 4 / np.sqrt(3000)


def test_contrast_shrinks_the_spread_and_keeps_the_mean(small):
    shrunk = generate("contrast-0.5", small).images
    np.testing.assert_allclose(shrunk.mean((1, 2)), small.images.mean((1, 2)), atol=0.5)
    np.testing.assert_allclose(shrunk.std((1, 2)), 0.5 * small.images.std((1, 2)), atol=0.6)


@pytest.mark.parametrize(
    ("name", "levels"),
    [
        ("contrast-1", [0, 10, 255]),
        ("contrast-0", [88, 88, 88]),
        ("contrast-0.5-to-black", [0, 5, 128]),
        ("contrast-0.5-to-grey", [64, 69, 191]),
    ],
)
def test_contrast_shrinks_towards_a_level(name, levels):
    three = ImageSet("three", np.array([0, 10, 255], np.uint8).reshape(1, 1, 3, 1))  # the mean is 88.33
    assert generate(name, three).images.ravel().tolist() == levels


def test_changed_images_keep_labels_and_groups(small):
    for name in NAMES[2:]:
        changed, reference = generate(name, small, 7, seed=5), small.take(7, seed=5)
        np.testing.assert_array_equal(changed.labels, reference.labels)
        np.testing.assert_array_equal(changed.groups, reference.groups)


@pytest.mark.parametrize("count", [None, 99])
def test_all_images_changed_are_in_the_order_of_the_reference(small, count):
    np.testing.assert_array_equal(generate("rotated-0", small, count, seed=3).images, small.images)


def test_a_set_of_the_users_may_be_called_like_a_generated_one():
    assert [generated.is_generated(name) for name in ("noise", "rotated-90", "contrast-0.2-to-black")] == [True] * 3
    names = ("rotated-mnist:test", "contrast-mri:train", "noise:train", "contrast-mri.npz")
    assert [generated.is_generated(name) for name in names] == [False] * 4


def test_a_generated_set_says_so_and_names_the_set_whose_images_it_changed(small):
    derived = {name: generate(name, small).derived_from for name in ("noise", "contrast-0.5", "rotated-30")}
    assert derived == {"noise": None, "contrast-0.5": "small:test", "rotated-30": "small:test"}
    assert not small.generated
    subset = generate("rotated-30", small).take(5)
    assert (subset.generated, subset.derived_from) == (True, None)  # no longer image by image


def test_the_source_states_how_it_was_made(small):
    assert generate("noise", small, 3, seed=9).source == "3 images: uniform noise, generated with seed 9"
    assert generate("contrast-0.5", small).source == f"{small.source}, shrunk by 0.5 towards each image's mean"
    assert generate("contrast-0.5-to-black", small).source.endswith("shrunk by 0.5 towards black")
    assert generate("rotated-270", small).source.endswith("rotated by 270 degrees")


def test_a_quarter_turn_is_exact_and_counter_clockwise():
    square = ImageSet("square", np.random.default_rng(0).integers(0, 256, (4, 6, 6, 2), dtype=np.uint8))
    for quarters in range(4):
        turned = np.rot90(square.images, quarters, axes=(1, 2))
        np.testing.assert_array_equal(generate(f"rotated-{90 * quarters}", square).images, turned)


def test_a_small_turn_and_its_undoing_give_the_image_back_roughly():
    ramp = ImageSet("ramp", np.tile(np.arange(0, 240, 15, dtype=np.uint8), (1, 16, 1))[..., None])
    once = generate("rotated-20", ramp)
    back = generate("rotated--20", once).images.astype(int)
    assert np.abs(back - ramp.images)[0, 5:11, 5:11].max() <= 4
    assert np.abs(once.images.astype(int) - ramp.images).max() > 10


@pytest.mark.parametrize(
    ("name", "count", "message"),
    [
        *((f"contrast-{f}", 3, f"contrast factor '{f}' in 'contrast-{f}' is") for f in ("half", 1.5, -0.1, "nan", "")),
        *((f"rotated-{angle}", 3, f"The angle '{angle}' .* is not a number") for angle in ("left", "nan", "")),
        ("contrast-0.5-to-blck", 3, "'blck'; did you mean 'black'"),
        ("nois", 3, "Unknown generated set 'nois'; did you mean 'noise'"),
        ("noise", 0, "Cannot generate 0 images of 'noise'"),
    ],
)
def test_what_cannot_be_generated_is_refused(small, name, count, message):
    with pytest.raises(InputError, match=message):
        generate(name, small, count)
