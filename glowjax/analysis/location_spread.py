"""The exact form of the explanation. Location: where each set's mean lies; spread: log p from the mean to the images.

Around a set's own mean the first order vanishes on average, so with f = log p and d = x - mu

    E[f] = f(mu) + spread,   spread = E of the integral over t of [grad f(mu + t d) - grad f(mu)] . d,

and the gap of two sets is exactly [f(mu_q) - f(mu_p)] + spread_q - spread_p, without expansion or remainder. For smooth
f the spread is the path-averaged curvature, E of the integral of (1 - t) d' H(mu + t d) d. With ReLU conditioners the
kinks between mean and image belong to it too, and autodiff's Hessian does not contain them.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from glowjax import stats
from glowjax.analysis import mean_images
from glowjax.analysis.center import mean_of
from glowjax.analysis.chunking import Count, check_chunk_size
from glowjax.analysis.density import Groups, LogProb, Points, PointSet, check_pair
from glowjax.analysis.paths import Nodes, check_num_paths, gauss_legendre, paths_to, profile_of, remainder_along
from glowjax.analysis.second_order import log_probs_of
from glowjax.analysis.subject import Subject
from glowjax.checks import InputError, is_count
from glowjax.linalg import matmul
from glowjax.stats import Estimate
from glowjax.typing import Key


class Spread(stats.Result):
    """E[f] - f(mean) of one set, computed in several ways, in nats.

    Attributes:
        value: the spread from function values; exact, with a bootstrap error.
        gradient: the spread from gradients on the paths from the mean to the images; `value` plus the quadrature error.
        smooth: the spread from Hessians along the paths.
        kink: gradient - smooth, the jumps of the gradient; of its quadrature error see `Remainder`.
        at_mean: 1/2 Tr(H S) with the Hessian at the mean alone, the result of a Taylor analysis.
        quadrature: gradient - value on the same images, the quadrature error.
    """

    value: Any
    gradient: Any
    smooth: Any
    kink: Any
    at_mean: Any
    quadrature: Any


class LocationSpread(stats.Result):
    """gap = location + spread_out.value - spread_in.value, exactly, in nats.

    Attributes:
        gap: E_q[f] - E_p[f].
        location: f(mu_q) - f(mu_p).
        spread_in: the spread of in_dist around its own mean.
        spread_out: the spread of out_dist around its own mean.
        bias: E[location] minus the location of the distributions. It is due to the noise of the two means, each of
            which is over a finite number of images. No image contains that noise, and log p usually punishes it.
        corrected_location: location - bias, an estimate of the location of the distributions. The difference of the
            spreads around the means of the distributions is larger by `bias` than `spread_out` - `spread_in`.
    """

    gap: Estimate
    location: Estimate
    spread_in: Spread
    spread_out: Spread
    bias: Estimate
    corrected_location: Estimate


def location_spread_gap(
    log_prob_fn: LogProb,
    in_dist: Points,
    out_dist: Points,
    key: Key,
    *,
    num_nodes: Count = 24,
    num_paths: Count | None = None,
    num_resamples: Count = 200,
    groups_in: Groups = None,
    groups_out: Groups = None,
    chunk_size: Count | None = None,
) -> LocationSpread:
    """The likelihood gap split exactly into location and spreads, each spread computed in several ways.

    The errors of `location` and of the spreads' `value` are bootstrap errors over images; whole groups are resampled,
    and each resample has its own mean. The other estimates' errors are over images with the mean held fixed, so they
    can be compared with one another. Use many images: f(mean) has a bias that falls only with their number, see `bias`.

    `bias` is extrapolated from the means of N/2, N/4, ... images, without replacement, to infinitely many. Its error
    counts the choice of images (a jackknife over 32 blocks of them) and the form of the extrapolation. In simulations
    its 95 % interval covers 0.94 to 1.00: it is up to twice too wide. Under the pretrained "fashion-mnist", the true
    bias of FashionMNIST's mean is -30, -102 and -306 nats for N = 2,000, 500 and 100; the estimates are -29 ± 4, -87 ±
    18 and -249 ± 142 on average, and their intervals cover 0.98, 0.95 and 1.00 (MNIST: 0.97, 1.00 and 0.95). Below 100
    images the extrapolation says little. If most of the bias comes from scales below the noise of the mean, `bias`
    contains a third of it, and its interval covers 0.88. Below 8 images or groups `bias` is NaN. It takes about 1,000
    evaluations of log p for each set.

    Coverage of the 95 % intervals (`python -m benchmarks.coverage`; standard errors 0.01 to 0.02), for a density of
    degree four, Gaussian and exponential images, N = 50, 200 and 2,000: 0.92-0.95 for `gap`, 0.94-0.95 for `location`,
    0.94-0.96 for `corrected_location`, and 1.00 for `bias`. The intervals of spreads of few images lie too high: 0.87,
    0.93 and 0.96 for the `value` of a spread (0.70, 0.80 and 0.90 for exponential images). `at_mean` holds the mean
    fixed: 0.83, 0.86 and 0.87 for the `at_mean` of a spread (0.88, 0.95 and 0.98 for exponential images). With groups
    of Gaussian images, `value` covers 0.73 (5), 0.85 (20), 0.91 (64), 0.93 (256). A `stats.FewImagesWarning` is given
    below 64.

    Args:
        key: random key of the bootstrap and of the partitions.
        num_nodes: Gauss-Legendre nodes on each path.
        num_paths: the number of images of each set, the first ones, to which paths lead; None for all.
        num_resamples: at least 2.
    """
    log_prob, in_dist, out_dist = check_pair(log_prob_fn, in_dist, out_dist)
    if not is_count(num_resamples) or num_resamples < 2:
        raise InputError(f"num_resamples is {num_resamples!r}; a standard error needs 2 or more: try 200.")
    stats.warn_of_few_images(in_dist=(len(in_dist), groups_in), out_dist=(len(out_dist), groups_out))
    check_num_paths(num_paths)
    sides = [
        _side(log_prob, *entry, gauss_legendre(num_nodes), num_paths, int(num_resamples), check_chunk_size(chunk_size))
        for entry in zip(
            ("in_dist", "out_dist"), (in_dist, out_dist), (groups_in, groups_out), jax.random.split(key), strict=True
        )
    ]
    (*p, spread_in), (*q, spread_out) = sides
    gap, location, bias, corrected = map(stats.difference, q, p)
    return LocationSpread(gap, location, spread_in, spread_out, bias, corrected)


def _side(
    log_prob: Subject,
    name: str,
    points: PointSet,
    groups: Groups,
    key: Key,
    nodes: Nodes,
    num_paths: Count | None,
    num_resamples: int,
    chunk_size: int | None,
) -> tuple[Estimate, Estimate, Estimate, Estimate, Spread]:
    """E[f], f(mean), the bias of f(mean), f(mean) without it, and the spread of one set."""
    codes = stats.group_codes(groups, len(points))
    paths, mean, count = (
        paths_to(codes, num_paths, name),
        jnp.asarray(mean_of(points), points.dtype),
        int(codes.max()) + 1,
    )
    along = profile_of(log_prob, mean, points[:paths], nodes.t, name, chunk_size=chunk_size)
    values = along.end if paths == len(points) else log_probs_of(log_prob, points, name, chunk_size=chunk_size)

    resample_key, parts_key = jax.random.split(key)
    times = stats.resample(resample_key, codes, (num_resamples,)).astype(points.dtype)
    weights = times / times.sum(axis=1, keepdims=True)  # [R, N], of the points in each resample
    means = matmul(weights, points.reshape(len(points), -1)).reshape(-1, *mean.shape)
    at_means = log_probs_of(log_prob, means, f"resampled means of {name}", chunk_size=chunk_size)
    error, at_mean = jnp.std(at_means, ddof=1), along.center[0]
    spread_error = jnp.std(matmul(weights, values) - at_means, ddof=1)

    # Around the set's own mean the slopes average to zero, so each of these estimates E[f] - f(mean), or a part of it.
    missed, taylor = remainder_along(along, nodes), along.curvature_at_center / 2
    smooth = missed.smooth + taylor
    by_points = (smooth + missed.kink, smooth, missed.kink, taylor, missed.quadrature)
    return (
        stats.mean(values, codes, name=name),
        Estimate(at_mean, error, count),
        *_bias(log_prob, points, codes, parts_key, name, chunk_size=chunk_size),
        Spread(
            Estimate(jnp.mean(values) - at_mean, spread_error, count),
            *stats.mean(by_points, codes[:paths], name=f"the spread of {name}", beside=values),
        ),
    )


def _bias(
    log_prob: Subject, points: PointSet, codes: np.ndarray, key: Key, name: str, *, chunk_size: int | None
) -> tuple[Estimate, Estimate]:
    """The bias of f(mean), and f(mean) minus it; NaN with too few groups."""
    num_groups = int(codes.max()) + 1
    if num_groups < mean_images.MIN_GROUPS:
        nothing = jnp.full((), jnp.nan, points.dtype)
        return (Estimate(nothing, nothing, num_groups),) * 2
    sizes = mean_images.halvings(num_groups)
    curve = mean_images.mean_curve(log_prob, points, codes, key, sizes, name, chunk_size=chunk_size)
    bias, form = mean_images.bias_of(curve)
    return mean_images.jackknife(bias, form), mean_images.jackknife(curve.center - bias, form)
