"""Noise: every draw is that of one image's own generator. Images are [N, H, W, C] with levels from 0 to 1."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

Levels: TypeAlias = Float[np.ndarray, "N H W C"]
"""Images with levels from 0, black, to 1, white. A corruption may leave this range; the result is clipped."""

Generators: TypeAlias = Sequence[np.random.Generator]
"""A generator of random numbers per image."""


def gaussian_noise(images: Levels, generators: Generators, deviation: float) -> Levels:
    """The images plus white noise of this standard deviation."""
    return images + deviation * _normal(images, generators)


def shot_noise(images: Levels, generators: Generators, photons: float) -> Levels:
    """Poisson counts, whose mean is `photons` if a value is white, as shares of `photons`."""
    pairs = zip(images, generators, strict=True)
    return np.stack([generator.poisson(image * photons) for image, generator in pairs]) / photons


def impulse_noise(images: Levels, generators: Generators, share: float) -> Levels:
    """The images with this share of their values at random replaced, by black or white with equal probability."""
    drawn = np.stack([generator.random(images.shape[1:]) for generator in generators])
    return np.where(drawn < share / 2, 0.0, np.where(drawn >= 1 - share / 2, 1.0, images))


def speckle_noise(images: Levels, generators: Generators, deviation: float) -> Levels:
    """The images with white noise that is proportional to each value."""
    return images * (1 + deviation * _normal(images, generators))


def _normal(images: Levels, generators: Generators) -> Levels:
    return np.stack([generator.standard_normal(images.shape[1:]) for generator in generators])
