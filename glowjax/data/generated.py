"""Image sets made here rather than collected, in the shape of a reference set.

"noise" is uniform on {0, ..., 255}; "constant" gives each image one random level a channel; "contrast-0.5"
shrinks each image of the reference by that factor towards its own mean, channel by channel, and
"contrast-0.5-to-black" or "-to-grey" towards the level 0 or 127.5; "rotated-90" turns each by that angle in degrees,
filling the corners with the nearest pixels.
"""

from collections.abc import Callable

import numpy as np

from glowjax.checks import InputError, unknown
from glowjax.data.image_set import ImageSet

NAMES = ("noise", "constant", "contrast-0.5", "rotated-90")
"""What `generate` makes; 0.5 stands for any factor from 0 to 1, 90 for any angle in degrees."""

_CONTRAST, _ROTATED = "contrast-", "rotated-"

BATCH = 10_000
"""Images that are changed at a time: as float64 they take eight times as much memory."""

LEVELS = {"black": 0.0, "grey": 127.5}
"""What images may lose their contrast towards, beside their own means."""


def is_generated(name: str) -> bool:
    """Whether `name` is that of a generated set; a name with a split, "rotated-mnist:test", is a collected one's."""
    return name in NAMES or is_changed(name)


def is_changed(name: str) -> bool:
    """Whether a generated set is made of the images of the reference, one by one and in their order."""
    return name.startswith((_CONTRAST, _ROTATED)) and ":" not in name and not name.endswith(".npz")


def generate(name: str, like: ImageSet, num_images: int | None = None, seed: int = 0) -> ImageSet:
    """A generated set in the shape of `like`.

    Args:
        name: "noise", "constant", "contrast-F", "contrast-F-to-black" or "contrast-F-to-grey" with a factor F from 0
            (flat) to 1 (unchanged), or "rotated-A" with an angle A in degrees, counter-clockwise.
        like: the reference set.
        num_images: how many; as many as `like` by default. The latter two have at most as many, and of all
            of them they keep the order.
        seed: chooses the images.

    Raises:
        InputError: another name, a factor outside [0, 1], an angle that is no number, or a number of images that is not
            positive.
    """
    count = like.num_images if num_images is None else num_images
    if count < 1:
        raise InputError(f"Cannot generate {count} images of '{name}'; expected at least 1.")
    if name.startswith((_CONTRAST, _ROTATED)):
        change = _contrast if name.startswith(_CONTRAST) else _rotated
        return change(name, like if count >= like.num_images else like.take(count, seed))
    rng = np.random.default_rng(seed)
    if name == "noise":
        images = rng.integers(0, 256, (count, *like.shape), dtype=np.uint8)
        what = "uniform noise"
    elif name == "constant":
        levels = rng.integers(0, 256, (count, 1, 1, like.shape[-1]), dtype=np.uint8)
        images = np.broadcast_to(levels, (count, *like.shape)).copy()
        what = "one random level a channel"
    else:
        raise unknown("generated set", name, NAMES)
    return ImageSet(name, images, source=f"{count:,} images: {what}, generated with seed {seed}", generated=True)


def _contrast(name: str, reference: ImageSet) -> ImageSet:
    """The images of `reference` shrunk towards their own means or one level, with their labels and groups."""
    factor, towards = _factor_and_level(name)

    def shrink(images: np.ndarray) -> np.ndarray:
        levels = LEVELS[towards] if towards else images.mean(axis=(1, 2), keepdims=True)
        return levels + factor * (images - levels)

    shrunk = _changed(reference.images, shrink)
    where = towards or "each image's mean"
    source = f"{reference.source}, shrunk by {factor:g} towards {where}"
    return ImageSet(name, shrunk, reference.labels, reference.groups, source, True, reference.name)


def _factor_and_level(name: str) -> tuple[float, str]:
    """The factor and, if any, the level in "contrast-F" and "contrast-F-to-LEVEL"."""
    text, to, towards = name.removeprefix(_CONTRAST).partition("-to-")
    if to and towards not in LEVELS:
        raise unknown("level to lose contrast towards", towards, LEVELS)
    try:
        factor = float(text)
    except ValueError:
        factor = float("nan")
    if not 0 <= factor <= 1:
        raise InputError(
            f"The contrast factor '{text}' in '{name}' is not a number from 0 to 1; write for example 'contrast-0.5'."
        )
    return factor, towards


def _rotated(name: str, reference: ImageSet) -> ImageSet:
    """The images of `reference` turned about their middle by linear interpolation, with their labels and groups."""
    text = name.removeprefix(_ROTATED)
    try:
        angle = float(text)
    except ValueError:
        angle = float("nan")
    if not np.isfinite(angle):
        raise InputError(f"The angle '{text}' in '{name}' is not a number of degrees; write for example 'rotated-90'.")
    from scipy import ndimage  # a quarter of a second, at every start if it stood above

    def turn(images: np.ndarray) -> np.ndarray:
        return ndimage.rotate(images, angle, axes=(2, 1), reshape=False, order=1, mode="nearest")

    images = _changed(reference.images, turn)
    source = f"{reference.source}, rotated by {angle:g} degrees"
    return ImageSet(name, images, reference.labels, reference.groups, source, True, reference.name)


def _changed(images: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """What `change` makes of `images` [N, H, W, C] as float64, in whole levels: a batch at a time is in memory."""
    changed = np.empty_like(images)
    for start in range(0, len(images), BATCH):
        batch = slice(start, start + BATCH)
        changed[batch] = np.clip(np.rint(change(images[batch].astype(np.float64))), 0, 255)
    return changed
