"""Errors of a second-order prediction whose center is computed from the images, by a bootstrap of images and center.

The delta method follows the center to first order. If log p has kinks, the Hessian jumps many times within the distance
by which a mean of N images is off, and no derivative at the center says so. Here each resample has its own center.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from glowjax import stats
from glowjax.analysis.center import CENTERS, Center, resolve
from glowjax.analysis.chunking import Count
from glowjax.analysis.curvature import Progress
from glowjax.analysis.density import Groups
from glowjax.analysis.derivatives import How
from glowjax.analysis.prediction import SecondOrderGap, terms_of_pair
from glowjax.analysis.subject import Subject
from glowjax.checks import InputError, is_count
from glowjax.typing import Key


def check_resamples(num_resamples: Count, key: Key | None, center: Center, *sets: Array) -> int:
    """The number of resamples; refused unless there is a key for them and a center that they move."""
    if num_resamples == 0 and not isinstance(num_resamples, bool):
        return 0
    if not is_count(num_resamples) or num_resamples < 2:
        raise InputError(f"num_resamples is {num_resamples!r}; expected 0 for the delta method, or 2 or more: try 30.")
    if key is None:
        raise InputError(f"num_resamples={num_resamples} needs a key for the bootstrap: pass key=jax.random.key(0).")
    if not isinstance(center, str):
        raise InputError(
            f"num_resamples={num_resamples} resamples the images from which a center is computed, but this center was "
            f"given; leave num_resamples out, or name a center: {' or '.join(CENTERS)}."
        )
    if any(isinstance(points, jax.core.Tracer) for points in sets):
        raise InputError("num_resamples works outside of jax.jit only: each resample runs on the host.")
    return int(num_resamples)


def with_bootstrap_errors(
    gap: SecondOrderGap,
    log_prob: Subject,
    center: str,
    in_dist: Array,
    out_dist: Array,
    how: How,
    key: Any,
    num_resamples: int,
    on_progress: Progress | None,
    *,
    groups_in: Groups,
    groups_out: Groups,
) -> SecondOrderGap:
    """`gap` with the root mean square of (resampled - estimated) as the error of each term.

    This is not the standard deviation over the resamples: if the Hessian jumps, the estimate is off from their mean as
    well.
    """
    sides = [
        (np.asarray(points), stats.group_codes(groups, len(points)))
        for points, groups in ((in_dist, groups_in), (out_dist, groups_out))
    ]
    squares = jax.tree.map(lambda _: 0.0, _values(gap))
    for n in range(num_resamples):
        keys = jax.random.split(jax.random.fold_in(key, n))
        sets = [
            np.repeat(points, np.asarray(stats.resample(one, codes)), axis=0)
            for (points, codes), one in zip(sides, keys, strict=True)
        ]
        found = _of_resample(log_prob, center, jnp.asarray(sets[0]), jnp.asarray(sets[1]), how)
        squares = jax.tree.map(lambda total, a, b: total + (a - b) ** 2, squares, found, _values(gap))
        if on_progress is not None:
            on_progress(n + 1, num_resamples)
    return SecondOrderGap(
        **{
            name: stats.Estimate(term.value, np.sqrt(squares[name] / num_resamples), min(term.count, num_resamples + 1))
            for name, term in vars(gap).items()
        }
    )


def _of_resample(log_prob: Subject, center: str, in_dist: Array, out_dist: Array, how: How) -> dict[str, Any]:
    p, q = terms_of_pair(log_prob, resolve(center, in_dist, out_dist), in_dist, out_dist, how)
    return {name: float(np.mean(getattr(q, name)) - np.mean(getattr(p, name))) for name in vars(q)}


def _values(gap: SecondOrderGap) -> dict[str, float]:
    return {name: float(term.value) for name, term in vars(gap).items()}
