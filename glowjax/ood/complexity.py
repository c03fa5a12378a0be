"""Complexity of images: the bits of lossless codecs, beside the bits of a model."""

import dataclasses
import io
import math
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, features

from glowjax.checks import InputError
from glowjax.ood.families import Parts, family
from glowjax.ood.one_statistic import OfSeveralStatistics, center_and_scale, columns
from glowjax.ood.scores import Score, entry
from glowjax.ood.statistics import Reference, Statistics

CODECS = ("png", "jpeg2000", "webp")
"""The families of bits per image, one for each codec."""


def _lack(feature: str, name: str) -> str:
    return "" if features.check(feature) else f"Pillow with {name}, which this installation lacks"


@family("png", "images", "0.1 ms", on_host=True)
def png(images: UInt8[np.ndarray, "N H W C"]) -> Parts:
    """`png` [N]: bits of the whole PNG file of each image, compressed at level 9."""
    return {"": _bits(images, format="PNG", compress_level=9)}


@family("jpeg2000", "images", "0.2 ms", on_host=True, lack=_lack("jpg_2000", "JPEG 2000"))
def jpeg2000(images: UInt8[np.ndarray, "N H W C"]) -> Parts:
    """`jpeg2000` [N]: bits of the lossless JPEG 2000 code stream of each image, with its header."""
    return {"": _bits(images, format="JPEG2000", irreversible=False, no_jp2=True)}


@family("webp", "images", "0.2 ms", on_host=True, lack=_lack("webp", "WebP"))
def webp(images: UInt8[np.ndarray, "N H W C"]) -> Parts:
    """`webp` [N]: bits of the whole lossless WebP file of each image."""
    return {"": _bits(images, format="WEBP", lossless=True, quality=100, method=4)}


def _bits(images: UInt8[np.ndarray, "N H W C"], **options: Any) -> Float[np.ndarray, " N"]:
    if (channels := images.shape[-1]) not in (1, 3):
        raise InputError(f"Codecs need images with 1 or 3 channels, but these have {channels}.")
    return np.array([_num_bits(image.squeeze(-1) if channels == 1 else image, options) for image in images], float)


def _num_bits(image: UInt8[np.ndarray, "..."], options: dict[str, Any]) -> int:
    file = io.BytesIO()
    Image.fromarray(image).save(file, **options)
    return 8 * len(file.getvalue())


@dataclasses.dataclass(frozen=True)
class InputComplexity(Score):
    """The bits of the model minus those of the smallest code, per dimension: a likelihood ratio with a codec.

    S(x) of Serra et al. (2020): (-log p(x) / log 2 - min over codecs of the bits of x) / D.

    Attributes:
        codecs: the codecs of which the smallest code counts.
    """

    codecs: tuple[str, ...] = CODECS

    @property
    def needs(self) -> tuple[str, ...]:  # noqa: D102
        return ("log_prob", *self.codecs)

    def evaluate(self, state: Any, stats: Statistics) -> Float[np.ndarray, " N"]:  # noqa: D102
        if "image_shape" not in stats.about:
            raise InputError(
                "The shape of the images is unknown; give the statistics about={'image_shape': [H, W, C]}."
            )
        bits = -stats["log_prob"].astype(np.float64) / math.log(2)
        return (bits - columns(stats, self.codecs).min(axis=1)) / math.prod(stats.about["image_shape"])


@dataclasses.dataclass(frozen=True)
class GaussianMixture(OfSeveralStatistics):
    """-log density of several statistics under a Gaussian mixture with full covariances, fitted to the reference.

    Each statistic is first divided by its standard deviation over the reference, which moves the score by a constant.

    Attributes:
        num_components: components of the mixture.
        seed: seed of the start of the fit.
    """

    num_components: int = 5
    seed: int = 0

    MIN_VARIANCE: ClassVar[float] = 1e-4
    """What is added to the variances of each component, as a share of the variance of the reference."""

    def learn(self, reference: Reference) -> Any:  # noqa: D102
        from sklearn import mixture  # slow to import

        values = columns(reference, self.statistics)
        if len(values) < (least := 10 * self.num_components):
            raise InputError(
                f"A mixture of {self.num_components} components needs a reference of {least} images or more, but got "
                f"{len(values)}; give more images or fewer components."
            )
        mean, scale = center_and_scale(values)
        fit = mixture.GaussianMixture(
            self.num_components, reg_covar=self.MIN_VARIANCE, n_init=3, max_iter=500, random_state=self.seed
        ).fit((values - mean) / scale)
        whitening = fit.precisions_cholesky_  # of component k: y -> y @ whitening[k]
        return {"mean": mean, "scale": scale, "weights": fit.weights_, "centers": fit.means_, "whitening": whitening}

    def evaluate(self, state: Any, stats: Statistics) -> Float[np.ndarray, " N"]:  # noqa: D102
        standard = (columns(stats, self.statistics) - state["mean"]) / state["scale"]
        whitened = np.einsum("nki,kij->nkj", standard[:, None] - state["centers"], state["whitening"])
        log_dets = np.log(np.diagonal(state["whitening"], axis1=1, axis2=2)).sum(axis=1)
        log_normal = log_dets - 0.5 * (whitened**2 + math.log(2 * math.pi)).sum(axis=2)
        return -np.logaddexp.reduce(np.log(state["weights"]) + log_normal, axis=1)


def _define() -> None:
    ratio = "(-log2 p(x) - {} bits) / D"
    entry("complexity", "codecs", InputComplexity(), "Serra et al. 2020", ratio.format("fewest codec"))
    for codec in CODECS:
        one = InputComplexity((codec,))
        entry(f"complexity-{codec}", "codecs", one, "Serra et al. 2020", ratio.format(codec))
    for name, column, words in (("", "scales.log_pz[sum]", "log p(z)"), ("-log-p", "log_prob", "log p(x)")):
        mixture, formula = GaussianMixture(("png", column)), f"-log of a Gaussian mixture of (PNG bits, {words})"
        entry(f"complexity-mixture{name}", "codecs", mixture, "Osada et al. 2024", formula)


_define()
