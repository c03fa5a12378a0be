"""Image sets that are generated in the shape of a reference set."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, UInt8

from glowjax.checks import InputError, unknown
from glowjax.data.image_set import ImageSet
from glowjax.data.stored import AnyImages, StoredImages

NAMES = ("noise", "constant", "contrast-0.5", "rotated-90")
"""The sets that `generate` makes; 0.5 stands for any factor from 0 to 1, and 90 for any angle in degrees."""

LEVELS = {"black": 0.0, "grey": 127.5}
"""Target grey levels for "contrast-F-to-LEVEL"."""

_CONTRAST, _ROTATED = "contrast-", "rotated-"

Change = Callable[[Float[np.ndarray, "N H W C"]], Float[np.ndarray, "N H W C"]]


def is_generated(name: str) -> bool:
    """Whether `name` is that of a generated set. "rotated-mnist:test" is not: a user's own set may be called so."""
    changed = name.startswith((_CONTRAST, _ROTATED)) and ":" not in name and not name.lower().endswith((".npz", ".npy"))
    return name in NAMES or changed


def generate(name: str, like: ImageSet, num_images: int | None = None, seed: int = 0) -> ImageSet:
    """A generated set in the shape of `like`.

    "noise" is uniform on {0, ..., 255}. "constant" gives each image one random level per channel. "contrast-0.5"
    shrinks each image of `like` by that factor, from 0 (flat) to 1 (unchanged), towards its own mean, channel by
    channel; "contrast-0.5-to-black" and "-to-grey" shrink it towards the level 0 or 127.5. "rotated-90" rotates each
    image counter-clockwise by that angle in degrees and fills the corners with the nearest pixels.

    Args:
        name: one of these names, with any factor or angle.
        like: the reference set.
        num_images: the number of images; as many as `like` by default. Changed images are at most as many, and if they
            are all of them, they are in the order of `like`.
        seed: chooses the images.
    """
    count = like.num_images if num_images is None else num_images
    if count < 1:
        raise InputError(f"Cannot generate {count} images of '{name}'; expected at least 1.")
    if name.startswith((_CONTRAST, _ROTATED)):
        change, how = _shrinking(name) if name.startswith(_CONTRAST) else _rotation(name)
        return _changed(name, like if count >= like.num_images else like.take(count, seed), change, how)
    rng = np.random.default_rng(seed)
    if name == "noise":
        images, what = rng.integers(0, 256, (count, *like.shape), dtype=np.uint8), "uniform noise"
    elif name == "constant":
        levels = rng.integers(0, 256, (count, 1, 1, like.shape[-1]), dtype=np.uint8)
        images, what = np.broadcast_to(levels, (count, *like.shape)).copy(), "one random level per channel"
    else:
        raise unknown("generated set", name, NAMES)
    return ImageSet(name, images, source=f"{count:,} images: {what}, generated with seed {seed}", generated=True)


@dataclass(frozen=True)
class _Changed:
    """A storage of the changed images of another set. Each image is changed when it is read."""

    images: AnyImages
    change: Change

    @property
    def shape(self) -> tuple[int, ...]:
        return self.images.shape

    def read(self, indices: Int[np.ndarray, " M"]) -> UInt8[np.ndarray, "M H W C"]:
        changed = self.change(self.images[indices].astype(np.float64))
        return np.clip(np.rint(changed), 0, 255).astype(np.uint8)


def _changed(name: str, reference: ImageSet, change: Change, how: str) -> ImageSet:
    """The images of `reference` after `change`, rounded to levels, with their labels and groups."""
    images, source = StoredImages(_Changed(reference.images, change)), f"{reference.source}, {how}"
    return replace(reference, name=name, images=images, source=source, generated=True, derived_from=reference.name)


def _shrinking(name: str) -> tuple[Change, str]:
    """The change that a name such as "contrast-0.5-to-grey" stands for, and a phrase for the set's source."""
    text, to, target = name.removeprefix(_CONTRAST).partition("-to-")
    if to and target not in LEVELS:
        raise unknown("level to lose contrast towards", target, LEVELS)
    factor = _number(text)
    if not 0 <= factor <= 1:
        raise InputError(
            f"The contrast factor '{text}' in '{name}' is not a number from 0 to 1; write for example 'contrast-0.5'."
        )

    def shrink(images: Float[np.ndarray, "N H W C"]) -> Float[np.ndarray, "N H W C"]:
        levels = LEVELS[target] if target else images.mean(axis=(1, 2), keepdims=True)
        return levels + factor * (images - levels)

    return shrink, f"shrunk by {factor:g} towards " + (target or "each image's mean")


def _rotation(name: str) -> tuple[Change, str]:
    """The change that a name such as "rotated-90" stands for, by linear interpolation, and a phrase for its source."""
    text = name.removeprefix(_ROTATED)
    angle = _number(text)
    if not np.isfinite(angle):
        raise InputError(f"The angle '{text}' in '{name}' is not a number of degrees; write for example 'rotated-90'.")

    def rotate(images: Float[np.ndarray, "N H W C"]) -> Float[np.ndarray, "N H W C"]:
        from scipy import ndimage  # its import takes a quarter of a second

        return ndimage.rotate(images, angle, axes=(2, 1), reshape=False, order=1, mode="nearest")

    return rotate, f"rotated by {angle:g} degrees"


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
