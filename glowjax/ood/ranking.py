"""Measures of image sets that depend on the order of their images by a score: value, influence of each image, bias.

A measure is a smooth function of the distributions of the scores. Its first derivative by the weight of an image, the
*influence* of that image, gives its standard error; its second derivative gives the bias of a finite sample. Both are
exact sums over the images, in O(N log N), and the bias follows groups of images that were drawn together.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int

Vector = Float[np.ndarray, " N"]


@dataclasses.dataclass(frozen=True)
class Measure:
    """A measure of one or several image sets; N counts through all sets, one after the other.

    Attributes:
        reweighted: the measure at weights [N] of the images, whose mean over each set is 1.
        influence: [N] its derivative by the weight of each image; as the weights of a set have a fixed sum, only
            deviations from the mean over the set count.
        bias: the expected value minus the measure of infinitely many images, to the order 1/N.
    """

    reweighted: Callable[[Vector], float]
    influence: Vector
    bias: float = 0.0

    @functools.cached_property
    def value(self) -> float:
        """The measure of the images at hand."""
        return self.reweighted(np.ones(len(self.influence)))

    def __sub__(self, other: "Measure") -> "Measure":
        def reweighted(weights: Vector) -> float:
            return self.reweighted(weights) - other.reweighted(weights)

        return Measure(reweighted, self.influence - other.influence, self.bias - other.bias)


class Order:
    """N images in the order of a score, from the lowest to the highest. Images of equal score form a run."""

    def __init__(self, scores: Vector) -> None:
        self.images = np.argsort(scores, kind="stable")
        ranked = scores[self.images]
        starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))
        self.run = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(scores)))
        self.first, self.last = starts[self.run], np.append(starts[1:], len(scores))[self.run] - 1

    def unranked(self, x: Vector) -> Vector:
        """The numbers x [N] in the order in which the images came."""
        found = np.empty_like(x)
        found[self.images] = x
        return found

    def upto(self, x: Vector) -> Vector:
        """[N] the sum of x over all images up to the run of each image, its run included."""
        return np.cumsum(x)[self.last]

    def onward(self, x: Vector) -> Vector:
        """[N] the sum of x over the run of each image and all later ones."""
        return np.cumsum(x[::-1])[::-1][self.first]

    def below(self, x: Vector) -> Vector:
        """[N] the sum of x over all images of a lower score, and half of that over the run of each image."""
        sums = np.cumsum(x)
        return (sums[self.last] + sums[self.first] - x[self.first]) / 2


def is_same_order(a: Vector, b: Vector) -> bool:
    """Whether two scores put the images in the same order, with the same ties."""
    rank_a, rank_b = (np.unique(scores, return_inverse=True)[1] for scores in (a, b))
    return np.array_equal(rank_a, rank_b)


class Groups:
    """Groups of images in an order; `codes` [N] are in that order."""

    def __init__(self, order: Order, codes: Int[np.ndarray, " N"]) -> None:
        self.images = np.argsort(codes, kind="stable")
        codes = codes[self.images]
        self.is_first = np.append(True, codes[1:] != codes[:-1])
        self.group = np.cumsum(self.is_first) - 1
        key = codes * len(codes) + order.run[self.images]
        self.last = np.searchsorted(key, key, side="right") - 1

    def upto(self, x: Vector) -> tuple[Vector, Vector]:
        """[N] the sums of x over each image's group: up to the image itself, and up to the end of its run."""
        grouped = x[self.images]
        sums = np.cumsum(grouped)
        sums -= (sums - grouped)[self.is_first][self.group]
        found = np.empty((2, len(x)))
        found[:, self.images] = sums, sums[self.last]
        return found[0], found[1]


def auroc(scores: Vector, of_in: Vector, of_out: Vector) -> Measure:
    """The probability that an OOD image scores above an in-distribution one; a tie counts half.

    `of_in` and `of_out` are the weights of the images in either set: 1/N and 1/M, and 0 for the other set. The
    influences are the placements of DeLong et al. (1988). There is no bias.
    """
    order = Order(scores)
    of_in, of_out = of_in[order.images], of_out[order.images]

    def reweighted(weights: Vector) -> float:
        weights = weights[order.images]
        return float(np.sum(weights * of_out * order.below(weights * of_in)))

    ranked = of_out * order.below(of_in) + of_in * (of_out.sum() - order.below(of_out))
    return Measure(reweighted, order.unranked(ranked))


def precision_area(
    scores: Vector, hits: Vector, misses: Vector, weights: Vector, sets: Sequence[Int[np.ndarray, " _"]]
) -> Measure:
    """The mean precision: sum_n weights_n a_n / (a_n + b_n).

    a_n and b_n are the sums of `hits` and `misses` over the images whose score is at most that of image n. `sets` are
    the codes of the groups of each set, in the order in which the sets follow each other. With h(a, b) = a / (a + b),

        influence of j = weights_j h_j + sum_n weights_n (h_a hits_j + h_b misses_j), over all n at or after j,
        bias = sum_n weights_n (dh_n + d2h_n / 2),

    where d2h_n is the second-order term of h for the covariance of a_n and b_n over groups, and dh_n the first-order
    one for what the group of n itself adds to a_n and b_n. The influence takes an image's own weight as half present:
    this is the mean of its slopes with and without the image, which differ if a few images come first.
    """
    order = Order(scores)
    hits, misses, weights = (x[order.images] for x in (hits, misses, weights))

    def reweighted(times: Vector) -> float:
        times = times[order.images]
        a, b = order.upto(times * hits), order.upto(times * misses)
        return float(np.sum(times * weights * a / _nonzero(a + b)))

    a, b = order.upto(hits) - hits / 2, order.upto(misses) - misses / 2
    total = _nonzero(a + b)
    slopes = (weights * b / total**2, hits), (-weights * a / total**2, misses)
    influence = weights * a / total + sum(x * (order.onward(slope) - slope / 2) for slope, x in slopes)
    return Measure(reweighted, order.unranked(influence), _bias(order, hits, misses, weights, sets))


def _nonzero(totals: Vector) -> Vector:
    return np.maximum(totals, np.finfo(float).tiny)


def _bias(order: Order, hits: Vector, misses: Vector, weights: Vector, sets: Sequence[Int[np.ndarray, " _"]]) -> float:
    """The bias of `precision_area`, from arrays in the order of the scores; each set adds its own part."""
    a, b = order.upto(hits), order.upto(misses)
    total = _nonzero(a + b)
    slopes = weights * b / total**2, -weights * a / total**2
    curvatures = -2 * weights * b / total**3, weights * (a - b) / total**3, 2 * weights * a / total**3
    which = np.repeat(np.arange(len(sets)), [len(codes) for codes in sets])[order.images]
    codes_of_all = np.concatenate(sets)[order.images]
    groups, found = Groups(order, codes_of_all), 0.0
    for n, codes in enumerate(sets):
        is_own = which == n
        share = is_own * np.bincount(codes, minlength=codes_of_all.max() + 1)[codes_of_all] / len(codes)
        of_hits, of_misses = (_GroupSums(order, groups, share, is_own * x) for x in (hits, misses))
        for slope, sums in zip(slopes, (of_hits, of_misses), strict=True):
            found += np.sum(is_own * slope * sums.deviation)
        pairs = (of_hits, of_hits), (of_hits, of_misses), (of_misses, of_misses)
        for curvature, factor, (one, other) in zip(curvatures, (0.5, 1, 0.5), pairs, strict=True):
            found += factor * np.sum(curvature * one.covariance(other))
    return float(found)


class _GroupSums:
    """The sums of x over the groups of one set, up to the run of each image; x is 0 outside of the set.

    `share` is that of each image's group among the images of the set, and 0 outside of it.
    """

    def __init__(self, order: Order, groups: Groups, share: Vector, x: Vector) -> None:
        self.order, self.x = order, x
        self.running, own = groups.upto(x)
        self.total, self.by_share = order.upto(x), order.upto(share * x)
        self.concentration = share.sum() / np.count_nonzero(share)  # the sum of squared shares
        self.deviation = own - share * self.total - (self.by_share - self.concentration * self.total)
        """[N] the sum over the image's own group minus what a group of its size has, less the mean of that."""

    def covariance(self, other: "_GroupSums") -> Vector:
        """[N] the sum over groups of the product of their deviations."""
        x, y = self, other
        products = x.order.upto(x.x * y.running + y.x * x.running - x.x * y.x)
        centered = products - x.total * y.by_share - y.total * x.by_share
        return np.asarray(centered + x.concentration * x.total * y.total)
