"""Blurs. Images are [N, H, W, C] with levels from 0 to 1; lengths are in pixels."""

import numpy as np
from jaxtyping import Float

from glowjax.data.generated.noises import Generators, Levels

MOST_DEGREES = 45
"""The direction of motion is at most this angle from the horizontal."""


def gaussian_blur(images: Levels, _: Generators, deviation: float) -> Levels:
    """The images smoothed with a normal density of this standard deviation."""
    from scipy import ndimage  # its import takes a quarter of a second

    return ndimage.gaussian_filter(images, deviation, mode="nearest", axes=(1, 2))


def defocus_blur(images: Levels, _: Generators, radius: float, deviation: float) -> Levels:
    """The images smoothed with a disk, whose edge is softened with a normal density on 3 x 3 pixels."""
    from scipy import ndimage

    reach = int(radius) + 1
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disk = (rows**2 + columns**2 <= radius**2).astype(np.float64)
    kernel = ndimage.gaussian_filter(disk / disk.sum(), deviation, mode="constant", radius=1)
    return ndimage.correlate(images, kernel[None, :, :, None], mode="mirror")


def glass_blur(images: Levels, generators: Generators, deviation: float, rounds: int) -> Levels:
    """The images as if through frosted glass: smoothed, displaced at random, and smoothed again.

    In each round, every pixel takes the value of itself or of its neighbor on the left, above, or both; those of the
    first two rows and columns stay. The authors' code means to exchange pixels, but its arrays copy them.
    """
    images = gaussian_blur(images, generators, deviation)
    each, rows, columns = np.indices(images.shape[:3])
    for _ in range(rounds):
        up, left = (np.stack([one.integers(0, 2, images.shape[1:3]) for one in generators]) for _ in range(2))
        up, left = (np.where((rows > 1) & (columns > 1), steps, 0) for steps in (up, left))
        images = images[each, rows - up, columns - left]
    return gaussian_blur(images, generators, deviation)


def motion_blur(images: Levels, generators: Generators, radius: int, deviation: float) -> Levels:
    """The images with a trail in a random direction, which fades like the half of a normal density."""
    distances = np.arange(2 * radius + 1)
    weights = np.exp(-0.5 * (distances / deviation) ** 2)
    return np.stack(
        [
            _trailed(image, weights / weights.sum(), np.radians(generator.uniform(-MOST_DEGREES, MOST_DEGREES)))
            for image, generator in zip(images, generators, strict=True)
        ]
    )


def _trailed(
    image: Float[np.ndarray, "H W C"], weights: Float[np.ndarray, " n"], angle: float
) -> Float[np.ndarray, "H W C"]:
    """The weighted mean of an image moved by 0, 1, 2, ... pixels in a direction."""
    height, width, _ = image.shape
    reach = len(weights)
    padded = np.pad(image, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    rows, columns = (np.rint(np.arange(reach) * part).astype(int) + reach for part in (np.sin(angle), np.cos(angle)))
    moved = [padded[row : row + height, column : column + width] for row, column in zip(rows, columns, strict=True)]
    return np.tensordot(weights, np.stack(moved), 1)


def zoom_blur(images: Levels, _: Generators, largest: float) -> Levels:
    """The mean of the images and their enlargements about the center, by factors below `largest` in steps of 0.01."""
    factors = np.concatenate([[1.0], np.arange(1, largest, 0.01)])
    down, across = (np.stack([_enlargement(size, factor) for factor in factors]) for size in images.shape[1:3])
    taller = np.einsum("fhi,niwc->fnhwc", down, images, optimize=True)
    return np.einsum("fwj,fnhjc->nhwc", across, taller, optimize=True) / len(factors)


def _enlargement(size: int, factor: float) -> Float[np.ndarray, "size size"]:
    """The matrix that enlarges one axis about its center, by linear interpolation."""
    center = (size - 1) / 2
    return interpolation(size, center + (np.arange(size) - center) / factor)


def interpolation(size: int, places: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n size"]:
    """The matrix that gives an axis of `size` values at `places`, by linear interpolation."""
    return np.stack([np.interp(places, np.arange(size), one) for one in np.eye(size)], axis=1)
