import hashlib
import re
import struct

import numpy as np
import pytest

from glowjax.data import ImageSet, load
from glowjax.data.verify import OFFICIAL, Official, check, fingerprint

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (3000, 4, 4, 3), dtype=np.uint8) // np.uint8([1, 2, 3])
WHOLE = ImageSet("whole", IMAGES)
PUBLISHED = Official(
    shape=(4, 4, 3),
    num_images={"train": 3000, "test": 10},
    mean=tuple((IMAGES / 255).mean(axis=(0, 1, 2)).round(4)),
    std=tuple((IMAGES / 255).std(axis=(0, 1, 2)).round(4)),
    fingerprints={"train": fingerprint(IMAGES)},
)
IDX_MD5 = {  # of the uncompressed official files of images, as public code prints them
    ("mnist", "train"): "6bbc9ace898e44ae57da46a324031adb",
    ("mnist", "test"): "2646ac647ad5339dbf082846283269ea",
    ("fashion_mnist", "train"): "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    ("fashion_mnist", "test"): "8181f5470baa50b63fa0f6fddb340f0a",
}
LETTER_MOMENTS = [  # of notMNIST, (x - 127.5) / 255, A to J, as public notebooks print them
    (-0.132626, 0.445128), (0.00535609, 0.457115), (-0.141521, 0.44269), (-0.0492167, 0.459759), (-0.0599148, 0.45735),
    (-0.118185, 0.452279), (-0.0925503, 0.449006), (-0.0586893, 0.458759), (0.0526451, 0.471894), (-0.151689, 0.448014),
]  # fmt: skip


def test_a_fingerprint_knows_no_order_and_every_pixel():
    assert fingerprint(IMAGES[::-1]) == fingerprint(IMAGES)
    altered = IMAGES.copy()
    altered[1234, 2, 1, 0] ^= 1
    assert fingerprint(altered) != fingerprint(IMAGES)
    assert fingerprint(IMAGES[:-1]) != fingerprint(IMAGES)


def test_a_whole_split_is_as_published():
    found = check(WHOLE, "train", PUBLISHED)
    assert found.faults == ()
    np.testing.assert_allclose(found.mean.value, (IMAGES / 255).mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(found.std.value, (IMAGES / 255).std(axis=(0, 1, 2)), rtol=1e-12)
    assert not found.mean.sem.any()


@pytest.mark.parametrize("seed", range(3))
def test_a_random_subset_is_no_fault(seed):
    found = check(WHOLE.take(500, seed), "train", PUBLISHED)
    assert (found.num_images, found.num_official, found.faults) == (500, 3000, ())


def test_the_standard_errors_are_those_of_repeated_draws():
    draws = [check(ImageSet("draw", IMAGES[RNG.integers(0, 3000, 200)]), "train") for _ in range(300)]
    for moments in ([draw.mean for draw in draws], [draw.std for draw in draws]):
        spread = np.std([moment.value for moment in moments], axis=0)
        stated = np.mean([moment.sem for moment in moments], axis=0)
        np.testing.assert_allclose(stated, spread, rtol=0.2)


def test_images_of_one_group_count_once():
    repeated = np.repeat(IMAGES[:500], 4, axis=0)
    once = check(ImageSet("once", IMAGES[:500]), "train")
    grouped = check(ImageSet("grouped", repeated, groups=np.repeat(np.arange(500), 4)), "train")
    np.testing.assert_allclose(grouped.mean.sem, once.mean.sem)
    np.testing.assert_allclose(grouped.std.sem, once.std.sem)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (IMAGES // 2, "mean .*, published"),
        (IMAGES[:500] // 2, "mean .*, published"),
        (np.clip(IMAGES.astype(int) * 2 - 100, 0, 255).astype(np.uint8), "standard deviation .*, published"),
        (np.concatenate([IMAGES, IMAGES[:1]]), "3,001 images, more than the published 3,000"),
        (np.concatenate([IMAGES[:-1], IMAGES[:1]]), "as many images as published, but not the same ones"),
        (IMAGES[..., :1], r"images of shape \(4, 4, 1\), published \(4, 4, 3\)"),
    ],
)
def test_what_contradicts_the_published_facts_is_a_fault(images, message):
    faults = check(ImageSet("altered", images), "train", PUBLISHED).faults
    assert any(re.search(message, fault) for fault in faults), faults


def test_splits_and_sets_without_published_moments_have_no_faults():
    assert check(ImageSet("test", IMAGES[:10] // 2), "test", PUBLISHED).faults == ()
    found = check(WHOLE, "train")
    assert (found.num_official, found.faults, found.num_images) == (None, (), 3000)


def test_every_published_moment_has_one_value_per_channel():
    for name, official in OFFICIAL.items():
        assert len(official.mean) == len(official.std), name
        assert len(official.mean) in (0, official.shape[-1]), name
        assert set(official.fingerprints) <= set(official.num_images), name


@pytest.mark.parametrize(("name", "split"), IDX_MD5)
def test_recorded_fingerprints_are_those_of_files_with_the_published_checksum(official, name, split):
    found = load(name, split, official)
    header = struct.pack(">4i", 2051, found.num_images, 28, 28)
    assert hashlib.md5(header + found.images.tobytes()).hexdigest() == IDX_MD5[name, split]
    assert fingerprint(found.images) == OFFICIAL[name].fingerprints[split]


def test_the_recorded_notmnist_has_the_published_moments_of_every_letter(notmnist):
    assert fingerprint(notmnist.images) == OFFICIAL["notmnist_small"].fingerprints["all"]
    assert np.bincount(notmnist.labels).tolist() == [1872, 1873, 1873, 1873, 1873, 1872, 1872, 1872, 1872, 1872]
    for letter, moments in enumerate(LETTER_MOMENTS):
        centered = (notmnist.images[notmnist.labels == letter] - 127.5) / 255
        np.testing.assert_allclose([centered.mean(), centered.std()], moments, rtol=3e-5)


def test_official_sets_are_as_published(official):
    for name, split in [("fashion_mnist", "train"), ("cifar10", "train"), ("svhn", "test")]:
        found = check(load(name, split, official), split, OFFICIAL[name])
        assert found.faults == ()
        assert found.num_images <= OFFICIAL[name].num_images[split]
