"""A classifier's own scores, from its logits and its features; no generative model is needed."""

import dataclasses
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float
from scipy.linalg import eigh
from scipy.special import logsumexp

from glowjax.checks import InputError, native_array
from glowjax.ood.scores import Score, entry
from glowjax.ood.statistics import Reference, Statistics

LOGITS, FEATURES, LABEL = "classifier.logits", "classifier.features", "classifier.label"

SMALLEST = 1e-10
"""Directions whose variance is less than this share of the largest variance of a feature do not count."""


def classifier_statistics(logits: Any, features: Any = None, labels: Any = None, name: str = "") -> Statistics:
    """What a classifier says about N images, as statistics that its scores are functions of.

    Join them to those of a generative model by `stats.joined(...)`, or use them alone.

    Args:
        logits: [N, num_classes] unnormalized log probabilities of the classes.
        features: [N, D] activations, as a rule those before the last layer; `Mahalanobis` needs them.
        labels: [N] the true classes, from 0; `Mahalanobis` needs them for the images that it is fitted to.
        name: the name of the image set, such as "mnist:train"; a set called "...:test" is refused as a reference.
    """
    values = {LOGITS: _numbers(logits, "logits", 2)}
    if features is not None:
        values[FEATURES] = _numbers(features, "features", 2)
    if labels is not None:
        values[LABEL] = _numbers(labels, "labels", 1)
        num_classes = values[LOGITS].shape[1]
        if values[LABEL].dtype.kind not in "iu" or values[LABEL].min() < 0 or values[LABEL].max() >= num_classes:
            raise InputError(f"The labels are not whole numbers from 0 to {num_classes - 1}; give the true classes.")
    return Statistics(values, {"set": name})


def _numbers(values: Any, name: str, ndim: int) -> np.ndarray:
    array = native_array(values, name)
    if array.ndim != ndim or array.dtype.kind not in "fiu" or not array.size or not np.isfinite(array).all():
        expected = "[N, ...] with one row per image" if ndim == 2 else "[N]"
        raise InputError(
            f"The {name} are {array.dtype} of shape {list(array.shape)}; expected finite numbers {expected}."
        )
    return array


@dataclasses.dataclass(frozen=True)
class Confidence(Score):
    """1 - the probability of the class that the classifier answers, without rounding to ties near 1."""

    needs: ClassVar[tuple[str, ...]] = (LOGITS,)

    def evaluate(self, state: Any, stats: Statistics) -> Float[np.ndarray, " N"]:  # noqa: D102
        ordered = np.sort(stats[LOGITS].astype(np.float64), axis=1)
        if ordered.shape[1] == 1:
            return np.zeros(len(ordered))
        others = logsumexp(ordered[:, :-1], axis=1)
        return 1 / (1 + np.exp(ordered[:, -1] - others))


@dataclasses.dataclass(frozen=True)
class Energy(Score):
    """-T log sum_k exp(logit_k / T), in nats.

    Attributes:
        temperature: T.
    """

    needs: ClassVar[tuple[str, ...]] = (LOGITS,)
    temperature: float = 1.0

    def evaluate(self, state: Any, stats: Statistics) -> Float[np.ndarray, " N"]:  # noqa: D102
        return -self.temperature * logsumexp(stats[LOGITS].astype(np.float64) / self.temperature, axis=1)


@dataclasses.dataclass(frozen=True)
class Mahalanobis(Score):
    """The squared Mahalanobis distance from the features to the mean of the nearest class.

    The classes have means of their own and one covariance, whose divisor is the number of images. Directions in which
    the features of no image vary, as those of a unit that is always off, do not count. The distance is that of Lee et
    al. (2018) for one layer, without their perturbation of the image and their regression on OOD images.
    """

    needs: ClassVar[tuple[str, ...]] = (FEATURES,)

    def learn(self, reference: Reference) -> Any:  # noqa: D102
        if LABEL not in reference:
            raise InputError(
                "Mahalanobis is fitted to images with labels: pass labels to ood.classifier_statistics for the "
                "reference."
            )
        features, labels = reference[FEATURES].astype(np.float64), reference[LABEL]
        classes, codes = np.unique(labels, return_inverse=True)
        means = np.stack([features[codes == index].mean(axis=0) for index in range(len(classes))])
        residuals = features - means[codes]
        variances, directions = eigh(residuals.T @ residuals / len(residuals))
        kept = variances > SMALLEST * features.var(axis=0).max()
        if not kept.any():
            raise InputError("The features of each class are constant, so they have no Mahalanobis distance.")
        whitening = directions[:, kept] / np.sqrt(variances[kept])
        return {"means": means @ whitening, "whitening": whitening}

    def evaluate(self, state: Any, stats: Statistics) -> Float[np.ndarray, " N"]:  # noqa: D102
        whitened = stats[FEATURES].astype(np.float64) @ state["whitening"]
        distances = [((whitened - mean) ** 2).sum(axis=1) for mean in state["means"]]
        return np.min(distances, axis=0)


GROUP = "classifier"

entry("confidence", GROUP, Confidence(), "Hendrycks and Gimpel 2017", "1 - max_k p(k | x)")
entry("energy", GROUP, Energy(), "Liu et al. 2020", "-log sum_k exp(logit_k(x))")
entry(
    "mahalanobis",
    GROUP,
    Mahalanobis(),
    "Lee et al. 2018",
    "min_k (f(x) - mean_k)^T covariance^-1 (f(x) - mean_k) of features f",
)
