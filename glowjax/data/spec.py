"""Specs: what a user writes to name a set, collected or generated, with its split: "mnist:train", "noise"."""

import os
from pathlib import Path

from glowjax.checks import InputError
from glowjax.data.generated import generate, is_generated
from glowjax.data.image_set import ImageSet
from glowjax.data.loading import load


def parse_spec(spec: str) -> tuple[str, str]:
    """The (name, split) in "name" or "name:split"; the split is "test" where none is given.

    Raises:
        InputError: the name or the split is empty.
    """
    name, colon, split = spec.rpartition(":")
    if not colon or "/" in split or os.sep in split:  # a colon within a path separates nothing
        name, split = spec, "test"
    if not name or not split:
        raise InputError(f"The data set '{spec}' is incomplete; expected 'name' or 'name:split'.")
    return name, split


def load_spec(spec: str, data_dir: Path | str | None = None) -> ImageSet:
    """The images of a collected set written "name" or "name:split".

    Raises:
        InputError: as `load` does.
    """
    return load(*parse_spec(spec), data_dir)


def resolve(
    spec: str,
    like: ImageSet | None = None,
    data_dir: Path | str | None = None,
    num_images: int | None = None,
    seed: int = 0,
) -> ImageSet:
    """The set that `spec` names, in the shape of `like`.

    Args:
        spec: "name" or "name:split" of a set to load, or "noise", "constant", "contrast-0.5".
        like: the set whose shape it must have, and which generated sets are made after.
        data_dir: as in `load`.
        num_images: at most how many; all by default.
        seed: chooses the subset, or the generated images.

    Raises:
        InputError: the set cannot be found, has another shape than `like`, or is generated and lacks `like`.
    """
    name, split = parse_spec(spec)
    if is_generated(spec):
        if like is None:
            raise InputError(
                f"The generated set '{name}' needs a reference set for its shape; expected an ImageSet as `like`."
            )
        return generate(name, like, num_images, seed)
    found = load(name, split, data_dir)
    if like is not None and found.shape != like.shape:
        raise InputError(
            f"The images of '{found.name}' are {_text(found)} and those of '{like.name}' {_text(like)} "
            "(height x width x channels); expected one shape; glowjax never resizes images, so choose sets "
            "of one shape or convert one of them beforehand."
        )
    return found.take(num_images, seed)


def _text(image_set: ImageSet) -> str:
    return "x".join(map(str, image_set.shape))
