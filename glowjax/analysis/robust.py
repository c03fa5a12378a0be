"""The likelihood gap for densities that give a few images a log p far below all others."""

from glowjax import stats
from glowjax.analysis.chunking import Count, check_chunk_size
from glowjax.analysis.density import Groups, LogProb, Points, check_pair
from glowjax.analysis.second_order import log_probs_of


def robust_gap(
    log_prob_fn: LogProb,
    in_dist: Points,
    out_dist: Points,
    *,
    trim: float = 0.1,
    groups_in: Groups = None,
    groups_out: Groups = None,
    chunk_size: Count | None = None,
) -> stats.RobustGap:
    """The likelihood gap of medians and of trimmed means, in nats, with the tail of each set; see `stats.robust_gap`.

    >>> import jax, jax.numpy as jnp
    >>> from glowjax import analysis as an
    >>> normal = lambda x: jax.scipy.stats.norm.logpdf(x).sum()
    >>> x = jax.random.normal(jax.random.key(0), (500, 2)).at[3].set(1e4)  # one image far from all others
    >>> gap = an.robust_gap(normal, x, x[4:] / 2)
    >>> gap.mean, gap.median, gap.in_dist.largest
    (+200,001 ± 200,000, +0.504 ± 0.040, 3)

    Args:
        trim: the share of the images that trimmed means leave out at either end.
    """
    log_prob, in_dist, out_dist = check_pair(log_prob_fn, in_dist, out_dist)
    size = check_chunk_size(chunk_size)
    p, q = (
        log_probs_of(log_prob, points, name, chunk_size=size)
        for points, name in ((in_dist, "in_dist"), (out_dist, "out_dist"))
    )
    return stats.robust_gap(p, q, groups_in=groups_in, groups_out=groups_out, trim=trim)
