"""Populations with known expectations: numbers and images of light, skewed and heavy tails, alone and in clusters.

The densities are polynomials of the image's values, without a mixed power above the second, perhaps with one kink. The
values of an image are independent, so that every expectation is a closed form.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.stats import norm, t

DIM = 6

ICC = 0.6
"""The correlation of two images of one cluster."""


@dataclasses.dataclass(frozen=True)
class Tails:
    """A distribution of mean 0, and of variance 1 if it has one.

    Attributes:
        name: its name in the table.
        draw: draws an array of a shape.
        quantile: its quantile function.
        skewness: its third moment.
        kurtosis: its fourth moment; infinite for heavy tails.
    """

    name: str
    draw: Callable[[Any, tuple[int, ...]], Array]
    quantile: Callable[[Any], Any]
    skewness: float = 0.0
    kurtosis: float = math.inf

    def trimmed_mean(self, trim: float) -> float:
        """The mean between the quantiles of `trim` and 1 - `trim`."""
        num = 1_000_000
        return float(np.mean(self.quantile(trim + (1 - 2 * trim) * (np.arange(num) + 0.5) / num)))


_LOGNORMAL_MEAN, _LOGNORMAL_STD = math.exp(0.5), math.sqrt(math.e * (math.e - 1))

PARETO_INDEX = 1.6
_PARETO_MEAN = PARETO_INDEX / (PARETO_INDEX - 1)

NORMAL = Tails("normal", jax.random.normal, norm.ppf, 0, 3)
SKEWED = Tails(
    "skewed (exponential)", lambda key, shape: jax.random.exponential(key, shape) - 1, lambda u: -np.log1p(-u) - 1, 2, 9
)
LOGNORMAL = Tails(
    "skewed (log-normal)",
    lambda key, shape: (jnp.exp(jax.random.normal(key, shape)) - _LOGNORMAL_MEAN) / _LOGNORMAL_STD,
    lambda u: (np.exp(norm.ppf(u)) - _LOGNORMAL_MEAN) / _LOGNORMAL_STD,
)
T3 = Tails(
    "heavy (t, 3 df)",
    lambda key, shape: jax.random.t(key, 3.0, shape) / math.sqrt(3),
    lambda u: t.ppf(u, 3) / math.sqrt(3),
)
PARETO = Tails(
    f"heavy (Pareto, index {PARETO_INDEX})",
    lambda key, shape: jax.random.pareto(key, PARETO_INDEX, shape) - _PARETO_MEAN,
    lambda u: (1 - u) ** (-1 / PARETO_INDEX) - _PARETO_MEAN,
)


def cluster_labels(num_groups: int) -> np.ndarray:
    """The group of each image, for groups of 4, 8 and 12 images in turn: 8 on average."""
    return np.repeat(np.arange(num_groups), np.resize([4, 8, 12], num_groups))


def draw_numbers(
    tails: Tails, key: Any, num: int, groups: np.ndarray | None = None, shape: tuple[int, ...] = ()
) -> Array:
    """[num, *shape] draws; those of one group are alike. Only normal numbers keep their distribution in groups."""
    if groups is None:
        return tails.draw(key, (num, *shape))
    shared, own = jax.random.split(key)
    between = tails.draw(shared, (int(groups.max()) + 1, *shape))[groups]
    return math.sqrt(ICC) * between + math.sqrt(1 - ICC) * tails.draw(own, (num, *shape))


@dataclasses.dataclass(frozen=True)
class Population:
    """Images [DIM] with independent values.

    Attributes:
        tails: the distribution of the values around their means.
        mean: the means.
        scale: the standard deviations.
    """

    tails: Tails
    mean: np.ndarray
    scale: np.ndarray

    def draw(self, key: Any, num: int, groups: np.ndarray | None = None) -> Float[Array, "N D"]:
        """Images."""
        return self.mean[None] + self.scale[None] * draw_numbers(self.tails, key, num, groups, (DIM,))

    def of_means(self, num: float, groups: np.ndarray | None = None) -> "Population":
        """The distribution of the mean of `num` images, or of normal images in groups."""
        if groups is not None:  # as many images, drawn one by one, have a mean of the same variance
            num = num**2 / (ICC * np.sum(np.bincount(groups) ** 2) + (1 - ICC) * num)
        skewness, kurtosis = self.tails.skewness / math.sqrt(num), 3 + (self.tails.kurtosis - 3) / num
        tails = dataclasses.replace(self.tails, skewness=skewness, kurtosis=kurtosis)
        return dataclasses.replace(self, tails=tails, scale=self.scale / math.sqrt(num))


@dataclasses.dataclass(frozen=True, eq=False)
class Density:
    """A function in place of a log density.

    f(x) = slope.x + x' matrix x / 2 + cubic.x^3 + quartic.x^4 - kink |x_0 - edge| - bend max(x_0 - edge, 0)^2

    The kink makes the gradient jump, as ReLU does, and the bend the Hessian.
    """

    slope: np.ndarray
    matrix: np.ndarray
    cubic: np.ndarray
    quartic: np.ndarray
    kink: float = 0.0
    edge: float = 0.3
    bend: float = 0.0

    def __call__(self, x: Array) -> Array:  # noqa: D102
        smooth = x @ self.slope + x @ self.matrix @ x / 2 + x**3 @ self.cubic + x**4 @ self.quartic
        return smooth - self.kink * jnp.abs(x[0] - self.edge) - self.bend * jnp.maximum(x[0] - self.edge, 0) ** 2

    def expectation(self, images: Population) -> float:
        """E f."""
        m, s, tails = images.mean, images.scale, images.tails
        second = m @ self.matrix @ m + np.diag(self.matrix) @ s**2
        total = self.slope @ m + second / 2
        if self.cubic.any():
            total += self.cubic @ (m**3 + 3 * m * s**2 + tails.skewness * s**3)
        if self.quartic.any():
            fourth = m**4 + 6 * m**2 * s**2 + 4 * m * tails.skewness * s**3 + tails.kurtosis * s**4
            total += self.quartic @ fourth
        return float(total - self.kink * self._distance(images))

    def at(self, point: np.ndarray) -> float:
        """F at a point, in double precision."""
        point = np.asarray(point)
        smooth = self.slope @ point + point @ self.matrix @ point / 2 + point**3 @ self.cubic + point**4 @ self.quartic
        return float(smooth - self.kink * abs(point[0] - self.edge))

    def gradient(self, point: np.ndarray) -> np.ndarray:
        """The gradient at a point off the kink."""
        smooth = self.slope + self.matrix @ point + 3 * self.cubic * point**2 + 4 * self.quartic * point**3
        distance = point[0] - self.edge
        return smooth - (self.kink * np.sign(distance) + 2 * self.bend * max(distance, 0.0)) * np.eye(DIM)[0]

    def hessian(self, point: np.ndarray) -> np.ndarray:
        """The Hessian at a point off the kink and the bend."""
        bend = 2 * self.bend * (point[0] > self.edge) * np.eye(DIM)[0]
        return self.matrix + np.diag(6 * self.cubic * point + 12 * self.quartic * point**2 - bend)

    def kink_from(self, center: np.ndarray, images: Population) -> float:
        """E of the jumps of the gradient on the paths from a center to normal `images`."""
        side = np.sign(center[0] - self.edge)
        return float(-self.kink * (self._distance(images) - side * (images.mean[0] - self.edge)))

    def _distance(self, images: Population) -> float:
        """E |x_0 - edge| for normal values."""
        if not self.kink:
            return 0.0
        m, s = images.mean[0] - self.edge, images.scale[0]
        return float(s * math.sqrt(2 / math.pi) * math.exp(-((m / s) ** 2) / 2) + m * (1 - 2 * norm.cdf(-m / s)))
