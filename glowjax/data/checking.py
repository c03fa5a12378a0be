"""Is a set what it claims to be? Its size, its fingerprint and its moments beside the published ones."""

import hashlib
from dataclasses import dataclass

import numpy as np

from glowjax.data.image_set import ImageSet
from glowjax.data.official import Official

NUM_SIGMAS = 4.0
"""How many standard errors a subset's moments may lie from the published ones."""

MOMENTS_OF = ("train", "all")
"""The splits that published moments are of: the training split, or the whole of a set without one."""

_PRINTED = 1e-4  # published moments have four decimals, some of which were cut rather than rounded
_CHUNK = 10_000  # images in double precision at a time


@dataclass(frozen=True, eq=False)
class Check:
    """What was found of a split, beside what is published of it.

    Attributes:
        num_images: how many images there are.
        num_official: how many the official split has; None where nothing is published.
        fingerprint: the split's, see `fingerprint`.
        mean: [C] of all pixels, in [0, 1] units.
        std: [C] their standard deviation.
        mean_sem: [C] the standard error of `mean` as an estimate from these images; zero for a whole split.
        std_sem: [C] that of `std`.
        faults: what contradicts the published facts, in words; empty where nothing does.
    """

    num_images: int
    num_official: int | None
    fingerprint: str
    mean: np.ndarray
    std: np.ndarray
    mean_sem: np.ndarray
    std_sem: np.ndarray
    faults: tuple[str, ...]


def fingerprint(images: np.ndarray) -> str:
    """SHA-256 in hexadecimal of the images' sorted SHA-256s: the same for the same images in any order."""
    digests = sorted(hashlib.sha256(image.tobytes()).digest() for image in images)
    return hashlib.sha256(b"".join(digests)).hexdigest()


def check(image_set: ImageSet, split: str, official: Official | None = None) -> Check:
    """What `image_set` is, beside what is published of the split `split` of the set `official`.

    Moments are compared where the split is in `MOMENTS_OF`.
    """
    found = fingerprint(image_set.images)
    mean, std, mean_sem, std_sem = _moments(image_set)
    num_official = official.num_images.get(split) if official else None
    if num_official == image_set.num_images:
        mean_sem, std_sem = np.zeros_like(mean), np.zeros_like(std)
    faults = []
    if official:
        if image_set.shape != official.shape:
            faults.append(f"images of shape {image_set.shape}, published {official.shape}")
        elif split in MOMENTS_OF:
            faults += _far("mean", mean, mean_sem, official.mean)
            faults += _far("standard deviation", std, std_sem, official.std)
        if num_official is not None and image_set.num_images > num_official:
            faults.append(f"{image_set.num_images:,} images, more than the published {num_official:,}")
        if num_official == image_set.num_images and official.fingerprints.get(split, found) != found:
            faults.append("as many images as published, but not the same ones")
    return Check(image_set.num_images, num_official, found, mean, std, mean_sem, std_sem, tuple(faults))


def _far(what: str, found: np.ndarray, sem: np.ndarray, published: tuple[float, ...]) -> list[str]:
    """The fault, if any, that a moment lies further from the published one than chance and rounding explain."""
    if not published or np.all(np.abs(found - published) <= _PRINTED + NUM_SIGMAS * sem):
        return []
    return [f"{what} {listed(found)}, published {listed(published)}"]


def listed(values: np.ndarray | tuple[float, ...]) -> str:
    """Values by channel, with the four decimals that are usually printed."""
    return " / ".join(f"{value:.4f}" for value in values)


def _moments(image_set: ImageSet) -> tuple[np.ndarray, ...]:
    """[C] each: mean and standard deviation of the pixels, and the standard errors of both.

    The errors are those of a sample of groups (of images, where no groups are known), to first order.
    """
    starts = range(0, image_set.num_images, _CHUNK)
    parts = [_first_two(image_set.images[start : start + _CHUNK] / np.float64(255)) for start in starts]
    first, second = (np.concatenate(moments) for moments in zip(*parts, strict=True))
    mean = first.mean(axis=0)
    variance = second.mean(axis=0) - np.square(mean)
    std = np.sqrt(np.maximum(variance, 0))
    variance_influence = second - 2 * mean * first + np.square(mean) - variance
    std_influence = np.divide(variance_influence, 2 * std, out=np.zeros_like(first), where=std > 0)
    return mean, std, _sem(first - mean, image_set.groups), _sem(std_influence, image_set.groups)


def _first_two(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[N, C] each image's mean and mean square."""
    return images.mean(axis=(1, 2)), np.square(images).mean(axis=(1, 2))


def _sem(influence: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """[C] the standard error of a mean whose images' shares [N, C] are independent between groups."""
    if groups is None:
        return np.sqrt(np.square(influence).sum(axis=0)) / len(influence)
    _, index = np.unique(groups, return_inverse=True)
    sums = np.zeros((index.max() + 1, influence.shape[1]))
    np.add.at(sums, index, influence)
    return np.sqrt(np.square(sums).sum(axis=0)) / len(influence)
