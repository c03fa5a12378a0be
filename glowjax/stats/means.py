"""Means, differences of means and shares, with standard errors and intervals over images or groups of them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from glowjax.checks import InputError, real_array
from glowjax.stats.estimate import NORMAL_QUANTILE, Estimate
from glowjax.stats.groups import group_codes
from glowjax.stats.tails import warn_of_heavy_tails


def mean(values: Any, groups: Any = None, *, name: str = "values", beside: Any = None) -> Any:
    """The mean of `values` [N] and its standard error, over values or over groups of them.

    With groups, the standard error is cluster-robust: deviations are first summed within each group, so that images
    which vary together count as one. `groups` [N] label the units that were drawn independently, such as the photo
    from which each image was cut. Known values are averaged in float64, whatever their dtype, and traced ones in
    theirs. A `HeavyTailWarning`, which calls the values `name`, is given if the interval of known values is not valid.
    None is given if they vary by less than a thousandth of the values `beside`, of which they are a part.

    The mean is an Estimate. For a tuple or Result of arrays, it is a tuple or Result of Estimates, and the warning is
    about the worst of them.

    Coverage of the 95 % interval (`python -m benchmarks.coverage`), N = 50, 200 and 2,000: 0.94-0.96 for Gaussian and
    exponential values, 0.94-0.96 for Student's t with 3 degrees of freedom; 0.90, 0.92 and 0.95 for log-normal ones;
    0.72, 0.76 and 0.82 for a Pareto distribution of index 1.6, which has no variance. Misses lie on the side away from
    the tail. With 5 to 256 groups of Gaussian values: 0.94-0.95.
    """
    parts = _parts(values, groups, name, "groups")
    warn_of_heavy_tails(*((*part, name + path) for path, *part in parts), beside=beside)
    return _like(values, [_mean(*part) for _, *part in parts])


def standard_error(deviations: Any, codes: np.ndarray) -> Any:
    """The cluster-robust standard error [...] of a mean, from deviations [N, ...] and the group of each."""
    count, sums = int(codes.max()) + 1, deviations
    if count < len(deviations) and isinstance(deviations, jax.Array):
        sums = jax.ops.segment_sum(deviations, codes, num_segments=count)
    elif count < len(deviations):
        sums = np.zeros((count, *deviations.shape[1:]))
        np.add.at(sums, codes, deviations)
    return (count / (count - 1) * (sums**2).sum(axis=0)) ** 0.5 / len(deviations)


def difference(a: Estimate, b: Estimate) -> Estimate:
    """`a` - `b` for independent estimates; its effective count is that of Welch and Satterthwaite."""
    sem = (a.sem**2 + b.sem**2) ** 0.5
    spread = a.sem**4 / (a.count - 1) + b.sem**4 / (b.count - 1)
    where: Any = jnp.where if isinstance(sem, jax.Array) else np.where
    count = where(spread > 0, 1 + sem**4 / where(spread > 0, spread, 1), a.count + b.count - 1)
    return Estimate(a.value - b.value, sem, count)


def gap(
    in_dist: Any,
    out_dist: Any,
    *,
    groups_in: Any = None,
    groups_out: Any = None,
    names: tuple[str, str] = ("in_dist", "out_dist"),
) -> Any:
    """The mean of `out_dist` [M] minus the mean of `in_dist` [N], as an Estimate, for independent sets.

    Groups are as in `mean`. Given two tuples or Results of such arrays, it returns a tuple or Result of Estimates. A
    `HeavyTailWarning` calls the sets `names`; it is about the worst of all means of the call.

    Coverage of the 95 % interval (`python -m benchmarks.coverage`), N = 50 to 2,000: 0.94-0.96 for Gaussian values, in
    5 to 256 groups too, for Student's t with 3 degrees of freedom, and for log-normal values; 0.86-0.92 for a Pareto
    distribution of index 1.6, which has no variance.
    """
    p, q = _parts(in_dist, groups_in, "in_dist", "groups_in"), _parts(out_dist, groups_out, "out_dist", "groups_out")
    warn_of_heavy_tails(
        *((*part, name + path) for side, name in ((p, names[0]), (q, names[1])) for path, *part in side)
    )
    estimates = [difference(_mean(*of_q), _mean(*of_p)) for (_, *of_p), (_, *of_q) in zip(p, q, strict=True)]
    return _like(in_dist, estimates)


def share(flags: Any, groups: Any = None) -> Estimate:
    """The share of True among `flags` [N], with Wilson's interval at the effective number of independent images.

    The effective number is at most N. With groups, it is the size of a simple random sample that would have the
    uncertainty of the cluster-robust interval (Korn and Graubard 1998), or the number of groups if all flags agree.

    Coverage of the 95 % interval (`python -m benchmarks.coverage`), for shares and N = 50, 200 and 2,000: 0.94-0.97
    for 0.5 and 0.05, 0.91, 0.96 and 0.94 for 0.99. With 5 to 256 groups: 0.89-0.98; the lowest is 0.05 with 20 groups.
    """
    flags = np.asarray(flags)
    if flags.dtype != bool:
        raise InputError(f"flags are {flags.dtype}; expected booleans [N], such as `scores > threshold`.")
    values = vector(flags.astype(np.float64), "flags")
    estimate = _mean(values, group_codes(groups, len(values)))
    value, count = float(estimate.value), float(len(flags))
    if groups is not None:
        reach = max(float(estimate.interval[1]) - value, np.finfo(float).eps)
        agree = value in (0, 1)
        count = estimate.count if agree else min(count, value * (1 - value) * (NORMAL_QUANTILE / reach) ** 2)
    z2 = NORMAL_QUANTILE**2
    middle = (value + z2 / (2 * count)) / (1 + z2 / count)
    reach = np.sqrt(z2 * value * (1 - value) / count + (z2 / (2 * count)) ** 2) / (1 + z2 / count)
    return Estimate(value, float(estimate.sem), count, float(middle - reach), float(middle + reach))


def share_difference(flags: Any, others: Any, groups: Any = None) -> Estimate:
    """The share of True among `flags` [N] minus that among `others` [N], which are flags of the same images.

    The interval is that of Bonett and Price (2012) for paired shares. It adds one image that is flagged by the first
    alone, and one that is flagged by the other alone. With groups, the shares of such images count at the effective
    number of independent images, as in `share`. Coverage (`python -m benchmarks.coverage`), N = 50, 200 and 2,000:
    0.95-0.96 for shares of 0.3 and 0.2, 0.96-1.00 for two of 0.05, 0.94-1.00 for 0.02 and 0; and with 5 to 256 groups
    0.95-0.98.
    """
    pair = [np.asarray(one) for one in (flags, others)]
    if any(one.dtype != bool for one in pair) or pair[0].shape != pair[1].shape:
        raise InputError(
            f"The flags are {pair[0].dtype}{list(pair[0].shape)} and {pair[1].dtype}{list(pair[1].shape)}; expected "
            "booleans [N] of the same images in the same order."
        )
    first, second = pair[0] & ~pair[1], pair[1] & ~pair[0]
    values = vector(first.astype(np.float64) - second, "flags")
    codes = group_codes(groups, len(values))
    estimate, count = _mean(values, codes), float(len(values))
    if groups is not None:
        reach = float(estimate.interval[1] - estimate.value)
        variance = values.var()
        count = min(count, variance * (NORMAL_QUANTILE / reach) ** 2) if reach > 0 else float(estimate.count)
    more, fewer = ((one.mean() * count + 1) / (count + 2) for one in (first, second))
    middle, reach = more - fewer, NORMAL_QUANTILE * ((more + fewer - (more - fewer) ** 2) / (count + 2)) ** 0.5
    low, high = max(-1.0, middle - reach), min(1.0, middle + reach)
    return Estimate(float(estimate.value), float(estimate.sem), count, float(low), float(high))


def vector(values: Any, name: str) -> Any:
    """`values` [N] as a float64 NumPy array, or as they are if traced; values that are known must be finite."""
    is_traced = isinstance(values, jax.core.Tracer)
    if not is_traced:
        values = real_array(values, name).astype(np.float64)
    if values.ndim != 1:
        raise InputError(
            f"{name} has shape {list(values.shape)}; expected [N], one number per image: flatten or reduce it."
        )
    if not values.size:
        raise InputError(f"{name} is empty; expected one number per image: check that the image set was read.")
    if is_traced:
        return values
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise InputError(
            f"{name} holds {bad.size} non-finite of {values.size} numbers, the first ({values[bad[0]]}) at index "
            f"{bad[0]}; expected finite ones: look at that image, or leave it out and say so."
        )
    return values


def _mean(values: Any, codes: np.ndarray) -> Estimate:
    """The mean of checked values; the first is subtracted before the sum, which a large offset would round."""
    average = values[0] + (values - values[0]).mean()
    return Estimate(average, standard_error(values - average, codes), int(codes.max()) + 1)


def _parts(values: Any, groups: Any, name: str, groups_name: str) -> list[tuple[str, Any, np.ndarray]]:
    """(path, checked values, codes) of each array of a pytree."""
    return [
        (
            path := jax.tree_util.keystr(keys),
            checked := vector(one, name + path),
            group_codes(groups, len(checked), groups_name),
        )
        for keys, one in jax.tree_util.tree_leaves_with_path(values, is_leaf=_is_vector)
    ]


def _like(values: Any, estimates: list[Estimate]) -> Any:
    return jax.tree.unflatten(jax.tree.structure(values, is_leaf=_is_vector), estimates)


def _is_vector(value: Any) -> bool:
    """Whether `value` is a list, or a tuple of numbers, rather than a tree of arrays."""
    return isinstance(value, list) or (type(value) is tuple and not any(np.ndim(one) for one in value))
