"""The likelihood gap E_q[log p] - E_p[log p] of two image sets: as measured, to second order, and the remainder.

Let g and H be the gradient and the Hessian of log p at a center x0, and mu and S the mean and the covariance (divided
by N) of a set. Then, to second order,

    E[log p(x)] = log p(x0) + g.(mu - x0) + 1/2 (mu - x0)' H (mu - x0) + 1/2 Tr(H S),

and the gap is the difference between the two sets. The paper (Nalisnick et al. 2019, section 5) takes the training mean
as the center, and assumes equal means and diagonal covariances. Only 1/2 Tr(H diag(var_q - var_p)) then remains.

Terms are computed for each point, and `stats.gap` averages them over both sets. Standard errors are over images, with
the model held fixed. They include the error of a center that is computed from the images, see `prediction`.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from glowjax import stats
from glowjax.analysis.center import Center, given, resolve
from glowjax.analysis.center_bootstrap import check_resamples, with_bootstrap_errors
from glowjax.analysis.chunking import Count, check_chunk_size, map_chunks
from glowjax.analysis.curvature import Progress
from glowjax.analysis.density import Groups, LogProb, Points, PointSet, check_finite, check_pair, check_points
from glowjax.analysis.derivatives import How
from glowjax.analysis.paths import Remainder, gauss_legendre, profile_of, remainder_along
from glowjax.analysis.prediction import SecondOrderGap, pulls_of_center, terms_of, terms_of_pair
from glowjax.analysis.subject import Subject
from glowjax.checks import unknown
from glowjax.typing import Key

COVARIANCES = ("full", "diagonal")


def likelihood_gap(
    log_prob_fn: LogProb,
    in_dist: Points,
    out_dist: Points,
    *,
    groups_in: Groups = None,
    groups_out: Groups = None,
    chunk_size: Count | None = None,
) -> stats.Estimate:
    """E_q[log p] - E_p[log p], measured, in nats; positive if `out_dist` is more likely.

    A `stats.HeavyTailWarning` names an image that makes up so much of the variance that the interval is not valid; see
    `robust_gap`.

    Coverage of the 95 % interval (`python -m benchmarks.coverage`), for a density of degree four in 6 values and N = 50
    to 2,000 images per set: 0.93-0.96 for Gaussian and exponential images, 0.93-0.94 if log p has the tail index 1.5.
    With groups of Gaussian images: 0.92 (5), 0.92 (20), 0.94 (64), 0.95 (256). Misses lie on the side away from the
    tail.

    >>> import jax, jax.numpy as jnp
    >>> from glowjax import analysis as an
    >>> normal = lambda x: jax.scipy.stats.norm.logpdf(x).sum()
    >>> x = jax.random.normal(jax.random.key(0), (500, 2))
    >>> an.likelihood_gap(normal, x, x / 2)  # 3/4 nats in expectation
    +0.726 ± 0.046
    """
    log_prob, in_dist, out_dist = check_pair(log_prob_fn, in_dist, out_dist)
    size = check_chunk_size(chunk_size)
    p = log_probs_of(log_prob, in_dist, "in_dist", chunk_size=size)
    q = log_probs_of(log_prob, out_dist, "out_dist", chunk_size=size)
    names = ("log p of in_dist", "log p of out_dist")
    return stats.gap(p, q, groups_in=groups_in, groups_out=groups_out, names=names)


def log_probs(log_prob_fn: LogProb, points: Points, *, chunk_size: Count | None = None) -> Float[Array, " N"]:
    """The log densities of `points` [N, *shape], in nats."""
    log_prob, points = check_points(log_prob_fn, points, "points", at_least=1)
    return log_probs_of(log_prob, points, "points", chunk_size=check_chunk_size(chunk_size))


def log_probs_of(log_prob: Subject, points: PointSet, name: str, *, chunk_size: int | None) -> Float[Array, " N"]:
    """The same as `log_probs`, for checked input; error messages call the points `name`."""
    values = log_prob.run_divided(map_chunks, points, chunk_size=chunk_size)
    return check_finite(values, f"log_prob_fn({name}[n])")


def second_order_gap(
    log_prob_fn: LogProb,
    in_dist: Points,
    out_dist: Points,
    *,
    center: Center = "midpoint",
    covariance: str = "full",
    equal_means: bool = False,
    exact: bool | None = None,
    num_resamples: Count = 0,
    key: Key | None = None,
    groups_in: Groups = None,
    groups_out: Groups = None,
    chunk_size: Count | None = None,
    on_progress: Progress | None = None,
) -> SecondOrderGap:
    """The gap to second order around `center`, with its terms.

    The paper uses `center="in_dist"`, `covariance="diagonal"` and `equal_means=True`.

    The covariance term is the mean of (x - mu)' H (x - mu) over all images. It takes D Hessian-vector products, which
    form H, or one product per image, which need no array of D^2 values. An Expansion as the center brings its H along:
    then nothing is differentiated again.

    Standard errors include that of a center that is computed from the images, by the delta method with third
    derivatives. These cost about four times as much as the Hessian; a center that is given as a point or an Expansion
    needs none. If H changes much within the error of the mean, intervals cover less. If H jumps at kinks, no derivative
    sees the jumps, and a bootstrap of the center (`num_resamples=30`) is safer. After long training, H at some means of
    a ReLU flow is unlike H around them, and neither kind of error shows it: then report predictions at several means.

    Coverage of the 95 % intervals (`python -m benchmarks.coverage`), 6 values, N = 50, 200 and 2,000: for a density of
    degree four, Gaussian and exponential images, 0.91-0.96 for each center; with groups of Gaussian images, 0.85-0.97
    (5), 0.92-0.96 (20), 0.94-0.96 (64), 0.94-0.95 (256), with the covariance term at the lower end. With a kink 1.3
    standard errors of a mean of 50 images from the midpoint, the first order covers 0.87, 0.94 and 0.95, and with
    groups, 0.71 (5), 0.80 (20), 0.91 (64), 0.94 (256). If only the Hessian jumps there, all terms cover 0.87-0.95. With
    a kink, `num_resamples=30` and the center "in_dist", all terms cover 0.92-0.97 (N = 50 and 200, 200 data sets). If
    images have no fourth moment, the covariance term covers 0.90-0.93.

    A `stats.FewImagesWarning` is given below 64 images or groups.

    Compare the total with `remainder` before you trust it: images lie far outside the region where log p of a trained
    flow is quadratic.

    Args:
        center: "midpoint" of the two means, "in_dist" for the mean of in_dist, a point [*shape], or an Expansion.
        covariance: "full", or "diagonal" for variances alone, which takes D products in any case.
        equal_means: whether to assume that the two means are equal, so that only the covariance term remains.
        exact: True forms H, False never does. None forms it if D is smaller than the number of images of both sets and
            H takes at most `HESSIAN_LIMIT` bytes. The results are the same up to rounding.
        num_resamples: 0 for standard errors by the delta method; else the number of bootstrap samples of whole groups,
            each with its own center and its own derivatives. Each costs as much as the estimate itself. At least 2.
        key: random key of the bootstrap.
        on_progress: called as `on_progress(done, total)`; both count resamples, or else rows of a Hessian that is
            formed.
    """
    log_prob, in_dist, out_dist = check_pair(log_prob_fn, in_dist, out_dist)
    stats.warn_of_few_images(in_dist=(len(in_dist), groups_in), out_dist=(len(out_dist), groups_out))
    check_covariance(covariance)
    resamples = check_resamples(num_resamples, key, center, in_dist, out_dist)
    how = How(covariance, bool(equal_means), exact, check_chunk_size(chunk_size))
    how = how._replace(has_errors=False) if resamples else how._replace(on_progress=on_progress)
    groups = {"groups_in": groups_in, "groups_out": groups_out}
    p, q = terms_of_pair(log_prob, resolve(center, in_dist, out_dist), in_dist, out_dist, how)
    names = ("the second-order prediction of in_dist", "the second-order prediction of out_dist")
    gap = stats.gap(p, q, **groups, names=names)
    for name, term in vars(gap).items():
        check_finite(term.value, f"The second-order gap ({name.replace('_', ' ')})")
    if not resamples:
        return gap
    return with_bootstrap_errors(gap, log_prob, center, in_dist, out_dist, how, key, resamples, on_progress, **groups)


def second_order_terms(
    log_prob_fn: LogProb,
    center: Center,
    points: Points,
    *,
    covariance: str = "full",
    equal_means: bool = False,
    exact: bool | None = None,
    chunk_size: Count | None = None,
    on_progress: Progress | None = None,
) -> SecondOrderGap:
    """The terms of log p(x) - log p(center) to second order for each of `points` [N, *shape]: [N] each, in nats.

    Their means over the points are the terms of the expectation, and `stats.gap` of two sets' terms is the gap, with
    standard errors for a center that does not depend on the points. The arguments are those of `second_order_gap`; the
    center is a point or an Expansion.

    >>> import jax.numpy as jnp
    >>> from glowjax import analysis as an
    >>> terms = an.second_order_terms(lambda x: -x @ x, jnp.zeros(2), jnp.array([[1.0, 0.0], [3.0, 0.0]]))
    >>> float(terms.mean_curvature.mean()), float(terms.covariance.mean())  # -|mu|^2, -variance
    (-4.0, -1.0)
    """
    log_prob, points = check_points(log_prob_fn, points, "points", at_least=1)
    check_covariance(covariance)
    how = How(covariance, bool(equal_means), exact, check_chunk_size(chunk_size), on_progress)
    terms = terms_of(log_prob, given(center, points[0]), points, how)
    check_finite(terms.total, "The total of the n-th point")
    return terms


def remainder(
    log_prob_fn: LogProb,
    in_dist: Points,
    out_dist: Points,
    *,
    center: Center = "midpoint",
    num_nodes: Count = 24,
    groups_in: Groups = None,
    groups_out: Groups = None,
    chunk_size: Count | None = None,
) -> Remainder:
    """The gap minus its second-order prediction around `center`, computed along a straight path to each image.

    `center` is as in `second_order_gap`; `num_nodes` is the number of Gauss-Legendre nodes on each path. The cost per
    image is num_nodes + 2 second derivatives along a line. The errors of `total` and `smooth` include that of a center
    that is computed, by the delta method.

    Coverage of the 95 % intervals (`python -m benchmarks.coverage`), for Gaussian images in 6 dimensions and N = 50,
    200 and 2,000: for a density of degree four, `total` covers 0.90, 0.93 and 0.95 around the midpoint, and 0.86, 0.93
    and 0.95 around the in_dist mean; with a kink near the midpoint, 0.87, 0.94 and 0.95 for the kink part. With groups:
    0.75-0.87 (5), 0.81-0.90 (20), 0.91-0.93 (64), 0.93-0.96 (256). A `stats.FewImagesWarning` is given below 64.
    """
    log_prob, in_dist, out_dist = check_pair(log_prob_fn, in_dist, out_dist)
    stats.warn_of_few_images(in_dist=(len(in_dist), groups_in), out_dist=(len(out_dist), groups_out))
    at, size, nodes = resolve(center, in_dist, out_dist), check_chunk_size(chunk_size), gauss_legendre(num_nodes)
    sets = {"in_dist": in_dist, "out_dist": out_dist}
    along = [profile_of(log_prob, at.point, points, nodes.t, name, chunk_size=size) for name, points in sets.items()]
    parts = [remainder_along(one, nodes) for one in along]
    if any(at.weights):  # log p of the images does not move with the center, but its second order does
        pulls = pulls_of_center(log_prob, at, in_dist, out_dist, How("full", False, None, size))
        parts = [_without(part, pull) for part, pull in zip(parts, pulls, strict=True)]
    names = ("the remainder of in_dist", "the remainder of out_dist")
    return stats.gap(*parts, groups_in=groups_in, groups_out=groups_out, names=names)


def _without(part: Remainder, pull: Any) -> Remainder:
    """`part` with [N] subtracted from its total and its smooth part."""
    wide = np.asarray if isinstance(pull, np.ndarray) else jnp.asarray
    return part.replace(total=wide(part.total, pull.dtype) - pull, smooth=wide(part.smooth, pull.dtype) - pull)


def check_covariance(covariance: Any) -> None:
    """Raises InputError if `covariance` is neither "full" nor "diagonal"."""
    if covariance not in COVARIANCES:
        raise unknown("covariance", str(covariance), COVARIANCES)
