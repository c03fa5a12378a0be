"""Null models: scores that know nothing of the model, which every table shows beside those that do."""

import dataclasses
import hashlib
import math
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, UInt8
from scipy.linalg import solve_triangular

from glowjax.ood.density_of_states import DensityOfStates
from glowjax.ood.families import Parts, family
from glowjax.ood.scores import Score, entry
from glowjax.ood.statistics import Reference, Statistics
from glowjax.ood.white_noise import box_pierce

BLOCK = 2**22
"""The number of pairs of an image and a reference image that are computed at a time."""

SMALLEST_SHARE = 1e-9
"""The smallest shrinkage of a covariance, which keeps it positive definite for two images or constant pixels."""


@family("pixels", "images", "a copy", on_host=True)
def pixels(images: UInt8[np.ndarray, "N H W C"]) -> Parts:
    """`pixels` [N, D]: the grey levels themselves, uint8, with columns and channels varying fastest."""
    return {"": images.reshape(len(images), -1)}


@family("levels", "images", "less than 0.1 ms", on_host=True)
def levels(images: UInt8[np.ndarray, "N H W C"]) -> Parts:
    """Of the grey levels of each image: `levels.mean` [N], `levels.variance` [N] and `levels.variation` [N].

    The variation is the total one: the sum of |differences| between neighbors in rows and in columns.
    """
    values = images.astype(np.float64)
    variation = sum(np.abs(np.diff(values, axis=axis)).sum(axis=(1, 2, 3)) for axis in (1, 2))
    return {"mean": values.mean(axis=(1, 2, 3)), "variance": values.var(axis=(1, 2, 3)), "variation": variation}


@dataclasses.dataclass(frozen=True)
class RandomScore(Score):
    """A uniform random number, which depends on the pixels of the image alone, by a hash.

    Attributes:
        seed: seed of the hash.
    """

    needs: ClassVar[tuple[str, ...]] = ("pixels",)
    seed: int = 0

    def evaluate(self, state: Any, stats: Statistics) -> Float[np.ndarray, " N"]:  # noqa: D102
        salt = self.seed.to_bytes(8, "little")
        hashes = [hashlib.blake2b(row.tobytes(), digest_size=6, salt=salt).digest() for row in stats["pixels"]]
        return np.array([int.from_bytes(one, "little") / 2**48 for one in hashes])


@dataclasses.dataclass(frozen=True)
class LinearGaussian(Score):
    """-log p(x) in nats of a normal distribution with the mean and the covariance of the reference.

    The covariance is shrunk towards a multiple of the identity as far as Ledoit and Wolf (2004) advise.
    """

    needs: ClassVar[tuple[str, ...]] = ("pixels",)

    def learn(self, reference: Reference) -> Any:  # noqa: D102
        values = reference["pixels"].astype(np.float64)
        mean = values.mean(axis=0)
        return {"mean": mean, "cholesky": np.linalg.cholesky(_shrunk_covariance(values - mean))}

    def evaluate(self, state: Any, stats: Statistics) -> Float[np.ndarray, " N"]:  # noqa: D102
        log_det = np.log(np.diagonal(state["cholesky"])).sum()
        squares = (_residuals(state, stats) ** 2).sum(axis=1)
        return 0.5 * squares + log_det + 0.5 * math.log(2 * math.pi) * len(state["mean"])


def _shrunk_covariance(centered: Float[np.ndarray, "n D"]) -> Float[np.ndarray, "D D"]:
    """The covariance of centered images, shrunk and positive definite; the identity if all images are the same."""
    from sklearn import covariance  # slow to import

    if not centered.any():
        return np.eye(centered.shape[1])
    shrunk, share = covariance.ledoit_wolf(centered, assume_centered=True)
    return covariance.shrunk_covariance(shrunk, SMALLEST_SHARE) if share < SMALLEST_SHARE else shrunk


@dataclasses.dataclass(frozen=True)
class LinearWhiteNoise(LinearGaussian):
    """D times the mean over lags of the squared autocorrelation of the residuals of `LinearGaussian`.

    The residual of a pixel is its distance from the prediction by the pixels before it, in standard deviations.
    """

    def evaluate(self, state: Any, stats: Statistics) -> Float[np.ndarray, " N"]:  # noqa: D102
        return box_pierce(_residuals(state, stats))


def _residuals(state: Any, stats: Statistics) -> Float[np.ndarray, "N D"]:
    """The pixels minus their mean, whitened by the Cholesky factor: independent and standard normal under the model."""
    return solve_triangular(state["cholesky"], (stats["pixels"] - state["mean"]).T, lower=True).T


@dataclasses.dataclass(frozen=True)
class NearestNeighbor(Score):
    """The Euclidean distance, in grey levels, from the pixels to those of the nearest image of the reference."""

    needs: ClassVar[tuple[str, ...]] = ("pixels",)

    def learn(self, reference: Reference) -> Any:  # noqa: D102
        return {"pixels": reference["pixels"]}

    def evaluate(self, state: Any, stats: Statistics) -> Float[np.ndarray, " N"]:  # noqa: D102
        reference = state["pixels"].astype(np.float64)
        norms = (reference**2).sum(axis=1)
        blocks = np.array_split(stats["pixels"], -(-stats.num_images * len(reference) // BLOCK))
        return np.concatenate([_distances(block.astype(np.float64), reference, norms) for block in blocks])


def _distances(
    values: Float[np.ndarray, "N D"], reference: Float[np.ndarray, "n D"], norms: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " N"]:
    """The distances to the nearest row of `reference`; all products of whole numbers are exact in float64."""
    return np.sqrt((values**2).sum(axis=1) + (norms - 2 * values @ reference.T).min(axis=1))


def _define() -> None:
    entries: dict[str, tuple[Score, str, str]] = {
        "random": (RandomScore(), "null model", "uniform random number by a hash of x"),
        "grey-level": (DensityOfStates(("levels.mean",)), "null model", "-log KDE(mean grey level)"),
        "variance": (DensityOfStates(("levels.variance",)), "null model", "-log KDE(variance of the grey levels)"),
        "variation": (DensityOfStates(("levels.variation",)), "null model", "-log KDE(total variation)"),
        "png": (DensityOfStates(("png",)), "null model", "-log KDE(PNG bits)"),
        "gaussian": (LinearGaussian(), "Wang et al. 2020", "-log N(x; mean, covariance of the reference)"),
        "white-noise": (
            LinearWhiteNoise(),
            "Wang et al. 2020",
            "D * mean over lags of the squared autocorrelation of x, whitened by the covariance of the reference",
        ),
        "neighbor": (NearestNeighbor(), "null model", "distance of x to the nearest image of the reference"),
    }
    for name, (score, paper, formula) in entries.items():
        entry(f"null-{name}", "null models", score, paper, formula)


_define()
