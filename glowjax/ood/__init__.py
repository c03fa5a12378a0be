"""Out-of-distribution detection and selective classification: scores, and how well they separate images."""

from glowjax.ood import likelihood as _likelihood  # noqa: F401  each module of scores registers them
from glowjax.ood.background import LikelihoodRatio
from glowjax.ood.compute import density_statistics, missing, statistics
from glowjax.ood.ensembles import WAIC, MemberVariance, ensemble
from glowjax.ood.families import FAMILIES, Family, Options, View, family
from glowjax.ood.likelihood import Likelihood
from glowjax.ood.metrics import DetectionDifference, DetectionMetrics, compare, detection_metrics
from glowjax.ood.scores import OTHERS, SCORES, ConstantScoreWarning, Entry, Fitted, OwnScore, Score, entry, needed
from glowjax.ood.selective import area_under_risk, compare_areas_under_risk, risk_coverage
from glowjax.ood.statistics import Reference, Statistics, load_statistics

__all__ = [
    "FAMILIES",
    "OTHERS",
    "SCORES",
    "WAIC",
    "ConstantScoreWarning",
    "DetectionDifference",
    "DetectionMetrics",
    "Entry",
    "Family",
    "Fitted",
    "Likelihood",
    "LikelihoodRatio",
    "MemberVariance",
    "Options",
    "OwnScore",
    "Reference",
    "Score",
    "Statistics",
    "View",
    "area_under_risk",
    "compare",
    "compare_areas_under_risk",
    "density_statistics",
    "detection_metrics",
    "ensemble",
    "entry",
    "family",
    "load_statistics",
    "missing",
    "needed",
    "risk_coverage",
    "statistics",
]
