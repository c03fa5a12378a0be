"""Fog, and changes of brightness and colors. Images are [N, H, W, C] with levels from 0 to 1."""

import numpy as np
from jaxtyping import Float

from glowjax.data.generated.blurs import interpolation
from glowjax.data.generated.noises import Generators, Levels


def fog(images: Levels, generators: Generators, thickness: float, decay: float) -> Levels:
    """The images plus `thickness` times a random cloud, shrunk so that the brightest value of each can stay itself."""
    clouds = np.stack([_cloud(images.shape[1:3], decay, generator) for generator in generators])
    brightest = images.max(axis=(1, 2, 3), keepdims=True)
    return (images + thickness * clouds[..., None]) * brightest / (brightest + thickness)


def _cloud(shape: tuple[int, ...], decay: float, generator: np.random.Generator) -> Float[np.ndarray, "H W"]:
    """Random heights from 0 to 1: a sum of random grids of 2, 3, 5, 9, ... points a side, each interpolated linearly.

    Each grid is lower than the one before by the factor `decay` squared.
    """
    heights = np.zeros(shape)
    for octave in range((max(shape) - 1).bit_length()):
        points = 2**octave + 1
        down, across = (interpolation(points, np.linspace(0, points - 1, size)) for size in shape)
        heights += decay ** (-2 * octave) * down @ generator.uniform(-1, 1, (points, points)) @ across.T
    heights -= heights.min()
    return heights / max(heights.max(), 1e-12)


def brightness(images: Levels, _: Generators, amount: float) -> Levels:
    """The images with `amount` added to the largest channel of each pixel; its hue and saturation stay."""
    largest = images.max(axis=-1, keepdims=True)
    brighter = np.minimum(largest + amount, 1)
    return np.where(largest > 0, images * brighter / np.where(largest > 0, largest, 1), brighter)


def saturate(images: Levels, _: Generators, factor: float, offset: float) -> Levels:
    """The images with each pixel's saturation times `factor` plus `offset`, at most 1. Grey pixels stay grey.

    A saturation is the range of a pixel's channels as a share of the largest one.
    """
    largest, smallest = images.max(axis=-1, keepdims=True), images.min(axis=-1, keepdims=True)
    colored = largest > smallest
    saturation = np.where(colored, largest - smallest, 1) / np.where(colored, largest, 1)
    changed = np.minimum(saturation * factor + offset, 1)
    return np.where(colored, largest - (largest - images) * changed / saturation, images)
