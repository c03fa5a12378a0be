"""Verify a data set: its size, fingerprint and moments beside the published ones."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from glowjax.data.image_set import ImageSet
from glowjax.data.stored import AnyImages, chunks
from glowjax.stats import group_codes, standard_error

NUM_SIGMAS = 4.0
"""The largest distance of a subset's moments from the published ones, in standard errors."""

MOMENTS_OF = ("train", "all")
"""Moments are published for these splits: the training split, or the whole of a set without splits."""

_PRINTED = 1e-4  # published moments have four decimals, some of them cut rather than rounded


@dataclass(frozen=True)
class Official:
    """The published facts about a data set.

    Moments are those of all pixels by channel, in [0, 1] units, as printed in public code that normalizes with them.
    Fingerprints were recorded from files that match a published checksum: the IDX files of MNIST and FashionMNIST by
    their MD5, notMNIST by its published counts, means and standard deviations letter by letter.

    Attributes:
        shape: (H, W, C) of every image.
        num_images: the number of images by split; "all" for a set without official splits.
        mean: the mean of the training split, or of the whole set; empty if none is published.
        std: the standard deviation, likewise.
        fingerprints: the fingerprint of each split, if recorded; see `fingerprint`.
    """

    shape: tuple[int, int, int]
    num_images: dict[str, int]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    fingerprints: dict[str, str] = field(default_factory=dict)


_FINGERPRINTS = {
    "mnist": {
        "train": "03a8a048601ebb4610dcd79cd759c718bed893982a4c153c4f33a41885101c0b",
        "test": "e2842441ab1468bab7eeaa886875a3a7662245f3768610c4b4ca84d7ac309c70",
    },
    "fashion_mnist": {
        "train": "aa670e63ae523d8fb206db0595287cd9ecee8f29b1b8ea690da7712c7444eb56",
        "test": "f966ad9a453e7d5ef297476fd4939780e707ce15a852b67597069832263d31bd",
    },
    "notmnist_small": {"all": "fc8ddf6cfb40589ecc9a035860b1a57c4e6a416d7501f35981206925098bc17b"},
}
_GRAY, _COLOR = (28, 28, 1), (32, 32, 3)
_MNIST = {"train": 60_000, "test": 10_000}

OFFICIAL: dict[str, Official] = {
    "mnist": Official(_GRAY, _MNIST, (0.1307,), (0.3081,), _FINGERPRINTS["mnist"]),
    "fashion_mnist": Official(_GRAY, _MNIST, (0.2860,), (0.3530,), _FINGERPRINTS["fashion_mnist"]),
    "notmnist_small": Official(_GRAY, {"all": 18_724}, (0.4254,), (0.4586,), _FINGERPRINTS["notmnist_small"]),
    "cifar10": Official(_COLOR, {"train": 50_000, "test": 10_000}, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": Official(_COLOR, {"train": 50_000, "test": 10_000}, (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "svhn": Official(
        _COLOR,
        {"train": 73_257, "test": 26_032, "extra": 531_131},
        (0.4377, 0.4438, 0.4728),
        (0.1980, 0.2010, 0.1970),
    ),
    "celeba32": Official(_COLOR, {"train": 162_770, "validation": 19_867, "test": 19_962}),
    "imagenet32": Official(_COLOR, {"train": 1_281_149, "test": 49_999}),
}
"""The sets of the paper. The "test" of imagenet32 is the published validation split."""


class Moment(NamedTuple):
    """A moment of all pixels by channel, in [0, 1] units, beside the published one, which is empty if there is none.

    The standard error is that of a subset as an estimate for its split; it is zero for a whole split.
    """

    value: Float[np.ndarray, " C"]
    sem: Float[np.ndarray, " C"]
    published: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Check:
    """A split beside the published facts: `faults` are sentences about what contradicts these.

    `num_official` is None if no number is published.
    """

    num_images: int
    num_official: int | None
    fingerprint: str
    mean: Moment
    std: Moment
    faults: tuple[str, ...] = ()


def fingerprint(images: UInt8[AnyImages, "N H W C"]) -> str:
    """SHA-256, in hexadecimal, of the images' sorted SHA-256s: the same for the same images in any order."""
    digests = sorted(hashlib.sha256(image.tobytes()).digest() for image in images)
    return hashlib.sha256(b"".join(digests)).hexdigest()


def check(image_set: ImageSet, split: str, official: Official | None = None) -> Check:
    """`image_set` beside the published facts about the split `split` of a data set.

    A moment contradicts the published one if it is more than four standard errors away. 95 % intervals of means cover
    0.93-0.96 (`python -m benchmarks.coverage`). Standard deviations lie too low in small sets: their intervals cover
    0.76-0.93 with 5 to 256 groups, and 0.89 for 50 images.
    """
    num_official = official.num_images.get(split) if official else None
    mean, std = _moments(image_set, is_whole=num_official == image_set.num_images)
    if official:
        mean, std = mean._replace(published=official.mean), std._replace(published=official.std)
    found = Check(image_set.num_images, num_official, fingerprint(image_set.images), mean, std)
    return replace(found, faults=tuple(_faults(found, image_set.shape, split, official))) if official else found


def _faults(found: Check, shape: tuple[int, int, int], split: str, official: Official) -> Iterator[str]:
    """The contradictions to the published facts, one sentence each."""
    if shape != official.shape:
        yield f"images of shape {shape}, published {official.shape}"
    elif split in MOMENTS_OF and official.mean:
        for name, moment in (("mean", found.mean), ("standard deviation", found.std)):
            if np.any(np.abs(moment.value - moment.published) > _PRINTED + NUM_SIGMAS * moment.sem):
                yield f"{name} {by_channel(moment.value)}, published {by_channel(moment.published)}"
    if found.num_official is not None and found.num_images > found.num_official:
        yield f"{found.num_images:,} images, more than the published {found.num_official:,}"
    recorded = official.fingerprints.get(split, found.fingerprint)
    if found.num_images == found.num_official and found.fingerprint != recorded:
        yield "as many images as published, but not the same ones"


def by_channel(values: Float[np.ndarray, " C"] | tuple[float, ...]) -> str:
    """The values by channel, with the four decimals that are usually printed."""
    return " / ".join(f"{value:.4f}" for value in values)


def _moments(image_set: ImageSet, is_whole: bool) -> tuple[Moment, Moment]:
    """Mean and standard deviation of the pixels, with their standard errors to first order."""
    doubles = (chunk / 255.0 for chunk in chunks(image_set.images))
    by_image = np.concatenate([[part.mean(axis=(1, 2)), np.square(part).mean(axis=(1, 2))] for part in doubles], axis=1)
    (first, second), (mean, mean_square) = by_image, by_image.mean(axis=1)
    variance = mean_square - mean**2
    std = np.sqrt(np.maximum(variance, 0))
    variance_deviations = second - 2 * mean * first + mean**2 - variance
    std_deviations = np.divide(variance_deviations, 2 * std, out=np.zeros_like(first), where=std > 0)
    if is_whole:
        return Moment(mean, np.zeros_like(mean)), Moment(std, np.zeros_like(std))
    codes = group_codes(image_set.groups, image_set.num_images)
    return Moment(mean, standard_error(first - mean, codes)), Moment(std, standard_error(std_deviations, codes))
