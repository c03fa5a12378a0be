"""The terms of the second-order prediction, image by image, with the error of a center that is computed from the sets.

Let d = x - mu be the deviation of an image from the mean of its set, o = mu - x0, and s = mu_q - mu_p. The terms are
means over images of g.(o + d), 1/2 o'Ho + d'Ho and 1/2 d'Hd. A center x0 = w_p mu_p + w_q mu_q, with w_p + w_q = 1,
moves with every image, and takes the gradient g and the Hessian H along. What this adds to the error of a term is
linear in d, and zero on average over the set. For an image of q it is

    first order        w_q d'Hs
    mean curvature   - w_q d'Hs + w_q d.T_mean       T_mean = 1/2 (w_p - w_q) sum_ij T_ij s_i s_j
    covariance         w_q d.T_cov                   T_cov = 1/2 sum_ij T_ij (S_q - S_p)_ij

with T_ij [D] the gradient of H_ij. For an image of p it is the same with -w_p in place of w_q. The terms with these
additions have the same means, and their spread over images gives the standard error of the delta method. At the
midpoint the mean curvature is zero for every set of images, and so are its terms.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from glowjax import stats
from glowjax.analysis.center import Resolved, mean_of
from glowjax.analysis.curvature import HESSIAN_LIMIT
from glowjax.analysis.density import PointSet
from glowjax.analysis.derivatives import Derivatives, Flat, How, derivatives_at, dot, form_gradients, widening
from glowjax.analysis.subject import Subject


class SecondOrderGap(stats.Result):
    """The second-order prediction of the gap and its terms, in nats; the terms sum to the total.

    `second_order_gap` returns Estimates of the gap; `second_order_terms` returns [N], the terms of each point.

    Attributes:
        total: the prediction.
        first_order: g.(mu_q - mu_p).
        mean_curvature: 1/2 [(mu_q - x0)' H (mu_q - x0) - (mu_p - x0)' H (mu_p - x0)].
        covariance: 1/2 Tr(H (S_q - S_p)), full or diagonal.
    """

    total: Any
    first_order: Any
    mean_curvature: Any
    covariance: Any


class Line(NamedTuple):
    """constant + slope.d, for deviations d."""

    constant: Any
    slope: Flat

    def at(self, deviations: Flat) -> Flat:
        """[N] for deviations [N, D]."""
        return self.constant + dot(deviations, self.slope)


def terms_of(log_prob: Subject, center: Resolved, points: PointSet, how: How) -> SecondOrderGap:
    """The terms of each of `points`, around a center that was given."""
    at = derivatives_at(log_prob, center, [points], how)
    return _around_given(at, how, center, *_mean_and_deviations(at.wide, points))


def terms_of_pair(
    log_prob: Subject, center: Resolved, in_dist: Array, out_dist: Array, how: How
) -> list[SecondOrderGap]:
    """The terms of each point of both sets."""
    at = derivatives_at(log_prob, center, [in_dist, out_dist], how)
    (mean_in, p), (mean_out, q) = (_mean_and_deviations(at.wide, points) for points in (in_dist, out_dist))
    if not any(center.weights):
        return [_around_given(at, how, center, *side) for side in ((mean_in, p), (mean_out, q))]
    weight_in, weight_out = center.weights
    lead, shift = weight_in - weight_out, mean_out - mean_in
    curved, along = at.times(shift), dot(at.gradient, shift)
    third_mean, third_cov = _third_derivatives(log_prob, center, how, shift, p, q)

    def side(deviations: Flat, moves: float, offset: float, quadratic: Any) -> SecondOrderGap:
        first = Line(offset * along, at.gradient + moves * curved)
        mean = Line(quadratic, lead * curved + moves * third_mean)
        return _sum(how, first.at(deviations), mean.at(deviations), _spread(at, deviations, moves * third_cov))

    # The two means lie at offsets of -weight_out and weight_in shifts from the center.
    return [
        side(p, -weight_in, -weight_out, 0.0),
        side(q, weight_out, weight_in, lead / 2 * dot(shift, curved)),
    ]


def _mean_and_deviations(wide: Callable[[Any], Flat], points: PointSet) -> tuple[Flat, Flat]:
    """The mean [D] and the deviations from it [N, D]."""
    mean = wide(mean_of(points)).ravel()
    return mean, wide(points).reshape(len(points), -1) - mean[None]


def _around_given(at: Derivatives, how: How, center: Resolved, mean: Flat, deviations: Flat) -> SecondOrderGap:
    """The terms around a center that does not depend on the points."""
    offset = mean - at.wide(center.point).ravel()
    curved = at.times(offset)
    first = Line(dot(offset, at.gradient), at.gradient)
    quadratic = Line(dot(offset, curved) / 2, curved)
    return _sum(how, first.at(deviations), quadratic.at(deviations), at.forms(deviations) / 2)


def _spread(at: Derivatives, deviations: Flat, slope: Flat) -> Flat:
    return at.forms(deviations) / 2 + dot(deviations, slope)


def _sum(how: How, first_order: Flat, mean_curvature: Flat, covariance: Flat) -> SecondOrderGap:
    if how.equal_means:
        none = covariance * 0
        return SecondOrderGap(covariance, none, none, covariance)
    return SecondOrderGap(first_order + mean_curvature + covariance, first_order, mean_curvature, covariance)


def pulls_of_center(log_prob: Subject, center: Resolved, in_dist: Array, out_dist: Array, how: How) -> list[Flat]:
    """What a computed center adds to the total of each image of both sets; zeros if the center was given."""
    wide = widening(log_prob, center, [in_dist, out_dist])
    (mean_in, p), (mean_out, q) = (_mean_and_deviations(wide, points) for points in (in_dist, out_dist))
    weight_in, weight_out = center.weights
    if not any(center.weights):
        return [0 * p[:, 0], 0 * q[:, 0]]
    slope = sum(_third_derivatives(log_prob, center, how, mean_out - mean_in, p, q))
    return [dot(p, -weight_in * slope), dot(q, weight_out * slope)]


def _third_derivatives(
    log_prob: Subject, center: Resolved, how: How, shift: Flat, p: Flat, q: Flat
) -> tuple[Flat, Flat]:
    """T_mean and T_cov [D] of the module's docstring; zeros if no errors are asked for."""
    none, lead = shift * 0, center.weights[0] - center.weights[1]
    if not how.has_errors:
        return none, none
    weights, directions = _decomposed(how, p, q)
    by_cov = dot(weights, form_gradients(log_prob, center.point, directions, how)) / 2
    if not lead or how.equal_means:
        return none, by_cov
    return lead / 2 * form_gradients(log_prob, center.point, shift[None], how)[0], by_cov


def _decomposed(how: How, p: Flat, q: Flat) -> tuple[Flat, Flat]:
    """Weights [K] and directions [K, D]: S_q - S_p is the sum of weight times direction times its transpose."""
    size, numpy = p.shape[1], np if isinstance(p, np.ndarray) else jnp
    if how.covariance == "diagonal":
        return (q**2).mean(axis=0) - (p**2).mean(axis=0), numpy.eye(size, dtype=p.dtype)
    if len(p) + len(q) < size or size**2 * p.dtype.itemsize > 2 * HESSIAN_LIMIT:  # a matrix of D^2 float64 numbers
        weights = np.repeat([-1 / len(p), 1 / len(q)], [len(p), len(q)])
        return numpy.asarray(weights, dtype=p.dtype), numpy.concatenate([p, q])
    values, vectors = numpy.linalg.eigh(dot(q.T, q) / len(q) - dot(p.T, p) / len(p))
    return values, vectors.T
