"""Image sets that are generated in the shape of a reference set."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int, UInt8

from glowjax.checks import InputError, unknown
from glowjax.data.generated.changes import CONTRAST, ROTATED, Change, rotation, shrinking
from glowjax.data.generated.corruptions import KINDS, corruption, is_corruption
from glowjax.data.image_set import ImageSet
from glowjax.data.stored import AnyImages, StoredImages

CORRUPTIONS = tuple(f"{kind}-3" for kind in KINDS)
"""A set of each kind of corruption; 3 stands for any strength from 1 to 5."""

NAMES = ("noise", "constant", "contrast-0.5", "rotated-90", "gaussian_noise-3")
"""The sets that `generate` makes: 0.5 stands for any factor from 0 to 1, 90 for any angle in degrees, and
"gaussian_noise-3" for any corruption."""


def is_generated(name: str) -> bool:
    """Whether `name` is that of a generated set. "rotated-mnist:test" is not: a user's own set may be called so."""
    changed = name.startswith((CONTRAST, ROTATED)) and ":" not in name and not name.lower().endswith((".npz", ".npy"))
    return name in NAMES or changed or is_corruption(name)


def generate(name: str, like: ImageSet, num_images: int | None = None, seed: int = 0) -> ImageSet:
    """A generated set in the shape of `like`.

    "noise" is uniform on {0, ..., 255}. "constant" gives each image one random level per channel. "contrast-0.5"
    shrinks each image of `like` by that factor, from 0 (flat) to 1 (unchanged), towards its own mean, channel by
    channel; "contrast-0.5-to-black" and "-to-grey" shrink it towards the level 0 or 127.5. "rotated-90" rotates each
    image counter-clockwise by that angle in degrees and fills the corners with the nearest pixels.

    "gaussian_noise-3" corrupts each image of `like` by one of the kinds of CIFAR-10-C at a strength from 1 to 5
    (`glowjax.data.generated.corruptions.KINDS`). The corruption of an image depends on its bytes and the seed alone.

    Args:
        name: one of these names, with any factor, angle, kind or strength.
        like: the reference set.
        num_images: the number of images; as many as `like` by default. Changed images are at most as many, and if they
            are all of them, they are in the order of `like`.
        seed: chooses the images, and the random numbers of a corruption.
    """
    count = like.num_images if num_images is None else num_images
    if count < 1:
        raise InputError(f"Cannot generate {count} images of '{name}'; expected at least 1.")
    if found := _change(name, like, seed):
        return _changed(name, like, count, seed, *found)
    rng = np.random.default_rng(seed)
    if name == "noise":
        images, what = rng.integers(0, 256, (count, *like.shape), dtype=np.uint8), "uniform noise"
    elif name == "constant":
        levels = rng.integers(0, 256, (count, 1, 1, like.shape[-1]), dtype=np.uint8)
        images, what = np.broadcast_to(levels, (count, *like.shape)).copy(), "one random level per channel"
    else:
        raise unknown("generated set", name, (*NAMES[:-1], *CORRUPTIONS))
    return ImageSet(name, images, source=f"{count:,} images: {what}, generated with seed {seed}", generated=True)


def _change(name: str, like: ImageSet, seed: int) -> tuple[Change, str] | None:
    """The change that `name` stands for, and a phrase for the set's source; None if it stands for none."""
    if name.startswith(CONTRAST):
        return shrinking(name)
    if name.startswith(ROTATED):
        return rotation(name)
    return corruption(name, like.shape, seed) if is_corruption(name) else None


@dataclass(frozen=True)
class _Changed:
    """A storage of the changed images of another set. Each image is changed when it is read."""

    images: AnyImages
    change: Change

    @property
    def shape(self) -> tuple[int, ...]:
        return self.images.shape

    def read(self, indices: Int[np.ndarray, " M"]) -> UInt8[np.ndarray, "M H W C"]:
        return np.clip(np.rint(self.change(self.images[indices])), 0, 255).astype(np.uint8)


def _changed(name: str, like: ImageSet, count: int, seed: int, change: Change, how: str) -> ImageSet:
    """`count` images of `like`, or all of them, after `change`, rounded to levels, with their labels and groups."""
    is_whole = count >= like.num_images
    reference = like if is_whole else like.take(count, seed)
    return replace(
        reference,
        name=name,
        images=StoredImages(_Changed(reference.images, change)),
        source=f"{reference.source}, {how}",
        generated=True,
        derived_from=like.name if is_whole else None,
    )
