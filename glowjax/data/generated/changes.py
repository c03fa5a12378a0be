"""Loss of contrast, and rotation."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, UInt8

from glowjax.checks import InputError, unknown

LEVELS = {"black": 0.0, "grey": 127.5}
"""Target grey levels for "contrast-F-to-LEVEL"."""

CONTRAST, ROTATED = "contrast-", "rotated-"

Change: TypeAlias = Callable[[UInt8[np.ndarray, "N H W C"]], Float[np.ndarray, "N H W C"]]
"""A function from images to changed images in grey levels, which are rounded and clipped afterwards."""


def shrinking(name: str) -> tuple[Change, str]:
    """The change that a name such as "contrast-0.5-to-grey" stands for, and a phrase for the set's source."""
    text, to, target = name.removeprefix(CONTRAST).partition("-to-")
    if to and target not in LEVELS:
        raise unknown("level to lose contrast towards", target, LEVELS)
    factor = number(text)
    if not 0 <= factor <= 1:
        raise InputError(
            f"The contrast factor '{text}' in '{name}' is not a number from 0 to 1; write for example 'contrast-0.5'."
        )

    def shrink(images: UInt8[np.ndarray, "N H W C"]) -> Float[np.ndarray, "N H W C"]:
        levels = LEVELS[target] if target else images.mean(axis=(1, 2), keepdims=True)
        return levels + factor * (images.astype(np.float64) - levels)

    return shrink, f"shrunk by {factor:g} towards " + (target or "each image's mean")


def rotation(name: str) -> tuple[Change, str]:
    """The change that a name such as "rotated-90" stands for, by linear interpolation, and a phrase for its source."""
    text = name.removeprefix(ROTATED)
    angle = number(text)
    if not np.isfinite(angle):
        raise InputError(f"The angle '{text}' in '{name}' is not a number of degrees; write for example 'rotated-90'.")

    def rotate(images: UInt8[np.ndarray, "N H W C"]) -> Float[np.ndarray, "N H W C"]:
        from scipy import ndimage  # its import takes a quarter of a second

        levels = images.astype(np.float64)
        return ndimage.rotate(levels, angle, axes=(2, 1), reshape=False, order=1, mode="nearest")

    return rotate, f"rotated by {angle:g} degrees"


def number(text: str) -> float:
    """The number that `text` is, or NaN."""
    try:
        return float(text)
    except ValueError:
        return float("nan")
