"""Splits by a hash of each image's bytes: they are the same on every machine, and duplicates stay together."""

import hashlib
import warnings
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, UInt8

from glowjax.checks import InputError
from glowjax.data.image_set import ImageSet
from glowjax.data.stored import AnyImages

TEST_FRACTION = 0.1
"""The share of images that is the "test" split of a set without official splits."""

PARTS = ("train", "test", "all")
"""The splits of a set without official splits; "all" is the whole set."""

FEW_IMAGES = 100
"""A validation set of fewer images is too small to choose the best step or a threshold with."""

Readers: TypeAlias = dict[str, Callable[[], ImageSet]]
"""The splits of a set that a source has, with a function for each that reads it."""


def part_readers(read_whole: Callable[[], ImageSet]) -> Readers:
    """The readers of the `PARTS` of a set without official splits."""

    def reader(split: str) -> Callable[[], ImageSet]:
        return lambda: part(read_whole(), split)

    return {split: reader(split) for split in PARTS}


def part(whole: ImageSet, split: str) -> ImageSet:
    """The part "train" (90 %), "test" (10 %) or "all" of a set that has no official split."""
    name = f"{whole.name}:{split}"
    if split == "all":
        return whole.select(slice(None), "(all)", name)
    if split not in PARTS:
        raise InputError(
            f"'{whole.name}' has no official split, and so no '{split}'; expected 'train' or 'test' (90 % and 10 % "
            "by a hash of each image) or 'all'."
        )
    is_test = _hash(whole.images, "test") < TEST_FRACTION
    return _side(whole, is_test if split == "test" else ~is_test, f"in the hashed {split} part", name)


def training_and_validation(image_set: ImageSet, fraction: float = 0.05) -> tuple[ImageSet, ImageSet]:
    """`image_set` in two: images to train on, and about `fraction` of them held out for validation.

    An image's side depends on its bytes alone, not on its position, the other images or a seed. A larger `fraction`
    holds out a superset. It warns if the validation set has fewer than 100 images.
    """
    if not 0 < fraction < 1:
        raise InputError(f"The validation fraction is {fraction}; expected a number between 0 and 1.")
    is_validation = _hash(image_set.images, "validation") < fraction
    training = _side(image_set, ~is_validation, "kept for training", f"{image_set.name}-training")
    validation = _side(image_set, is_validation, "held out for validation", f"{image_set.name}-validation")
    if validation.num_images < FEW_IMAGES:
        warnings.warn(
            f"Only {validation.num_images} images of '{image_set.name}' are held out for validation: the step or the "
            f"threshold that is best on so few may be so by chance. Hold out {FEW_IMAGES} or more if you can.",
            stacklevel=2,
        )
    return training, validation


def _side(whole: ImageSet, mask: Bool[np.ndarray, " N"], how: str, name: str) -> ImageSet:
    if not mask.any():
        raise InputError(
            f"None of the {whole.num_images:,} images of '{whole.name}' is {how}; expected at least one; use the "
            "whole set or a larger one, or split it yourself."
        )
    return whole.select(mask, how, name)


def _hash(images: UInt8[AnyImages, "N H W C"], purpose: str) -> Float[np.ndarray, " N"]:
    """One number in [0, 1) per image: uniform over different images, equal for equal ones.

    The hash is salted with the purpose: a validation set within a hashed training part would otherwise be empty.
    """
    person = purpose.encode()
    digests = [hashlib.blake2b(image.tobytes(), digest_size=8, person=person).digest() for image in images]
    return np.frombuffer(b"".join(digests), ">u8") / 2.0**64
