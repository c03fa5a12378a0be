"""Curvature of log p(x) with respect to x, and its part in a likelihood gap, for any function log_prob_fn(x)."""

from glowjax.analysis import constant_volume, paths
from glowjax.analysis.curvature import hessian, hessian_diagonal, hessian_trace, hvp, quadratic_forms
from glowjax.analysis.density import LogProb
from glowjax.analysis.flow_terms import CurvatureTerms, curvature_terms
from glowjax.analysis.laplacian import laplacian
from glowjax.analysis.location_spread import LocationSpread, Spread, location_spread_gap
from glowjax.analysis.moments import Moments, moments
from glowjax.analysis.paths import Remainder
from glowjax.analysis.second_order import (
    SecondOrderGap,
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
    "CurvatureTerms",
    "Eigenpairs",
    "Estimate",
    "LocationSpread",
    "LogProb",
    "Moments",
    "Remainder",
    "SecondOrderGap",
    "Spread",
    "constant_volume",
    "curvature_terms",
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
    "second_order_gap",
    "second_order_terms",
]
