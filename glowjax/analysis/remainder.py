"""What the second-order picture of the likelihood gap misses, measured."""

from typing import Any, NamedTuple

from glowjax import stats
from glowjax.analysis.density import LogProb, check_pair
from glowjax.analysis.paths import Nodes, Profile, gauss_legendre, profile, second_order_parts
from glowjax.analysis.taylor import Center, resolve_center
from glowjax.stats import Estimate, difference
from glowjax.typing import Array


class Remainder(NamedTuple):
    """gap - second_order_gap(covariance="full").total around the same centre, in nats, and its parts.

    Attributes:
        total: from function values; exact.
        smooth: from the Hessian along the paths to the data: how much it differs from the one at the centre.
        kink: from jumps of the gradient, which no Hessian sees; zero within its error for a smooth density, but for the
            quadrature error of `smooth`, which moves into it: compare two numbers of nodes.
        quadrature: smooth + kink - total: the error of the sums of gradients over nodes. Raise `num_nodes` where it
            matters.
    """

    total: Estimate
    smooth: Estimate
    kink: Estimate
    quadrature: Estimate


def remainder(
    log_prob_fn: LogProb,
    in_dist: Array,
    out_dist: Array,
    center: Center = "midpoint",
    num_nodes: int = 24,
    *,
    groups_in: Any = None,
    groups_out: Any = None,
    chunk_size: int | None = None,
) -> Remainder:
    """The remainder of the second-order gap around `center`, measured along straight paths to every image.

    Standard errors are over images, with the centre held fixed. Arguments as for `second_order_gap`, with the number of
    Gauss-Legendre nodes on each path; cost is num_nodes + 2 second derivatives along a line for each image.

    Raises:
        InputError: as `second_order_gap` does, or for fewer than one node.
    """
    in_dist, out_dist = check_pair(log_prob_fn, in_dist, out_dist)
    nodes = gauss_legendre(num_nodes)
    x0 = resolve_center(center, in_dist, out_dist)

    p = profile(log_prob_fn, x0, in_dist, nodes.t, chunk_size, points_name="in_dist")
    q = profile(log_prob_fn, x0, out_dist, nodes.t, chunk_size, points_name="out_dist")
    return remainder_along(p, q, nodes, groups_in=groups_in, groups_out=groups_out)


def remainder_along(
    in_dist: Profile, out_dist: Profile, nodes: Nodes, *, groups_in: Any = None, groups_out: Any = None
) -> Remainder:
    """The remainder from profiles at `nodes`, for those who want the profiles too, or a centre for each image."""

    def of_set(along: Profile, groups: Any) -> Remainder:
        parts = second_order_parts(along, nodes)
        total, smooth = parts.value - parts.at_center, parts.smooth - parts.at_center
        terms = (total, smooth, parts.kink, parts.gradient - parts.value)
        return Remainder(*(stats.mean(term, groups) for term in terms))

    return Remainder(*map(difference, of_set(out_dist, groups_out), of_set(in_dist, groups_in)))
