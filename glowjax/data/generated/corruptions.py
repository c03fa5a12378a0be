"""Corruptions of images at five strengths, after those of CIFAR-10-C, for images of any shape.

Kinds and strengths are those of the authors' code for 32 x 32 images (Hendrycks and Dietterich 2019, "Benchmarking
neural network robustness to common corruptions and perturbations"; make_cifar_c.py in github.com/hendrycks/robustness).
The implementations are glowjax's own, and the images are not those of CIFAR-10-C: the random draws are others, values
are rounded and not truncated, the fog is a sum of interpolated grids and not a diamond-square plasma, saturation leaves
grey pixels grey, and blurs and elastic transforms are written without OpenCV, scikit-image and ImageMagick. Frost, snow
and spatter are left out; contrast is the set "contrast-F", with 0.75, 0.5, 0.4, 0.3 and 0.15 as the factors of the five
strengths.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from glowjax.checks import InputError
from glowjax.data.generated.blurs import defocus_blur, gaussian_blur, glass_blur, motion_blur, zoom_blur
from glowjax.data.generated.changes import Change, number
from glowjax.data.generated.digital import elastic_transform, jpeg_compression, pixelate
from glowjax.data.generated.noises import gaussian_noise, impulse_noise, shot_noise, speckle_noise
from glowjax.data.generated.weather import brightness, fog, saturate

NUM_STRENGTHS = 5
PART = 500
"""The number of images that are corrupted at a time, which bounds the memory."""


@dataclass(frozen=True)
class Corruption:
    """A way to corrupt images.

    Attributes:
        apply: (images [N, H, W, C] from 0 to 1, a random generator per image, the parameters) -> corrupted images.
        names: what the parameters are.
        strengths: the parameters of each strength, from 1 to 5.
        channels: the numbers of channels that the images may have; any number if empty.
    """

    apply: Callable[..., np.ndarray]
    names: tuple[str, ...]
    strengths: tuple[tuple[Any, ...], ...]
    channels: tuple[int, ...] = ()


def _single(
    apply: Callable[..., np.ndarray], name: str, *strengths: float | int, channels: tuple[int, ...] = ()
) -> Corruption:
    """A corruption with a single parameter."""
    return Corruption(apply, (name,), tuple((strength,) for strength in strengths), channels)


KINDS = {
    "gaussian_noise": _single(gaussian_noise, "standard deviation", 0.04, 0.06, 0.08, 0.09, 0.1),
    "shot_noise": _single(shot_noise, "photons", 500.0, 250.0, 100.0, 75.0, 50.0),
    "impulse_noise": _single(impulse_noise, "share", 0.01, 0.02, 0.03, 0.05, 0.07),
    "speckle_noise": _single(speckle_noise, "standard deviation", 0.06, 0.1, 0.12, 0.16, 0.2),
    "gaussian_blur": _single(gaussian_blur, "standard deviation", 0.4, 0.6, 0.7, 0.8, 1.0),
    "defocus_blur": Corruption(
        defocus_blur, ("radius", "softening"), ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1.0, 0.2), (1.5, 0.1))
    ),
    "glass_blur": Corruption(
        glass_blur, ("standard deviation", "rounds"), ((0.05, 1), (0.25, 1), (0.4, 1), (0.25, 2), (0.4, 2))
    ),
    "motion_blur": Corruption(
        motion_blur, ("radius", "standard deviation"), ((6, 1.0), (6, 1.5), (6, 2.0), (8, 2.0), (9, 2.5))
    ),
    "zoom_blur": _single(zoom_blur, "largest factor", 1.06, 1.11, 1.16, 1.21, 1.26),
    "fog": Corruption(fog, ("thickness", "decay"), ((0.2, 3.0), (0.5, 3.0), (0.75, 2.5), (1.0, 2.0), (1.5, 1.75))),
    "brightness": _single(brightness, "amount", 0.05, 0.1, 0.15, 0.2, 0.3),
    "saturate": Corruption(
        saturate, ("factor", "offset"), ((0.3, 0.0), (0.1, 0.0), (1.5, 0.0), (2.0, 0.1), (2.5, 0.2)), channels=(3,)
    ),
    "elastic_transform": Corruption(
        elastic_transform,
        ("height", "standard deviation", "corners"),
        ((0.0, 0.0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)),
    ),
    "pixelate": _single(pixelate, "scale", 0.95, 0.9, 0.85, 0.75, 0.65),
    "jpeg_compression": _single(jpeg_compression, "quality", 80, 65, 58, 50, 40, channels=(1, 3)),
}
"""The kinds of corruptions, by the names of CIFAR-10-C. A set is called KIND-STRENGTH, such as "gaussian_noise-3"."""


def kinds_for(num_channels: int) -> list[str]:
    """The kinds that images of so many channels can have."""
    return [kind for kind, one in KINDS.items() if not one.channels or num_channels in one.channels]


def is_corruption(name: str) -> bool:
    """Whether `name` is KIND-NUMBER. "fog-images" is not: a user's own set may be called so."""
    kind, _, strength = name.rpartition("-")
    return kind in KINDS and not np.isnan(number(strength))


def corruption(name: str, shape: tuple[int, int, int], seed: int) -> tuple[Change, str]:
    """The change that a name such as "gaussian_noise-3" stands for, for images of `shape`, and a phrase for the source.

    The random numbers depend on the kind, the seed and the bytes of the image alone. So an image is corrupted in the
    same way in every subset and order, and by the same draws at every strength.
    """
    kind, _, strength = name.rpartition("-")
    if strength not in map(str, range(1, NUM_STRENGTHS + 1)):
        raise InputError(
            f"The strength '{strength}' in '{name}' is not a whole number from 1 to {NUM_STRENGTHS}; write for example "
            f"'{kind}-3'."
        )
    if kind not in kinds_for(shape[-1]):
        needed = " or ".join(map(str, KINDS[kind].channels))
        raise InputError(
            f"'{kind}' is for images of {needed} channels, but these have {shape[-1]}; choose another kind."
        )
    parameters = KINDS[kind].strengths[int(strength) - 1]

    def corrupt(images: UInt8[np.ndarray, "N H W C"]) -> Float[np.ndarray, "N H W C"]:
        generators = [_generator(image, kind, seed) for image in images]
        levels = images.astype(np.float64) / 255
        return 255 * KINDS[kind].apply(levels, generators, *parameters)

    def by_part(images: UInt8[np.ndarray, "N H W C"]) -> Float[np.ndarray, "N H W C"]:
        return np.concatenate([corrupt(images[start : start + PART]) for start in range(0, len(images), PART)])

    stated = ", ".join(f"{what} {value:g}" for what, value in zip(KINDS[kind].names, parameters, strict=True))
    return by_part, f"corrupted by {kind} of strength {strength} ({stated}) with seed {seed}"


def _generator(image: UInt8[np.ndarray, "H W C"], kind: str, seed: int) -> np.random.Generator:
    digest = hashlib.blake2b(image.tobytes(), digest_size=16, key=f"{kind} {seed}".encode())
    return np.random.default_rng(int.from_bytes(digest.digest(), "little"))
