"""Out-of-distribution detection and selective classification: scores, and how well they separate images."""

from glowjax.ood.background import LikelihoodRatio
from glowjax.ood.classifier import Confidence, Energy, Mahalanobis, classifier_statistics
from glowjax.ood.complexity import CODECS, GaussianMixture, InputComplexity
from glowjax.ood.compute import density_statistics, missing, statistics
from glowjax.ood.curvature import laplacian as _laplacian  # noqa: F401  each module of scores registers them
from glowjax.ood.density_of_states import DensityOfStates, OneClassSvm
from glowjax.ood.dimension import Dimension, TwoThresholds, convolved_dimension, intrinsic_dimension
from glowjax.ood.ensembles import WAIC, MemberVariance, ensemble
from glowjax.ood.families import FAMILIES, Family, Options, View, family
from glowjax.ood.gradients import gradient as _gradient  # noqa: F401
from glowjax.ood.latents import LastScale
from glowjax.ood.likelihood import Likelihood, Typicality
from glowjax.ood.metrics import DetectionDifference, DetectionMetrics, compare, detection_metrics
from glowjax.ood.null_models import LinearGaussian, LinearWhiteNoise, NearestNeighbor, RandomScore
from glowjax.ood.one_statistic import (
    MaxRank,
    OfOneStatistic,
    OfSeveralStatistics,
    OneSided,
    TwoSided,
    TwoSidedRank,
    column,
)
from glowjax.ood.parameter_gradients import FisherCombination, LayerGradients
from glowjax.ood.pixelcnn import residuals as _residuals  # noqa: F401
from glowjax.ood.scores import (
    OTHERS,
    SCORES,
    ConstantScoreWarning,
    Entry,
    Fitted,
    OwnScore,
    Score,
    entries,
    entry,
    needed,
)
from glowjax.ood.selective import area_under_risk, compare_areas_under_risk, risk_coverage
from glowjax.ood.statistics import Reference, Statistics, load_statistics
from glowjax.ood.symmetries import Shaking, Stirring
from glowjax.ood.two_thresholds import two_threshold_hull
from glowjax.ood.vae import vae as _vae  # noqa: F401

__all__ = [
    "CODECS",
    "FAMILIES",
    "OTHERS",
    "SCORES",
    "WAIC",
    "Confidence",
    "ConstantScoreWarning",
    "DensityOfStates",
    "DetectionDifference",
    "DetectionMetrics",
    "Dimension",
    "Energy",
    "Entry",
    "Family",
    "FisherCombination",
    "Fitted",
    "GaussianMixture",
    "InputComplexity",
    "LastScale",
    "LayerGradients",
    "Likelihood",
    "LikelihoodRatio",
    "LinearGaussian",
    "LinearWhiteNoise",
    "Mahalanobis",
    "MaxRank",
    "MemberVariance",
    "NearestNeighbor",
    "OfOneStatistic",
    "OfSeveralStatistics",
    "OneClassSvm",
    "OneSided",
    "Options",
    "OwnScore",
    "RandomScore",
    "Reference",
    "Score",
    "Shaking",
    "Statistics",
    "Stirring",
    "TwoSided",
    "TwoSidedRank",
    "TwoThresholds",
    "Typicality",
    "View",
    "area_under_risk",
    "classifier_statistics",
    "column",
    "compare",
    "compare_areas_under_risk",
    "convolved_dimension",
    "density_statistics",
    "detection_metrics",
    "ensemble",
    "entries",
    "entry",
    "family",
    "intrinsic_dimension",
    "load_statistics",
    "missing",
    "needed",
    "risk_coverage",
    "statistics",
    "two_threshold_hull",
]
