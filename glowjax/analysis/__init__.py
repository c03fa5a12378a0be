"""Curvature of log p(x) with respect to x, and its part in a likelihood gap, for any function log_prob_fn(x).

Many functions share these arguments:

- `log_prob_fn`: the log density of one point [*shape] in nats, see `LogProb`.
- `x`: the point, of D values.
- `in_dist`, `out_dist`: points [N, *shape] from p and [M, *shape] from q.
- `groups_in`, `groups_out`: [N] and [M] labels of what was drawn independently, such as the photos that images were cut
  from; None if every point was. Standard errors are then over groups.
- `chunk_size`: the number of directions or points that are computed at a time; None for as many as fit
  `chunking.MEMORY_BUDGET`. It sets the memory and changes no result.
"""

from glowjax.analysis import constant_volume, paths
from glowjax.analysis.compare import GapDifference, compare
from glowjax.analysis.components import CurvatureComponents, curvature_components
from glowjax.analysis.constant_volume import constant_volume_gap
from glowjax.analysis.curvature import hessian, hessian_diagonal, hessian_trace, hvp, quadratic_forms
from glowjax.analysis.curvature_by_scale import CurvatureByScale, SpreadByScale, curvature_by_scale
from glowjax.analysis.density import LogProb
from glowjax.analysis.expansion import Expansion, expand
from glowjax.analysis.flow_terms import CurvatureTerms, curvature_terms
from glowjax.analysis.laplacian import laplacian
from glowjax.analysis.location_spread import LocationSpread, Spread, location_spread_gap
from glowjax.analysis.moments import Moments, moments
from glowjax.analysis.paths import Remainder
from glowjax.analysis.prediction import SecondOrderGap
from glowjax.analysis.robust import robust_gap
from glowjax.analysis.second_order import (
    likelihood_gap,
    log_probs,
    remainder,
    second_order_gap,
    second_order_terms,
)
from glowjax.analysis.spectrum import Eigenpairs, extreme_eigenpairs
from glowjax.analysis.trace_estimate import hessian_trace_estimate
from glowjax.stats import Estimate

__all__ = [
    "CurvatureByScale",
    "CurvatureComponents",
    "CurvatureTerms",
    "Eigenpairs",
    "Estimate",
    "Expansion",
    "GapDifference",
    "LocationSpread",
    "LogProb",
    "Moments",
    "Remainder",
    "SecondOrderGap",
    "Spread",
    "SpreadByScale",
    "compare",
    "constant_volume",
    "constant_volume_gap",
    "curvature_by_scale",
    "curvature_components",
    "curvature_terms",
    "expand",
    "extreme_eigenpairs",
    "hessian",
    "hessian_diagonal",
    "hessian_trace",
    "hessian_trace_estimate",
    "hvp",
    "laplacian",
    "likelihood_gap",
    "location_spread_gap",
    "log_probs",
    "moments",
    "paths",
    "quadratic_forms",
    "remainder",
    "robust_gap",
    "second_order_gap",
    "second_order_terms",
]
