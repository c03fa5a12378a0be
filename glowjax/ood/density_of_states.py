"""Densities of one-dimensional statistics, and the support of several statistics at once."""

import dataclasses
import math
from typing import Any

import numpy as np
from jaxtyping import Float

from glowjax.ood.one_statistic import RESOLUTION, OfSeveralStatistics, center_and_scale, columns
from glowjax.ood.scores import entry
from glowjax.ood.statistics import Reference, Statistics

BLOCK = 2**18
"""The number of pairs of an image and a reference image that are computed at a time: few, to stay in the cache."""


@dataclasses.dataclass(frozen=True)
class DensityOfStates(OfSeveralStatistics):
    """-sum over statistics T of log KDE(T(x)), in nats, with Gaussian kernel densities of the reference.

    The logarithms are computed from those of the kernels, so they stay finite far from the reference. A statistic that
    is constant there gets a bandwidth of a few roundings, so any other value counts as far away.

    Attributes:
        bandwidth: the bandwidth in units of Scott's rule: the standard deviation of T, divided by n^(1/5).
    """

    bandwidth: float = 1.0

    def learn(self, reference: Reference) -> Any:  # noqa: D102
        values = columns(reference, self.statistics)
        scott = values.std(axis=0, ddof=1) * len(values) ** -0.2 if len(values) > 1 else np.zeros(values.shape[1])
        bandwidths = np.maximum(self.bandwidth * scott, RESOLUTION * np.abs(values).max(axis=0))
        return {"values": values, "bandwidths": np.where(bandwidths > 0, bandwidths, 1.0)}

    def evaluate(self, state: Any, stats: Statistics) -> Float[np.ndarray, " N"]:  # noqa: D102
        triples = zip(columns(stats, self.statistics).T, state["values"].T, state["bandwidths"], strict=True)
        return -np.sum([_log_density(*triple) for triple in triples], axis=0)


def _log_density(
    values: Float[np.ndarray, " N"], reference: Float[np.ndarray, " n"], bandwidth: Any
) -> Float[np.ndarray, " N"]:
    """Log of the mean over the reference of normal densities with this standard deviation."""
    constant = math.log(len(reference)) + math.log(bandwidth) + 0.5 * math.log(2 * math.pi)
    blocks = np.array_split(values / bandwidth, -(-len(values) * len(reference) // BLOCK))
    return np.concatenate([_log_sum(block, reference / bandwidth) for block in blocks]) - constant


def _log_sum(values: Float[np.ndarray, " N"], centers: Float[np.ndarray, " n"]) -> Float[np.ndarray, " N"]:
    """Log of the sum over centers of exp(-(value - center)^2 / 2), finite however small the terms are."""
    logs = values[:, None] - centers
    np.multiply(logs, logs, out=logs)
    nearest = logs.min(axis=1)
    logs -= nearest[:, None]
    logs *= -0.5
    return np.log(np.exp(logs, out=logs).sum(axis=1)) - 0.5 * nearest


@dataclasses.dataclass(frozen=True)
class OneClassSvm(OfSeveralStatistics):
    """-decision function of a one-class SVM on statistics, each in units of its standard deviation over the reference.

    The kernel is exp(-|u - v|^2 / K) of K statistics. All images far from the reference have nearly the same score.

    Attributes:
        nu: about the share of the reference that lies outside the support.
    """

    nu: float = 0.1

    def learn(self, reference: Reference) -> Any:  # noqa: D102
        from sklearn.svm import OneClassSVM  # slow to import

        values = columns(reference, self.statistics)
        mean, scale = center_and_scale(values)
        fit = OneClassSVM(gamma=1 / values.shape[1], nu=self.nu).fit((values - mean) / scale)
        return {
            "mean": mean,
            "scale": scale,
            "vectors": fit.support_vectors_,
            "weights": fit.dual_coef_[0],
            "intercept": fit.intercept_[0],
        }

    def evaluate(self, state: Any, stats: Statistics) -> Float[np.ndarray, " N"]:  # noqa: D102
        standard, vectors = (columns(stats, self.statistics) - state["mean"]) / state["scale"], state["vectors"]
        squares = sum((standard[:, None, k] - vectors[:, k]) ** 2 for k in range(vectors.shape[1]))
        return -(np.exp(-squares / vectors.shape[1]) @ state["weights"] + state["intercept"])


_OF_A_FLOW = ("log_prob", "scales.log_pz[sum]", "scales.log_det[sum]")
_FORMULA = "-sum of log KDE(T(x)) over T = log p(x), log p(z), log |det dz/dx|"

entry("density-of-states", "density of states", DensityOfStates(_OF_A_FLOW), "Morningstar et al. 2021", _FORMULA)
entry(
    "density-of-log-p",
    "density of states",
    DensityOfStates(("log_prob",)),
    "Morningstar et al. 2021",
    "-log KDE(log p(x))",
)
entry(
    "one-class-svm",
    "density of states",
    OneClassSvm(_OF_A_FLOW),
    "Morningstar et al. 2021",
    "-decision function of a one-class SVM of log p(x), log p(z), log |det dz/dx|",
)
