"""Splits by a hash of each image's own bytes: the same on every machine, duplicates always on one side."""

import hashlib

import numpy as np

from glowjax.checks import InputError
from glowjax.data.image_set import ImageSet

TEST_FRACTION = 0.1
"""How much of a set without an official split is its "test"."""

PARTS = ("train", "test", "all")
"""The splits of a set without an official split; "all" is the whole set."""


def part(whole: ImageSet, split: str) -> ImageSet:
    """The part "train" (90 %), "test" (10 %) or "all" of a set that has no official split.

    Raises:
        InputError: another split is asked for, or no image falls into it.
    """
    name = f"{whole.name}:{split}"
    if split == "all":
        return whole.select(np.arange(whole.num_images), "(all)", name)
    if split not in PARTS:
        raise InputError(
            f"'{whole.name}' has no official split, so '{split}' is not in it; expected 'train' or 'test' "
            "(90 % and 10 % by a hash of each image) or 'all'."
        )
    is_test = _hash(whole.images, "test") < TEST_FRACTION
    return _side(whole, is_test if split == "test" else ~is_test, f"in the hashed {split} part", name)


def training_and_validation(image_set: ImageSet, fraction: float = 0.05) -> tuple[ImageSet, ImageSet]:
    """`image_set` in two: images to train on, and about `fraction` of them held out for validation.

    An image's side depends on its bytes alone: not on its position, on the other images or on a seed.
    A larger `fraction` holds out a superset.

    Raises:
        InputError: `fraction` is not between 0 and 1, or leaves one side without images.
    """
    if not 0 < fraction < 1:
        raise InputError(f"The validation fraction is {fraction}; expected a number between 0 and 1.")
    is_validation = _hash(image_set.images, "validation") < fraction
    return (
        _side(image_set, ~is_validation, "kept for training", f"{image_set.name}-training"),
        _side(image_set, is_validation, "held out for validation", f"{image_set.name}-validation"),
    )


def _side(whole: ImageSet, mask: np.ndarray, how: str, name: str) -> ImageSet:
    """The images under `mask`, or an InputError where there are none."""
    if not mask.any():
        raise InputError(
            f"None of the {whole.num_images:,} images of '{whole.name}' is {how}; expected at least one; "
            "use the whole set, a larger one, or split it yourself."
        )
    return whole.select(mask, how, name)


def _hash(images: np.ndarray, purpose: str) -> np.ndarray:
    """[N] numbers in [0, 1), uniform over different images, equal for equal ones.

    The purpose salts the hash: a validation set taken from a hashed training part would else be empty.
    """
    digests = [hashlib.blake2b(image.tobytes(), digest_size=8, person=purpose.encode()) for image in images]
    return np.array([int.from_bytes(digest.digest(), "big") for digest in digests]) / 2.0**64
