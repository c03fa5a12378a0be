"""Curvature of log p(x) with respect to x, and what it says of a likelihood gap, for any function log_prob_fn(x)."""

from glowjax.analysis import constant_volume
from glowjax.analysis.curvature import (
    hessian,
    hessian_diagonal,
    hessian_trace,
    hvp,
    quadratic_forms,
)
from glowjax.analysis.density import LogProb
from glowjax.analysis.flow_terms import CurvatureTerms, curvature_terms
from glowjax.analysis.laplacian import laplacian
from glowjax.analysis.location_spread import LocationSpread, Spread, location_spread_gap
from glowjax.analysis.moments import Moments, moments
from glowjax.analysis.paths import Nodes, Profile, gauss_legendre, profile, second_order_parts
from glowjax.analysis.remainder import Remainder, remainder, remainder_along
from glowjax.analysis.scales import ScaleTerms, scale_terms
from glowjax.analysis.spectrum import Eigenpairs, extreme_eigenpairs
from glowjax.analysis.taylor import SecondOrderGap, likelihood_gap, second_order_gap
from glowjax.analysis.trace_estimate import hessian_trace_estimate
from glowjax.stats import Estimate

__all__ = [
    "CurvatureTerms",
    "Eigenpairs",
    "Estimate",
    "LocationSpread",
    "LogProb",
    "Moments",
    "Nodes",
    "Profile",
    "Remainder",
    "ScaleTerms",
    "SecondOrderGap",
    "Spread",
    "constant_volume",
    "curvature_terms",
    "extreme_eigenpairs",
    "gauss_legendre",
    "hessian",
    "hessian_diagonal",
    "hessian_trace",
    "hessian_trace_estimate",
    "hvp",
    "laplacian",
    "likelihood_gap",
    "location_spread_gap",
    "moments",
    "profile",
    "quadratic_forms",
    "remainder",
    "remainder_along",
    "scale_terms",
    "second_order_gap",
    "second_order_parts",
]
