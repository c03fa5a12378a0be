"""Corruptions do what their names say, at every strength, and the same to an image wherever it comes in a set."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage, stats

from glowjax.checks import InputError
from glowjax.data import ImageSet, generate, generated, load
from glowjax.data.generated import corruptions
from glowjax.data.generated.corruptions import KINDS

UNORDERED = {"saturate", "elastic_transform", "glass_blur", "motion_blur"}
"""Kinds whose strengths are not in the order of the mean change."""

GEOMETRIC = [kind for kind in KINDS if kind.endswith("blur")] + ["elastic_transform", "pixelate"]


def flat(level, num=20, size=30, channels=1):
    return ImageSet("flat", np.full((num, size, size, channels), level, np.uint8))


def corrupted(name, images):
    return generate(name, images).images.astype(np.float64)


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_is_corrupted_alike_in_every_set_order_and_part(small, kind, monkeypatch):
    name = f"{kind}-4"
    whole = generate(name, small)
    assert (whole.images != small.images).any()
    assert (whole.derived_from, whole.generated, whole.name) == ("small:test", True, name)
    np.testing.assert_array_equal(whole.groups, small.groups)
    order = np.random.default_rng(0).permutation(30)[:11]
    monkeypatch.setattr(corruptions, "PART", 4)
    part = generate(name, small.select(order, "shuffled"))
    np.testing.assert_array_equal(part.images, whole.images[order])
    np.testing.assert_array_equal(part.labels, small.labels[order])
    drawn = generate(name, small, 11)
    np.testing.assert_array_equal(drawn.images, whole.take(11).images)
    assert drawn.derived_from is None  # no longer image by image


@pytest.mark.parametrize("kind", KINDS)
def test_strengths_change_images_more_and_more_and_say_how(kind):
    images = load("fashion_mnist", "test").take(50)
    if kind == "saturate":
        images = ImageSet("color", np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), dtype=np.uint8))
    sets = [generate(f"{kind}-{strength}", images) for strength in range(1, 6)]
    changes = [np.abs(one.images.astype(float) - images.images).mean() for one in sets]
    assert min(changes) > 1
    assert sorted(changes) == changes or kind in UNORDERED
    assert sets[2].source.startswith(f"{images.source}, corrupted by {kind} of strength 3 ({KINDS[kind].names[0]} ")


@pytest.mark.parametrize("kind", GEOMETRIC)
@pytest.mark.parametrize("channels", [1, 3])
def test_what_only_moves_or_averages_pixels_leaves_flat_images_alone(kind, channels):
    for strength in (1, 5):
        np.testing.assert_allclose(corrupted(f"{kind}-{strength}", flat(100, 3, 12, channels)), 100)


def test_random_corruptions_depend_on_the_seed_and_other_images(small):
    first, second = (generate("gaussian_noise-1", small, seed=seed).images for seed in (0, 1))
    assert np.mean(first != second) > 0.8
    noise = corrupted("gaussian_noise-1", small) - small.images
    assert np.abs(np.corrcoef(noise.reshape(30, -1)) - np.eye(30)).max() < 0.5


def test_additive_noise_is_normal_with_its_standard_deviation():
    noise = (corrupted("gaussian_noise-3", flat(128, 1, 420)) - 128).ravel() / 255
    noise += np.random.default_rng(0).uniform(-0.5, 0.5, noise.size) / 255  # undoes the rounding
    assert stats.kstest(noise, stats.norm(0, np.hypot(0.08, np.sqrt(1 / 12) / 255)).cdf).pvalue > 0.001


def test_shot_noise_has_the_variance_of_photons_and_speckle_that_of_its_share():
    for level in (50, 150):
        shot = corrupted("shot_noise-5", flat(level, 1, 420)) / 255
        np.testing.assert_allclose([shot.mean(), shot.var()], [level / 255, level / 255 / 50], rtol=0.03)
        speckle = corrupted("speckle_noise-3", flat(level, 1, 420))
        np.testing.assert_allclose([speckle.mean(), speckle.std()], [level, 0.12 * level], rtol=0.02)


def test_impulse_noise_replaces_its_share_by_black_and_white():
    images = corrupted("impulse_noise-5", flat(100, 1, 300))
    black, white = np.mean(images == 0), np.mean(images == 255)
    assert np.mean(images == 100) == pytest.approx(1 - black - white)
    assert (black, white) == pytest.approx((0.035, 0.035), abs=0.003)


def dot(height=21, width=21):
    images = np.zeros((1, height, width, 1), np.uint8)
    images[0, height // 2, width // 2] = 255
    return ImageSet("dot", images)


def test_a_blurred_dot_is_the_kernel():
    places = np.arange(-10, 11)
    kernel = np.exp(-0.5 * (places / 0.8) ** 2)
    kernel /= kernel.sum()
    found = corrupted("gaussian_blur-4", dot())[0, ..., 0] / 255
    np.testing.assert_allclose(found, np.outer(kernel, kernel), atol=0.003)
    disk = corrupted("defocus_blur-5", dot())[0, ..., 0] / 255
    np.testing.assert_allclose(disk[9:12, 9:12], 1 / 9, atol=0.003)
    assert disk.sum() == pytest.approx(1, abs=0.05)


def test_a_moving_dot_leaves_a_fading_trail_at_one_side():
    trail = corrupted("motion_blur-5", dot())[0, ..., 0]
    rows, columns = np.nonzero(trail)
    assert columns.max() == 10  # the pixels right of it take their values from further right, where all is black
    assert np.abs(rows - 10).max() <= 10 - columns.min() + 1
    order = np.argsort(-columns)
    assert (np.diff(trail[rows, columns][order]) <= 0).all()
    half = np.exp(-0.5 * (np.arange(4) / 2.5) ** 2)
    np.testing.assert_allclose(trail[rows, columns][order][:4] / trail.max(), half, atol=0.02)


def test_glass_takes_pixels_from_the_left_and_above():
    number = np.arange(16 * 15, dtype=np.uint8).reshape(1, 16, 15, 1)
    moved = number.astype(int) - corrupted("glass_blur-1", ImageSet("numbered", number)).astype(int)
    assert set(moved[0, 2:, 2:, 0].ravel()) == {0, 1, 15, 16}
    assert (moved[0, :2] == 0).all()
    assert (moved[0, :, :2] == 0).all()


def test_zoom_blur_is_the_mean_of_enlargements():
    ramp = np.arange(0, 250, 10, dtype=np.uint8)
    images = ImageSet("ramp", np.tile(ramp[None, :, None, None], (1, 1, 25, 1)))
    factors = [1, *np.arange(1, 1.26, 0.01)]
    expected = 120 + (ramp.astype(float) - 120) * np.mean(1 / np.array(factors))
    np.testing.assert_allclose(corrupted("zoom_blur-5", images)[0, :, 7, 0], expected, atol=0.5)


def test_fog_is_a_smooth_cloud_that_differs_from_image_to_image():
    levels = np.arange(100, 110, dtype=np.uint8).reshape(10, 1, 1, 1)
    images = ImageSet("greys", np.broadcast_to(levels, (10, 28, 28, 1)).copy())
    for strength, (thickness, _) in enumerate(KINDS["fog"].strengths, start=1):
        top = levels.ravel() / 255
        clouds = corrupted(f"fog-{strength}", images)[..., 0] / 255
        np.testing.assert_allclose(clouds.max((1, 2)), top, atol=0.003)  # its brightest place stays
        np.testing.assert_allclose(clouds.min((1, 2)), top * top / (top + thickness), atol=0.003)
        steps = np.abs(np.diff(clouds, axis=1)).mean() / np.ptp(clouds)
        assert steps < 0.08  # 0.33 for noise
    assert np.abs(np.corrcoef(clouds.reshape(10, -1)) - np.eye(10)).min() < 0.5


def test_brightness_and_saturation_are_those_of_colors():
    colors = np.array([[100, 50, 0], [0, 0, 0], [250, 125, 25], [90, 90, 90]], np.uint8).reshape(1, 2, 2, 3)
    images = ImageSet("colors", colors)
    brighter = corrupted("brightness-5", images).reshape(4, 3)
    expected = np.array([[176.5, 88.25, 0], [76.5] * 3, [255, 127.5, 25.5], [166.5] * 3])
    np.testing.assert_allclose(brighter, expected, atol=0.51)
    grey = flat(100, 1, 4)
    np.testing.assert_allclose(corrupted("brightness-1", grey), 100 + 0.05 * 255, atol=0.51)
    paler = corrupted("saturate-1", images).reshape(4, 3)
    np.testing.assert_allclose(paler[0], [100, 85, 70], atol=0.51)
    full = corrupted("saturate-5", images).reshape(4, 3)
    np.testing.assert_allclose(full[[1, 2, 3]], [[0, 0, 0], [250, 250 * 4 / 9, 0], [90, 90, 90]], atol=0.51)


def test_elastic_transforms_without_local_shifts_are_affine():
    height, width = np.mgrid[0:32, 0:32]
    smooth = ImageSet("ramps", np.stack([3 * height + 60, 3 * width + 60], axis=-1)[None].astype(np.uint8))
    places = (corrupted("elastic_transform-1", smooth)[0] - 60) / 3
    inside = ((places > 3) & (places < 28)).all(axis=-1)  # the border reflects
    design = np.c_[height[inside], width[inside], np.ones(inside.sum())]
    fit, *_ = np.linalg.lstsq(design, places[inside], rcond=None)
    np.testing.assert_allclose(design @ fit, places[inside], atol=0.3)
    assert np.abs(fit[:2] - np.eye(2)).max() > 0.02
    assert np.abs(fit[:2] - np.eye(2)).max() < 0.5


def test_jpeg_and_pixelate_are_pillows():
    grey = load("fashion_mnist", "test").take(3)
    for one, found in zip(grey.images, corrupted("jpeg_compression-5", grey), strict=True):
        Image.fromarray(one[..., 0]).save(file := io.BytesIO(), "JPEG", quality=40)
        np.testing.assert_array_equal(found[..., 0], np.asarray(Image.open(file)))
    half = KINDS["pixelate"].apply(grey.images / 255, (), 0.5) * 255
    means = ndimage.uniform_filter(grey.images.astype(float), (1, 2, 2, 1), origin=(0, -1, -1, 0))[:, ::2, ::2]
    np.testing.assert_allclose(half[:, ::2, ::2], means, atol=1.01)  # Pillow rounds rows and then columns
    np.testing.assert_array_equal(half[:, 1::2, 1::2], half[:, ::2, ::2])


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 9, 3), (3, 2, 4)])
def test_images_of_any_shape_are_corrupted(shape):
    images = ImageSet("odd", np.random.default_rng(0).integers(0, 256, (2, *shape), dtype=np.uint8))
    for kind in corruptions.kinds_for(shape[-1]):
        assert generate(f"{kind}-5", images).images.shape == (2, *shape)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        *((f"fog-{n}", (4, 4, 1), f"The strength '{n}' in 'fog-{n}' is not a whole") for n in (0, 6, 2.5, "03")),
        ("saturate-3", (4, 4, 1), "'saturate' is for images of 3 channels, but these have 1"),
        ("jpeg_compression-3", (4, 4, 2), "of 1 or 3 channels, but these have 2"),
        ("gausian_noise-3", (4, 4, 1), "did you mean 'gaussian_noise-3'"),
    ],
)
def test_what_cannot_be_corrupted_is_refused(name, shape, message):
    with pytest.raises(InputError, match=message):
        generate(name, ImageSet("images", np.zeros((2, *shape), np.uint8)))


def test_a_set_of_the_users_may_be_called_like_a_kind():
    assert generated.is_generated("fog-3")
    assert not any(map(generated.is_generated, ("fog", "fog-london", "fog-3:train", "fog-3.npz", "haze-3")))
